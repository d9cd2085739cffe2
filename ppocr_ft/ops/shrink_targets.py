"""The shrink map: text kernels, and where the loss looks at them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from ppocr_ft.geometry import Offsetter, Ring, ring_arrays, shapely_rings, shrink_distances
from ppocr_ft.ops.polygons import TextPolygons

Array = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ShrinkTargets:
    """What the shrink head learns from.

    shrink_map, shrink_mask: (h, w) float32, 0 or 1.
    polygons: the texts clipped to the image and turned one way round.
    ignored: (n,), every text that is masked out of the loss.
    unusable: (n,), those among them that were to be learnt but can't be drawn.
    """

    shrink_map: NDArray[np.float32]
    shrink_mask: NDArray[np.float32]
    polygons: TextPolygons
    ignored: Flags
    unusable: Flags


def shrink_targets(
    polygons: TextPolygons,
    ignored: Flags,
    shape: tuple[int, int],
    ratio: float,
    min_text_size: float = 8,
) -> ShrinkTargets:
    """Draw the shrink map of an image of ``shape`` (h, w) pixels.

    Text kernels are the polygons moved inwards by ``A * (1 - ratio ** 2) / L``. A text flagged
    in ``ignored`` (n,), one with a side under ``min_text_size`` pixels and one that can't be
    drawn are cut out of the mask instead. The same as PaddleOCR 2.6.1's MakeShrinkMap, except
    that polygons which crash it are masked.
    """
    broken = polygons.broken()
    clipped, area = clip_and_orient(polygons, shape)
    empty = broken | (np.abs(area) < 1)
    small = clipped.extents().min(axis=1) < min_text_size
    drawn = ~(ignored | empty | small)
    kernels = _kernels(clipped, drawn, ratio)

    shrink_map = np.zeros(shape, dtype=np.float32)
    shrink_mask = np.ones(shape, dtype=np.float32)
    for ring in ring_arrays(list(chain.from_iterable(kernels))):
        cv2.fillPoly(shrink_map, [ring], 1)
    masked = np.array([not rings for rings in kernels], dtype=bool)
    for i in np.flatnonzero(masked):
        _mask_out(shrink_mask, clipped[i])
    unusable = ~ignored & (empty | (masked & drawn))
    return ShrinkTargets(shrink_map, shrink_mask, clipped, masked, unusable)


def clip_and_orient(polygons: TextPolygons, shape: tuple[int, int]) -> tuple[TextPolygons, Array]:
    """Clip to the image, turn each polygon so that its shoelace area is not positive.

    Returns the polygons and the areas (n,) before the turn, in the precision of the labels.
    """
    from ppocr_ft.ops import kernels

    h, w = shape
    coords = polygons.coords.copy()
    np.clip(coords[:, 0], 0, w - 1, out=coords[:, 0])
    np.clip(coords[:, 1], 0, h - 1, out=coords[:, 1])
    twice = np.zeros(len(polygons), coords.dtype)
    kernels.orient(coords, polygons.starts, twice)
    return TextPolygons(coords, polygons.starts), twice / 2


def _kernels(polygons: TextPolygons, drawn: Flags, ratio: float) -> list[list[Ring]]:
    """For each text the rings that are left of it; none where ``drawn`` (n,) is false."""
    chosen = polygons.select(drawn)
    shapes = shapely_rings(chosen.coords, chosen.starts)
    rings: list[list[Ring]] = [[] for _ in range(len(polygons))]
    paths = polygons.paths()
    distances = shrink_distances(shapely.area(shapes), shapely.length(shapes), ratio).tolist()
    for i, tries in zip(np.flatnonzero(drawn), distances, strict=True):
        clipper = Offsetter(paths[i])
        for distance in tries:
            rings[i] = clipper.rings(-distance)
            if len(rings[i]) == 1:
                break
    return rings


def _mask_out(mask: NDArray[np.float32], polygon: Array) -> None:
    finite = polygon[np.isfinite(polygon).all(axis=1)]
    if len(finite):
        cv2.fillPoly(mask, [finite.astype(np.int32)], 0)
