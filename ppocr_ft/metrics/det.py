"""Text detection's precision, recall and hmean, as PaddleOCR's ``DetMetric`` counts them.

The protocol is ICDAR 2015's (PaddleOCR's ``eval_det_iou``):

- A polygon that is invalid (crosses or touches itself, has no area, under three points, a
  coordinate that isn't finite) is left out before anything is matched, ignored or not, and counts
  as ``invalid_gt`` or ``invalid_det``. PaddleOCR leaves it out too, without counting it, and stops
  with shapely's error if the points make no ring at all.
- A detection is ignored if more than half of *its own* area is inside one ignored ground truth.
- In the order of the ground truths that count, each takes the first free detection, in the
  detections' order, whose IoU is over the threshold. Nothing is optimised.
- precision = matched / detections that count, recall = matched / ground truths that count, both
  over all images together, 0 if nothing counts; hmean = 2 * p * r / (p + r).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from ppocr_ft.constructor_keys import part_section
from ppocr_ft.geometry import as_shapely

IOU_THRESHOLD = 0.5
STRICT_IOU_THRESHOLD = 0.7
IGNORED_AREA_RATIO = 0.5
ROUNDING = 1e-6
"""So near a threshold, rounding could decide: GEOS is asked, as PaddleOCR asks it."""
MainIndicator = Literal["precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70"]
RATES: tuple[str, ...] = get_args(MainIndicator)

Shapes = NDArray[np.object_]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Areas = NDArray[np.float64]


@dataclass
class DetCounts:
    """Sums over images; ``gt`` and ``det`` are the polygons that count.

    ``textless`` images have no ground truth that counts; ``textless_det`` are the detections on
    them, all of which are false.
    """

    images: int = 0
    gt: int = 0
    det: int = 0
    matched: int = 0
    matched_70: int = 0
    ignored_gt: int = 0
    ignored_det: int = 0
    invalid_gt: int = 0
    invalid_det: int = 0
    textless: int = 0
    textless_det: int = 0

    def add(self, other: DetCounts) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True)
class Polygons:
    """The polygons of one image, prepared for their overlaps with others.

    ``valid`` (n,) flags those that aren't left out. Polygon i is
    ``coords[starts[i]:starts[i + 1]]``, px; its xmin, ymin, xmax, ymax are ``extents[i]`` (n, 4),
    NaN if it is invalid. ``turns`` (n,) is not 0 for those that are surely convex, see
    `polygon_loops.find_convex`.
    """

    valid: Bools
    coords: Areas
    starts: Indices
    extents: Areas
    turns: Indices
    areas: Areas

    @classmethod
    def of(cls, polygons: Sequence[ArrayLike] | NDArray[np.generic]) -> Polygons:
        from ppocr_ft.polygon_loops import find_convex, find_extents, measure

        coords, starts = _flat(polygons)
        count = len(polygons)
        extents, turns = np.empty((count, 4)), np.empty(count, dtype=np.int64)
        find_extents(coords, starts, extents)
        find_convex(coords, starts, extents, turns)
        areas, lengths = np.empty(count), np.empty(count)
        measure(coords, starts, areas, lengths)
        found = cls(~np.isnan(extents[:, 0]), coords, starts, extents, turns, areas)
        doubtful = np.flatnonzero(found.valid & (turns == 0))
        if len(doubtful):
            found.valid[doubtful] = shapely.is_valid(found.shapes(doubtful))
            extents[~found.valid] = np.nan
        return found

    @property
    def arrays(self) -> tuple[Areas, Indices, Areas, Indices]:
        return self.coords, self.starts, self.extents, self.turns

    def shapes(self, chosen: Indices) -> Shapes:
        """Return some of them as shapely polygons."""
        starts = self.starts.tolist()
        return as_shapely([self.coords[starts[i] : starts[i + 1]] for i in chosen.tolist()])


def _flat(polygons: Sequence[ArrayLike] | NDArray[np.generic]) -> tuple[Areas, Indices]:
    """Return all points (m, 2) and the index (n + 1,) at which each polygon starts."""
    if isinstance(polygons, np.ndarray) and polygons.dtype != object and polygons.ndim == 3:
        starts = polygons.shape[1] * np.arange(len(polygons) + 1, dtype=np.int64)
        return np.ascontiguousarray(polygons, dtype=np.float64).reshape(-1, 2), starts
    points = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    starts = np.cumsum([0, *map(len, points)], dtype=np.int64)
    return np.concatenate([np.empty((0, 2)), *points]), starts


@dataclass(frozen=True)
class Labels:
    """The ground truths of one image, prepared once; ``ignored`` (n,) flags valid ones alone."""

    polygons: Polygons
    ignored: Bools

    @classmethod
    def of(cls, polygons: Sequence[ArrayLike], ignore_flags: Sequence[bool] | Bools) -> Labels:
        """Prepare polygons ``(k, 2)`` with a flag for each."""
        flags = np.asarray(ignore_flags, dtype=bool)
        if flags.shape != (len(polygons),):
            raise ValueError(f"{len(polygons)} ground truths, ignore_flags {flags.shape}")
        prepared = Polygons.of(polygons)
        return cls(prepared, flags & prepared.valid)

    @property
    def counted(self) -> Bools:
        """Flags (n,) of those that count."""
        return self.polygons.valid & ~self.ignored


class DetMetric:
    """Detection metric: precision, recall and hmean at IoU 0.5, and at 0.7 with the suffix _70.

    Args:
        main_indicator: what the best checkpoint is best at.

    Raises:
        ConfigError: ``main_indicator`` is no rate of the summary.
    """

    def __init__(self, main_indicator: MainIndicator = "hmean") -> None:
        self.main_indicator = main_indicator
        self._counts = DetCounts()

    def update(
        self,
        pred_polygons: Sequence[ArrayLike],
        gt_polygons: Sequence[ArrayLike],
        ignore_flags: Sequence[bool] | Bools,
    ) -> None:
        """Add one image to the counts.

        Polygons are ``(k, 2)`` pixels with any k, in an order that matters (see the module);
        ``ignore_flags`` holds one flag per ground truth.
        """
        self.add(pred_polygons, Labels.of(gt_polygons, ignore_flags))

    def add(self, pred_polygons: Sequence[ArrayLike], labels: Labels) -> None:
        """Do the same with labels that were prepared before."""
        self._counts.add(count_image(Polygons.of(pred_polygons), labels))

    def summary(self) -> dict[str, float | int]:
        """Return the six rates, then the counts over all images since the last ``reset``."""
        counts = self._counts
        rates = (
            *_rates(counts.matched, counts.gt, counts.det),
            *_rates(counts.matched_70, counts.gt, counts.det),
        )
        return {**dict(zip(RATES, rates, strict=True)), **asdict(counts)}

    def reset(self) -> None:
        self._counts = DetCounts()

    def state(self) -> dict[str, int]:
        """Return the counts, to be gathered from several processes and merged into one metric."""
        return asdict(self._counts)

    def merge(self, state: Mapping[str, int]) -> None:
        """Add another metric's ``state()``, as if its images had been counted here."""
        self._counts.add(DetCounts(**state))


