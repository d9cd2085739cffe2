"""Labels that a detector contradicts with confidence: missing, unfounded, shifted, ill-sized ones.

A detector has habits: its boxes may be larger than all labels, or lie lower. Where a label and a
box belong together, the distances of their four sides are measured in heights of the box, and the
medians over the set are the habit. A label is at fault where it is off by far more than the others
are: by so many times 1.4826 * MAD, the standard deviation that the median of the absolute
deviations stands for where the deviations are normal (Hampel 1974, "The influence curve and its
role in robust estimation").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.geometry import LONG_ASPECT
from ppocr_ft.metrics.det import Labels
from ppocr_ft.metrics.errors import Table, table_of

Polygon = NDArray[Any]
Floats = NDArray[np.float64]
MISSING, UNFOUND, SHIFTED = "text-unlabelled", "text-not-found", "box-shifted"
TIGHT, LOOSE, TWO_LINES = "box-tight", "box-loose", "box-two-lines"
MODEL_RULES = {
    MISSING: 'label it; as "###" where nobody can read it, or where the detector shall not find it',
    UNFOUND: "delete the label, or put it where the text is",
    SHIFTED: "put the box onto the text",
    TIGHT: "draw the box around the whole text",
    LOOSE: "draw the box close around the text",
    TWO_LINES: "give each line a box of its own",
}
"""The remedy of each rule. All are warnings: it may be the detector that errs."""
NORMAL_SD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
LEAST_SPREAD = 0.05
"""Heights: labels are rounded to pixels, so that a smaller spread means nothing."""
MOST_SPREADS = 3.0
LEAST_SHIFT, LEAST_TIMES = 0.3, 1.7
"""Heights, and a factor on the height, by which a box must be off however alike the others are."""
ALIKE = 0.5
"""Share of the larger move of two opposite sides that the smaller one must be in a shift."""
LEAST_CUT = 1.5
"""Heights of text beyond an end of its label. That a label is longer than what is found is no
fault: detectors overlook a line's ends."""
COVERED, TOUCHED = 0.2, 0.1
"""A box is without a label up to the first share of its area in labels, a label without a box up to
the second one in boxes."""
INSIDE = 0.6
"""Share of a line's box that lies in a label of two lines."""
FITTING = 0.5
"""IoU from which a box is taken to be a label's own."""
SMALL_TEXTS = 0.05
"""So many of the texts that are found are lower than the lowest label that is called unfounded."""
LEAST_AGREEMENT = 0.5
"""Share of the labels with a box of their own below which the detector says nothing of faults."""


@dataclass(frozen=True)
class SeenImage:
    """An image's labels and what a detector finds there.

    ``labels`` and ``boxes`` are polygons (k, 2), px; ``boxes`` are all of the detector's,
    with ``scores`` (n,) however low.
    """

    labels: Sequence[Polygon]
    ignored: NDArray[np.bool_]
    boxes: Sequence[Polygon]
    scores: Floats

    @cached_property
    def table(self) -> Table:
        """The overlaps of boxes and labels; ignored labels cover boxes like the others."""
        return table_of(self.boxes, Labels.of(self.labels, np.zeros(len(self.labels), bool)))


@dataclass(frozen=True)
class Contradiction:
    """A label that the detector contradicts, or a text without one.

    ``image`` is an index; ``label`` too, None for a text without one. ``boxes`` are the indices of
    the boxes that contradict it. ``strength``, 0 to 1, is the detector's score times the share by
    which the label misses what is found; ``what`` says it in words.
    """

    rule: str
    image: int
    label: int | None
    boxes: tuple[int, ...]
    strength: float
    what: str


class Frame(NamedTuple):
    """A box's smallest rotated rectangle: the text runs along ``along`` and stands on ``down``."""

    center: Floats
    length: float
    height: float
    along: Floats
    down: Floats

    @classmethod
    def of(cls, polygon: Polygon) -> Frame:
        center, (width, height), degrees = cv2.minAreaRect(np.asarray(polygon, np.float32))
        angle = np.deg2rad(degrees)
        along = np.array([np.cos(angle), np.sin(angle)])
        if width < height:
            width, height, along = height, width, along[::-1] * (-1, 1)
        if along.sum() < 0:
            along = -along
        down = along[::-1] * (-1, 1)
        return cls(np.array(center), width, max(height, 1.0), along, down)

    def sides(self, label: Polygon) -> Floats:
        """Return how far a label's start, end, upper and lower side lie outside (4,), in heights.

        By its own smallest rectangle, so that a small turn of either counts little.
        """
        other = Frame.of(label)
        size = np.array([other.length, other.height])
        if abs(other.along @ self.along) < abs(other.down @ self.along):
            size = size[::-1]
        grown = (size - (self.length, self.height)) / 2
        moved = (other.center - self.center) @ np.stack([self.along, self.down], axis=1)
        outside = np.stack([grown - moved, grown + moved], axis=1)  # (2, 2): axis, which side
        return np.asarray(outside.ravel() / self.height)


