"""Text sizes at the network's input and a perfect network's results, as text and picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ppocr_ft.commands.check.kernels import Kernels, kernel_lines
from ppocr_ft.messages import counted
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.utils.tables import aligned

Floats = NDArray[np.float64]

PERCENTILES = (5, 50, 95)
HEIGHT_EDGES_PX = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
ASPECT_EDGES = (1, 1.5, 2, 3, 5, 8, 12, 20, 30)
SIZE_INCHES = (9.0, 6.0)
BLUE, ORANGE, RED = "tab:blue", "tab:orange", "tab:red"


@dataclass(frozen=True)
class TextSizes:
    """Sizes of texts at one size of their pages.

    Shorter sides (n,) px, longer over shorter sides (n,), and the shorter extents (n,) px, which
    MakeShrinkMap holds against ``min_text_size``.
    """

    heights_px: Floats
    aspects: Floats
    extents_px: Floats
    min_text_size_px: float

    @property
    def too_small(self) -> float:
        """The share of texts that are masked out of the loss."""
        return (
            float((self.extents_px < self.min_text_size_px).mean()) if len(self.extents_px) else 0.0
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "texts": len(self.heights_px),
            "height_px": _percentiles(self.heights_px),
            "aspect": _percentiles(self.aspects),
            "under_min_text_size": round(self.too_small, 4),
            "heights": _histogram(self.heights_px, HEIGHT_EDGES_PX),
            "aspects": _histogram(self.aspects, ASPECT_EDGES),
        }


@dataclass(frozen=True)
class Ceiling:
    """A perfect network's result with a pair: mean IoU, and shares of texts above IoUs."""

    shrink_ratio: float
    unclip_ratio: float
    mean_iou: float
    share_50: float
    share_70: float


@dataclass(frozen=True)
class OnPixels:
    """The hmean of DBPostProcess on the label's own shrink map: with all rounding."""

    pages: int
    rounding: str
    hmean: float
    hmean_70: float


