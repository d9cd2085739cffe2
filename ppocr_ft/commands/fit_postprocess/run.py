"""Post-processing fitted to the labelled images of ``Eval``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.commands.fit_postprocess.report import as_json, fit_csv, fit_notes, heat_map
from ppocr_ft.commands.fit_postprocess.search import (
    Fitted,
    Gathered,
    MapStore,
    Plan,
    search,
)
from ppocr_ft.config import Config
from ppocr_ft.config.rules import shrink_schedule
from ppocr_ft.data.faults import FaultLog
from ppocr_ft.data.images import EvalSample, ImageSet
from ppocr_ft.engine.evaluation import probability_maps
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.objects import eval_data, evaluate, post_process
from ppocr_ft.fitting.grid import (
    BOX_THRESHS,
    SCORE_MODES,
    Grid,
    LimitedResize,
    Setting,
    by_resize,
    ratio_step,
    ratios_about,
)
from ppocr_ft.fitting.tally import Objective, Truth
from ppocr_ft.messages import counted
from ppocr_ft.metrics.det import DetMetric
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.postprocess.db import LEVELS, ProbMap, ScoreMode
from ppocr_ft.runs.folder import FIT_FIGURES, FIT_JSON, FIT_PICTURE
from ppocr_ft.runs.weights_origin import weights_origin
from ppocr_ft.shrinking import unclip_ratio_for
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.utils.files import check_writable, write_whole
from ppocr_ft.utils.program import as_started
from ppocr_ft.utils.progress import ProgressBar, no_progress

THRESHS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
ROOM_BYTES = 2**22
Images = Callable[[Config], ImageSet]
MAX_LABELS = 2000
"""So many texts, evenly spread over all, say which unclip ratio they ask for."""
SAME_HMEAN = 5e-4
"""Two evaluations whose hmeans differ by less than this print the same, to three digits."""


@dataclass(frozen=True)
class FitOptions:
    """The values to try; None: the usual ones. The config's own are always among them."""

    objective: Objective = "mean"
    resizes: Sequence[LimitedResize] = ()
    threshs: Sequence[float] = THRESHS
    box_threshs: Sequence[float] = BOX_THRESHS
    unclip_ratios: Sequence[float] | None = None
    score_modes: Sequence[ScoreMode] = SCORE_MODES
    folds: int = 5
    must_be_sure: bool = True


@dataclass(frozen=True)
class PostProcessFit:
    """A fit and what it was made from.

    ``exact`` is DetMetric's summary with the config's own values on maps as the network gave
    them, ``chosen`` the config with the values that were chosen. ``more_images`` are those beside
    ``Eval``'s by which values were chosen.
    """

    config: Config
    chosen: Config
    fitted: Fitted
    exact: Mapping[str, float]
    map_bytes: int
    faults: FaultLog
    notes: tuple[str, ...] = ()
    more_images: int = 0

    def cost_text(self) -> str:
        """Say what keeping maps as whole numbers costs on these images."""
        kept = self.fitted.tally.rates(self.fitted.own)
        pairs = (f"{kept[rate]:.4f} ({self.exact[rate]:.4f})" for rate in ("hmean", "hmean_70"))
        return (
            f"maps kept in {LEVELS + 1} levels, {self.map_bytes / 2**20:.1f} MiB: the config's "
            f"values give {', '.join(pairs)} on them (on maps as they were)"
        )

    def verify(self, detector: DetectionNetwork, bar: ProgressBar = no_progress) -> str:
        """Evaluate the chosen values as ppocr-ft eval does; describe that beside the search."""
        data = eval_data(self.chosen)
        images = bar(data.samples(), len(data), "evaluate the choice")
        evaluated = evaluate(self.chosen, detector, images).summary
        searched = self.fitted.tally.rates(self.fitted.chosen)
        names = ("hmean", "hmean_70")
        rates = ", ".join(f"{name} {evaluated[name]:.4f} ({searched[name]:.4f})" for name in names)
        text = f"{as_started('evaluated as ppocr-ft eval does')} (as the search had it): {rates}"
        difference = max(abs(searched[name] - evaluated[name]) for name in names)
        if difference < SAME_HMEAN:
            return text
        return (
            f"{text}\nwarning: the two differ by {difference:.4f}: boxes lie on a threshold; what "
            "the evaluation found is right"
        )

    def save(self, out: Path) -> None:
        """Write the config to ``out``, the figures and the heat map beside it. Raises OSError."""
        report = "".join(
            f"# {line}".rstrip() + "\n" for line in fit_notes(self.fitted).splitlines()
        )
        origin = weights_origin(self.config).sentence
        head = f"# Written by ppocr-ft fit-postprocess.\n# {origin}\n#\n"
        figures = json.dumps(as_json(self.fitted), indent=1, ensure_ascii=False)
        write_whole(out.parent / FIT_FIGURES, fit_csv(self.fitted).encode())
        write_whole(out.parent / FIT_JSON, f"{figures}\n".encode())
        write_whole(out.parent / FIT_PICTURE, heat_map(self.fitted))
        write_whole(out, (head + report + self.chosen.to_yaml()).encode())


def check_room(out: Path, key: str) -> None:
    """Check that ``PostProcessFit.save`` can write.

    Raises:
        ConfigError: naming ``key``, if it can't.
    """
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; expected the config's file", key=key)
    check_writable(out.parent, ROOM_BYTES, key)


