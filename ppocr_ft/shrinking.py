"""The shrink/unclip pair: what shrinking leaves of a text, and what DBPostProcess makes of that.

A polygon is ``(k, 2)``, x before y, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely

from ppocr_ft.errors import ConfigError
from ppocr_ft.geometry import Floats, Polygon, Shapes, as_shapely, largest_pieces, rectangle_sides
from ppocr_ft.messages import counted

WORDS_RATIO, LINES_RATIO = 0.4, 0.6
"""Shrink ratios that suit short words and long lines (docs/shrink.md)."""
TOUCHING_PX = 2.0
"""Kernels nearer than this grow together on pixels: rounding takes up to 1 px off each side."""
THIN_PX = 3.0
"""A kernel thinner than this is hardly learnt, and DBPostProcess drops its box (min_size)."""


def shrink_distance(area: Floats, perimeter: Floats, shrink_ratio: float | Floats) -> Floats:
    """Return how far a text's edges move inwards, in px: ``D = A * (1 - r ** 2) / L`` (DB, eq. 10).

    The arguments broadcast against each other; ``perimeter`` is above 0.
    """
    distance: Floats = area * (1 - np.square(shrink_ratio)) / perimeter
    return distance


def check_ratio(value: float, key: str) -> float:
    """Return the ratio as a float.

    Raises:
        ConfigError: naming ``key``, if it isn't a number inside (0, 1).
    """
    try:
        ratio = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"found {value!r}, which is not a number", key=key) from None
    if not 0.0 < ratio < 1.0:
        raise ConfigError(f"found {value!r}; it must lie between 0 and 1, both excluded", key=key)
    return ratio


def tried_ratios(shrink_ratio: float) -> Floats:
    """Return the ratios by which a text is shrunk, one after the other, until it is one piece.

    PaddleOCR 2.6.1 takes the multiples of the shrink ratio below 1, and keeps the result of the
    last one if none gives a single piece.
    """
    return np.arange(shrink_ratio, 1, shrink_ratio)


def kernel_boxes(labels: Shapes, shrink_ratio: float) -> Shapes:
    """Return the box (n,) that post-processing fits to each text's perfectly learnt kernel.

    The smallest rotated rectangle around the largest piece of the shrunk text; empty if nothing is
    left.
    """
    kernels = largest_pieces(_kernels(labels, shrink_ratio))
    return np.asarray(shapely.oriented_envelope(kernels), dtype=object)


def _kernels(labels: Shapes, shrink_ratio: float) -> Shapes:
    """Return what shrinking leaves of each text (n,), empty if nothing, see `tried_ratios`."""
    area, length = shapely.area(labels), shapely.length(labels)
    kernels = np.full(len(labels), shapely.Polygon(), dtype=object)
    pending = area > 0
    for tried in tried_ratios(shrink_ratio):
        distance = shrink_distance(area[pending], length[pending], tried)
        kernels[pending] = shapely.buffer(labels[pending], -distance)
        pending &= shapely.is_empty(kernels) | (shapely.get_num_geometries(kernels) > 1)
    return kernels


class KernelGaps(NamedTuple):
    """Each text's kernel: its thickness (n,) and the gap (n,) to the nearest other kernel, px.

    The thickness is 0 where nothing is left; the gap is 0 where kernels overlap and infinite where
    there is no other kernel.
    """

    thickness_px: Floats
    gap_px: Floats


def kernel_gaps(
    polygons: Sequence[Polygon], shrink_ratio: float, scale: float | tuple[float, float] = 1.0
) -> KernelGaps:
    """Measure the kernels of one image's texts at a shrink ratio, as the network sees them.

    Call it once per image and ratio, with the texts that are drawn (not the ignored ones, of which
    no kernel is) in pixels of the image; ``scale``, or (x, y), is the factor of the resize. Then
    ``(gaps.gap_px < TOUCHING_PX).mean()`` is the share of texts that grow together with a
    neighbour, and ``(gaps.thickness_px < THIN_PX).mean()`` that of texts that are hardly learnt.
    Nothing is rounded to pixels. Of two texts with the same outline the other isn't a neighbour:
    that is a label given twice.

    Raises:
        ConfigError: ``shrink_ratio`` outside (0, 1).
    """
    ratio = check_ratio(shrink_ratio, "shrink_ratio")
    kernels = _kernels(as_shapely([np.asarray(p, np.float64) * scale for p in polygons]), ratio)
    pieces = largest_pieces(kernels)
    thickness, _ = rectangle_sides(shapely.area(pieces), shapely.length(pieces))
    gaps = np.full(len(kernels), np.inf)
    (texts, _), nearest = shapely.STRtree(kernels).query_nearest(
        kernels, exclusive=True, return_distance=True, all_matches=False
    )
    gaps[texts] = nearest
    return KernelGaps(thickness, gaps)


def unclip_boxes(boxes: Shapes, unclip_ratio: float) -> Shapes:
    """Grow boxes (n,) by ``A * unclip_ratio / L`` pixels to each side, as DBPostProcess does."""
    length = shapely.length(boxes)
    distances = shapely.area(boxes) * unclip_ratio / np.where(length > 0, length, 1.0)
    return np.asarray(shapely.buffer(boxes, distances, join_style="mitre"), dtype=object)


def iou_ceiling(
    polygons: Sequence[Polygon], shrink_ratio: float, unclip_ratio: float, min_side_px: float = 0
) -> Floats:
    """Return the IoU (n,) of each label with the box of its perfectly learnt text.

    Each label is shrunk as MakeShrinkMap shrinks it, then boxed and unclipped as DBPostProcess
    does it (``box_type: quad``), without rounding to pixels, so the result doesn't depend on scale.
    To count what post-processing drops, pass the polygons at the size at which the network sees
    them and ``min_side_px=3``: a text whose kernel's box is thinner counts 0.

    Raises:
        ConfigError: ``shrink_ratio`` outside (0, 1), or ``unclip_ratio`` not above 0.
    """
    ratio = check_ratio(shrink_ratio, "shrink_ratio")
    if not 0 < unclip_ratio < float("inf"):
        raise ConfigError(f"found {unclip_ratio!r}; it must be above 0", key="unclip_ratio")
    labels = as_shapely(polygons)
    boxes = kernel_boxes(labels, ratio)
    ious = _ious(labels, unclip_boxes(boxes, unclip_ratio))
    short_side_px, _ = rectangle_sides(shapely.area(boxes), shapely.length(boxes))
    return np.where(short_side_px >= min_side_px, ious, 0.0)


def unclip_ratio_for(polygons: Sequence[Polygon], shrink_ratio: float) -> float:
    """Return the unclip ratio that restores these labels best at this shrink ratio.

    It maximises the mean of ``iou_ceiling`` to the nearest 0.01.

    Raises:
        ConfigError: ``shrink_ratio`` outside (0, 1), or no text leaves a kernel at it.
    """
    labels = as_shapely(polygons)
    boxes = kernel_boxes(labels, check_ratio(shrink_ratio, "shrink_ratio"))
    kept = shapely.area(boxes) > 0
    if not kept.any():
        raise ConfigError(
            f"found {shrink_ratio!r}: none of {counted(len(boxes), 'text')} leaves a kernel",
            key="shrink_ratio",
        )
    labels, boxes = labels[kept], boxes[kept]

    def mean_iou(ratio: float) -> float:
        return float(_ious(labels, unclip_boxes(boxes, ratio)).mean())

    ratios = _own_unclip_ratios(labels, boxes)
    coarse = max(np.linspace(max(ratios.min(), 0.01), max(ratios.max(), 0.02), 25), key=mean_iou)
    step = max((ratios.max() - ratios.min()) / 24, 0.01)
    fine = np.round(np.arange(max(coarse - step, 0.01), coarse + step, 0.01), 2)
    return float(max(fine, key=mean_iou))


def _own_unclip_ratios(labels: Shapes, boxes: Shapes) -> Floats:
    """Return for each text the ratio (n,) at which its unclipped box has the label's area.

    A box of perimeter L that grows by d to each side gains ``L * d + 4 * d ** 2`` in area.
    """
    area, length = shapely.area(boxes), shapely.length(boxes)
    gap = np.maximum(shapely.area(labels) - area, 0)
    distance = (np.sqrt(length**2 + 16 * gap) - length) / 8
    return np.asarray(distance * length / area)


def _ious(labels: Shapes, boxes: Shapes) -> Floats:
    valid = shapely.make_valid(labels)
    common = shapely.area(shapely.intersection(valid, boxes))
    union = shapely.area(valid) + shapely.area(boxes) - common
    return np.asarray(common / np.where(union > 0, union, 1.0))
