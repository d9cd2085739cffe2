"""Before the first step: scale, targets and length of a run, fitted to the data and the machine.

What was chosen is kept in the run's folder (``adapted.json``), so that a resumed run takes it from
there instead of measuring anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.config import Config
from ppocr_ft.config.load import values_of, with_values
from ppocr_ft.config.rules import placed_operators, shrink_schedule
from ppocr_ft.config.run_rules import LR, warmup_steps
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.objects import network
from ppocr_ft.fitting.grid import eval_size
from ppocr_ft.fitting.scale import (
    Scale,
    candidates,
    choose_scale,
    climb,
    enlarging,
    labelled,
    pass_over,
    scale_csv,
    table,
)
from ppocr_ft.fitting.targets import (
    Page,
    TextKind,
    choose_shrink_ratio,
    min_text_size,
    suiting_rotation,
)
from ppocr_ft.fitting.time_budget import (
    KEPT_EPOCHS,
    RESERVE,
    UNUSED_SHARE,
    WARMUP_SHARE,
    eval_every,
    most_steps,
    plan_run,
)
from ppocr_ft.messages import counted
from ppocr_ft.runs.folder import ADAPTED, SCALE_FIGURES
from ppocr_ft.runs.parts import data_sets, train_loader
from ppocr_ft.runs.speed import measured_speed
from ppocr_ft.runs.teacher import label_all
from ppocr_ft.shrinking import unclip_ratio_for
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.crops import ScaledCrop
from ppocr_ft.transforms.geometric import IaaAugment
from ppocr_ft.transforms.resize import limited_size
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import progress
from ppocr_ft.utils.timing import duration_text, seconds_of

RESIZE = "Eval.dataset.transforms.DetResizeForTest"
SHRINK_MAP, BORDER_MAP = (
    f"Train.dataset.transforms.Make{name}Map" for name in ("Shrink", "Border")
)
MAIN_LOSS, WORDS_LOSS = "Loss.main_loss_type", "DiceFocalLoss"
GAP_WEIGHT, LINES_GAP_WEIGHT = f"{SHRINK_MAP}.gap_weight", 4
"""What is put in place of plain DiceLoss, for words and for lines."""
MEASURING_SHARE = 0.03
"""Share of the budget after which no further step is measured."""
SCALE_SHARE = 0.1
"""Share of the budget after which no further scale is tried."""
ENLARGED_FITS = 3
"""Fits at the end whose time goes into trying larger images, where those are small."""
INTERPOLATED_FITS, FITS_SHARE = 7, 0.4
"""Weights to which Global.interpolate fits post-processing, about; where that would take a larger
share of the budget, post-processing is fitted to the best weights alone."""
Values = dict[str, Any]
"""Values of keys as ``-o`` names them, plain data."""


@dataclass(frozen=True)
class Adapted:
    """The config with what was chosen.

    ``before`` and ``after`` are the values of the keys that were chosen, ``lines`` say what and
    why, ``scales`` is the table of the scales as CSV.
    """

    config: Config
    before: Values = field(default_factory=dict)
    after: Values = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    scales: str = ""
    is_new: bool = True

    def save(self, folder: Path) -> None:
        """Write what was chosen into a new run's folder. Raises OSError."""
        if not self.after or not self.is_new:
            return
        values = {"before": self.before, "after": self.after, "lines": self.lines}
        text = json.dumps(values, indent=1, ensure_ascii=False)
        write_whole(folder / ADAPTED, f"{text}\n".encode())
        if self.scales:
            write_whole(folder / SCALE_FIGURES, self.scales.encode())

    def changed(self, values: Mapping[str, object]) -> Adapted:
        """Return it with further values. Raises ConfigError if the config's rules refuse them."""
        config = with_values(self.config, values)
        old, new = (values_of(each, list(values)) for each in (self.config, config))
        keys = [key for key in values if new[key] != old[key]]
        before = {**{key: old[key] for key in keys}, **self.before}
        after = {**self.after, **{key: new[key] for key in keys}}
        return Adapted(config, before, after, self.lines, self.scales)

    def saying(self, *lines: str) -> Adapted:
        """Return it with further lines."""
        told = (*self.lines, *lines)
        return Adapted(self.config, self.before, self.after, told, self.scales)


