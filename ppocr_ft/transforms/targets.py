"""The targets of DB's maps: shrink map, threshold map, and the operators that draw them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.declaration import NonNegativeFloat, OpenShare, PositiveFloat, Share
from ppocr_ft.filling import fill
from ppocr_ft.geometry import (
    LONG_ASPECT,
    Ring,
    offset_quads,
    offset_rings,
    rectangle_sides,
    ring_arrays,
    rings_flat,
)
from ppocr_ft.shrinking import shrink_distance, tried_ratios
from ppocr_ft.transforms.polygons import (
    TextPolygons,
    compile_kernels,
    count_unusable,
    ignore_flags,
)
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.shrink_schedule import ShrinkScheduled, WholeEpochs

Array = NDArray[Any]
FloatMap = NDArray[np.float32]
Flags = NDArray[np.bool_]
Rounding = Literal["truncate", "nearest"]
PARTS_OF_A_PIXEL = 16
"""Clipper works on whole numbers; with "nearest" these are its unit."""


@dataclass(frozen=True)
class ShrinkTargets:
    """The targets of the shrink head.

    shrink_map: (h, w) float32, 0 or 1. shrink_mask: (h, w) float32, 0 or 1, ``gap_weight`` in gaps.
    polygons: the texts clipped to the image, all with the same orientation.
    ignored: (n,), every text that is masked out of the loss.
    unusable: (n,), those among them that were to be learnt but can't be drawn.
    """

    shrink_map: FloatMap
    shrink_mask: FloatMap
    polygons: TextPolygons
    ignored: Flags
    unusable: Flags


def shrink_targets(
    polygons: TextPolygons,
    ignored: Flags,
    shape: tuple[int, int],
    ratio: float,
    min_text_size: float = 8,
    rounding: Rounding = "truncate",
    gap_weight: float = 1.0,
) -> ShrinkTargets:
    """Draw the shrink map of an image of ``shape`` (h, w) pixels.

    Text kernels are the polygons moved inwards by ``A * (1 - ratio ** 2) / L``. A text flagged
    in ``ignored`` (n,), one with a side under ``min_text_size`` pixels and one that can't be
    drawn are cut out of the mask instead. With ``rounding`` "truncate" the same as PaddleOCR
    2.6.1's MakeShrinkMap, except that polygons which crash it are masked. Pixels in `_gaps` weigh
    ``gap_weight`` in the mask.
    """
    broken = polygons.broken()
    clipped, area, extents = clip_and_orient(polygons, shape)
    empty = broken | (np.abs(area) < 1)
    small = extents.min(axis=1) < min_text_size
    drawn = ~(ignored | empty | small)
    parts = 1 if rounding == "truncate" else PARTS_OF_A_PIXEL
    points, starts, missing = _kernels(clipped, drawn, ratio, parts)

    shrink_map = np.zeros(shape, dtype=np.float32)
    shrink_mask = np.ones(shape, dtype=np.float32)
    fill(shrink_map, points if parts == 1 else np.rint(points / parts).astype(np.int32), starts)
    if gap_weight != 1:
        shrink_mask[_gaps(clipped, ~missing, shape) & (shrink_map == 0)] = gap_weight
    for i in np.flatnonzero(missing):
        finite = clipped[i][np.isfinite(clipped[i]).all(axis=1)]
        if len(finite):
            cv2.fillPoly(shrink_mask, [finite.astype(np.int32)], 0)
    unusable = ~ignored & (empty | (missing & drawn))
    return ShrinkTargets(shrink_map, shrink_mask, clipped, missing, unusable)


def clip_and_orient(
    polygons: TextPolygons, shape: tuple[int, int]
) -> tuple[TextPolygons, Array, Array]:
    """Clip to the image, turn each polygon so that its shoelace area is not positive.

    Returns the polygons, the areas (n,) before the turn and the extents (n, 2) in x and y, in
    the precision of the labels.
    """
    from ppocr_ft.transforms import kernels

    coords = polygons.coords.copy()
    area = np.empty(len(polygons), coords.dtype)
    extents = np.empty((len(polygons), 2), coords.dtype)
    kernels.clip_and_orient(coords, polygons.starts, *shape, area, extents)
    return TextPolygons(coords, polygons.starts), area, extents


def _kernels(
    polygons: TextPolygons, drawn: Flags, ratio: float, parts: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], Flags]:
    """Return the rings that are left of the texts flagged in ``drawn`` (n,).

    They are all points (m, 2) and the index at which each ring starts, and flags (n,) of the texts
    without any. Rings are in 1 / ``parts`` of a pixel; Clipper cuts off what is behind the point of
    a label.
    """
    from ppocr_ft.offset_loops import shrunk_quads

    fine = polygons if parts == 1 else TextPolygons(polygons.coords * parts + 0.5, polygons.starts)
    areas, lengths = polygons.select(drawn).measures()
    tries, chosen = tried_ratios(ratio), np.flatnonzero(drawn)
    quads, sure = np.empty((len(chosen), 4, 2), np.int32), np.zeros(len(chosen), bool)
    if (polygons.counts == 4).all():
        whole = np.trunc(fine.coords.reshape(-1, 4, 2)[chosen]).astype(np.float32)
        quads, sure = shrunk_quads(whole, areas * (1 - tries[0] * tries[0]) / lengths * parts)
    rings: list[Ring] = []
    missing = ~drawn
    for i, area, length in zip(chosen[~sure], areas[~sure], lengths[~sure], strict=True):
        path, of_text = fine[i].tolist(), []
        for tried in tries:
            of_text = offset_rings(path, float(-area * (1 - tried * tried) / length * parts))
            if len(of_text) == 1:
                break
        rings += of_text
        missing[i] = not of_text
    quads = quads[sure]
    points, starts = rings_flat(rings)
    first = 4 * np.arange(len(quads), dtype=np.int64)
    return (
        np.concatenate([quads.reshape(-1, 2), points]),
        np.append(first, 4 * len(quads) + starts),
        missing,
    )


def _gaps(polygons: TextPolygons, drawn: Flags, shape: tuple[int, int]) -> Flags:
    """Return (h, w), the pixels within two texts once each is stretched along its row."""
    texts = polygons.select(drawn)
    near = np.zeros(shape, np.uint8)
    for text in _lengthened(texts) if len(texts) else ():
        left, top = np.maximum(text.min(axis=0), 0).tolist()
        right, bottom = (np.maximum(text.max(axis=0), -1) + 1).tolist()
        window = near[top:bottom, left:right]
        reach = np.zeros(window.shape, np.uint8)
        cv2.fillPoly(reach, [text], 1, offset=(-left, -top))
        window += (reach == 1) & (window < 2)
    return np.asarray(near == 2)


def _lengthened(texts: TextPolygons) -> list[NDArray[np.int32]]:
    """Return each text stretched along its row, by the text's height at both ends.

    A row runs as the text itself does; that of a short one as the longer ones do in the mean, or
    along x.
    """
    first, counts = texts.starts[:-1], texts.counts
    height, length = rectangle_sides(*texts.measures())
    points = texts.coords.astype(np.float64)
    points -= np.repeat(np.add.reduceat(points, first) / counts[:, None], counts, axis=0)
    x, y = points.T
    xx, xy, yy = (np.add.reduceat(product, first) for product in (x * x, x * y, y * y))
    angle = np.arctan2(2 * xy, xx - yy) / 2  # of the points' principal axis
    is_long = length > LONG_ASPECT * height
    twice = 2 * angle[is_long]  # a direction and its opposite are one
    angle[~is_long] = np.arctan2(np.sin(twice).sum(), np.cos(twice).sum()) / 2
    row = np.repeat(np.stack([np.cos(angle), np.sin(angle)], axis=1), counts, axis=0)
    along = (points * row).sum(axis=1)
    farthest = np.maximum(np.maximum.reduceat(np.abs(along), first), 1)
    moved = texts.coords + (along * np.repeat(height / farthest, counts))[:, None] * row
    return np.split(np.rint(moved).astype(np.int32), texts.starts[1:-1])


@register
class MakeShrinkMap(ShrinkScheduled):
    """Draw shrink_map and shrink_mask: drop-in for ``ppocr.data.imaug.MakeShrinkMap``.

    The targets are PaddleOCR 2.6.1's. PaddleOCR hands every operator all of ``Global``, so that
    further keyword arguments are accepted; see ShrinkScheduled for those that count.

    Args:
        min_text_size: a text with a side under this is masked out of the loss, px of the crop.
        shrink_ratio: shrink ratio; the first one if it ramps.
        rounding: how kernels fall on pixels: truncate, PaddleOCR's, is half a pixel to the upper
            left, and so are all boxes that a network learns; nearest is where DBPostProcess finds
            the label's own place again.
        gap_weight: weight in the loss of the background between two texts of a row: of the pixels
            that both cover once each is stretched by its height at both ends.
        shrink_ratio_end: last shrink ratio of the ramp; absent: constant, or + 0.2 if
            total_epoch is given.
        total_epoch: length of the ramp, epochs; absent: the run's epoch_num.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        min_text_size: NonNegativeFloat = 8.0,
        shrink_ratio: OpenShare = 0.4,
        rounding: Rounding = "truncate",
        gap_weight: PositiveFloat = 1.0,
        shrink_ratio_end: OpenShare | None = None,
        total_epoch: WholeEpochs | None = None,
        **run: Any,
    ) -> None:
        compile_kernels()  # here, before workers fork
        super().__init__(shrink_ratio, shrink_ratio_end, total_epoch, run)
        self.min_text_size = min_text_size
        self.rounding = rounding
        self.gap_weight = gap_weight

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add to ``data``: ``shrink_map``, ``shrink_mask`` (h, w) float32.

        Reads ``image`` (h, w[, c]), ``polys`` (n, k, 2) or n of (k_i, 2), ``ignore_tags`` (n,);
        replaces ``polys`` by the clipped and oriented ones, ``ignore_tags`` by what is masked,
        without touching the caller's arrays. ``unusable_texts`` counts the texts that can't be
        drawn, those that MakeBorderMap met among them.

        Raises:
            DataError: polys and ignore_tags of different lengths, or no lists of points.
        """
        polys, ignore_tags = data["polys"], data["ignore_tags"]
        polygons = TextPolygons.of(polys)
        ignored = ignore_flags(ignore_tags, len(polygons))
        h, w = data["image"].shape[:2]
        targets = shrink_targets(
            polygons,
            ignored,
            (h, w),
            self.ratio_of(data),
            self.min_text_size,
            self.rounding,
            self.gap_weight,
        )
        data["shrink_map"] = targets.shrink_map
        data["shrink_mask"] = targets.shrink_mask
        data["polys"] = targets.polygons.like(polys)
        is_array = isinstance(ignore_tags, np.ndarray)
        flags = targets.ignored
        data["ignore_tags"] = flags.astype(ignore_tags.dtype) if is_array else flags.tolist()
        count_unusable(data, "MakeShrinkMap", targets.unusable)
        return data


def border_targets(
    polygons: TextPolygons,
    ignored: Flags,
    shape: tuple[int, int],
    ratio: float,
    thresh_min: float,
    thresh_max: float,
) -> tuple[FloatMap, FloatMap, Flags]:
    """Draw the threshold map of an image of ``shape`` (h, w) pixels.

    Returns the map (h, w), ``thresh_min`` far from every edge and ``thresh_max`` on one; its mask
    (h, w), 1 at the pixels that count in the loss; and flags (n,) of the texts that were to be
    learnt but can't be drawn.

    A text reaches ``D = A * (1 - ratio ** 2) / L`` pixels to both sides of its edge. Equal to
    PaddleOCR 2.6.1's MakeBorderMap, with two exceptions: pixels where 2.6.1 computes NaN get
    their true distance, and a text wholly outside the image, at which 2.6.1 crashes or paints
    a stray column, paints nothing.
    """
    from ppocr_ft.transforms import kernels

    drawn = ~(ignored | polygons.broken())
    area, length = polygons.select(drawn).measures()
    solid = area > 0
    drawn[drawn] = solid
    distances = np.zeros(len(polygons))
    distances[drawn] = shrink_distance(area[solid], length[solid], ratio)

    threshold_mask = np.zeros(shape, dtype=np.float32)
    boxes = _fill_padded(threshold_mask, polygons, distances, drawn)
    chosen = polygons.select(drawn)
    coords, square_lengths = np.empty(chosen.coords.shape), np.empty(len(chosen.coords))
    kernels.to_boxes(chosen.coords, chosen.starts, boxes, coords, square_lengths)
    threshold_map = np.full(shape, thresh_min, dtype=np.float32)
    kernels.paint_borders(
        threshold_map,
        coords,
        square_lengths,
        chosen.starts,
        distances[drawn],
        boxes,
        np.float32(thresh_max - thresh_min),
        np.float32(thresh_min),
    )
    return threshold_map, threshold_mask, ~(ignored | drawn)


def _fill_padded(
    mask: FloatMap, polygons: TextPolygons, distances: Array, drawn: Flags
) -> NDArray[np.int64]:
    """Fill the padded texts flagged in ``drawn`` (n,); unset flags of texts outside the image.

    Returns the extents (xmin, ymin, xmax, ymax) of those that are left, (drawn.sum(), 4).
    """
    from ppocr_ft.transforms import kernels

    chosen = np.flatnonzero(drawn)
    padded = _padded(polygons.select(drawn), distances[chosen])
    starts = np.cumsum([0, *map(len, padded)], dtype=np.int64)
    points = np.concatenate(padded) if padded else np.empty((0, 2), np.int32)
    boxes, inside = np.empty((len(padded), 4), np.int64), np.empty(len(padded), bool)
    h, w = mask.shape
    kernels.bound(points, starts, h, w, boxes, inside)
    drawn[chosen] = inside
    fill(mask, points, starts, inside)
    return boxes[inside]


def _padded(polygons: TextPolygons, distances: Array) -> list[NDArray[np.int32]]:
    """Return the ring around each polygon, ``distances`` (n,) px off."""
    if (polygons.counts == 4).all():
        rings = offset_quads(polygons.coords.reshape(-1, 4, 2), distances)
    else:
        paths = zip(polygons.paths(), distances.tolist(), strict=True)
        rings = [ring_arrays(offset_rings(path, distance)) for path, distance in paths]
    beyond = np.array([[-1, -1]], dtype=np.int32)  # where Clipper leaves nothing: not in the image
    return [of_text[0] if of_text else beyond for of_text in rings]


@register
class MakeBorderMap(ShrinkScheduled):
    """Draw threshold_map and threshold_mask: drop-in for ``ppocr.data.imaug.MakeBorderMap``.

    The targets are PaddleOCR 2.6.1's. Further keyword arguments as for MakeShrinkMap, whose
    schedule must be the same.

    Args:
        shrink_ratio: shrink ratio; the first one if it ramps.
        thresh_min: the threshold map's value far from a text's edge.
        thresh_max: the threshold map's value on a text's edge.
        shrink_ratio_end: last shrink ratio of the ramp; absent: constant, or + 0.2 if
            total_epoch is given.
        total_epoch: length of the ramp, epochs; absent: the run's epoch_num.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        shrink_ratio: OpenShare = 0.4,
        thresh_min: Share = 0.3,
        thresh_max: Share = 0.7,
        shrink_ratio_end: OpenShare | None = None,
        total_epoch: WholeEpochs | None = None,
        **run: Any,
    ) -> None:
        compile_kernels()  # here, before workers fork
        super().__init__(shrink_ratio, shrink_ratio_end, total_epoch, run)
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max

    @staticmethod
    def check_keys(section: Any) -> None:
        """Refuse thresholds that don't rise."""
        if section.thresh_min >= section.thresh_max:
            raise ValueError(
                f"thresh_min is {section.thresh_min:g} and thresh_max {section.thresh_max:g}; "
                "thresh_min must be the lower one"
            )

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add to ``data``: ``threshold_map``, ``threshold_mask`` (h, w) float32.

        Reads ``image`` (h, w[, c]), ``polys`` (n, k, 2) or n of (k_i, 2), ``ignore_tags`` (n,)
        and leaves them alone. ``unusable_texts`` counts the texts that can't be drawn.

        Raises:
            DataError: polys and ignore_tags of different lengths, or no lists of points.
        """
        polygons = TextPolygons.of(data["polys"])
        ignored = ignore_flags(data["ignore_tags"], len(polygons))
        h, w = data["image"].shape[:2]
        data["threshold_map"], data["threshold_mask"], unusable = border_targets(
            polygons, ignored, (h, w), self.ratio_of(data), self.thresh_min, self.thresh_max
        )
        count_unusable(data, "MakeBorderMap", unusable)
        return data
