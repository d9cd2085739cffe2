"""The pictures of docs/shrink.md. Colours are Okabe and Ito's, which the colour-blind can tell."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon
from numpy.typing import NDArray
from PIL import Image

from experiments.made_up_crop import Crop
from experiments.paddleocr_runs import RUN_EPOCHS, Targets, our_pair, paddleocr_pair, targets
from ppocr_ft.shrinking import iou_ceiling, unclip_ratio_for

BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#222222"
DPI = 100
FONT_PT = 11
ASPECTS = np.geomspace(1, 20, 40)
UNCLIP_RATIOS = np.arange(0.6, 3.01, 0.05)
SHIPPED_UNCLIP = 1.5
RATIO_STYLES = ((0.4, BLUE, "-"), (0.5, GREEN, "--"), (0.6, RED, "-."))


def draw_all(crop: Crop, folder: Path) -> list[Path]:
    """Write the pictures; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "targets": targets_figure(crop),
        "ratio": ratio_figure(),
        "unclip": pair_figure(crop),
    }
    return [_save(figure, folder / f"shrink_{name}.png") for name, figure in figures.items()]


def targets_figure(crop: Crop) -> Figure:
    """Draw the operators' maps of the crop: PaddleOCR's at the left, ours at the right."""
    panels = [
        ("PaddleOCR 2.6.1.3", "in every epoch", paddleocr_pair("2.6.1.3")),
        ("ppocr_ft, epoch 1 of 500", "", our_pair(1)),
        ("PaddleOCR 2.7.0.3, total_epoch 500", "in every epoch", paddleocr_pair("2.7.0.3")),
        ("ppocr_ft, epoch 250 of 500", "", our_pair(250)),
        ("PaddleOCR 2.7.0.3, total_epoch 300", "in every epoch", paddleocr_pair("2.7.0.3", 300)),
        ("ppocr_ft, epoch 500 of 500", "", our_pair(500)),
    ]
    figure = Figure(figsize=(10, 12.9), dpi=DPI)
    for axes, (title, when, pair) in zip(figure.subplots(3, 2).flat, panels, strict=True):
        drawn = targets(pair, crop)
        _panel(axes, crop, drawn)
        axes.set_title(title, fontsize=FONT_PT + 3, fontweight="bold", pad=22)
        caption = f"ratio {drawn.ratio:.4f} {when}".strip() + f": {_outcome(drawn)}"
        axes.text(0.5, 1.02, caption, transform=axes.transAxes, ha="center", fontsize=FONT_PT)
    figure.subplots_adjust(0.015, 0.06, 0.985, 0.955, wspace=0.03, hspace=0.17)
    figure.legend(handles=_legend(), loc="lower center", ncols=2, fontsize=FONT_PT + 1)
    return figure


def _outcome(drawn: Targets) -> str:
    if drawn.masked_ratio == 1:
        return "every text masked out"
    return f"kernels cover {drawn.kernel_ratio:.0%} of the texts"


def _panel(axes: Axes, crop: Crop, drawn: Targets) -> None:
    grey = cv2.cvtColor(crop.image, cv2.COLOR_BGR2GRAY).astype(np.float64) / 255
    picture = np.repeat(0.6 + 0.4 * _stepped(grey, 4)[:, :, np.newaxis], 3, axis=2)
    if drawn.border is not None:
        picture = _blend(picture, ORANGE, 0.9 * _stepped(drawn.border, 5))
    picture = _blend(picture, BLUE, 0.8 * drawn.shrink_map)
    axes.imshow(picture, interpolation="nearest")
    if drawn.masked_ratio > 0:
        axes.contourf(drawn.shrink_mask < 0.5, [0.5, 1.5], colors="none", hatches=["xxx"])
    for polygon in crop.polygons:
        axes.add_patch(Polygon(polygon, fill=False, edgecolor=BLACK, linewidth=0.8))
    axes.set(xticks=[], yticks=[])


def _stepped(values: NDArray[np.floating[Any]], steps: int) -> NDArray[np.float64]:
    """Values 0 to 1 in so many steps, which make a much smaller file."""
    return np.asarray(np.round(values * steps) / steps)