SECTION = part_section(DetMetric)
"""The config's section ``Metric``."""


@dataclass(frozen=True)
class Overlaps:
    """The overlaps of one image's polygons, before any detection is matched.

    The flags belong to the n ground truths and m detections in their given order; an invalid
    polygon is not ignored too. ``gt``, ``det`` (p,) are the pairs that overlap and count, as
    indices into them, by ground truth, then by detection, and ``iou`` their IoUs. No pair depends
    on other detections: if some are removed, the other pairs and flags stay the same.
    """

    invalid_gt: Bools
    ignored_gt: Bools
    invalid_det: Bools
    ignored_det: Bools
    gt: Indices
    det: Indices
    iou: Areas

    @property
    def counted_gts(self) -> int:
        return int(np.sum(~self.invalid_gt & ~self.ignored_gt))

    @property
    def det_counts(self) -> Bools:
        """Flags (m,) of the detections that count."""
        return ~self.invalid_det & ~self.ignored_det

    def matched(self, iou_threshold: float) -> int:
        """Return the number of detections with a ground truth of their own over the threshold."""
        over = self.iou > iou_threshold
        return len(greedy_matches(self.gt[over], self.det[over]))


def count_image(detections: Polygons, labels: Labels) -> DetCounts:
    """Return one image's counts."""
    shared = overlaps(detections, labels)
    gt, det = shared.counted_gts, int(np.sum(shared.det_counts))
    return DetCounts(
        images=1,
        gt=gt,
        det=det,
        matched=shared.matched(IOU_THRESHOLD),
        matched_70=shared.matched(STRICT_IOU_THRESHOLD),
        ignored_gt=int(np.sum(shared.ignored_gt)),
        ignored_det=int(np.sum(shared.ignored_det)),
        invalid_gt=int(np.sum(shared.invalid_gt)),
        invalid_det=int(np.sum(shared.invalid_det)),
        textless=int(gt == 0),
        textless_det=det if gt == 0 else 0,
    )


