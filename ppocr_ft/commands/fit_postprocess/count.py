"""What each combination of values finds on one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.fit_postprocess.grid import Grid
from ppocr_ft.commands.fit_postprocess.maps import FloatMap
from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.metrics.det import (
    IOU_THRESHOLD,
    STRICT_IOU_THRESHOLD,
    Overlaps,
    greedy_matches,
    overlaps,
)
from ppocr_ft.postprocess import DBPostProcess

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
COUNTED = ("det", "matched", "matched_70")
"""The last axis of all counts: DetMetric's, of which all rates are made with its ``gt``."""


@dataclass(frozen=True)
class Truth:
    """One image's labels: its size (h, w) in px, n polygons (k, 2) in its px, flags (n,)."""

    source_size: tuple[float, float]
    polygons: tuple[NDArray[np.generic], ...]
    ignored: NDArray[np.bool_]

    @classmethod
    def of(cls, image: EvalImage) -> Truth:
        height, width = image.shape[:2].tolist()
        return cls((height, width), image.polygons, image.ignored)

    @property
    def counted_texts(self) -> int:
        """DetMetric's ``gt``."""
        return overlaps([], self.polygons, self.ignored).counted_gts


def grid_counts(prob_map: FloatMap, truth: Truth, post_process: DBPostProcess, grid: Grid) -> Ints:
    """DetMetric's counts with all values of a grid: (thresh, mode, unclip, box_thresh, 3).

    What isn't in the grid is ``post_process``'s. Blobs are found once for each threshold, their
    scores once for each score mode, boxes and their overlaps with the labels once for each unclip
    ratio; ``box_thresh`` only leaves some of them out.
    """
    counts = np.zeros((*grid.shape, len(COUNTED)), dtype=np.int64)
    for t, thresh in enumerate(grid.threshs):
        ways = [replace(post_process, thresh=thresh, score_mode=mode) for mode in grid.score_modes]
        found = [way.candidates(prob_map) for way in ways]  # the same polygons, other scores
        scores = np.stack([each.scores for each in found])  # (mode, n)
        hopeful = np.flatnonzero((scores >= grid.box_threshs[0]).any(axis=0))
        for u, ratio in enumerate(grid.unclip_ratios):
            unclip = replace(post_process, unclip_ratio=ratio).unclipped
            kept, polygons = unclip(found[0], hopeful, truth.source_size)
            shared = overlaps(polygons, truth.polygons, truth.ignored)
            for m, by_mode in enumerate(scores):
                counts[t, m, u] = counts_by_score(shared, by_mode[kept], grid.box_threshs)
    return counts


def counts_by_score(found: Overlaps, scores: Floats, box_threshs: Sequence[float]) -> Ints:
    """``COUNTED`` (b, 3) where only the detections count whose score (m,) is at least so high."""
    counts = np.zeros((len(box_threshs), len(COUNTED)), dtype=np.int64)
    counts[:, 0] = _at_least(scores[found.det_counts], box_threshs)
    for column, iou_threshold in enumerate((IOU_THRESHOLD, STRICT_IOU_THRESHOLD), start=1):
        over = found.iou > iou_threshold
        counts[:, column] = _matched(found.gt[over], found.det[over], scores, box_threshs)
    return counts


def _matched(
    gt: NDArray[np.intp], det: NDArray[np.intp], scores: Floats, box_threshs: Sequence[float]
) -> Ints:
    """Matches (b,). A pair whose sides meet nobody else needs no matching."""
    if len(gt) == 0:
        return np.zeros(len(box_threshs), dtype=np.int64)
    alone = (np.bincount(gt)[gt] == 1) & (np.bincount(det)[det] == 1)
    matched = _at_least(scores[det[alone]], box_threshs)
    gt, det = gt[~alone], det[~alone]
    if len(gt):
        for b, box_thresh in enumerate(box_threshs):
            there = scores[det] >= box_thresh
            matched[b] += greedy_matches(gt[there], det[there])
    return matched


def _at_least(scores: Floats, limits: Sequence[float]) -> Ints:
    """How many scores are at least as high as each limit (b,)."""
    return len(scores) - np.searchsorted(np.sort(scores), np.asarray(limits), side="left")
