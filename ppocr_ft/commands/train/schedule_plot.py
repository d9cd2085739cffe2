"""A run's learning rates and shrink ratio over its steps, as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ppocr_ft.messages import counted
from ppocr_ft.report.figures import as_png, new_figure

Array = NDArray[np.float64]
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


def schedule_csv(run: RunSchedule) -> str:
    """Return a row per step 1, 2, ..., counted and with columns named as in ``metrics.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "epoch", "shrink_ratio", *(f"lr/{name}" for name in run.names)])
    writer.writerows(_rows(run))
    return text.getvalue()


def _rows(run: RunSchedule) -> Iterator[list[str]]:
    for step, lrs in enumerate(run.lrs.tolist(), start=1):
        epoch = run.epoch_of(step)
        values = [float(run.shrink_ratios[epoch - 1]), *lrs]
        yield [str(step), str(epoch), *(f"{value:.9g}" for value in values)]


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
        steps = _drawn_steps(first, last)
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


def _drawn_steps(first: int, last: int) -> NDArray[np.int64]:
    count = min(last - first + 1, DRAWN_POINTS)
    return np.unique(np.linspace(first, last, count).round().astype(np.int64))


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
