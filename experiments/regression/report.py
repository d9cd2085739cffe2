"""A result as a table and as a picture. Colours are Okabe and Ito's."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.marked_tables import Table
from experiments.regression.arms import BROKEN, CONSTANT, DYNAMIC, OLD, REPAIRED
from experiments.regression.results import SHIPPED_UNCLIP, WINDOW, ArmRun, Rates, Result

STYLES = {
    OLD.name: ("#222222", "-", 4.5),
    BROKEN.name: ("#D55E00", "-", 2.2),
    CONSTANT.name: ("#56B4E9", "--", 2.2),
    DYNAMIC.name: ("#009E73", "-", 2.2),
}
"""Colour, dashes and width of a line, pt."""


def table(result: Result) -> Table:
    """Return the table: the released weights, then one arm per row."""
    header = [
        "maps drawn by",
        "shrink ratio",
        f"loss: first {WINDOW} steps, last {WINDOW}",
        f"hmean, unclip {SHIPPED_UNCLIP}",
        "at IoU 0.7",
        "hmean, best unclip",
    ]
    start = result.runs[OLD.name].start
    rows = [["(before training)", "", "", *_rates(start)], *map(_row, result.runs.values())]
    return Table(f"regression_{result.data_set}", header, rows)


def _row(run: ArmRun) -> list[str]:
    first, last = run.shrink_ratios[0], run.shrink_ratios[-1]
    return [
        run.name,
        f"{first:.4g}" if first == last else f"{first:.2f} to {last:.2f}",
        f"{run.first_loss:.2f}, {run.last_loss:.2f}",
        *_rates(run.end, "**" if run.name == BROKEN.name else ""),
    ]


def _rates(rates: Rates, emphasis: str = "") -> list[str]:
    at_50, at_70 = rates[SHIPPED_UNCLIP]
    best = max(rates, key=lambda ratio: rates[ratio])
    return [
        f"{emphasis}{at_50:.3f}{emphasis}",
        f"{emphasis}{at_70:.3f}{emphasis}",
        f"{rates[best][0]:.3f} ({best:g})",
    ]


def equality(results: Sequence[Result]) -> Table:
    """How far our constant arm's losses are from 2.6.1.3's, a data set a row."""
    header = [
        "images",
        "same weights",
        "same weights, NaN pixels put right",
        "two trainings, worst step",
        f"two trainings, mean of the last {WINDOW} steps",
    ]
    return Table("regression_equality", header, [_gaps(result) for result in results])


def _gaps(result: Result) -> list[str]:
    old, ours = result.runs[OLD.name], result.runs[CONSTANT.name]
    gaps = [old.twin_gap(CONSTANT.name), _twins_gap(old), old.gap(ours), _mean_gap(old, ours)]
    return [result.title, *("0" if gap == 0 else f"{gap:.1e}" for gap in gaps)]


def _mean_gap(one: ArmRun, other: ArmRun) -> float:
    return abs(one.last_loss - other.last_loss) / one.last_loss


def _twins_gap(old: ArmRun) -> float:
    pairs = zip(old.twins[CONSTANT.name], old.twins[REPAIRED.name], strict=True)
    return max(abs(a - b) / b for a, b in pairs)


def digest(result: Result) -> str:
    """Return the digest that ``picture`` contains, to detect a picture of other numbers."""
    return hashlib.sha256(result.to_json().encode()).hexdigest()


def picture(result: Result) -> str:
    """Draw loss and hmean over the steps as an SVG."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for run in result.runs.values():
        colour, dashes, width = STYLES[run.name]
        style = {"color": colour, "linestyle": dashes, "linewidth": width}
        left.plot(range(1, len(run.losses) + 1), moving_means(run.losses), **style)
        hmeans = [rates[SHIPPED_UNCLIP][0] for rates in run.rates.values()]
        right.plot(list(run.rates), hmeans, marker="o", markersize=4, label=run.name, **style)
    steps = len(result.runs[OLD.name].losses)
    _name(left, f"loss, mean of the last {WINDOW} steps", steps)
    _name(right, f"hmean, unclip_ratio {SHIPPED_UNCLIP}", steps)
    right.set_ylim(0, 1)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(result.about(), fontsize=11)
    return _as_svg(figure, digest(result))


def moving_means(losses: Sequence[float]) -> list[float]:
    """Of the last WINDOW steps, or of those that there are."""
    ends = range(1, len(losses) + 1)
    return [sum(losses[max(end - WINDOW, 0) : end]) / min(end, WINDOW) for end in ends]


def _name(axes: Axes, title: str, steps: int) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step")
    axes.set_xlim(0, steps)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _as_svg(figure: Figure, mark: str) -> str:
    """Text stays text, and nothing depends on the day."""
    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "", "font.family": "sans-serif"}):
        metadata = {"Date": None, "Creator": None, "Description": f"numbers: {mark}"}
        figure.savefig(buffer, format="svg", facecolor="white", metadata=metadata)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
