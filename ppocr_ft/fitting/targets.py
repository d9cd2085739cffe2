"""Shrink ratio and smallest text, by the geometry of the labels at the scale of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import (
    areas,
    box_sides,
    iou_ceiling,
    nearest_distances,
    unclip_ratio_for,
)
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.shrink_map import Rounding, drawn_kernels
from ppocr_ft.utils.sampling import sample_evenly

Polygon = NDArray[Any]
Floats = NDArray[np.float64]
Scale = float | Floats
"""A factor, or one for x and one for y."""

RATIOS = (0.4, 0.5, 0.6)
WORDS, LINES = 0.4, 0.6
WORDS_ASPECT, QUARTILE = 5.5, 0.75
"""If three quarters of the texts are less than 5.5 times as long as high they are words. Of ICDAR
2015's words and FUNSD's three quarters are under 3.9, of SROIE's lines a quarter is over 7.9."""
NEAR_PX = 2
"""Kernels with fewer free pixels between them grow together in a network's map."""
THIN_PX = 3
"""DBPostProcess drops thinner boxes."""
MOST_TEXTS = 2000
"""So many texts, evenly spread over all, say which unclip ratio they ask for."""
MASKED_SHARE = 0.03
"""Share of the texts that count that min_text_size may mask out of the loss."""
LEAST_TEXT_PX = 3.0
"""Of a smaller text no kernel is left."""


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
            f"{self.unclip_ratio:g}), {self.near_share:.1%} of the kernels under {NEAR_PX} px "
            f"apart, {self.thin_share:.1%} under {THIN_PX} px thick"
        )


def choose_shrink_ratio(
    polygons_by_image: Sequence[Sequence[Polygon]],
    scales: Sequence[Scale],
    rounding: Rounding = "truncate",
) -> tuple[RatioFigures, tuple[str, ...]]:
    """Return the shrink ratio for these texts, with the reasons.

    ``polygons_by_image`` are the texts that count, (k, 2) px each, ``scales`` each image's factors
    on them in training.

    Raises:
        ConfigError: no text leaves a kernel.
    """
    scaled = [
        [np.asarray(polygon, np.float64) * scale for polygon in polygons]
        for polygons, scale in zip(polygons_by_image, scales, strict=True)
    ]
    figures = {ratio: ratio_figures(scaled, ratio, rounding) for ratio in RATIOS}
    aspect = upper_aspect(scaled)
    chosen, kind = (WORDS, "words") if aspect < WORDS_ASPECT else (LINES, "lines")
    return figures[chosen], (
        f"shrink_ratio {chosen:g}: the texts are {kind}, three quarters are less than "
        f"{aspect:.1f} times as long as high (words: {WORDS_ASPECT:g})",
        *(str(tried) for tried in figures.values()),
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
    polygons_by_image: Sequence[Sequence[Polygon]], shrink_ratio: float, rounding: Rounding
) -> RatioFigures:
    """Measure what a shrink ratio does to texts at the scale of training."""
    texts = [polygon for polygons in polygons_by_image for polygon in polygons]
    some = sample_evenly(texts, MOST_TEXTS)
    unclip_ratio = unclip_ratio_for(some, shrink_ratio)
    mean_iou = float(iou_ceiling(some, shrink_ratio, unclip_ratio).mean())
    near, thin = 0, 0
    for polygons in polygons_by_image:
        drawn = drawn_kernels(TextPolygons.of(list(polygons)), shrink_ratio, rounding)
        kernels = [max(rings, key=lambda ring: areas([ring])[0]) for rings in drawn if rings]
        thin += len(polygons) - len(kernels)
        if kernels:
            thin += int((box_sides(kernels)[0] + 1 < THIN_PX).sum())  # outlines are drawn too
            near += int((nearest_distances(kernels) - 1 < NEAR_PX).sum())
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
