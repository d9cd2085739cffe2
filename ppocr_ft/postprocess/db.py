"""DB's post-processing: a probability map's blobs, scored and unclipped into text polygons.

Results equal those of PaddleOCR 2.10.0's ``DBPostProcess`` (Liao et al. 2020, "Real-time Scene
Text Detection with Differentiable Binarization", section 3.5) bit for bit. There are two steps: to
find the candidates needs ``thresh``, ``use_dilation``, ``score_mode`` and ``max_candidates``; to
turn them into polygons needs ``box_thresh`` and ``unclip_ratio``. A search over the latter two
finds the candidates once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal, TypedDict

import cv2
import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ppocr_ft.constructor_keys import part_section
from ppocr_ft.declaration import PositiveFloat, PositiveInt, Share
from ppocr_ft.filling import fills_like_opencv
from ppocr_ft.geometry import as_shapely, offset, offset_quads

ScoreMode = Literal["fast", "slow"]
BoxType = Literal["quad", "poly"]
Points = NDArray[np.int32]
FloatMap = NDArray[np.float32]
ProbMap = FloatMap | NDArray[np.uint16]
"""A probability map (h, w): float32, or that of a large page in whole numbers (`as_levels`)."""
Floats = NDArray[np.float64]
Outlines = Sequence[NDArray[np.generic]] | NDArray[np.generic]

LEVELS = 65535
"""A probability in whole numbers is the nearest 65535th: it differs by at most 7.7e-6."""
PAGE_PART_PX = 960 * 960
"""So many pixels of a large page count as one image for ``max_candidates``."""
MIN_BLOB_SIDE_PX = 3
MIN_UNCLIPPED_SIDE_PX = 5
APPROX_PERIMETER_RATIO = 0.002
# OpenCV anchors a 2x2 kernel at its last pixel: every pixel grows right and down.
DILATION_KERNEL = np.ones((2, 2), dtype=np.uint8)


class ImageBoxes(TypedDict):
    """The text of one image: ``points`` n polygons ``(k, 2)`` int32 pixels, ``scores`` ``(n,)``."""

    points: list[Points]
    scores: Floats


@dataclass(frozen=True)
class Candidates:
    """One map's blobs as polygons, before they are filtered by score and unclipped.

    ``polygons`` are ``(k, 2)`` map pixels: float32 with k = 4 for quads, which may be one array,
    else int32; ``scores`` ``(n,)`` the mean probability inside each; ``map_size`` is ``(h, w)``.
    ``left_out`` is how many blobs there are beyond ``max_candidates``.
    """

    polygons: Outlines
    scores: Floats
    map_size: tuple[int, int]
    left_out: int = 0


def as_levels(prob_map: FloatMap) -> NDArray[np.uint16]:
    """Return probabilities in whole numbers; NaN, which is under no threshold, becomes 0."""
    levels = np.rint(np.clip(np.nan_to_num(prob_map), 0, 1) * LEVELS)
    return levels.astype(np.uint16)


@dataclass(frozen=True)
class DBPostProcess:
    """Text polygons from probability maps; keys and defaults are PaddleOCR 2.10.0's.

    Only the first ``max_candidates`` blobs in OpenCV's order are looked at. ``box_type`` "poly"
    always averages over a blob's simplified outline, for each ``score_mode``.

    Args:
        thresh: probability above which a pixel is text.
        box_thresh: mean probability above which a box is text.
        max_candidates: boxes per image at most; of a page in tiles per 960 x 960 px.
        unclip_ratio: a box grows by this times area / perimeter, px.
        use_dilation: whether text pixels grow by one before boxes are cut.
        score_mode: mean over the box (fast), or over its exact outline (slow).
        box_type: four corners (quad), or as many as the outline needs (poly).

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    thresh: Share = 0.3
    box_thresh: Share = 0.7
    max_candidates: PositiveInt = 1000
    unclip_ratio: PositiveFloat = 2.0
    use_dilation: bool = False
    score_mode: ScoreMode = "fast"
    box_type: BoxType = "quad"

    def __call__(self, maps: ArrayLike, shape_list: ArrayLike) -> list[ImageBoxes]:
        """Return the polygons of a batch.

        ``maps`` is ``(n, 1, h, w)``; ``shape_list`` ``(n, 4)`` holds source height and width in
        pixels and the two resize ratios, which aren't used.
        """
        batch = np.asarray(maps, dtype=np.float32)
        shapes = np.asarray(shape_list, dtype=np.float64)
        if batch.ndim != 4 or batch.shape[1] != 1:
            raise ValueError(f"maps must be (n, 1, h, w), found {batch.shape}")
        if shapes.shape != (len(batch), 4):
            raise ValueError(f"shape_list must be ({len(batch)}, 4), found {shapes.shape}")
        boxes = (
            self.boxes_from_map(prob_map, (src_h, src_w))
            for prob_map, (src_h, src_w, _, _) in zip(batch[:, 0], shapes, strict=True)
        )
        return [{"points": points, "scores": scores} for points, scores in boxes]

    def boxes_from_map(
        self, prob_map: ProbMap, source_size: tuple[float, float]
    ) -> tuple[list[Points], Floats]:
        """Return the polygons of one map ``(h, w)`` and their scores ``(n,)``.

        The n polygons ``(k, 2)`` are in whole pixels of the source image, whose size
        ``(src_h, src_w)`` is given. Quads start at the top left and run clockwise. Coordinates are
        in [0, src_w] and [0, src_h].
        """
        return self.boxes_from_candidates(self.candidates(prob_map), source_size)

    def candidates(self, prob_map: ProbMap) -> Candidates:
        """Find the map's blobs; independent of ``box_thresh`` and ``unclip_ratio``."""
        return self.candidates_by_mode(prob_map, [self.score_mode])[0]

    def candidates_by_mode(
        self, prob_map: ProbMap, score_modes: Sequence[ScoreMode]
    ) -> list[Candidates]:
        """Return the candidates with the scores of each mode; their polygons are the same."""
        from ppocr_ft.postprocess.map_loops import text_pixels

        most, unit = self.max_candidates, 1
        if prob_map.dtype == np.uint16:
            most, unit = most * math.ceil(prob_map.size / PAGE_PART_PX), LEVELS
            mask = (prob_map > math.floor(self.thresh * LEVELS)).view(np.uint8)
        else:
            prob_map = np.ascontiguousarray(prob_map, dtype=np.float32)
            mask = text_pixels(prob_map, np.float32(self.thresh))
        if self.use_dilation:
            mask = np.asarray(cv2.dilate(mask, DILATION_KERNEL))
        # the outlines (k, 1, 2) of the blobs and of their holes
        contours = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[-2]
        left_out = max(len(contours) - most, 0)
        contours = contours[:most]
        if self.box_type == "poly":
            simple = [
                cv2.approxPolyDP(
                    outline, APPROX_PERIMETER_RATIO * cv2.arcLength(outline, True), True
                )
                for outline in contours
            ]
            simple = [outline for outline in simple if len(outline) >= 4]
            scores = _mean_inside(prob_map, simple) / unit
            polygons = [outline[:, 0] for outline in simple]
            return [Candidates(polygons, scores, prob_map.shape, left_out)] * len(score_modes)
        quads, short_side_px = _min_area_quads(contours)
        large = short_side_px >= MIN_BLOB_SIDE_PX
        quads = quads[large]
        by_mode = [
            _mean_inside_quads(prob_map, quads.astype(np.int32)) / unit
            if mode == "fast"
            else _mean_inside(prob_map, list(compress(contours, large))) / unit
            for mode in score_modes
        ]
        return [Candidates(quads, scores, prob_map.shape, left_out) for scores in by_mode]

    def boxes_from_candidates(
        self, candidates: Candidates, source_size: tuple[float, float]
    ) -> tuple[list[Points], Floats]:
        """Return what ``boxes_from_map`` returns, from candidates of the same ``box_type``."""
        sure = np.flatnonzero(candidates.scores >= self.box_thresh)
        kept, polygons = self.unclipped(candidates, sure, source_size)
        return list(polygons), candidates.scores[kept]

    def unclipped(
        self, candidates: Candidates, chosen: NDArray[np.intp], source_size: tuple[float, float]
    ) -> tuple[NDArray[np.intp], list[Points] | Points]:
        """Unclip the candidates with the indices ``chosen``, without looking at their scores.

        Returns the indices of those that are large enough, and their polygons in source pixels:
        one array ``(n, 4, 2)`` of quads.
        """
        sizes = candidates.map_size, source_size
        if self.box_type == "poly":
            grown = _unclip([candidates.polygons[i] for i in chosen], self.unclip_ratio)
            kept, polygons = _finish_polys(grown, *sizes)
            return chosen[kept], polygons
        quads = np.asarray(candidates.polygons, dtype=np.float32).reshape(-1, 4, 2)[chosen]
        kept, boxes = _finish_quads(_unclip_quads(quads, self.unclip_ratio), *sizes)
        return chosen[kept], boxes


