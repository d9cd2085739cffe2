"""Shrink ratio, smallest text and rotation, by the labels' geometry at the scale of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import LONG_ASPECT, box_sides, tilts
from ppocr_ft.shrinking import (
    LINES_RATIO,
    THIN_PX,
    TOUCHING_PX,
    WORDS_RATIO,
    iou_ceiling,
    kernel_gaps,
    unclip_ratio_for,
)
from ppocr_ft.utils.sampling import sample_evenly

Polygon = NDArray[Any]
Floats = NDArray[np.float64]

TRIED_RATIOS = (0.4, 0.5, 0.6)
"""Shrink ratios from DB's own to the end of PP-OCRv4's ramp; beyond, lines grow together."""
WORDS_ASPECT, QUARTILE = 5.5, 0.75
"""If three quarters of the texts are less than 5.5 times as long as high they are words. Of ICDAR
2015's words and FUNSD's three quarters are under 3.9, of SROIE's lines a quarter is over 7.9."""
MOST_TEXTS = 500
"""So many texts, evenly spread over all, say which unclip ratio they ask for."""
MASKED_SHARE = 0.03
"""Share of the texts that count that min_text_size may mask out of the loss."""
LEAST_TEXT_PX = 3.0
"""Of a smaller text no kernel is left."""
LEAST_ROTATION, MOST_ROTATION = 1.0, 10.0
"""Degrees, either way; the latter are PaddleOCR's."""
MOST_UPRIGHT, UPRIGHT_DEGREES = 0.98, 0.05
"""If so many texts are tilted by less than that the labels are upright boxes."""