@dataclass(frozen=True)
class LabelGeometry:
    """``texts`` are those that the ceilings are about, ``kind`` says whether words or lines.

    ``training`` and ``kernels`` are None without a crop or page sizes, ``on_pixels`` without page
    sizes.

    ``configured`` is the config's pair, ``refitted`` its shrink ratio with the unclip ratio that
    suits the labels best, ``best`` the best pair of those tried.
    """

    texts: int
    kind: str
    min_text_size_px: float
    sizes_known: bool
    evaluation: TextSizes
    training: TextSizes | None
    configured: Ceiling
    refitted: Ceiling
    best: Ceiling
    on_pixels: OnPixels | None
    kernels: Kernels | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; shares and IoUs 0 to 1."""
        return {
            "texts": self.texts,
            "kind": self.kind,
            "image_sizes_known": self.sizes_known,
            "min_text_size_px": self.min_text_size_px,
            "evaluation": self.evaluation.as_dict(),
            "training": self.training and self.training.as_dict(),
            "ceiling": {
                "configured": asdict(self.configured),
                "best_unclip": asdict(self.refitted),
                "best_pair": asdict(self.best),
            },
            "on_pixels": self.on_pixels and asdict(self.on_pixels),
            "kernels": self.kernels and asdict(self.kernels),
        }


def geometry_lines(of: LabelGeometry) -> list[str]:
    """Return a short table of sizes and one of ceilings."""
    at = "at evaluation's resize" if of.sizes_known else "as labelled (image sizes unknown)"
    least = f"under {of.min_text_size_px:g} px"
    head = ("text", "number", "height, px: 5 %, median, 95 %", "long/short side", least)
    rows: list[tuple[str, ...]] = [head, _size_row(at, of.evaluation)]
    if of.training is not None:
        rows.append(_size_row("in training's crops", of.training))
    lines = [*aligned(rows), of.kind]
    if of.kernels is not None:
        lines += ["", *kernel_lines(of.kernels)]
    lines += ["", f"a perfect network, {counted(of.texts, 'text')}:"]
    rows = [("", "shrink ratio", "unclip_ratio", "mean IoU", "IoU >0.5", "IoU >0.7")]
    rows += [_ceiling_row(name, ceiling) for name, ceiling in _ceilings(of).items()]
    lines += aligned(rows)
    if of.on_pixels is not None:
        drawn = of.on_pixels
        lines.append(
            f"the config's pair on pixels (rounding: {drawn.rounding}, "
            f"{counted(drawn.pages, 'image')}): hmean {drawn.hmean:.3f}, "
            f"at IoU 0.7 {drawn.hmean_70:.3f}"
        )
    return lines


def geometry_png(of: LabelGeometry) -> bytes:
    """Draw histograms of heights and aspects, with min_text_size and the ceilings."""
    figure = new_figure(*SIZE_INCHES)
    heights, aspects = figure.subplots(2, 1)
    sizes = {"at evaluation's resize": of.evaluation}
    if of.training is not None:
        sizes["in training's crops"] = of.training
    _bars(heights, {k: item.heights_px for k, item in sizes.items()}, HEIGHT_EDGES_PX)
    _bars(aspects, {k: item.aspects for k, item in sizes.items()}, ASPECT_EDGES)
    least = float(np.interp(of.min_text_size_px, HEIGHT_EDGES_PX, range(len(HEIGHT_EDGES_PX))))
    label = f"min_text_size {of.min_text_size_px:g} px"
    heights.axvline(least, color=RED, linestyle="--", label=label)
    heights.set_xlabel("height of a text (its shorter side), px")
    aspects.set_xlabel("longer side / shorter side")
    for axes in (heights, aspects):
        axes.set_ylabel("share of texts, %")
        axes.legend()
    title = "\n".join(_in_words(name, item) for name, item in _ceilings(of).items())
    figure.suptitle(title, fontsize=9)
    return as_png(figure)


def _bars(axes: Axes, distributions: Mapping[str, Floats], edges: tuple[float, ...]) -> None:
    """Draw the percentage of the values in each class; edges are evenly spaced on the axis."""
    width = 0.9 / len(distributions)
    places = np.arange(len(edges) - 1) + 0.05
    for i, ((name, values), color) in enumerate(
        zip(distributions.items(), (BLUE, ORANGE), strict=False)
    ):
        counts = np.array(_histogram(values, edges)["counts"])
        shares = 100 * counts / max(counts.sum(), 1)
        axes.bar(places + i * width, shares, width, align="edge", label=name, color=color)
    axes.set_xticks(range(len(edges)), [f"{edge:g}" for edge in edges])


def _histogram(values: Floats, edges: tuple[float, ...]) -> dict[str, list[float]]:
    """Count values by class; those outside the edges count in the first or the last class."""
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
    counts, _ = np.histogram(inside, edges)
    return {"edges": list(edges), "counts": counts.tolist()}


def _ceilings(of: LabelGeometry) -> dict[str, Ceiling]:
    return {
        "the config's pair": of.configured,
        "its shrink ratio, best unclip": of.refitted,
        "best pair": of.best,
    }


def _in_words(name: str, of: Ceiling) -> str:
    return (
        f"{name}: shrink ratio {of.shrink_ratio:g}, unclip_ratio {of.unclip_ratio:g}: a perfect "
        f"network's mean IoU {of.mean_iou:.2f}, above 0.7 {of.share_70:.0%}"
    )


def _size_row(name: str, of: TextSizes) -> tuple[str, ...]:
    low, middle, high = (*_percentiles(of.heights_px), 0.0, 0.0, 0.0)[:3]
    aspect = float(np.median(of.aspects)) if len(of.aspects) else 0.0
    return (
        name,
        str(len(of.heights_px)),
        f"{low:.0f}, {middle:.0f}, {high:.0f}",
        f"{aspect:.1f}",
        f"{of.too_small:.1%}",
    )


def _ceiling_row(name: str, of: Ceiling) -> tuple[str, ...]:
    return (
        name,
        f"{of.shrink_ratio:g}",
        f"{of.unclip_ratio:g}",
        f"{of.mean_iou:.3f}",
        f"{of.share_50:.1%}",
        f"{of.share_70:.1%}",
    )


def _percentiles(values: Floats) -> list[float]:
    return np.round(np.percentile(values, PERCENTILES), 2).tolist() if len(values) else []
