"""The kept boxes of two evaluations and their labels: matches, errors, and the part of chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.metrics.det import Labels
from ppocr_ft.metrics.errors import KINDS, Angle, DetError, Kind, Table, angle_of, table_of
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.report.drawing import IOUS
from ppocr_ft.report.evaluations import EvaluatedImage, KeptEvaluation

RESAMPLES = 1000
INTERVAL_PERCENTILES = (2.5, 97.5)
THRESH_STEP = 0.05
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ImageMatches:
    """An image and its boxes, (k, 2) px of the file, with their scores.

    ``accepted`` are those over the config's box_thresh.
    """

    image: EvaluatedImage
    boxes: Sequence[NDArray[np.int32]]
    scores: Floats
    accepted: NDArray[np.bool_]

    @cached_property
    def _labels(self) -> Labels:
        return Labels.of(self.image.labels, self.image.ignored)

    @cached_property
    def table(self) -> Table:
        """The overlaps of all boxes and labels."""
        return table_of(self.boxes, self._labels)

    def counts(self, iou: float, chosen: NDArray[np.bool_] | None = None) -> tuple[int, int, int]:
        """Return how many matches, labels and boxes there are, of the ``chosen`` or accepted."""
        flags = self.accepted if chosen is None else chosen
        matched = len(self.table.matches(iou, flags))
        return matched, len(self.table.labels), int(flags[self.table.boxes].sum())

    @cached_property
    def accepted_table(self) -> Table:
        """The overlaps of the accepted boxes, for errors; indices are those of ``table``."""
        if self.accepted.all():
            return self.table
        nothing = np.zeros((0, 2))
        boxes = [
            box if kept else nothing for box, kept in zip(self.boxes, self.accepted, strict=True)
        ]
        return table_of(boxes, self._labels)

    def errors(self, iou: float) -> list[DetError]:
        return self.accepted_table.errors(iou)

    def hmean(self, iou: float) -> float:
        return rates(self.counts(iou))[2]

    @cached_property
    def angles(self) -> Mapping[int, Angle]:
        """The angle of each label that counts, by its index."""
        return {i: angle_of(self.image.labels[i]) for i in self.table.labels.tolist()}


class EvaluationMatches:
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
            self.images.append(ImageMatches(image, boxes, scores, scores >= about.box_thresh))

    @cached_property
    def by_path(self) -> Mapping[str, ImageMatches]:
        return {matches.image.path: matches for matches in self.images}

    def error_counts(self, iou: float) -> dict[Kind, int]:
        """Return the number of labels with errors of each kind; of boxes where there is no label.

        A box over the whole page is not one error but one for each label that it merges.
        """
        counts = dict.fromkeys(KINDS, 0)
        for error in (error for matches in self.images for error in matches.errors(iou)):
            counts[error.kind] += len(error.labels) or len(error.boxes)
        return counts

    @cached_property
    def texts_by_angle(self) -> Counter[Angle]:
        """Return the number of labels that count, by their angle."""
        return Counter(angle for image in self.images for angle in image.angles.values())

    def unmatched_by_angle(self, iou: float) -> Counter[Angle]:
        """Return the number of those without a match."""
        matched = Counter(
            image.angles[label]
            for image in self.images
            for label in image.accepted_table.matches(iou)
        )
        return self.texts_by_angle - matched

    @cached_property
    def textless(self) -> tuple[int, int]:
        """Return the number of images without a text that counts, and of the boxes on them."""
        boxes = [image.counts(IOUS[0])[2] for image in self.images if not len(image.table.labels)]
        return len(boxes), sum(boxes)


def rates(counts: NDArray[np.int64] | Sequence[int]) -> tuple[float, float, float]:
    """Return precision, recall, hmean of (matched, labels, boxes)."""
    matched, labels, boxes = (float(count) for count in counts)
    precision = matched / boxes if boxes else 0.0
    recall = matched / labels if labels else 0.0
    return precision, recall, 2 * matched / (labels + boxes) if labels + boxes else 0.0


def chance_interval(
    before: EvaluationMatches, best: EvaluationMatches, iou: float
) -> tuple[float, float] | None:
    """Return the 95 % interval of hmean's difference over resampled images.

    Images are drawn with repetition, as many as were evaluated, `RESAMPLES` times (percentile
    bootstrap). None for less than two images.
    """
    paths = _common_paths(before, best)
    if len(paths) < 2:
        return None
    pair = [
        [evaluation.by_path[path].counts(iou) for path in paths] for evaluation in (before, best)
    ]
    counts = np.array(pair, dtype=np.float64)  # (2, n, 3)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(paths), np.full(len(paths), 1 / len(paths)), RESAMPLES)
    matched, labels, boxes = np.moveaxis(drawn @ counts, 2, 0)  # (2, resamples) each
    hmeans = 2 * matched / np.maximum(labels + boxes, 1)
    low, high = np.percentile(hmeans[1] - hmeans[0], INTERVAL_PERCENTILES)
    return float(low), float(high)


def most_changed(
    before: EvaluationMatches, best: EvaluationMatches, count: int
) -> list[tuple[str, float]]:
    """Return path and change of the images whose hmean, the mean over both IoUs, changed most."""
    changes = []
    for path in _common_paths(before, best):
        one, two = before.by_path[path], best.by_path[path]
        changes.append((path, sum(two.hmean(iou) - one.hmean(iou) for iou in IOUS) / len(IOUS)))
    return sorted(changes, key=lambda change: -abs(change[1]))[:count]


def _common_paths(before: EvaluationMatches, best: EvaluationMatches) -> list[str]:
    return [path for path in before.by_path if path in best.by_path]


def threshold_curve(evaluated: EvaluationMatches) -> list[list[float]]:
    """Return rows of box_thresh, then precision, recall, hmean at IoU 0.5 and at 0.7."""
    about = evaluated.about
    grid = np.arange(about.lowest_score, 0.97, THRESH_STEP).tolist()
    rows = []
    for thresh in sorted({round(t, 4) for t in (*grid, about.box_thresh)}):
        row = [thresh]
        for iou in IOUS:
            counts = [image.counts(iou, image.scores >= thresh) for image in evaluated.images]
            row += rates(np.array(counts, dtype=np.int64).sum(axis=0)) if counts else (0, 0, 0)
        rows.append(row)
    return rows