def adapted(
    config: Config,
    resume_from: Path | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
    spent: Callable[[], float] = lambda: 0.0,
) -> Adapted:
    """Return the config fitted to data and machine, as far as it asks for that.

    Without labels a teacher makes them first. ``Global.fit_scale``, ``fit_targets`` and
    ``time_budget`` ask, and are answered in this order. A
    run that is resumed from a state gets what was chosen at its beginning. Process 0 of a ``group``
    measures. ``spent`` returns the seconds that are gone of the time budget.

    Raises:
        UserInputError: config, data or weights are wrong, or the time budget is too short.
    """
    if resume_from is not None:
        kept = group.broadcast(_kept(resume_from.parent) if group.is_main else None)
        return _again(config, kept)
    section = config.Global
    chooses = section.fit_scale or section.fit_targets or section.time_budget
    if not chooses and config.Train.dataset.label_file_list:
        return Adapted(config)
    so_far = _fitted(config, group, spent) if group.is_main else None
    after = group.broadcast(None if so_far is None else so_far.after)
    return so_far or Adapted(with_values(config, after))


def _kept(folder: Path) -> Values:
    """Return what the run in ``folder`` began with; nothing if it was not fitted."""
    try:
        kept = json.loads((folder / ADAPTED).read_text(encoding="utf-8"))
        return {"before": dict(kept["before"]), "after": dict(kept["after"])}
    except FileNotFoundError:
        return {"before": {}, "after": {}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder / ADAPTED} can't be read ({error}): it says what the run began with; go on "
            f"with the run's own config, -c {folder}/config.resolved.yml, and without this file",
            key="Global.resume",
        ) from None


def values_before(folder: Path) -> Values:
    """Return the values that the keys had which the run in ``folder`` chose before its first step.

    Raises:
        ConfigError: the file that has them can't be read.
    """
    before: Values = _kept(folder)["before"]
    return before


def _again(config: Config, kept: Values) -> Adapted:
    """Return the config with the values of the run's beginning, but for keys set otherwise now."""
    before, after = kept["before"], kept["after"]
    now = _plain(values_of(config, list(after)))
    same = {key: after[key] for key in after if now[key] in (before[key], after[key])}
    return Adapted(with_values(config, same), before, after, is_new=False)


def _plain(values: Mapping[str, object]) -> Values:
    """Return the values as JSON gives them back."""
    plain: Values = json.loads(json.dumps(values))
    return plain


def _fitted(config: Config, group: ProcessGroup, spent: Callable[[], float]) -> Adapted:
    so_far = Adapted(config)
    if config.Train.unlabelled is not None and not config.Train.dataset.label_file_list:
        values, lines = label_all(config, config.Train.unlabelled)
        so_far = so_far.changed(values).saying(*lines)
        config = so_far.config
    section = config.Global
    data_sets(config)  # what is wrong with label files is known before anything is measured
    images = labelled(config) if section.fit_scale or section.fit_targets else []
    so_far = _scaled(so_far, images, spent) if section.fit_scale else so_far
    so_far = _with_targets(so_far, images) if section.fit_targets else so_far
    if section.time_budget:
        more_fits = ENLARGED_FITS if section.fit_scale and enlarging(so_far.config, images) else 0
        so_far = _timed(so_far, seconds_of(section.time_budget), more_fits, group, spent)
    return so_far


def _scaled(so_far: Adapted, images: list[Page], spent: Callable[[], float]) -> Adapted:
    """Choose the scale of evaluation and of training's crops; without weights it stays."""
    if not (so_far.config.Global.pretrained_model or so_far.config.Global.checkpoints):
        return so_far.saying("fit_scale: random weights find no text, so the scale stays as it is")
    config, budget = so_far.config, so_far.config.Global.time_budget
    most = math.inf if budget is None else SCALE_SHARE * seconds_of(budget)
    detector, _ = network(config)
    scales = candidates(config, images)
    own = next(i for i, scale in enumerate(scales) if scale.resize is None)

    def measured(scale: Scale) -> Scale:
        return pass_over(config, detector, scale, progress)

    passed = climb(scales, own, measured, lambda: spent() < most)
    chosen, reason = choose_scale(passed)
    values: Values = {}
    if chosen.resize is not None:
        limits = vars(chosen.resize)
        values = {RESIZE: limits}
        crops = _keys(config, ScaledCrop)
        values |= {f"{crop}.{key}": value for crop in crops for key, value in limits.items()}
        if not crops:
            reason += "; training has no ScaledCrop, so its crops keep their scale"
    so_far = so_far.saying(*table(passed, chosen), reason).changed(values)
    return Adapted(
        so_far.config, so_far.before, so_far.after, so_far.lines, scale_csv(passed, chosen)
    )


