"""The curves of compared runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ppocr_ft.commands.compare.table import ArmRun, by_arm
from ppocr_ft.report.figures import as_png, new_figure

SIZE_INCHES = (11.0, 7.5)
LEGEND_INCHES = 0.22
"""Height of one line of the legend."""
LONGEST_NAME = 40
NAMES_PER_LINE = 3
LOG_FROM_RATIO = 10.0
"""Losses, or highest rates, so far apart are drawn on a logarithmic axis."""
USUAL_PERCENTILE = 90.0
"""Losses above twice this are cut off."""
MARGIN = 0.03
"""Share of the axis of epochs that is left free at either end."""
COLORS = 10
DASHES = ("-", "--", ":", "-.")
"""With the ten colors twenty different styles, which differ also if two lines overlap."""

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """One arm's: x in epochs, the mean of its seeds, their smallest and largest; each (n,)."""

    epochs: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def curve(runs: Sequence[ArmRun], points_of: Callable[[ArmRun], Points]) -> Curve:
    """Return the curve over the steps that at least one seed has."""
    by_epoch: dict[float, list[float]] = {}
    for run in runs:
        for epoch, value in points_of(run):
            by_epoch.setdefault(epoch, []).append(value)
    points = sorted(by_epoch.items())
    values = [np.asarray(seeds) for _, seeds in points]
    return Curve(
        np.array([epoch for epoch, _ in points]),
        np.array([seeds.mean() for seeds in values]),
        np.array([seeds.min() for seeds in values]),
        np.array([seeds.max() for seeds in values]),
    )


def trained_points(column: str) -> Callable[[ArmRun], Points]:
    """Return a function to (epochs done, value) of a column of training's rows."""

    def points(run: ArmRun) -> Points:
        rows = [row for row in run.trained if row.get(column)]
        return [(int(row["step"]) / run.steps_per_epoch, float(row[column])) for row in rows]

    return points


def judged_points(rate: str, indicator: str) -> Callable[[ArmRun], Points]:
    """Return a function to (epochs done, rate with the evaluation's own best unclip ratio)."""

    def points(run: ArmRun) -> Points:
        return [
            (result.step / run.steps_per_epoch, result.at_best(indicator)[rate])
            for result in run.evaluations
        ]

    return points


def compare_picture(runs: Sequence[ArmRun], indicator: str) -> bytes:
    """Draw loss, hmean at IoU 0.5 and 0.7 and learning rate, a line per arm; return a PNG."""
    arms = by_arm(runs)
    lines = -(-len(arms) // NAMES_PER_LINE)
    width, height = SIZE_INCHES
    figure = new_figure(width, height + lines * LEGEND_INCHES)
    (loss, rate), (hmean, stricter) = figure.subplots(2, 2)
    panels: dict[str, tuple[Axes, Callable[[ArmRun], Points]]] = {
        "loss": (loss, trained_points("loss")),
        "learning rate": (rate, trained_points("lr")),
        "hmean at IoU 0.5, own best unclip_ratio": (hmean, judged_points("hmean", indicator)),
        "hmean at IoU 0.7, same ratio": (stricter, judged_points("hmean_70", indicator)),
    }
    for title, (axes, points_of) in panels.items():
        _panel(axes, title, {arm: curve(arm_runs, points_of) for arm, arm_runs in arms.items()})
    _scale_loss(loss, runs)
    _scale_rate(rate, runs)
    handles, names = loss.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(NAMES_PER_LINE, len(arms)))
    return as_png(figure)


def _panel(axes: Axes, title: str, curves: Mapping[str, Curve]) -> None:
    for number, (arm, drawn) in enumerate(curves.items()):
        name = arm if len(arm) <= LONGEST_NAME else f"{arm[: LONGEST_NAME - 3]}..."
        axes.plot(
            drawn.epochs,
            drawn.mean,
            label=name,
            marker="o" if "hmean" in title or len(drawn.epochs) == 1 else None,
            markersize=4,
            color=f"C{number % COLORS}",
            linestyle=DASHES[number % len(DASHES)],
        )
        if np.any(drawn.low < drawn.high):
            axes.fill_between(
                drawn.epochs, drawn.low, drawn.high, color=f"C{number % COLORS}", alpha=0.15, lw=0
            )
    last = max((epoch for drawn in curves.values() for epoch in drawn.epochs), default=0.0)
    axes.set_xlim(-MARGIN * last, (1 + MARGIN) * last or 1)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epochs")
    axes.grid(alpha=0.3)


def _scale_loss(axes: Axes, runs: Sequence[ArmRun]) -> None:
    """Use a logarithmic scale if the loss falls far; cut off an arm that explodes."""
    losses = [value for run in runs for _, value in trained_points("loss")(run) if value > 0]
    if not losses:
        return
    top = min(max(losses), 2 * float(np.percentile(losses, USUAL_PERCENTILE)))
    if top / min(losses) >= LOG_FROM_RATIO:
        axes.set_yscale("log")
        axes.set_ylim(min(losses) * 0.9, top * 1.1)
    else:
        axes.set_ylim(0, top * 1.05)


def _scale_rate(axes: Axes, runs: Sequence[ArmRun]) -> None:
    peaks = [max((rate for _, rate in trained_points("lr")(run)), default=0.0) for run in runs]
    lowest = min((peak for peak in peaks if peak > 0), default=0.0)
    if lowest and max(peaks) / lowest >= LOG_FROM_RATIO:
        axes.set_yscale("log")
        axes.set_ylim(bottom=lowest / 100)