def _blend(
    picture: NDArray[np.float64], colour: str, alpha: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    weight = alpha[:, :, np.newaxis]
    return np.asarray(picture * (1 - weight) + rgb * weight)


def _legend() -> list[Patch | Line2D]:
    return [
        Line2D([], [], color=BLACK, linewidth=0.8, label="label"),
        Patch(color=BLUE, alpha=0.8, label="shrink map: text kernel"),
        Patch(color=ORANGE, label="threshold map: the stronger, the nearer to an edge"),
        Patch(fill=False, hatch="xxx", label="masked out of the shrink loss"),
    ]


def ratio_figure() -> Figure:
    """Draw the ratio of the real operators in each epoch, for three values of total_epoch."""
    figure = Figure(figsize=(11, 4.4), dpi=DPI, layout="constrained")
    shipped, short = figure.subplots(1, 2, sharey=True)
    _ratio_axes(shipped, f"total_epoch: {RUN_EPOCHS}, as shipped")
    _ratio_lines(shipped, RUN_EPOCHS, "-")
    seeded = paddleocr_pair("2.7.0.3").ratio
    _note(shipped, 10, 1.03, "from 1 on no kernel is left", BLACK)
    _note(shipped, 10, seeded + 0.02, f"2.7 and 2.8: {seeded:.4f}, the seed for an epoch", RED)
    _note(shipped, 250, 0.55, "ppocr_ft: 0.4 to 0.6", BLUE, rotation=6.5)
    _note(shipped, 10, 0.31, "2.6.1 and 2.10: 0.4", BLACK)

    _ratio_axes(short, "total_epoch: 300, and 150 (dashed)")
    for total_epoch, style in ((300, "-"), (150, "--")):
        _ratio_lines(short, total_epoch, style)
        seeded = paddleocr_pair("2.7.0.3", total_epoch).ratio
        _note(short, 10, seeded + 0.02, f"2.7 and 2.8: {seeded:.4f}", RED)
    _note(short, 310, 0.57, "ppocr_ft: 0.4 to 0.6", BLUE)
    _note(short, 310, 0.37, "2.6.1 and 2.10: 0.4", BLACK)
    return figure


def _ratio_axes(axes: Axes, title: str) -> None:
    _name_axes(axes, title, "epoch", "shrink ratio")
    axes.set(xlim=(0, RUN_EPOCHS), ylim=(0.2, 1.95))
    axes.axhspan(1, 1.95, facecolor="#dddddd", zorder=0)


def _ratio_lines(axes: Axes, total_epoch: int, style: str) -> None:
    epochs = np.arange(1, total_epoch + 1)
    ours = [our_pair(int(epoch), total_epoch).ratio for epoch in epochs]
    for version, colour in (
        ("2.6.1.3", BLACK),
        ("2.10.0", BLACK),
        ("2.7.0.3", RED),
        ("2.8.1", RED),
    ):
        ratio = paddleocr_pair(version, total_epoch).ratio
        axes.plot(epochs, np.full(total_epoch, ratio), color=colour, linestyle=style, linewidth=2)
    axes.plot(epochs, ours, color=BLUE, linestyle=style, linewidth=2.5)


def _note(
    axes: Axes, x: float, y: float, text: str, colour: str, ha: str = "left", rotation: float = 0
) -> None:
    axes.text(x, y, text, color=colour, fontsize=FONT_PT, ha=ha, va="bottom", rotation=rotation)


def pair_figure(crop: Crop) -> Figure:
    """Draw the shrink/unclip pair: the best ratio for one box; the limit for the crop's labels."""
    figure = Figure(figsize=(11, 4.4), dpi=DPI, layout="constrained")
    alone, together = figure.subplots(1, 2)
    for ratio, colour, style in RATIO_STYLES:
        line = {"color": colour, "linestyle": style, "linewidth": 2}
        best = [best_unclip(aspect, ratio) for aspect in ASPECTS]
        alone.plot(ASPECTS, best, label=f"shrink ratio {ratio}", **line)
        ceilings = [iou_ceiling(crop.polygons, ratio, unclip).mean() for unclip in UNCLIP_RATIOS]
        together.plot(UNCLIP_RATIOS, ceilings, **line)
    shipped = {"color": BLACK, "linewidth": 1.5, "linestyle": ":"}
    alone.axhline(SHIPPED_UNCLIP, label="1.5, as shipped", **shipped)
    together.axvline(SHIPPED_UNCLIP, **shipped)
    _note(together, SHIPPED_UNCLIP + 0.02, 0.41, "1.5, as shipped", BLACK)
    alone.legend(loc="upper left", fontsize=FONT_PT, frameon=False)

    _name_axes(alone, "Best unclip ratio for one box", "width / height of the text", "unclip ratio")
    alone.set(xscale="log", xlim=(1, 20), ylim=(0, 5))
    alone.minorticks_off()
    alone.set_xticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
    mean = "mean IoU with the labels of the crop"
    _name_axes(together, "What a perfect network reaches", "unclip ratio", mean)
    together.set(xlim=(0.6, 3.0), ylim=(0.4, 1.0))
    return figure


def _name_axes(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=FONT_PT + 2, fontweight="bold")
    axes.set_xlabel(x, fontsize=FONT_PT)
    axes.set_ylabel(y, fontsize=FONT_PT)
    axes.spines[["top", "right"]].set_visible(False)


def best_unclip(aspect: float, shrink_ratio: float) -> float:
    """Return the best unclip ratio for one box, ``aspect`` times as wide as high."""
    box = np.array([[0, 0], [aspect, 0], [aspect, 1], [0, 1]]) * 100
    return unclip_ratio_for([box], shrink_ratio)


def _save(figure: Figure, path: Path) -> Path:
    """As a PNG of 64 colours, which is a third of the size, without a date in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", metadata={"Software": None})
    Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    return path