def _keys(config: Config, kind: type) -> list[str]:
    """Return the keys of training's operators of a kind: by name, by index if there are more."""
    keys = [key for key, operator in placed_operators(config, "Train") if operator.is_a(kind)]
    if len(keys) == 1:
        *path, _, name = keys[0].split(".")
        return [".".join([*path, name])]
    return keys


def _with_targets(so_far: Adapted, images: list[Page]) -> Adapted:
    """Choose shrink ratio, unclip ratio, min_text_size at training's scale, rotation and loss.

    With plain DiceLoss, words take DiceFocalLoss instead, lines weigh the gaps within a row.
    """
    config = so_far.config
    (shrink_map,) = [op for op in config.Train.dataset.transforms if op.is_a(MakeShrinkMap)]
    texts = [image.polygons for image in images]
    scaled = []  # as large as in training
    for image in images:
        factors = _training_factors(config, image)
        scaled.append([np.asarray(text, np.float64) * factors for text in image.polygons])
    schedule = shrink_schedule(config, shrink_map)
    if schedule.is_constant:
        figures, reasons = choose_shrink_ratio(scaled)
        ratio, unclip_ratio = figures.shrink_ratio, figures.unclip_ratio
        values: Values = {f"{key}.shrink_ratio": ratio for key in (SHRINK_MAP, BORDER_MAP)}
    else:
        unclip_ratio = unclip_ratio_for([text for of in texts for text in of], schedule.end)
        reasons = (f"shrink_ratio stays a ramp, to {schedule.end:g}; without shrink_ratio_end and "
                   "total_epoch it is chosen by the labels",)  # fmt: skip
        values = {}
    extents = _extents(config, scaled)
    least = min_text_size(extents, float(shrink_map.min_text_size))
    values |= {"PostProcess.unclip_ratio": unclip_ratio, f"{SHRINK_MAP}.min_text_size": least}
    first, *tried = reasons
    masked = float((extents < least).mean())
    lines = [
        f"{first}; unclip_ratio {unclip_ratio:g} goes with it; min_text_size {least:g} px masks "
        f"{masked:.1%} of the texts",
        *(f"  {line}" for line in tried),
    ]
    if rotations := _rotations(config):
        degrees, reason = suiting_rotation([text for of in texts for text in of])
        values |= {key: [0.0 - degrees, degrees] for key in rotations}
        lines.append(f"rotation by up to {degrees:g} degrees: {reason}")
    if config.Loss.main_loss_type == "DiceLoss" and shrink_map.gap_weight == 1:
        is_words = TextKind.of(scaled).is_words
        key, value = (MAIN_LOSS, WORDS_LOSS) if is_words else (GAP_WEIGHT, LINES_GAP_WEIGHT)
        values[key] = value
        reason = "words are few pixels" if is_words else "lines of a row grow together"
        lines.append(f"{key.rpartition('.')[2]} {value}: with plain DiceLoss, {reason}")
    return so_far.changed(values).saying(*lines)


def _rotations(config: Config) -> list[str]:
    """Return the keys of the rotations of training's IaaAugment."""
    operators = [op for op in config.Train.dataset.transforms if op.is_a(IaaAugment)]
    return [
        f"{key}.augmenter_args.{i}.args.rotate"
        for key, operator in zip(_keys(config, IaaAugment), operators, strict=True)
        for i, step in enumerate(operator.augmenter_args)
        if step.type == "Affine" and any(step.args.rotate)
    ]


def _crop(config: Config) -> Any:
    return next((op for op in config.Train.dataset.transforms if op.is_a(ScaledCrop)), None)


def _training_factors(config: Config, image: Page) -> np.ndarray[Any, Any]:
    """Return the factors (2,) of x and y: ScaledCrop's, or evaluation's where there is none."""
    crop = _crop(config)
    return image.factors(
        eval_size(config, image.shape)
        if crop is None
        else limited_size(image.shape, crop.limit_side_len, crop.limit_type)
    )


