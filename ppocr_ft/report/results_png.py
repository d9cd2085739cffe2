"""``results.png``: the curves of a run as one picture, over one axis of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from ppocr_ft.engine.metrics_file import LR, Row
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.report.page.run import Run

SIZE_INCHES = (10.0, 10.0)


def results_png(run: Run) -> bytes:
    """Draw hmean at both IoUs, losses, learning rates and shrink ratio; return a PNG."""
    figure = new_figure(*SIZE_INCHES)
    hmean, losses, rates, shrink = figure.subplots(4, 1, sharex=True, height_ratios=[2, 2, 1.3, 1])
    _draw_hmean(hmean, run)
    _draw(losses, run.trained, [c for c in run.columns if c.startswith("loss")], "loss")
    lrs = [c for c in run.columns if c.startswith(LR)] or ["lr"]
    _draw(rates, run.trained, lrs, "learning rate")
    _draw(shrink, run.trained, ["shrink_ratio"], "shrink ratio")
    shrink.set_xlabel("step")
    figure.suptitle(run.name)
    return as_png(figure)


def _draw_hmean(axes: Axes, run: Run) -> None:
    steps = list(run.evaluations)
    for color, (column, iou) in zip(
        ("tab:blue", "tab:orange"), (("hmean", 0.5), ("hmean_70", 0.7)), strict=True
    ):
        best = [run.at_best(step, column).value for step in steps]
        at_config = [run.evaluations[step].at_config[column] for step in steps]
        axes.plot(steps, best, "o-", color=color, label=f"IoU {iou}, best unclip_ratio")
        axes.plot(steps, at_config, "--", color=color, label=f"IoU {iou}, config's unclip_ratio")
    _finish(axes, "hmean")


def _draw(axes: Axes, rows: Sequence[Row], columns: Sequence[str], title: str) -> None:
    for column in columns:
        points = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
        finite = [(step, value) for step, value in points if math.isfinite(value)]
        if any(value for _, value in finite):
            axes.plot(*zip(*finite, strict=True), label=column.removeprefix(LR))
    _finish(axes, title)


def _finish(axes: Axes, title: str) -> None:
    axes.set_ylabel(title)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=8)
