"""The threshold map: how near a pixel is to a text's edge, and the operator that draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.declaration import OpenShare, Share
from ppocr_ft.geometry import offset_rings, rings_flat, shrink_distance
from ppocr_ft.transforms.polygons import TextPolygons, compile_kernels, count_unusable, ignore_flags
from ppocr_ft.transforms.registry import register
from ppocr_ft.transforms.shrink_schedule import ShrinkSchedule, ShrinkScheduled, WholeEpochs

Array = NDArray[Any]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class BorderTargets:
    """The targets of the threshold head.

    threshold_map: (h, w) float32, thresh_min far from every edge, thresh_max on one.
    threshold_mask: (h, w) float32, 1 at the pixels that count in the loss.
    unusable: (n,), texts that were to be learnt but can't be drawn.
    """

    threshold_map: NDArray[np.float32]
    threshold_mask: NDArray[np.float32]
    unusable: Flags


def border_targets(
    polygons: TextPolygons,
    ignored: Flags,
    shape: tuple[int, int],
    ratio: float,
    thresh_min: float = 0.3,
    thresh_max: float = 0.7,
) -> BorderTargets:
    """Draw the threshold map of an image of ``shape`` (h, w) pixels.

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
    coords, square_lengths = _relative(chosen, boxes)
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
    return BorderTargets(threshold_map, threshold_mask, ~(ignored | drawn))


def _fill_padded(
    mask: NDArray[np.float32], polygons: TextPolygons, distances: Array, drawn: Flags
) -> NDArray[np.int64]:
    """Fill the padded texts flagged in ``drawn`` (n,); unset flags of texts outside the image.

    Returns the extents (xmin, ymin, xmax, ymax) of those that are left, (drawn.sum(), 4).
    """
    from ppocr_ft.transforms import kernels

    paths, chosen = polygons.paths(), np.flatnonzero(drawn).tolist()
    reaches = distances.tolist()
    nothing = [[-1, -1]]  # a ring beyond the image
    padded = [offset_rings(paths[i], reaches[i]) for i in chosen]
    points, starts = rings_flat([rings[0] if rings else nothing for rings in padded])
    boxes, inside = np.empty((len(padded), 4), np.int64), np.empty(len(padded), bool)
    h, w = mask.shape
    kernels.bound(points, starts, h, w, boxes, inside)
    drawn[chosen] = inside
    edges = starts.tolist()
    for k in np.flatnonzero(inside).tolist():
        cv2.fillPoly(mask, [points[edges[k] : edges[k + 1]]], 1.0)
    return boxes[inside]


def _relative(polygons: TextPolygons, boxes: Array) -> tuple[Array, Array]:
    """Return the texts' points (m, 2) relative to their boxes, and squared edge lengths (m,)."""
    from ppocr_ft.transforms import kernels

    relative, squares = np.empty(polygons.coords.shape), np.empty(len(polygons.coords))
    kernels.to_boxes(polygons.coords, polygons.starts, boxes, relative, squares)
    return relative, squares


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
        self.thresh_min = thresh_min
        self.thresh_max = thresh_max
        keys = shrink_ratio, shrink_ratio_end, total_epoch
        super().__init__(ShrinkSchedule.from_keys(*keys, run.get("epoch_num")), run)

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
        targets = border_targets(
            polygons, ignored, (h, w), self.ratio_of(data), self.thresh_min, self.thresh_max
        )
        data["threshold_map"] = targets.threshold_map
        data["threshold_mask"] = targets.threshold_mask
        count_unusable(data, "MakeBorderMap", targets.unusable)
        return data