class Pair(NamedTuple):
    """A label and the box that is its own, with the box's frame; ``sides`` as `Frame.sides`."""

    label: int
    box: int
    frame: Frame
    sides: Floats

    @property
    def size(self) -> Floats:
        """Length and height of the box (2,), in heights."""
        return np.array([self.frame.length / self.frame.height, 1.0])

    @property
    def label_height(self) -> float:
        """The label's own height, px, along the box's."""
        return float((self.size + _growth(self.sides))[1] * self.frame.height)

    @property
    def is_long(self) -> bool:
        return bool(self.size[0] >= LONG_ASPECT)

    def times(self, habit: Floats) -> float:
        """Return how many times as high as it would be by the habit the label is.

        Of a short text, whose direction can't be told, by the axis that differs less.
        """
        ratios = (self.size + _growth(self.sides)) / (self.size + _growth(habit))
        ratios = np.maximum(ratios, 1e-3)
        axis = 1 if self.is_long else int(np.abs(np.log(ratios)).argmin())
        return float(ratios[axis])


@dataclass
class Contradictions:
    """``found``: worst first. ``agreement`` is the share of the labels with a box of their own.

    ``habit`` (4,) are the medians of `Frame.sides`. Nothing is found below ``LEAST_AGREEMENT``.
    """

    agreement: float
    habit: Floats
    found: list[Contradiction] = field(default_factory=list)


def contradictions(images: Sequence[SeenImage], sure: float) -> Contradictions:
    """Compare the labels of a set with a detector's boxes; those scored ``sure`` are believed."""
    by_image = [list(_pairs(image, sure)) for image in images]
    pairs = [pair for of_image in by_image for pair in of_image]
    counted = sum(int((~image.ignored).sum()) for image in images)
    if not pairs or len(pairs) < LEAST_AGREEMENT * counted:
        return Contradictions(len(pairs) / max(counted, 1), np.zeros(4))
    habit = np.median([pair.sides for pair in pairs], axis=0)
    limits = _Limits.of(pairs, habit)
    lowest = float(np.quantile([pair.label_height for pair in pairs], SMALL_TEXTS))
    found: list[Contradiction] = []
    for place, image in enumerate(images):
        judge = _Judge(place, image, sure, habit, limits, lowest)
        found += judge.contradictions(by_image[place])
    found.sort(key=lambda one: -one.strength)
    return Contradictions(len(pairs) / counted, habit, found)


def _pairs(image: SeenImage, sure: float) -> Iterator[Pair]:
    """Yield labels that count with a sure box, each the other's nearest by IoU."""
    table = image.table
    believed = image.scores[table.pair_box] >= sure
    of_label: dict[int, int] = {}
    of_box: dict[int, int] = {}
    order = np.flatnonzero(believed)
    for i in order[np.argsort(-table.iou[order], kind="stable")].tolist():
        label, box = int(table.pair_label[i]), int(table.pair_box[i])
        of_label.setdefault(label, box)
        of_box.setdefault(box, label)
    for label, box in of_label.items():
        if of_box[box] == label and not image.ignored[label]:
            frame = Frame.of(image.boxes[box])
            yield Pair(label, box, frame, frame.sides(image.labels[label]))


class _Limits(NamedTuple):
    """By how much labels may be off in this set.

    ``shift`` (2,): moved along and across, heights. ``times``: higher or lower by this factor.
    ``cut``: heights of text beyond an end.
    """

    shift: Floats
    times: float
    cut: float

    @classmethod
    def of(cls, pairs: Sequence[Pair], habit: Floats) -> _Limits:
        sides = np.stack([pair.sides for pair in pairs])
        moved = (sides[:, 1::2] - sides[:, ::2]) / 2
        times = _spread(np.log([pair.times(habit) for pair in pairs]))
        return cls(
            np.maximum(MOST_SPREADS * _spread(moved), LEAST_SHIFT),
            max(float(np.exp(MOST_SPREADS * times)), LEAST_TIMES),
            max(MOST_SPREADS * float(_spread(sides[:, :2]).max()), LEAST_CUT),
        )


def _growth(sides: Floats) -> Floats:
    """Return by how much labels are longer and higher than their boxes (2,), heights."""
    return np.asarray(sides[::2] + sides[1::2])


def _spread(values: Floats) -> Floats:
    """Return the robust standard deviation of each column, LEAST_SPREAD or more."""
    middle = np.median(values, axis=0)
    return np.maximum(NORMAL_SD * np.median(np.abs(values - middle), axis=0), LEAST_SPREAD)


def _shift(sides: Floats) -> Floats:
    """Return by how much a label is moved onwards, and down (2,), heights.

    0 where its opposite sides aren't moved alike: it is longer or shorter then.
    """
    first, second = -sides[::2], sides[1::2]
    smaller, larger = np.sort(np.abs([first, second]), axis=0)
    alike = (first * second > 0) & (smaller > ALIKE * larger)
    return np.asarray(np.where(alike, (first + second) / 2, 0.0))


