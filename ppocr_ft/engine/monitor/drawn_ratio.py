"""The shrink ratio measured on shrink maps of any operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.polygons import TextPolygons, ignore_flags
from ppocr_ft.transforms.shrink_map import shrink_targets

TRIED = tuple(percent / 100 for percent in range(10, 100))
EQUAL_AREA = 0.02
"""Relative difference of kernel areas below which the config's ratio is taken to be the drawn one.
One grid step of `TRIED` makes more."""
LEAST_AREA_PX = 50.0
"""Kernels that say anything."""


@dataclass(frozen=True)
class Labels:
    """Texts of an image of ``shape`` (h, w), as the map operators get them."""

    polys: Sequence[NDArray[Any]]
    ignored: NDArray[np.bool_]
    shape: tuple[int, int]


def drawn_ratio(
    labels: Sequence[Labels],
    drawn: Sequence[Mapping[str, Any]],
    operator: MakeShrinkMap,
    expected: float,
) -> float | None:
    """Return the ratio that the area of the text kernels shows, over all images.

    ``operator`` draws kernels in the right way; the ``expected`` ratio is returned if it gives the
    same area. 0: none were drawn though it would. None: its kernels are too small to tell.
    """
    area = sum(kernel_area(maps["shrink_map"], maps["shrink_mask"]) for maps in drawn)
    expected_area = _area_at(expected, labels, operator)
    if expected_area < LEAST_AREA_PX:
        return None
    if area == 0:
        return 0.0
    if abs(area / expected_area - 1) <= EQUAL_AREA:
        return expected
    gaps = {ratio: abs(_area_at(ratio, labels, operator) - area) for ratio in TRIED}
    return min(gaps, key=gaps.__getitem__)


def kernel_area(shrink_map: NDArray[Any], shrink_mask: NDArray[Any]) -> float:
    """Return the area, in pixels, of text kernels that count in the loss."""
    return float(np.count_nonzero((shrink_map > 0) & (shrink_mask > 0)))


def _area_at(ratio: float, labels: Sequence[Labels], operator: MakeShrinkMap) -> float:
    total = 0.0
    for image in labels:
        polygons = TextPolygons.of(image.polys)
        ignored = ignore_flags(image.ignored, len(polygons))
        targets = shrink_targets(
            polygons, ignored, image.shape, ratio, operator.min_text_size, operator.rounding
        )
        total += kernel_area(targets.shrink_map, targets.shrink_mask)
    return total
