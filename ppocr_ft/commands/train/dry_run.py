"""The plan of a run without running it: rates and shrink ratio as text, table and picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ppocr_ft.commands.common import csv_text, with_global
from ppocr_ft.config import Config
from ppocr_ft.config.run_rules import milestones_note, warmup_steps
from ppocr_ft.engine.distributed import ProcessGroup
from ppocr_ft.errors import UnreachableError
from ppocr_ft.factory.learning_rates import BY_EPOCH, PLATEAU
from ppocr_ft.messages import counted
from ppocr_ft.optim.groups import group_names
from ppocr_ft.optim.rates import AUTO
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.runs.folder import resume_hint
from ppocr_ft.runs.parts import Parts, prepare
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.shrink_schedule import ShrinkSchedule
from ppocr_ft.utils.files import check_writable, write_whole

Array = NDArray[np.float64]
PICTURE, TABLE = "schedule.png", "schedule.csv"
RESTARTS = ("CosineRestarts", "CyclicalCosine")
SHOWN_CHANGES = 12
SHOWN_NAMES = 3
BYTES_PER_CELL = 16
SIZE_INCHES = (12.0, 7.5)
LEGEND_INCHES = 0.22
"""Height of one line of the legend."""
ZOOM_BELOW_SHARE = 0.25
"""A warm-up shorter than this share of the run is drawn once more, enlarged."""
ZOOM_WARMUPS = 2.0
LOG_FROM_RATIO = 100.0
"""Highest rates of two groups so far apart are drawn on a logarithmic axis."""
DRAWN_POINTS = 4000
RATE_COLORS = 10


@dataclass(frozen=True)
class KeyStep:
    """Something that begins with step 1, 2, ..."""

    step: int
    words: str


@dataclass(frozen=True)
class RunSchedule:
    """The schedule of a run.

    names: the parameter groups. lrs: (steps, groups), the rate that each step uses.
    shrink_ratios: (epochs,). warmup_steps: those before the schedule, in which fresh parameters
    learn alone and the rate warms up; 0 for none. key_steps: in their order.
    """

    names: Sequence[str]
    lrs: Array
    shrink_ratios: Array
    steps_per_epoch: int
    warmup_steps: int
    key_steps: Sequence[KeyStep]

    @property
    def total_steps(self) -> int:
        return len(self.lrs)

    def epoch_of(self, step: int) -> int:
        """Return the true epoch of step 1, 2, ..."""
        return -(-step // self.steps_per_epoch)


def dry_run(config: Config, group: ProcessGroup) -> str:
    """Describe the run that ``training`` would begin; its folder gets a picture and a table.

    Nothing else in the folder is touched, so that a run may be under way there. Of a ``group``
    process 0 alone writes.

    Raises:
        UserInputError: as ``training``, but weights on the web may be out of reach.
    """
    try:
        parts, remarks = prepare(config, group), resume_hint(config)
    except UnreachableError as error:
        without_weights = with_global(config, checkpoints=None, pretrained_model=None)
        parts = prepare(without_weights, group)
        remarks = [f"{error}. Drawn without weights: fresh_lr_mult holds for every parameter"]
    schedule = run_schedule(config, parts)
    lines = [*_lines(config, parts, schedule), *remarks]
    if group.is_main:
        folder, lr = Path(config.Global.save_model_dir), config.Optimizer.lr
        check_writable(folder, BYTES_PER_CELL * schedule.lrs.size, "Global.save_model_dir")
        title = f"{config.Optimizer.name}, {lr.name}, {lr.highest()[0]} {lr.highest()[1]:g}"
        write_whole(folder / PICTURE, schedule_png(schedule, title))
        write_whole(folder / TABLE, schedule_csv(schedule).encode())
        lines.append(f"drawn: {folder / PICTURE} and {folder / TABLE}")
    return "\n".join(lines)


def run_schedule(config: Config, parts: Parts) -> RunSchedule:
    """Return the rates of every group and step, and the steps at which something begins."""
    per_epoch, epochs = parts.state.progress.steps_per_epoch, config.Global.epoch_num
    shrink = _shrink_schedule(parts)
    return RunSchedule(
        group_names(parts.state.optimizer.groups.groups),
        _group_lrs(parts, epochs * per_epoch),
        np.array([shrink.ratio(epoch) for epoch in range(1, epochs + 1)]),
        per_epoch,
        min(parts.rate.fresh_steps() + warmup_steps(config, per_epoch), epochs * per_epoch),
        sorted(_key_steps(config, parts), key=lambda key: key.step),
    )


def _group_lrs(parts: Parts, total_steps: int) -> Array:
    """Return the learning rate of each group at each step: (steps, groups)."""
    steps = np.arange(total_steps)
    bases = np.array([[parts.rate(step), parts.rate.bias(step)] for step in steps.tolist()])
    epochs_done = steps // parts.state.progress.steps_per_epoch
    alone = steps < parts.rate.fresh_steps()
    columns = []
    for group in parts.state.optimizer.groups.groups:
        settings = group.settings
        learns = (epochs_done >= settings.freeze_epochs) & (not settings.freeze)
        learns &= ~alone | settings.fresh
        factors = np.where(alone, 1.0, settings.lr_mult)
        columns.append(bases[:, int(settings.biases)] * factors * learns)
    return np.stack(columns, axis=1)


def _shrink_schedule(parts: Parts) -> ShrinkSchedule:
    operators = parts.loader.data.pipeline.operators
    (shrink_map,) = [op for op in operators if isinstance(op, MakeShrinkMap)]
    return shrink_map.schedule


def _key_steps(config: Config, parts: Parts) -> Iterator[KeyStep]:
    per_epoch, epochs = parts.state.progress.steps_per_epoch, config.Global.epoch_num
    total = epochs * per_epoch
    alone, warmup = parts.rate.fresh_steps(), warmup_steps(config, per_epoch)
    if alone:
        latest = ", at the latest" if config.Optimizer.fresh_first == AUTO else ""
        yield KeyStep(alone + 1, f"all parameters learn{latest}: rate {parts.rate(alone):.4g}")
    warmup += alone
    if alone < warmup < total:
        yield KeyStep(warmup + 1, f"the warm-up is over: rate {parts.rate(warmup):.4g}")
    yield from _rate_changes(config, parts, range(warmup + 1, total))
    yield from _thaws(parts)
    shrink = _shrink_schedule(parts)
    if not shrink.is_constant and (end := int(np.ceil(shrink.total_epoch))) <= epochs:
        words = f"the shrink ratio's ramp is at its end: {shrink.end:g}"
        yield KeyStep((end - 1) * per_epoch + 1, words)


def _thaws(parts: Parts) -> Iterator[KeyStep]:
    groups, per_epoch = parts.state.optimizer.groups.groups, parts.state.progress.steps_per_epoch
    thawed: dict[int, list[str]] = {}
    for name, group in zip(group_names(groups), groups, strict=True):
        thawed.setdefault(group.settings.freeze_epochs, []).append(name)
    for epochs, names in thawed.items():
        if epochs:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            words = f"begins to learn: {', '.join(names[:SHOWN_NAMES])}{more}"
            yield KeyStep(epochs * per_epoch + 1, words)


def _rate_changes(config: Config, parts: Parts, steps: range) -> Iterator[KeyStep]:
    """Yield milestones, restarts and the peak of a cycle; ``steps`` are counted from 0."""
    name, rate = config.Optimizer.lr.name, parts.rate
    if name in BY_EPOCH:
        for step in steps:
            if rate(step) != rate(step - 1):
                words = f"milestone: rate {rate(step - 1):.4g} -> {rate(step):.4g}"
                yield KeyStep(step + 1, words)
    elif name in RESTARTS:
        for step in steps:
            if rate(step) > rate(step - 1):
                yield KeyStep(step + 1, f"restart: rate {rate(step):.4g}")
    elif name == "OneCycle" and steps:
        peak = max(steps, key=rate)
        yield KeyStep(peak + 1, f"the rate is highest: {rate(peak):.4g}")


def _lines(config: Config, parts: Parts, run: RunSchedule) -> Iterator[str]:
    epochs = config.Global.epoch_num
    length = f"{counted(epochs, 'epoch')} x {counted(run.steps_per_epoch, 'step')}"
    yield f"{length} = {counted(run.total_steps, 'step')}"
    yield from parts.state.optimizer.groups.describe()
    if parts.state.optimizer.start_decay is not None:
        yield parts.state.optimizer.start_decay.describe()
    if parts.rate.remark:
        yield parts.rate.remark
    shrink, ratios = _shrink_schedule(parts), run.shrink_ratios.tolist()
    ends = f"; {ratios[0]:.4g} in epoch 1, {ratios[-1]:.4g} in the last one"
    yield f"shrink ratio: {shrink.describe()}{'' if shrink.is_constant else ends}"
    yield "key steps:"
    for key in run.key_steps[:SHOWN_CHANGES]:
        yield f"  step {key.step} (epoch {run.epoch_of(key.step)}): {key.words}"
    if more := run.key_steps[SHOWN_CHANGES:]:
        yield f"  and {len(more)} more, as the table and the picture show"
    last = parts.rate(run.total_steps - 1)
    yield f"  step {run.total_steps} (epoch {epochs}): the last one: rate {last:.4g}"
    yield from _notes(config, run)
    yield from parts.label_notes


def _notes(config: Config, run: RunSchedule) -> Iterator[str]:
    name, warmup = config.Optimizer.lr.name, warmup_steps(config, run.steps_per_epoch)
    if run.warmup_steps >= run.total_steps:
        yield f"the warm-up of {counted(warmup, 'step')} doesn't end in this run"
    elif note := milestones_note(config, run.steps_per_epoch):
        yield note
    if name == PLATEAU:
        yield (
            f"the rate falls where {config.Metric.main_indicator} stops rising, which nobody knows "
            "before the run; it is drawn as if it never did"
        )


def schedule_csv(run: RunSchedule) -> str:
    """Return a row per step 1, 2, ..., counted and with columns named as in ``metrics.csv``."""
    rows = []
    for step, lrs in enumerate(run.lrs.tolist(), start=1):
        epoch = run.epoch_of(step)
        values = [float(run.shrink_ratios[epoch - 1]), *lrs]
        rows.append([str(step), str(epoch), *(f"{value:.9g}" for value in values)])
    return csv_text(["step", "epoch", "shrink_ratio", *(f"lr/{name}" for name in run.names)], rows)


def schedule_png(run: RunSchedule, title: str = "") -> bytes:
    """Draw rates above, shrink ratio below; a short warm-up is shown enlarged at the left too."""
    curves = _different_curves(run)
    legend_inches = LEGEND_INCHES * -(-len(curves) // 2)
    figure = new_figure(SIZE_INCHES[0], SIZE_INCHES[1] + legend_inches)
    zoomed = 0 < run.warmup_steps < ZOOM_BELOW_SHARE * run.total_steps
    ranges = [(1, run.total_steps)]
    if zoomed:
        ranges.insert(0, (1, max(round(ZOOM_WARMUPS * run.warmup_steps), 2)))
    axes = figure.subplots(
        2,
        len(ranges),
        sharex="col",
        squeeze=False,
        width_ratios=[1, 2.4] if zoomed else None,
        height_ratios=[2, 1],
    )
    for (rates, ratio), (first, last) in zip(axes.T, ranges, strict=True):
        count = min(last - first + 1, DRAWN_POINTS)
        steps = np.unique(np.linspace(first, last, count).round().astype(np.int64))
        _draw_rates(rates, run, curves, steps)
        _draw_ratio(ratio, run, steps)
    _name_axes(axes, run, zoomed)
    if title:
        figure.suptitle(title, parse_math=False)
    handles, labels = axes[0, -1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return as_png(figure)


def _different_curves(run: RunSchedule) -> list[tuple[str, Array]]:
    """Return the rates that differ; groups with the same rates all along share a line."""
    members: dict[bytes, list[int]] = {}
    for index in range(len(run.names)):
        members.setdefault(run.lrs[:, index].tobytes(), []).append(index)
    curves = []
    for first, *others in members.values():
        more = f" and {counted(len(others), 'group')} at the same rate" if others else ""
        curves.append((f"{run.names[first]}{more}", run.lrs[:, first]))
    return curves


def _draw_rates(
    axes: Axes, run: RunSchedule, curves: Sequence[tuple[str, Array]], steps: NDArray[np.int64]
) -> None:
    for number, (name, rates) in enumerate(curves):
        dashes = "o" if len(steps) == 1 else "-" if number < RATE_COLORS else "--"
        axes.plot(steps, rates[steps - 1], dashes, color=f"C{number % RATE_COLORS}", label=name)
    peaks = [rates.max() for _, rates in curves if rates.max() > 0]
    if peaks and max(peaks) > LOG_FROM_RATIO * min(peaks):
        axes.set_yscale("symlog", linthresh=min(peaks) / 10)
    else:
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    axes.set_ylim(bottom=0)
    for key in run.key_steps:
        if steps[0] <= key.step <= steps[-1]:
            axes.axvline(key.step, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    axes.grid(alpha=0.25)


def _draw_ratio(axes: Axes, run: RunSchedule, steps: NDArray[np.int64]) -> None:
    epochs = -(-steps // run.steps_per_epoch)
    marker = "o" if len(steps) == 1 else ""
    ratios = run.shrink_ratios[epochs - 1]
    axes.plot(steps, ratios, color="0.2", drawstyle="steps-mid", marker=marker)
    low, high = float(run.shrink_ratios.min()), float(run.shrink_ratios.max())
    axes.set_ylim(max(low - 0.1, 0), min(high + 0.1, 1))
    margin = 0.5 * (len(steps) == 1)
    axes.set_xlim(steps[0] - margin, steps[-1] + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    axes.grid(alpha=0.25)


def _name_axes(axes: NDArray[np.object_], run: RunSchedule, zoomed: bool) -> None:
    axes[0, 0].set_ylabel("learning rate")
    axes[1, 0].set_ylabel("shrink ratio")
    for bottom in axes[1]:
        bottom.set_xlabel("step")
    if zoomed:
        axes[0, 0].set_title(
            f"the schedule begins after {counted(run.warmup_steps, 'step')}", fontsize=10
        )
    per_epoch = run.steps_per_epoch
    epochs = axes[0, -1].secondary_xaxis(
        "top", functions=(lambda step: step / per_epoch, lambda epoch: epoch * per_epoch)
    )
    epochs.set_xlabel("epochs done")
    epochs.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