@dataclass(frozen=True)
class _Judge:
    """Judges one image by what is usual in its set."""

    place: int
    image: SeenImage
    sure: float
    habit: Floats
    limits: _Limits
    lowest: float

    def contradictions(self, pairs: Sequence[Pair]) -> Iterator[Contradiction]:
        yield from self._missing({pair.box for pair in pairs})
        yield from self._unfound()
        joined = list(self._joined())
        yield from joined
        labels = {one.label for one in joined}
        for pair in pairs:
            told = None if pair.label in labels else self._off(pair)
            if told is not None:
                yield told

    def _missing(self, labelled: set[int]) -> Iterator[Contradiction]:
        image, table = self.image, self.image.table
        covered = np.zeros(len(image.boxes))
        np.add.at(covered, table.pair_box, table.share_of_box)
        for box in table.boxes[(covered < COVERED)[table.boxes]].tolist():
            score = float(image.scores[box])
            if score >= self.sure and box not in labelled:
                what = f"is found with a score of {score:.2f} and has no label"
                yield Contradiction(MISSING, self.place, None, (box,), score, what)

    def _unfound(self) -> Iterator[Contradiction]:
        image, table = self.image, self.image.table
        touched = np.zeros(len(image.labels))
        np.add.at(touched, table.pair_label, table.share_of_label)
        for label in table.labels[(touched < TOUCHED)[table.labels]].tolist():
            if not image.ignored[label] and Frame.of(image.labels[label]).height >= self.lowest:
                what = "nothing is found there"
                strength = 1 - float(touched[label])
                yield Contradiction(UNFOUND, self.place, label, (), strength, what)

    def _joined(self) -> Iterator[Contradiction]:
        """Yield labels that hold two lines, one above the other."""
        table, scores = self.image.table, self.image.scores
        inside = (table.share_of_box >= INSIDE) & (scores[table.pair_box] >= self.sure)
        others = set(table.pair_box[table.iou >= FITTING].tolist())
        for label in np.unique(table.pair_label[inside]).tolist():
            within = table.pair_box[inside & (table.pair_label == label)].tolist()
            boxes = [box for box in within if box not in others]
            best = float(table.iou[table.pair_label == label].max())
            lines = self._lines(boxes) if not self.image.ignored[label] else 0
            if lines > 1:
                strength = float(scores[boxes].min()) * (1 - best)
                what = f"its box holds {lines} lines that are found one by one"
                yield Contradiction(TWO_LINES, self.place, label, tuple(boxes), strength, what)

    def _lines(self, boxes: Sequence[int]) -> int:
        """Return the number of lines that the boxes make."""
        if not boxes:
            return 0
        frames = [Frame.of(self.image.boxes[box]) for box in boxes]
        down = max(frames, key=lambda frame: frame.length).down
        places = sorted(float(frame.center @ down) for frame in frames)
        height = float(np.median([frame.height for frame in frames]))
        return 1 + int((np.diff(places) > height / 2).sum())

    def _off(self, pair: Pair) -> Contradiction | None:
        """Return what is wrong with a label that has a box of its own."""
        sides = pair.sides - self.habit
        rule, what = self._in_words(pair, sides)
        if not rule:
            return None
        strength = float(self.image.scores[pair.box]) * (1 - self._iou(pair, sides))
        return Contradiction(rule, self.place, pair.label, (pair.box,), strength, what)

    def _iou(self, pair: Pair, sides: Floats) -> float:
        """Return the IoU of the label with the box as the habit would have labelled it."""
        box = pair.size + _growth(self.habit)
        label = pair.size + _growth(pair.sides)
        shared = box + np.minimum(sides[::2], 0) + np.minimum(sides[1::2], 0)
        area = float(np.prod(np.maximum(shared, 0)))
        return area / (float(np.prod(box)) + float(np.prod(label)) - area)

    def _in_words(self, pair: Pair, sides: Floats) -> tuple[str, str]:
        shift = _shift(sides)
        over = np.abs(shift) / self.limits.shift
        if over.max() > 1:
            axis = int(over.argmax())
            where = (("before", "behind"), ("above", "below"))[axis][int(shift[axis] > 0)]
            return SHIFTED, f"its box lies {abs(shift[axis]):.1f} of the text's height {where} it"
        times, most = pair.times(self.habit), self.limits.times
        what = f"its box is {times:.1f} times as {'high' if pair.is_long else 'large'} as the text"
        if times > most:
            return LOOSE, what
        if times < 1 / most and not self._holds_others(pair):
            return TIGHT, what
        return self._ends(pair, sides)

    def _ends(self, pair: Pair, sides: Floats) -> tuple[str, str]:
        end = int(sides[1] < sides[0])
        left_out = -float(sides[end])
        if left_out <= self.limits.cut or self._holds_others(pair):
            return "", ""
        name = ("start", "end")[end]
        return TIGHT, f"its box leaves out {left_out:.1f} heights at the text's {name}"

    def _holds_others(self, pair: Pair) -> bool:
        """Return whether the box holds a part of other labels, too."""
        table = self.image.table
        others = (table.pair_box == pair.box) & (table.pair_label != pair.label)
        return bool((table.share_of_label[others] > COVERED).any())
