"""Counts of all combinations of values over all images, and the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.fitting.grid import Cell, Grid, Setting
from ppocr_ft.metrics.det import (
    IOU_THRESHOLD,
    STRICT_IOU_THRESHOLD,
    Labels,
    Overlaps,
    Polygons,
    overlaps,
)
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ProbMap

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
    def of(cls, image: EvalSample) -> Truth:
        height, width = image.shape[:2].tolist()
        return cls((height, width), image.polygons, image.ignored)

    @cached_property
    def labels(self) -> Labels:
        return Labels.of(self.polygons, self.ignored)

    @property
    def counted_texts(self) -> int:
        """DetMetric's ``gt``."""
        return int(self.labels.counted.sum())


def grid_counts(prob_map: ProbMap, truth: Truth, post_process: DBPostProcess, grid: Grid) -> Ints:
    """Return DetMetric's counts for all values of a grid: (thresh, mode, unclip, box_thresh, 3).

    What isn't in the grid is ``post_process``'s. Blobs are found once for each threshold, their
    scores once for each score mode, boxes and their overlaps with the labels once for each unclip
    ratio; ``box_thresh`` only leaves some of them out.
    """
    counts = np.zeros((*grid.shape, len(COUNTED)), dtype=np.int64)
    ways = [replace(post_process, unclip_ratio=ratio) for ratio in grid.unclip_ratios]
    for t, thresh in enumerate(grid.threshs):
        finder = replace(post_process, thresh=thresh)
        candidates = finder.candidates_by_mode(prob_map, grid.score_modes)
        scores = np.stack([candidate_set.scores for candidate_set in candidates])  # (mode, n)
        hopeful = np.flatnonzero((scores >= grid.box_threshs[0]).any(axis=0))
        for u, way in enumerate(ways):
            kept, polygons = way.unclipped(candidates[0], hopeful, truth.source_size)
            shared = overlaps(Polygons.of(polygons), truth.labels)
            for m, by_mode in enumerate(scores):
                counts[t, m, u] = counts_by_score(shared, by_mode[kept], grid.box_threshs)
    return counts


def counts_by_score(overlap: Overlaps, scores: Floats, box_threshs: Sequence[float]) -> Ints:
    """Return ``COUNTED`` (b, 3) of the detections whose score (m,) reaches each threshold (b,)."""
    from ppocr_ft.polygon_loops import count_matches

    limits = np.asarray(box_threshs, dtype=np.float64)
    counts = np.zeros((len(box_threshs), len(COUNTED)), dtype=np.int64)
    counts[:, 0] = _at_least(scores[overlap.det_counts], limits)
    for column, iou_threshold in enumerate((IOU_THRESHOLD, STRICT_IOU_THRESHOLD), start=1):
        over = overlap.iou > iou_threshold
        counts[:, column] = count_matches(overlap.gt[over], overlap.det[over], scores, limits)
    return counts


def _at_least(scores: Floats, limits: Floats) -> Ints:
    """Return how many scores are at least as high as each limit (b,)."""
    return len(scores) - np.searchsorted(np.sort(scores), limits, side="left")


Objective = Literal["hmean", "hmean_70", "mean"]
MAX_BLOCKS = 200
FLAT = 0.002
"""A combination this close to the best one is taken to be as good."""


@dataclass(frozen=True)
class Tally:
    """Counts of every combination of values.

    ``counts`` is (block, resize, thresh, mode, unclip, box_thresh, 3), see ``COUNTED``; ``gts`` is
    (block,), the texts that count. A block is some of the images, so memory doesn't grow with them.
    ``more`` are the counts (resize, ..., 3) of further images, 0 without any, and ``more_gts``
    their texts: they take part in the choice of a combination, and in no rate.
    """

    resizes: tuple[str, ...]
    grid: Grid
    counts: Ints
    gts: Ints
    more: Ints = field(default_factory=lambda: np.zeros((), dtype=np.int64))
    more_gts: int = 0

    def joined(self, other: Tally) -> Tally:
        """Return both tallies in one; their unclip ratios differ."""
        ratios = [*self.grid.unclip_ratios, *other.grid.unclip_ratios]
        order = np.argsort(ratios)
        counts, more = (
            np.concatenate(both, axis=axis).take(order, axis=axis) if both[0].ndim else both[0]
            for both, axis in (
                ((self.counts, other.counts), UNCLIP_AXIS),
                ((self.more, other.more), UNCLIP_AXIS - 1),
            )
        )
        grid = self.grid.with_ratios(ratios)
        return Tally(self.resizes, grid, counts, self.gts, more, self.more_gts)

    def values(self, objective: Objective, blocks: NDArray[np.intp] | None = None) -> Floats:
        """Return the objective (resize, thresh, mode, unclip, box_thresh) on some blocks or all.

        The further images are always among those it is of.
        """
        counts = self.counts if blocks is None else self.counts[blocks]
        gts = self.gts if blocks is None else self.gts[blocks]
        return score(counts.sum(axis=0) + self.more, gts.sum() + self.more_gts, objective)

    def at(self, cell: Cell) -> Ints:
        """Return the counts (block, 3) of one combination."""
        index = (slice(None), *cell)
        return self.counts[index]

    def rates(self, cell: Cell) -> dict[str, float]:
        """Return DetMetric's six rates with one combination."""
        counts, gt = self.at(cell).sum(axis=0), self.gts.sum()
        by_name: dict[str, float] = {}
        for column, suffix in ((1, ""), (2, "_70")):
            rates = _rates(counts[..., column], gt, counts[..., 0])
            names = (f"{name}{suffix}" for name in ("precision", "recall", "hmean"))
            by_name |= {name: float(rate) for name, rate in zip(names, rates, strict=True)}
        return by_name

    def setting(self, cell: Cell) -> Setting:
        grid = self.grid
        return Setting(
            self.resizes[cell.resize],
            grid.threshs[cell.thresh],
            grid.score_modes[cell.score_mode],
            grid.unclip_ratios[cell.unclip_ratio],
            grid.box_threshs[cell.box_thresh],
        )

    def cell(self, setting: Setting) -> Cell:
        """Return the cell of a combination.

        Raises:
            ValueError: it is none of those that were tried.
        """
        grid = self.grid
        return Cell(
            self.resizes.index(setting.resize),
            grid.threshs.index(setting.thresh),
            grid.score_modes.index(setting.score_mode),
            grid.unclip_ratios.index(setting.unclip_ratio),
            grid.box_threshs.index(setting.box_thresh),
        )