SECTION = part_section(DBPostProcess)
"""The config's section ``PostProcess``."""


def _min_area_quads(outlines: Sequence[Points]) -> tuple[NDArray[np.float32], Floats]:
    """Return the smallest rotated rectangles ``(n, 4, 2)`` and their short sides."""
    rects = [cv2.minAreaRect(outline) for outline in outlines]
    corners = np.array([cv2.boxPoints(rect) for rect in rects], dtype=np.float32)
    short_side_px = np.array([min(rect[1]) for rect in rects], dtype=np.float64)
    return _clockwise(corners.reshape(-1, 4, 2)), short_side_px


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reorder corners ``(n, 4, 2)``: top left, top right, bottom right, bottom left.

    The two leftmost corners make the left side and the two others the right one; of each
    side the upper corner comes first.
    """
    rows = np.arange(len(corners))[:, None]
    by_x = corners[rows, np.argsort(corners[:, :, 0], axis=1, kind="stable")]
    left_falls = by_x[:, 1, 1] > by_x[:, 0, 1]
    right_falls = by_x[:, 3, 1] > by_x[:, 2, 1]
    top_left, bottom_left = np.where(left_falls, 0, 1), np.where(left_falls, 1, 0)
    top_right, bottom_right = np.where(right_falls, 2, 3), np.where(right_falls, 3, 2)
    order = np.stack([top_left, top_right, bottom_right, bottom_left], axis=1)
    return np.asarray(by_x[rows, order])


def _mean_inside(prob_map: ProbMap, outlines: Outlines) -> Floats:
    """Return the mean of the map inside each outline; parts outside the map are left out."""
    scores = np.empty(len(outlines))
    for i, outline in enumerate(outlines):
        x, y, w, h = cv2.boundingRect(outline)
        left, top = max(x, 0), max(y, 0)
        crop = prob_map[top : y + h, left : x + w]
        mask = np.zeros(crop.shape, dtype=np.uint8)
        cv2.fillPoly(mask, [outline], 1, offset=(-left, -top))
        scores[i] = cv2.mean(crop, mask)[0]
    return scores


def _mean_inside_quads(prob_map: ProbMap, quads: Points) -> Floats:
    """Do the same for quads ``(n, 4, 2)``; fast where the map is of floats."""
    from ppocr_ft.postprocess.map_loops import quad_means

    if prob_map.dtype == np.uint16 or not fills_like_opencv():
        return _mean_inside(prob_map, quads)
    scores: Floats = quad_means(prob_map, quads)
    unsure = np.isnan(scores)
    scores[unsure] = _mean_inside(prob_map, quads[unsure])
    return scores


def _unclip(polygons: Sequence[NDArray[np.generic]], unclip_ratio: float) -> list[Points | None]:
    """Grow each polygon by area * ratio / perimeter; None if it isn't one ring any more."""
    shapes = as_shapely(polygons)
    distances_px = shapely.area(shapes) * unclip_ratio / shapely.length(shapes)
    return [_one_ring(p, d) for p, d in zip(polygons, distances_px.tolist(), strict=True)]


