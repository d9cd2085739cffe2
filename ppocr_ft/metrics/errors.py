"""The errors of a detector on an image, text by text, and the kind of each error.

An error is a label without a box or a box without a label, by `det`'s matching at one IoU
threshold. Among the unmatched ones:

- **split**: most of the area of two or more boxes is inside one label.
- **merged**: one box covers most of the area of two or more labels.
- **too small**, **too large**: one box overlaps one label, by an IoU of `NEAR_IOU` or more, and
  has less, or not less, area.
- **missed**: a label with none of these errors. **false**: a box with none of these errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppocr_ft.metrics import det
from ppocr_ft.metrics.det import IOU_THRESHOLD, Bools, Indices, Labels, Polygons

Kind = Literal["missed", "split", "merged", "too small", "too large", "false"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MOST_AREA_RATIO = 0.5
NEAR_IOU = 0.1
Angle = Literal["level", "upright", "upside down", "slanted"]
"""Of a text's longer side: within ANGLE_DEGREES of the horizontal, or of the vertical; level, but
its points begin at the lower right; any other."""
ANGLES: tuple[Angle, ...] = get_args(Angle)
ANGLE_DEGREES = 15.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DetError:
    """One error: the indices of its labels and boxes; ``iou`` is the best among them."""

    kind: Kind
    labels: tuple[int, ...] = ()
    boxes: tuple[int, ...] = ()
    iou: float = 0.0


@dataclass(frozen=True)
class Table:
    """The overlaps of the boxes and labels that count: valid and not ignored.

    ``labels`` and ``boxes`` are their indices. A pair that overlaps is ``pair_label[i]``,
    ``pair_box[i]``, by label, then by box: with their IoU, and the share of the area of either that
    is inside the other.
    """

    labels: Indices
    boxes: Indices
    pair_label: Indices
    pair_box: Indices
    iou: Floats
    share_of_label: Floats
    share_of_box: Floats

    def matches(
        self, iou_threshold: float = IOU_THRESHOLD, chosen: Bools | None = None
    ) -> dict[int, int]:
        """Return box by label, as DetMetric matches the ``chosen`` boxes (a flag each)."""
        close = self.iou > iou_threshold
        if chosen is not None:
            close &= chosen[self.pair_box]
        return det.greedy_matches(self.pair_label[close], self.pair_box[close])

    def errors(self, iou_threshold: float = IOU_THRESHOLD) -> list[DetError]:
        """Return the errors; each unmatched label and box that counts is in one or more."""
        return _Sorting(self, iou_threshold).errors()

    @cached_property
    def by_pair(self) -> dict[tuple[int, int], float]:
        """Return the IoU of each (label, box)."""
        pairs = zip(self.pair_label.tolist(), self.pair_box.tolist(), strict=True)
        return dict(zip(pairs, self.iou.tolist(), strict=True))


def table_of(boxes: Sequence[ArrayLike], labels: Labels) -> Table:
    """Make the table of one image; the arguments are those of ``DetMetric.add``."""
    found = Polygons.of(boxes)
    pairs = det.overlaps(found, labels)
    label_area, box_area = labels.polygons.areas[pairs.gt], found.areas[pairs.det]
    shared = pairs.iou * (label_area + box_area) / (1 + pairs.iou)
    return Table(
        np.flatnonzero(labels.counted),
        np.flatnonzero(pairs.det_counts),
        pairs.gt,
        pairs.det,
        pairs.iou,
        shared / label_area,
        shared / box_area,
    )


def labels_by_error(table: Table) -> Counter[str]:
    """Count the labels in errors of each kind, a label in several kinds in each, and "all"."""
    counts = Counter({"all": len(table.labels)})
    for kind, errors in groupby(table.errors(), key=lambda error: error.kind):
        counts[kind] += len({label for error in errors for label in error.labels})
    return counts


def angle_of(polygon: ArrayLike) -> Angle:
    """Return a text's angle by its points (k, 2).

    A quad's first point is the upper left corner as one reads, and its second the upper right one.
    Of other outlines the longest extent counts, which does not say where the text begins.
    """
    points = np.asarray(polygon, dtype=np.float64)
    if len(points) == 4:
        top, right = points[1] - points[0], points[2] - points[1]
        x, y = top if np.linalg.norm(top) >= np.linalg.norm(right) else right
        is_reversed = np.linalg.norm(top) >= np.linalg.norm(right) and x < 0
    else:
        x, y = np.linalg.svd(points - points.mean(axis=0))[2][0]
        is_reversed = False
    degrees = float(np.degrees(np.arctan2(abs(y), abs(x))))
    if degrees <= ANGLE_DEGREES:
        return "upside down" if is_reversed else "level"
    return "upright" if degrees >= 90 - ANGLE_DEGREES else "slanted"


class _Sorting:
    """Sorts unmatched labels and boxes into errors; those ``left`` are in none yet."""

    def __init__(self, table: Table, iou_threshold: float) -> None:
        self.table = table
        self.iou_threshold = iou_threshold
        self.matched = table.matches(iou_threshold)
        self.labels_left = {int(label) for label in table.labels} - self.matched.keys()
        self.boxes_left = {int(box) for box in table.boxes} - set(self.matched.values())

    def errors(self) -> list[DetError]:
        errors = [*self._split(), *self._merged(), *self._ill_sized()]
        errors += [DetError("missed", (label,)) for label in sorted(self.labels_left)]
        errors += [DetError("false", boxes=(box,)) for box in sorted(self.boxes_left)]
        return errors

    def _error(self, kind: Kind, labels: Sequence[int], boxes: Sequence[int]) -> DetError:
        self.labels_left -= set(labels)
        self.boxes_left -= set(boxes)
        ious = (self.table.by_pair.get((label, box), 0.0) for label in labels for box in boxes)
        return DetError(kind, tuple(labels), tuple(boxes), max(ious))

    def _split(self) -> list[DetError]:
        table = self.table
        pairs = zip(table.pair_label.tolist(), table.pair_box.tolist(), strict=True)
        is_match = np.array([self.matched.get(label) == box for label, box in pairs], dtype=bool)
        inside = table.share_of_box > MOST_AREA_RATIO
        twice = (table.iou > self.iou_threshold) & ~is_match
        errors = []
        for label, boxes in _grouped(table.pair_label, table.pair_box, inside & ~twice).items():
            if len(boxes) > 1 and self.boxes_left.intersection(boxes):
                errors.append(self._error("split", [label], boxes))
        return errors

    def _merged(self) -> list[DetError]:
        table = self.table
        covered = table.share_of_label > MOST_AREA_RATIO
        errors = []
        for box, labels in _grouped(table.pair_box, table.pair_label, covered).items():
            if len(labels) > 1 and self.labels_left.intersection(labels):
                errors.append(self._error("merged", labels, [box]))
        return errors

    def _ill_sized(self) -> list[DetError]:
        """Return boxes of the wrong size, the closest pairs first."""
        table = self.table
        errors = []
        for pair in np.argsort(-table.iou, kind="stable").tolist():
            label, box = int(table.pair_label[pair]), int(table.pair_box[pair])
            near = table.iou[pair] >= NEAR_IOU
            if near and label in self.labels_left and box in self.boxes_left:
                smaller = table.share_of_label[pair] < table.share_of_box[pair]
                errors.append(self._error("too small" if smaller else "too large", [label], [box]))
        return errors


def _grouped(keys: Indices, values: Indices, chosen: Bools) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for key, value in zip(keys[chosen].tolist(), values[chosen].tolist(), strict=True):
        groups.setdefault(key, []).append(value)
    return groups