UNCLIP_AXIS = 1 + Cell._fields.index("unclip_ratio")


def score(counts: NDArray[np.generic], gts: NDArray[np.generic], objective: Objective) -> Floats:
    """Return the objective of counts (..., 3), with ``gts`` (...) or one number for all."""
    det = counts[..., 0]
    hmean, hmean_70 = (_rates(counts[..., column], gts, det)[2] for column in (1, 2))
    if objective == "mean":
        return np.asarray((hmean + hmean_70) / 2)
    return np.asarray(hmean if objective == "hmean" else hmean_70)


def _rates(
    matched: NDArray[np.generic], gt: NDArray[np.generic], det: NDArray[np.generic]
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and hmean, in DetMetric's own arithmetic."""
    matched, gt, det = np.broadcast_arrays(matched, gt, det)
    precision, recall = _quotient(matched, det), _quotient(matched, gt)
    return precision, recall, _quotient(2 * precision * recall, precision + recall)


def _quotient(top: NDArray[np.generic], bottom: NDArray[np.generic]) -> Floats:
    """Return the quotient; 0 instead of a division by 0."""
    quotient: Floats = np.zeros(np.shape(top))
    np.divide(top, bottom, out=quotient, where=np.asarray(bottom) > 0)
    return quotient


def best_cell(values: Floats, current: Cell) -> Cell:
    """Return the best combination that changes no more than it has to.

    If ``current`` is within ``FLAT`` of the highest value, it stays. Else the candidates are the
    combinations within ``FLAT`` that keep most of its resize, thresh and score mode: these three
    hardly move the objective, and a few other images would prefer other values. The best candidate
    wins; among equals the one with the best neighbours in unclip ratio and box_thresh, then the one
    nearest to ``current``.
    """
    if values[current] >= values.max() - FLAT:
        return current
    good = np.argwhere(values >= values.max() - FLAT)  # (n, 5)
    far = np.abs(good - np.array(current))
    changed = (far[:, :3] > 0).sum(axis=1)
    good, far = good[changed == changed.min()], far[changed == changed.min()]
    reached = values[tuple(good.T)]
    good, far = good[reached == reached.max()], far[reached == reached.max()]
    around = np.array([_around(values, Cell(*indices)) for indices in good.tolist()])
    return Cell(*good[np.lexsort((far.sum(axis=1), -around))[0]].tolist())


def _around(values: Floats, cell: Cell) -> float:
    """Return the mean of a cell and its neighbours in its plane, edge cells repeated outside."""
    plane = np.pad(values[cell[:3]], 1, mode="edge")
    u, b = cell.unclip_ratio, cell.box_thresh
    return float(plane[u : u + 3, b : b + 3].mean())


@dataclass(frozen=True)
class Plateau:
    """The values around the best that lose at most ``FLAT``.

    Lowest and highest unclip ratio with its box_thresh, lowest and highest box_thresh with its
    unclip ratio, and how many of the ``tried`` combinations of the two are within that, at its
    resize, thresh and score mode.
    """

    unclip_ratios: tuple[float, float]
    box_threshs: tuple[float, float]
    combinations: int
    tried: int


def plateau(tally: Tally, values: Floats, best: Cell) -> Plateau:
    """Return the values around the best that are about as good."""
    flat = values[best[:3]] >= values[best] - FLAT  # (unclip, box_thresh)
    u, b = best.unclip_ratio, best.box_thresh
    return Plateau(
        _run(flat[:, b], u, tally.grid.unclip_ratios),
        _run(flat[u], b, tally.grid.box_threshs),
        int(flat.sum()),
        flat.size,
    )


def _run(flat: NDArray[np.bool_], at: int, values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the unbroken run around ``at``."""
    broken = np.flatnonzero(~flat)
    below, above = broken[broken < at], broken[broken > at]
    first = int(below[-1]) + 1 if len(below) else 0
    last = int(above[0]) - 1 if len(above) else len(values) - 1
    return values[first], values[last]