def _one_ring(polygon: NDArray[np.generic], distance_px: float) -> Points | None:
    rings = offset(polygon, distance_px)
    return rings[0] if len(rings) == 1 else None


def _unclip_quads(quads: NDArray[np.float32], unclip_ratio: float) -> list[Points | None]:
    """Do the same as ``_unclip`` for quads ``(n, 4, 2)``; fast."""
    from ppocr_ft.polygon_loops import measure

    areas, lengths = np.empty(len(quads)), np.empty(len(quads))
    measure(quads.reshape(-1, 2), 4 * np.arange(len(quads) + 1, dtype=np.int64), areas, lengths)
    rings = offset_quads(quads, areas * unclip_ratio / lengths)
    return [of_quad[0] if len(of_quad) == 1 else None for of_quad in rings]


def _finish_quads(
    grown: Sequence[Points | None], map_size: tuple[int, int], source_size: tuple[float, float]
) -> tuple[NDArray[np.intp], Points]:
    """Return the indices of polygons that are large enough, and their quads in source px."""
    whole = np.array([i for i, ring in enumerate(grown) if ring is not None], dtype=np.intp)
    quads, short_side_px = _min_area_quads([ring for ring in grown if ring is not None])
    large = short_side_px >= MIN_UNCLIPPED_SIDE_PX
    return whole[large], _to_source(quads[large], map_size, source_size)


def _finish_polys(
    grown: Sequence[Points | None], map_size: tuple[int, int], source_size: tuple[float, float]
) -> tuple[NDArray[np.intp], list[Points]]:
    """Do the same as ``_finish_quads``, but keep the polygons' own points."""
    kept = {
        i: _to_source(ring, map_size, source_size)
        for i, ring in enumerate(grown)
        if ring is not None and min(cv2.minAreaRect(ring)[1]) >= MIN_UNCLIPPED_SIDE_PX
    }
    return np.array(list(kept), dtype=np.intp), list(kept.values())


def _to_source(
    points: Points | NDArray[np.float32],
    map_size: tuple[int, int],
    source_size: tuple[float, float],
) -> Points:
    """Scale points ``(..., 2)`` of the map to whole source pixels, clipped to the source.

    The source size is two float64 scalars, as in PaddleOCR's ``shape_list``: quads are then
    multiplied in float64 by numpy 2 and in float32 by numpy 1, which decides how halves round.
    """
    scaled = np.empty(points.shape, dtype=np.int32)
    for axis, (side, source) in enumerate(zip(map_size[::-1], source_size[::-1], strict=True)):
        moved = points[..., axis] / side * np.float64(source)
        scaled[..., axis] = np.clip(np.round(moved), 0, source)
    return scaled
