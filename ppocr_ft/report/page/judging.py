"""The kept boxes of two evaluations beside their labels: matches, errors, what is chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.metrics.errors import KINDS, DetError, Kind, Table, table_of
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.report.evaluations import JudgedImage, KeptEvaluation

IOUS = (0.5, 0.7)
RESAMPLES = 1000
CHANCE = (2.5, 97.5)
"""Percentiles: an interval of 95 %."""
THRESH_STEP = 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JudgedTable:
    """An image and its boxes, (k, 2) px of the file, with their scores; ``found`` are those over
    the config's box_thresh."""

    image: JudgedImage
    boxes: Sequence[NDArray[np.int32]]
    scores: Floats
    found: NDArray[np.bool_]

    @cached_property
    def table(self) -> Table:
        return table_of(self.boxes, self.image.labels, self.image.ignored)

    def counts(self, iou: float, chosen: NDArray[np.bool_] | None = None) -> tuple[int, int, int]:
        """Matched, labels, boxes, of those ``chosen``; else of those that were found."""
        flags = self.found if chosen is None else chosen
        matched = len(self.table.matches(iou, flags))
        return matched, len(self.table.labels), int(flags[self.table.boxes].sum())

    @cached_property
    def only_found(self) -> Table:
        """As ``table``, of the boxes that were found: for errors; indices are the same."""
        if self.found.all():
            return self.table
        nothing = np.zeros((0, 2))
        boxes = [b if f else nothing for b, f in zip(self.boxes, self.found, strict=True)]
        return table_of(boxes, self.image.labels, self.image.ignored)

    def errors(self, iou: float) -> list[DetError]:
        return self.only_found.errors(iou)


class JudgedSet:
    """The images of an evaluation, with one unclip ratio."""

    def __init__(self, evaluation: KeptEvaluation, unclip_ratio: float) -> None:
        about = evaluation.about
        self.about = about
        self.unclip_ratio = unclip_ratio
        unclip = DBPostProcess(
            box_thresh=about.lowest_score, unclip_ratio=unclip_ratio, box_type=about.box_type
        )
        self.images = []
        for image in evaluation.images:
            width, height = image.size_px
            boxes, scores = unclip.boxes_from_candidates(image.kernels, (height, width))
            self.images.append(JudgedTable(image, boxes, scores, scores >= about.box_thresh))

    @cached_property
    def by_path(self) -> Mapping[str, JudgedTable]:
        return {each.image.path: each for each in self.images}

    def error_counts(self, iou: float) -> dict[Kind, int]:
        kinds = [error.kind for each in self.images for error in each.errors(iou)]
        return {kind: kinds.count(kind) for kind in KINDS}


def rates(counts: NDArray[np.int64] | Sequence[int]) -> tuple[float, float, float]:
    """Precision, recall, hmean of (matched, labels, boxes)."""
    matched, labels, boxes = (float(count) for count in counts)
    precision = matched / boxes if boxes else 0.0
    recall = matched / labels if labels else 0.0
    return precision, recall, 2 * matched / (labels + boxes) if labels + boxes else 0.0


def chance_interval(before: JudgedSet, best: JudgedSet, iou: float) -> tuple[float, float] | None:
    """The 95 % interval of hmean's difference over drawings of as many images, with repetition,
    from those that were judged; None for less than two images."""
    paths = [path for path in before.by_path if path in best.by_path]
    if len(paths) < 2:
        return None
    pair = [[each.by_path[path].counts(iou) for path in paths] for each in (before, best)]
    counts = np.array(pair, dtype=np.float64)  # (2, n, 3)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(paths), np.full(len(paths), 1 / len(paths)), RESAMPLES)
    matched, labels, boxes = np.moveaxis(drawn @ counts, 2, 0)  # (2, resamples) each
    hmeans = 2 * matched / np.maximum(labels + boxes, 1)
    low, high = np.percentile(hmeans[1] - hmeans[0], CHANCE)
    return float(low), float(high)


def change(before: JudgedTable, best: JudgedTable) -> float:
    """By how much an image's hmean changed, the mean over both IoUs."""
    pairs = ((rates(each.counts(iou))[2] for each in (best, before)) for iou in IOUS)
    return sum(after - earlier for after, earlier in pairs) / len(IOUS)


def most_changed(before: JudgedSet, best: JudgedSet, count: int) -> list[tuple[str, float]]:
    """Paths and changes of the images that changed most, up or down."""
    paths = [path for path in before.by_path if path in best.by_path]
    changes = [(path, change(before.by_path[path], best.by_path[path])) for path in paths]
    return sorted(changes, key=lambda each: -abs(each[1]))[:count]


def threshold_curve(judged: JudgedSet) -> list[list[float]]:
    """Rows of box_thresh, then precision, recall, hmean at IoU 0.5 and at 0.7."""
    about = judged.about
    grid = np.arange(about.lowest_score, 0.97, THRESH_STEP).tolist()
    rows = []
    for thresh in sorted({round(t, 4) for t in (*grid, about.box_thresh)}):
        row = [thresh]
        for iou in IOUS:
            counts = [each.counts(iou, each.scores >= thresh) for each in judged.images]
            row += rates(np.array(counts, dtype=np.int64).sum(axis=0)) if counts else (0, 0, 0)
        rows.append(row)
    return rows