@dataclass(frozen=True)
class Page:
    """A labelled image and its texts that count, (k, 2) px each.

    ``size_px`` is width and height, None if not known; ``path`` the image's file, "" if it isn't
    needed.
    """

    size_px: tuple[int, int] | None
    polygons: Sequence[Polygon]
    path: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, of a page whose size is known."""
        if self.size_px is None:
            raise ValueError("the page's size isn't known")
        return self.size_px[1], self.size_px[0]

    def factors(self, to: tuple[int, int]) -> Floats:
        """Return the factors (2,) of x and y that bring it to height and width ``to``."""
        height, width = self.shape
        return np.array([to[1] / width, to[0] / height])


@dataclass(frozen=True)
class RatioFigures:
    """What a shrink ratio does to the labels.

    ``unclip_ratio`` gives them back best, at a mean IoU of ``mean_iou``; ``near_share`` of their
    kernels come too near to another one, ``thin_share`` are too thin or vanish.
    """

    shrink_ratio: float
    unclip_ratio: float
    mean_iou: float
    near_share: float
    thin_share: float

    def __str__(self) -> str:
        return (
            f"{self.shrink_ratio:g}: IoU up to {self.mean_iou:.3f} (unclip_ratio "
            f"{self.unclip_ratio:g}), {self.near_share:.1%} of the kernels under {TOUCHING_PX:g} "
            f"px apart, {self.thin_share:.1%} under {THIN_PX:g} px thick"
        )


def choose_shrink_ratio(
    polygons_by_image: Sequence[Sequence[Polygon]],
) -> tuple[RatioFigures, tuple[str, ...]]:
    """Return the shrink ratio for these texts, with the reasons.

    ``polygons_by_image`` are the texts that count, (k, 2) px each, as large as in training.

    Raises:
        ConfigError: no text leaves a kernel.
    """
    figures = {ratio: ratio_figures(polygons_by_image, ratio) for ratio in TRIED_RATIOS}
    kind = TextKind.of(polygons_by_image)
    return figures[kind.shrink_ratio], (
        f"shrink_ratio {kind.shrink_ratio:g}: {kind}",
        *(str(tried) for tried in figures.values()),
    )


@dataclass(frozen=True)
class TextKind:
    """Words or lines, by the upper quartile of how many times as long as high the texts are."""

    aspect: float

    @classmethod
    def of(cls, polygons_by_image: Sequence[Sequence[Polygon]]) -> TextKind:
        return cls(upper_aspect(polygons_by_image))

    @property
    def is_words(self) -> bool:
        return self.aspect < WORDS_ASPECT

    @property
    def shrink_ratio(self) -> float:
        """The ratio that suits them."""
        return WORDS_RATIO if self.is_words else LINES_RATIO

    def __str__(self) -> str:
        return (
            f"the texts are {'words' if self.is_words else 'lines'}, three quarters are less than "
            f"{self.aspect:.1f} times as long as high (words: {WORDS_ASPECT:g})"
        )


def upper_aspect(polygons_by_image: Sequence[Sequence[Polygon]]) -> float:
    """Return the upper quartile of longer side / shorter side, each image weighing the same."""
    values, weights = [], []
    for polygons in polygons_by_image:
        if len(polygons):
            short, long = box_sides(polygons)
            values.append(long / np.maximum(short, 1e-6))
            weights.append(np.full(len(polygons), 1 / len(polygons)))
    aspects, shares = np.concatenate(values), np.concatenate(weights)
    order = np.argsort(aspects)
    at = np.searchsorted(np.cumsum(shares[order]), QUARTILE * shares.sum())
    return float(aspects[order][min(at, len(order) - 1)])


def ratio_figures(
    polygons_by_image: Sequence[Sequence[Polygon]], shrink_ratio: float
) -> RatioFigures:
    """Measure what a shrink ratio does to texts at the scale of training."""
    texts = [polygon for polygons in polygons_by_image for polygon in polygons]
    some = sample_evenly(texts, MOST_TEXTS)
    unclip_ratio = unclip_ratio_for(some, shrink_ratio)
    mean_iou = float(iou_ceiling(some, shrink_ratio, unclip_ratio).mean())
    gaps = [kernel_gaps(polygons, shrink_ratio) for polygons in polygons_by_image]
    near = sum(int((of_image.gap_px < TOUCHING_PX).sum()) for of_image in gaps)
    thin = sum(int((of_image.thickness_px < THIN_PX).sum()) for of_image in gaps)
    return RatioFigures(shrink_ratio, unclip_ratio, mean_iou, near / len(texts), thin / len(texts))


def min_text_size(extents_px: Floats, configured: float) -> float:
    """Return the configured value, or a lower one that masks no more than MASKED_SHARE.

    ``extents_px`` (n,) are the shorter extents of the texts that count, as MakeShrinkMap measures
    them, at the scale of training.
    """
    if not len(extents_px) or (extents_px < configured).mean() <= MASKED_SHARE:
        return configured
    rank = int(MASKED_SHARE * len(extents_px))
    return max(float(math.floor(np.sort(extents_px)[rank])), LEAST_TEXT_PX)


def suiting_rotation(polygons: Sequence[Polygon]) -> tuple[float, str]:
    """Return by how many degrees, either way, training images are to be turned, and why.

    As far as three quarters of the longer texts are tilted already, in whole degrees. Where all
    labels are upright boxes, by none: whoever draws such boxes around tilted text, too, would not
    draw the turned ones.
    """
    short, long = box_sides(polygons)
    has_area = short > 0
    degrees_of = tilts([text for text, wanted in zip(polygons, has_area, strict=True) if wanted])
    if len(degrees_of) and np.quantile(degrees_of, MOST_UPRIGHT) < UPRIGHT_DEGREES:
        return 0.0, "the labels are upright boxes, which they would not be on a turned image"
    longer = degrees_of[(long > LONG_ASPECT * short)[has_area]]
    tilt = float(np.quantile(longer, QUARTILE)) if len(longer) else 0.0
    degrees = float(np.clip(round(tilt), LEAST_ROTATION, MOST_ROTATION))
    return degrees, f"three quarters of the texts are tilted by less than {tilt:.1f} degrees"