def _extents(config: Config, scaled: Any) -> np.ndarray[Any, Any]:
    """Return the texts' shorter extents (n,), px, in the smallest crops of training."""
    crop = _crop(config)
    smallest = 1.0 if crop is None else crop.scale_range[0]
    return np.array(
        [np.ptp(polygon * smallest, axis=0).min() for polygons in scaled for polygon in polygons]
    )


def _timed(
    so_far: Adapted,
    budget_seconds: float,
    more_fits: int,
    group: ProcessGroup,
    spent: Callable[[], float],
) -> Adapted:
    """Choose the run's length, and when it evaluates, by the measured speed.

    ``more_fits``: those at the end beside the usual ones.
    """
    config = so_far.config
    speed = measured_speed(config, MEASURING_SHARE * budget_seconds, group)
    per_epoch = train_loader(config, group).steps_per_epoch
    section = config.Global
    fits = INTERPOLATED_FITS if section.interpolate else int(section.fit_postprocess)
    if section.interpolate and fits * speed.fit_seconds > FITS_SHARE * budget_seconds:
        taken = duration_text(fits * speed.fit_seconds)
        so_far = so_far.changed({"Global.interpolate": False}).saying(
            f"interpolate: false, since judging the weights between start and end takes {taken} of "
            f"{section.time_budget}"
        )
        fits, config = 1, so_far.config
    fits += more_fits * section.fit_postprocess
    plan = plan_run(budget_seconds, spent(), speed, per_epoch, fits)
    values: Values = {"Global.epoch_num": plan.epochs, "Global.eval_batch_epoch": None}
    if plan.epoch_share < 1:
        dataset = config.Train.dataset
        ratios = dataset.ratio_list or [1.0] * len(dataset.label_file_list)
        shares = [max(round(ratio * plan.epoch_share, 4), 1e-4) for ratio in ratios]
        values["Train.dataset.ratio_list"] = shares
    timed = _within(so_far, values)
    per_epoch = train_loader(timed.config, group).steps_per_epoch
    total = plan.epochs * per_epoch
    every = eval_every(total, plan.evaluations)
    kept = min(max(section.save_epoch_step, -(-plan.epochs // KEPT_EPOCHS)), plan.epochs)
    timed = timed.changed(
        {
            "Global.eval_batch_step": [0, every],
            "Global.save_epoch_step": kept,
            **_shorter_warmup(timed.config, per_epoch, total),
        }
    )
    training = total * speed.step_seconds + plan.evaluations * speed.eval_seconds
    seconds = spent() + training + fits * speed.fit_seconds
    is_whole = total > (1 - UNUSED_SHARE) * most_steps(per_epoch)
    is_short = is_whole and seconds < (1 - RESERVE - UNUSED_SHARE) * budget_seconds
    why = "; more would only teach these images by heart" * is_short
    few = f", {plan.epoch_share:.0%} of the images in each" * (plan.epoch_share < 1)
    return timed.saying(
        f"time budget {section.time_budget}: {counted(plan.epochs, 'epoch')} of "
        f"{counted(per_epoch, 'step')}{few}; a step takes {duration_text(speed.step_seconds)}, an "
        f"evaluation {duration_text(speed.eval_seconds)}, one every {counted(every, 'step')}; "
        f"about {duration_text(seconds)} in all{why}"
    )


def _within(so_far: Adapted, values: Values) -> Adapted:
    try:
        return so_far.changed(values)
    except ConfigError as error:
        epochs = counted(values["Global.epoch_num"], "epoch")
        raise ConfigError(
            f"gives {epochs}, which other keys don't fit: {error}", key="Global.time_budget"
        ) from None


def _shorter_warmup(config: Config, steps_per_epoch: int, total_steps: int) -> Values:
    """Return the key of a warm-up that would take too much of the run, with a shorter one."""
    lr, most = config.Optimizer.lr, WARMUP_SHARE * total_steps
    if warmup_steps(config, steps_per_epoch) <= most:
        return {}
    if lr.warmup_percent is not None:
        return {f"{LR}.warmup_percent": 100 * WARMUP_SHARE}
    if lr.warmup_steps:
        return {f"{LR}.warmup_steps": max(int(most), 1)}
    return {f"{LR}.warmup_epoch": round(most / steps_per_epoch, 4)}
