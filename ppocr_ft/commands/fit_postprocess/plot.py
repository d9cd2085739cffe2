"""A fit of post-processing as a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ppocr_ft.commands.fit_postprocess.console import plane, plane_title
from ppocr_ft.commands.fit_postprocess.search import Fitted
from ppocr_ft.fitting.grid import Cell
from ppocr_ft.fitting.tally import FLAT
from ppocr_ft.report.figures import as_png, new_figure

CELL_INCHES = (0.5, 0.32)
MARGIN_INCHES = (2.4, 2.0)
LEAST_INCHES = (7.5, 4.0)
SHOWN_FALL = 0.15
"""Values further below the best have the lowest color."""
MARKS = {"fitted": "*", "config": "o", "labels' unclip_ratio": "D"}


def heat_map(fitted: Fitted) -> bytes:
    """Draw the objective over unclip_ratio and box_thresh; return a PNG.

    Resize, thresh and score mode are the fitted ones. A frame holds what is as good as the fitted
    values; marks are on these, the config's and the labels'.
    """
    values, grid = plane(fitted), fitted.tally.grid
    size = np.maximum(np.multiply(values.shape[::-1], CELL_INCHES) + MARGIN_INCHES, LEAST_INCHES)
    figure = new_figure(*size.tolist())
    axes = figure.subplots()
    best = float(values.max())
    image = axes.imshow(
        values, origin="lower", aspect="auto", vmin=max(values.min(), best - SHOWN_FALL), vmax=best
    )
    figure.colorbar(image)
    _numbers(axes, values, best)
    _frame(axes, values >= values[fitted.best.unclip_ratio, fitted.best.box_thresh] - FLAT)
    _marks(axes, fitted)
    for ticks, labels, tick_values in (
        (axes.set_xticks, axes.set_xticklabels, grid.box_threshs),
        (axes.set_yticks, axes.set_yticklabels, grid.unclip_ratios),
    ):
        ticks(range(len(tick_values)))
        labels([f"{value:g}" for value in tick_values])
    axes.set_xlabel("box_thresh")
    axes.set_ylabel("unclip_ratio")
    axes.set_title(plane_title(fitted).replace(", with ", "\n"), fontsize=10)
    return as_png(figure)


def _numbers(
    axes: Axes, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], best: float
) -> None:
    for (u, b), value in np.ndenumerate(values):
        color = "black" if value > best - SHOWN_FALL / 3 else "white"
        axes.text(b, u - 0.25, f"{value * 1000:.0f}", ha="center", fontsize=6, color=color)


def _frame(axes: Axes, flat: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    """Draw lines between the cells that are as good as the best and the others."""
    inside = np.pad(flat, 1)
    for u, b in np.argwhere(inside[:, 1:] != inside[:, :-1]).tolist():
        axes.plot([b - 0.5, b - 0.5], [u - 1.5, u - 0.5], color="red", lw=1.2)
    for u, b in np.argwhere(inside[1:] != inside[:-1]).tolist():
        axes.plot([b - 1.5, b - 0.5], [u - 0.5, u - 0.5], color="red", lw=1.2)


def _marks(axes: Axes, fitted: Fitted) -> None:
    cells = dict(zip(MARKS, (fitted.best, fitted.own, fitted.start), strict=True))
    handles: list[Line2D] = []
    for name, cell in cells.items():
        elsewhere = (
            ""
            if cell[:3] == fitted.best[:3]
            else " (tried with another resize, thresh or score_mode)"
        )
        handles += axes.plot(
            *_place(cell), linestyle="", label=f"{name}{elsewhere}", **_style(name)
        )
    handles.append(
        Line2D([], [], color="red", lw=1.2, label=f"not more than {FLAT:g} below the fitted")
    )
    axes.legend(
        handles=handles,
        title="number in a cell: its value in thousandths",
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=2,
        fontsize=8,
    )


def _place(cell: Cell) -> tuple[list[int], list[float]]:
    return [cell.box_thresh], [cell.unclip_ratio + 0.2]


def _style(name: str) -> dict[str, Any]:
    return {
        "marker": MARKS[name],
        "markersize": 9 if name == "fitted" else 6,
        "markerfacecolor": "red" if name == "fitted" else "none",
        "markeredgecolor": "red",
    }
