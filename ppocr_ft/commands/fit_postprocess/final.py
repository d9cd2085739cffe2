"""The end of a training: which weights it delivers, with which post-processing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ppocr_ft.commands.fit_postprocess.choice import Choice, Judged, choose
from ppocr_ft.commands.fit_postprocess.choice_text import choice_record
from ppocr_ft.commands.fit_postprocess.run import (
    FEW_THRESHS,
    FitOptions,
    PostProcessFit,
    fit_postprocess,
)
from ppocr_ft.commands.fit_postprocess.weights import Candidate, RunWeights, run_weights
from ppocr_ft.config import Config
from ppocr_ft.engine.callbacks.checkpoints import BEST, FINAL
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory.objects import network
from ppocr_ft.runs.folder import FINAL_FILES, FIT_FILES
from ppocr_ft.runs.weights_origin import FINAL_JSON
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import Item, ProgressBar, no_progress
from ppocr_ft.weights import to_paddleocr, write_weights
from ppocr_ft.weights.arrays import State


@dataclass(frozen=True)
class AtEnd:
    """The post-processing fitted to what a run delivers.

    ``choice`` is that of the weights; without one they are best_accuracy. ``why_none`` says why
    there was none though Global.interpolate asks for it.
    """

    fit: PostProcessFit
    choice: Choice | None = None
    why_none: str = ""


def after_training(config: Config, folder: Path, bar: ProgressBar = no_progress) -> AtEnd:
    """Fit to the best weights of the run in ``folder``, at the config's own resize.

    Fewer thresholds are tried, in one pass over the images. With Global.interpolate the final
    weights are chosen first, in a pass for each of those that are tried, and written. Files of an
    earlier fit are removed before.

    Raises:
        UserInputError: as ``fit_postprocess`` and ``network``; WriteError for final.pdparams.
        OSError: final.json can't be written.
    """
    for name in (*FIT_FILES, *FINAL_FILES):
        (folder / name).unlink(missing_ok=True)
    why_none = ""
    if config.Global.interpolate:
        try:
            return _choose(config, folder, run_weights(config, folder), bar)
        except WeightsError as error:
            why_none = str(error)
    config = _at(config, folder / BEST)
    options = FitOptions(threshs=FEW_THRESHS)
    return AtEnd(fit_postprocess(config, network(config)[0], options, bar), None, why_none)


def _at(config: Config, weights: Path) -> Config:
    """Return the config of an evaluation of ``weights``."""
    section = config.Global.model_copy(update={"checkpoints": str(weights), "resume": None})
    return config.model_copy(update={"Global": section})


def _choose(config: Config, folder: Path, weights: RunWeights, bar: ProgressBar) -> AtEnd:
    """Judge the start, the trained weights and some between, then what is beside the best."""
    options = FitOptions(threshs=FEW_THRESHS, must_be_sure=False)
    fits: dict[Candidate, PostProcessFit] = {}
    waiting = weights.first()
    while waiting:
        for candidate in waiting:
            named = _named(bar, f"weights {len(fits) + 1}")
            fits[candidate] = _judge(config, weights.state(candidate), options, named)
        judged = [
            Judged(candidate.delivered.name, fit.fitted, weights.distance(candidate))
            for candidate, fit in fits.items()
        ]
        choice = choose(judged, options.folds, config.Global.seed)
        chosen = list(fits)[choice.at]
        waiting = [beside for beside in weights.neighbours(chosen) if beside not in fits]
    _write(config, weights.state(chosen), folder / f"{FINAL}.pdparams")
    about = choice_record(choice, chosen.delivered)
    text = f"{json.dumps(about, indent=1, ensure_ascii=False)}\n"
    write_whole(folder / FINAL_JSON, text.encode())
    fit, final = fits[chosen], folder / FINAL
    return AtEnd(replace(fit, config=_at(fit.config, final), chosen=_at(fit.chosen, final)), choice)


def _judge(config: Config, state: State, options: FitOptions, bar: ProgressBar) -> PostProcessFit:
    """Fit to weights, read from a file as they will be delivered."""
    with TemporaryDirectory(prefix="ppocr_ft_weights_") as aside:
        path = Path(aside) / f"{FINAL}.pdparams"
        _write(config, state, path)
        config = _at(config, path)
        detector, _ = network(config)
    return fit_postprocess(config, detector, options, bar)


def _write(config: Config, state: State, path: Path) -> None:
    write_weights(path, to_paddleocr(state, config.Architecture.arguments()))


def _named(bar: ProgressBar, name: str) -> ProgressBar:
    def shown(items: Iterable[Item], total: int, title: str, unit: str = "image") -> Iterable[Item]:
        return bar(items, total, f"{name}: {title}", unit)

    return shown
