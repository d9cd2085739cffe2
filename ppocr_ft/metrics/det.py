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
IOU_ROUNDING = 1e-6
"""So near a threshold, rounding could decide."""
MainIndicator = Literal["precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70"]
RATES: tuple[str, ...] = get_args(MainIndicator)

Shapes = NDArray[np.object_]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Areas = NDArray[np.float64]


@dataclass
class DetCounts:
    """Sums over images; ``gt`` and ``det`` are the polygons that count."""

    images: int = 0
    gt: int = 0
    det: int = 0
    matched: int = 0
    matched_70: int = 0
    ignored_gt: int = 0
    ignored_det: int = 0
    invalid_gt: int = 0
    invalid_det: int = 0

    def add(self, other: DetCounts) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


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
        self._counts.add(count_image(pred_polygons, gt_polygons, ignore_flags))

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


def count_image(
    pred_polygons: Sequence[ArrayLike],
    gt_polygons: Sequence[ArrayLike],
    ignore_flags: Sequence[bool] | Bools,
) -> DetCounts:
    """Return one image's counts; the arguments are ``DetMetric.update``'s."""
    shared = overlaps(pred_polygons, gt_polygons, ignore_flags)
    return DetCounts(
        images=1,
        gt=shared.counted_gts,
        det=int(np.sum(shared.det_counts)),
        matched=shared.matched(IOU_THRESHOLD),
        matched_70=shared.matched(STRICT_IOU_THRESHOLD),
        ignored_gt=int(np.sum(shared.ignored_gt)),
        ignored_det=int(np.sum(shared.ignored_det)),
        invalid_gt=int(np.sum(shared.invalid_gt)),
        invalid_det=int(np.sum(shared.invalid_det)),
    )


def overlaps(
    pred_polygons: Sequence[ArrayLike],
    gt_polygons: Sequence[ArrayLike],
    ignore_flags: Sequence[bool] | Bools,
) -> Overlaps:
    """Return flags and IoUs of one image; the arguments are ``DetMetric.update``'s."""
    flags = np.asarray(ignore_flags, dtype=bool)
    if flags.shape != (len(gt_polygons),):
        raise ValueError(f"{len(gt_polygons)} ground truths, ignore_flags {flags.shape}")
    gts, valid_gt = _valid_shapes(gt_polygons)
    dets, valid_det = _valid_shapes(pred_polygons)
    ignored, (gt, det, iou) = _counted_pairs(gts, dets, flags[valid_gt])
    ignored_det = np.zeros(len(valid_det), dtype=bool)
    ignored_det[valid_det] = ignored
    return Overlaps(
        ~valid_gt,
        flags & valid_gt,
        ~valid_det,
        ignored_det,
        np.flatnonzero(valid_gt)[gt],
        np.flatnonzero(valid_det)[det],
        iou,
    )


def _valid_shapes(polygons: Sequence[ArrayLike]) -> tuple[Shapes, Bools]:
    """Return the valid polygons as shapely polygons, and a flag for each of ``polygons``."""
    points = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
    valid = np.array([len(p) >= 3 and bool(np.isfinite(p).all()) for p in points], dtype=bool)
    shapes = as_shapely([p for p, ok in zip(points, valid, strict=True) if ok])
    sound = shapely.is_valid(shapes)
    valid[valid] = sound
    return shapes[sound], valid


def _counted_pairs(
    gts: Shapes, dets: Shapes, ignored_gt: Bools
) -> tuple[Bools, tuple[Indices, Indices, Areas]]:
    """Return flags ``(m,)`` of ignored detections, and indices and IoU of the pairs that count.

    The pairs are ordered by ground truth, then by detection.
    """
    gt, det = shapely.STRtree(dets).query(gts)
    order = np.lexsort((det, gt))
    gt, det = gt[order], det[order]
    overlap = shapely.area(shapely.intersection(dets[det], gts[gt]))
    some = overlap > 0
    gt, det, overlap = gt[some], det[some], overlap[some]

    covered = ignored_gt[gt] & (overlap / shapely.area(dets[det]) > IGNORED_AREA_RATIO)
    ignored_det = np.zeros(len(dets), dtype=bool)
    ignored_det[det[covered]] = True
    counts = ~ignored_gt[gt] & ~ignored_det[det]
    gt, det, overlap = gt[counts], det[counts], overlap[counts]
    return ignored_det, (gt, det, _ious(gts[gt], dets[det], overlap))


def _ious(gts: Shapes, dets: Shapes, overlap: Areas) -> Areas:
    """Return the IoUs of pairs that overlap.

    Those next to a threshold are of a union that shapely builds, so that they fall as PaddleOCR's.
    """
    iou = overlap / (shapely.area(gts) + shapely.area(dets) - overlap)
    distance = np.abs(iou[:, None] - (IOU_THRESHOLD, STRICT_IOU_THRESHOLD)).min(axis=1)
    near = distance < IOU_ROUNDING
    iou[near] = overlap[near] / shapely.area(shapely.union(dets[near], gts[near]))
    return np.asarray(iou)


def greedy_matches(gt: Indices, det: Indices) -> dict[int, int]:
    """Return the detection of each match: a pair, in turn, is one if both sides are still free."""
    matches: dict[int, int] = {}
    taken: set[int] = set()
    for g, d in zip(gt.tolist(), det.tolist(), strict=True):
        if g not in matches and d not in taken:
            matches[g] = d
            taken.add(d)
    return matches


def _rates(matched: int, gt: int, det: int) -> tuple[float, float, float]:
    precision = matched / det if det else 0.0
    recall = matched / gt if gt else 0.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0
