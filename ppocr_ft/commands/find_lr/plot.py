"""An LR range test as a table and as a picture."""

from __future__ import annotations

import csv
import io

from matplotlib.axes import Axes

from ppocr_ft.commands.find_lr.range_test import LrRange
from ppocr_ft.commands.find_lr.suggestion import (
    LrSuggestion,
    NoLrSuggestion,
    relative_loss,
    smoothed_loss,
)
from ppocr_ft.report.figures import as_png, new_figure

COLUMNS = ("step", "lr", "loss", "start_loss", "relative_loss", "standard_error", "smoothed_loss")
SIZE_INCHES = (9.0, 5.0)
BLUE, GREEN, ORANGE = "tab:blue", "tab:green", "tab:orange"
HEADROOM = 1.15
"""A loss that exploded may be cut off; the curve and what it began at may not."""


def lr_range_csv(test: LrRange) -> str:
    """Return a CSV line per step.

    Its columns: the base rate, the loss before the update, the same batch's loss with the weights
    of the start, their smoothed quotient with its standard error, the smoothed loss.
    """
    curve = test.curve
    relative, errors = relative_loss(curve)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = zip(test.points, relative, errors, smoothed_loss(curve), strict=True)
    for point, *derived in rows:
        measured = (f"{value:.6g}" for value in (point.rate, point.loss, point.start_loss))
        writer.writerow([point.step, *measured, *(f"{value:.6g}" for value in derived)])
    return text.getvalue()


def lr_range_picture(test: LrRange, suggestion: LrSuggestion | NoLrSuggestion) -> bytes:
    """Draw the loss over the rate, raw and smoothed, with the suggested rates; return a PNG."""
    curve = test.curve
    figure = new_figure(*SIZE_INCHES)
    axes = figure.subplots()
    axes.plot(curve.rates, curve.losses, ".", color=BLUE, alpha=0.4, label="loss of each step")
    smoothed = smoothed_loss(curve)
    axes.plot(curve.rates, smoothed, color=BLUE, label="smoothed, as if all batches were alike")
    if isinstance(suggestion, LrSuggestion):
        axes.axvspan(suggestion.begin, suggestion.bottom, color=GREEN, alpha=0.08, lw=0)
        _mark(axes, suggestion.valley, f"valley: {suggestion.valley:.1e}", GREEN, "-")
        _mark(axes, suggestion.steepest, f"steepest: {suggestion.steepest:.1e}", ORANGE, "--")
    else:
        axes.set_title(f"no suggestion: {suggestion.reason}", fontsize=9, wrap=True)
    if len(curve):
        axes.set_ylim(0, HEADROOM * max(smoothed.max(), curve.start_losses.max()))
    axes.set_xscale("log")
    axes.set_xlabel(f"learning rate (ended by {test.ending})")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    return as_png(figure)


def _mark(axes: Axes, rate: float, label: str, color: str, style: str) -> None:
    axes.axvline(rate, color=color, linestyle=style, label=label)