def fit_postprocess(
    config: Config,
    detector: DetectionNetwork,
    options: FitOptions | None = None,
    bar: ProgressBar = no_progress,
    more: Images | None = None,
) -> PostProcessFit:
    """Search for the values of ``PostProcess`` and of the resize that suit ``Eval``'s images best.

    ``more`` gives further images, prepared by a config: values are chosen by them too, and all
    figures are of ``Eval``'s images alone.

    Raises:
        ConfigError: a value to try is out of range, or a resize if the config has none.
        DataError: no image can be used, no text counts, or the disk has no room for the maps.
    """
    options = options or FitOptions()
    configs = by_resize(config, options.resizes)
    with MapStore() as store:
        passes, data = _gather_all(configs, detector, store, bar, more)
        first = passes[0]
        plan = _plan(config, next(iter(configs)), [*first.truths, *first.more], options)
        fitted = search(store, list(configs), first, post_process(config), plan, bar)
        used = store.bytes_used
    setting = fitted.tally.setting(fitted.chosen)
    values = {name: value for name, value in vars(setting).items() if name != "resize"}
    resized = configs[setting.resize]
    section = resized.PostProcess.model_copy(update=values)
    chosen = resized.model_copy(update={"PostProcess": section})
    return PostProcessFit(
        config,
        chosen,
        fitted,
        first.summary,
        used,
        FaultLog(data.faults),
        data.notes,
        len(first.more),
    )


def _gather_all(
    configs: Mapping[str, Config],
    detector: DetectionNetwork,
    store: MapStore,
    bar: ProgressBar,
    more: Images | None,
) -> tuple[list[Gathered], ImageSet]:
    """Return what each resize gives, and the images of the last."""
    passes: list[Gathered] = []
    for name, resized in configs.items():
        data = eval_data(resized)
        images = bar(data.samples(), len(data), f"evaluate {name}")
        further = () if more is None else more(resized).samples()
        passes.append(_gather(resized, detector, images, further, partial(store.add, name)))
        if len(passes[0].truths) != len(passes[-1].truths):
            raise DataError(
                f"{counted(len(passes[0].truths), 'image')} could be read the first time, then "
                f"{len(passes[-1].truths)}; all resizes need the same images",
                key="Eval.dataset",
            )
    return passes, data


def _gather(
    config: Config,
    detector: DetectionNetwork,
    images: Iterable[EvalSample],
    more: Iterable[EvalSample],
    keep: Callable[[ProbMap], None],
) -> Gathered:
    """Run the network once on all images and keep their maps; ``more`` are not judged.

    Raises:
        DataError: the disk has no room for the maps, or none of the texts counts.
    """
    truths, further, metric, boxes = [], [], DetMetric(), post_process(config)
    maps_of = partial(
        probability_maps,
        detector,
        batch_size=config.Eval.loader.batch_size_per_card,
        threads=cpu_threads(config),
    )
    with closing(maps_of(images)) as maps:
        for image, prob_map in maps:
            keep(prob_map)
            truth = Truth.of(image)
            points, _ = boxes.boxes_from_map(prob_map, truth.source_size)
            metric.add(points, truth.labels)
            truths.append(truth)
    summary = metric.summary()
    if not summary["gt"]:
        raise DataError(
            f"no text counts in {counted(len(truths), 'image')}: there is nothing to fit to",
            key="Eval.dataset",
        )
    with closing(maps_of(more)) as maps:
        for image, prob_map in maps:
            keep(prob_map)
            further.append(Truth.of(image))
    return Gathered(truths, summary, further)


def _plan(config: Config, resize: str, truths: Sequence[Truth], options: FitOptions) -> Plan:
    section = config.PostProcess
    current = Setting(
        resize, section.thresh, section.score_mode, section.unclip_ratio, section.box_thresh
    )
    start = labels_ratio(config, truths)
    ratios = options.unclip_ratios
    tried = ratios_about(start) if ratios is None else ratios
    modes = [section.score_mode] if section.box_type == "poly" else options.score_modes
    grid = Grid(
        _with_own(options.threshs, current.thresh),
        tuple(sorted({*modes, current.score_mode})),
        _with_own(tried, current.unclip_ratio, start),
        _with_own(options.box_threshs, current.box_thresh),
    )
    step = ratio_step(start) if ratios is None else None
    return Plan(
        grid,
        current,
        start,
        step,
        options.objective,
        options.folds,
        config.Global.seed,
        options.must_be_sure,
    )


def _with_own(values: Iterable[float], *own: float) -> tuple[float, ...]:
    return tuple(sorted({*map(float, values), *own}))


def labels_ratio(config: Config, truths: Sequence[Truth]) -> float:
    """Return the unclip ratio that gives the labels back best at training's last shrink ratio.

    It is the config's if training shrinks nothing or no label leaves a kernel.
    """
    shrinks = [op for op in config.Train.dataset.transforms if op.is_a(MakeShrinkMap)]
    texts: list[np.ndarray[Any, Any]] = []
    for truth in truths:
        texts += list(compress(truth.polygons, truth.labels.counted))
    chosen = texts[:: max(1, len(texts) // MAX_LABELS)]
    try:
        return unclip_ratio_for(chosen, shrink_schedule(config, shrinks[-1]).end)
    except (ConfigError, IndexError):
        return float(config.PostProcess.unclip_ratio)