def overlaps(dets: Polygons, labels: Labels) -> Overlaps:
    """Return flags and IoUs of the detections and labels of one image."""
    gts = labels.polygons
    gt, det, shared = _shared_areas(gts, dets)
    share = shared / dets.areas[det]
    unsure = labels.ignored[gt] & _near(share, IGNORED_AREA_RATIO)
    share[unsure] = _intersections(gts, gt[unsure], dets, det[unsure]) / dets.areas[det[unsure]]
    ignored_det = np.zeros(len(dets.valid), dtype=bool)
    ignored_det[det[labels.ignored[gt] & (share > IGNORED_AREA_RATIO)]] = True
    counts = ~labels.ignored[gt] & ~ignored_det[det]
    gt, det, shared = gt[counts], det[counts], shared[counts]
    iou = shared / (gts.areas[gt] + dets.areas[det] - shared)
    unsure = _near(iou, IOU_THRESHOLD) | _near(iou, STRICT_IOU_THRESHOLD)
    iou[unsure] = _exact_ious(gts, gt[unsure], dets, det[unsure])
    return Overlaps(~gts.valid, labels.ignored, ~dets.valid, ignored_det, gt, det, iou)


def _near(ratios: Areas, threshold: float) -> Bools:
    return np.asarray(np.abs(ratios - threshold) < ROUNDING)


def _shared_areas(gts: Polygons, dets: Polygons) -> tuple[Indices, Indices, Areas]:
    """Return the pairs that share an area, by ground truth, then by detection, and the areas."""
    from ppocr_ft.polygon_loops import shared_areas

    gt, det, shared = shared_areas(*gts.arrays, *dets.arrays)
    unsure = np.isnan(shared)
    shared[unsure] = _intersections(gts, gt[unsure], dets, det[unsure])
    some = shared > 0
    return gt[some], det[some], shared[some]


def _intersections(gts: Polygons, gt: Indices, dets: Polygons, det: Indices) -> Areas:
    """Return the areas (p,) that pairs share as GEOS has them."""
    if len(gt) == 0:
        return np.empty(0)
    return np.asarray(shapely.area(shapely.intersection(dets.shapes(det), gts.shapes(gt))))


def _exact_ious(gts: Polygons, gt: Indices, dets: Polygons, det: Indices) -> Areas:
    """Return the IoUs (p,) of pairs as PaddleOCR has them."""
    if len(gt) == 0:
        return np.empty(0)
    unions = shapely.area(shapely.union(dets.shapes(det), gts.shapes(gt)))
    return np.asarray(_intersections(gts, gt, dets, det) / unions)


def greedy_matches(gt: Indices, det: Indices) -> dict[int, int]:
    """Return the detection of each match: a pair, in turn, is one if both sides are still free."""
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for g, d in zip(gt.tolist(), det.tolist(), strict=True):
        if g not in matches and d not in taken:
            matches[g] = d
            taken.add(d)
    return matches


def textless_boxes(summary: Mapping[str, float]) -> float | None:
    """Return the mean number of boxes on an image without text; None if there is none."""
    return summary["textless_det"] / summary["textless"] if summary["textless"] else None


def _rates(matched: int, gt: int, det: int) -> tuple[float, float, float]:
    precision = matched / det if det else 0.0
    recall = matched / gt if gt else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
