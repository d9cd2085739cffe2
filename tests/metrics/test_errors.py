"""Kinds of errors, on cases made by hand; matches, beside what DetMetric counts."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.metrics.det import Labels, Polygons, count_image
from ppocr_ft.metrics.errors import Angle, DetError, angle_of, labels_by_error, table_of
from tests.support.samples import random_sample


def box(x: float, y: float, w: float, h: float = 10) -> np.ndarray:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)


def turn(degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, sin], [-sin, cos]])


CASES = {
    "nothing is wrong where each label has its box": ([box(0, 0, 100)], [box(0, 0, 100)], []),
    "no box at all": ([], [box(0, 0, 100)], [DetError("missed", (0,))]),
    "no label at all": ([box(0, 0, 100)], [], [DetError("false", (), (0,))]),
    "a box elsewhere is one of each": (
        [box(0, 50, 100)],
        [box(0, 0, 100)],
        [DetError("missed", (0,)), DetError("false", (), (0,))],
    ),
    "a box in the middle third": (
        [box(30, 0, 40)],
        [box(0, 0, 100)],
        [DetError("too small", (0,), (0,), 0.4)],
    ),
    "a box of twice the length and a half": (
        [box(0, 0, 250)],
        [box(0, 0, 100)],
        [DetError("too large", (0,), (0,), 0.4)],
    ),
    "a box that hardly touches": (
        [box(95, 0, 100)],
        [box(0, 0, 100)],
        [DetError("missed", (0,)), DetError("false", (), (0,))],
    ),
    "two halves": (
        [box(0, 0, 45), box(55, 0, 45)],
        [box(0, 0, 100)],
        [DetError("split", (0,), (0, 1), 0.45)],
    ),
    "a part that is enough to match, and a crumb": (
        [box(0, 0, 80), box(85, 0, 15)],
        [box(0, 0, 100)],
        [DetError("split", (0,), (0, 1), 0.8)],
    ),
    "one box over two labels": (
        [box(0, 0, 200)],
        [box(0, 0, 95), box(105, 0, 95)],
        [DetError("merged", (0, 1), (0,), 0.475)],
    ),
    "one box over a long label, which it matches, and a short one": (
        [box(0, 0, 100)],
        [box(0, 0, 80), box(85, 0, 15)],
        [DetError("merged", (0, 1), (0,), 0.8)],
    ),
    "a tenth in common": (
        [box(80, 0, 120)],
        [box(0, 0, 100)],
        [DetError("too large", (0,), (0,), 0.1)],
    ),
    "less than a tenth in common": (
        [box(81, 0, 120)],
        [box(0, 0, 100)],
        [DetError("missed", (0,)), DetError("false", (), (0,))],
    ),
    "one box over half of two labels": (
        [box(50, 0, 100)],
        [box(0, 0, 100), box(100, 0, 100)],
        [DetError("too large", (0,), (0,), 1 / 3), DetError("missed", (1,))],
    ),
    "one box over more than half of two labels": (
        [box(49, 0, 102)],
        [box(0, 0, 100), box(100, 0, 100)],
        [DetError("merged", (0, 1), (0,), 51 / 151)],
    ),
    "two boxes of which half is inside": (
        [box(-50, 0, 100), box(50, 0, 100)],
        [box(0, 0, 100)],
        [DetError("too large", (0,), (0,), 1 / 3), DetError("false", (), (1,))],
    ),
    "two boxes of which more than half is inside": (
        [box(-49, 0, 100), box(49, 0, 100)],
        [box(0, 0, 100)],
        [DetError("split", (0,), (0, 1), 51 / 149)],
    ),
    "two boxes for one label": (
        [box(0, 0, 100), box(0, 0, 98)],
        [box(0, 0, 100)],
        [DetError("false", (), (1,))],
    ),
}


@pytest.mark.parametrize(("boxes", "labels", "wanted"), CASES.values(), ids=CASES.keys())
def test_kinds(boxes: list[np.ndarray], labels: list[np.ndarray], wanted: list[DetError]) -> None:
    found = table_of(boxes, Labels.of(labels, [False] * len(labels))).errors(0.5)
    assert [(e.kind, e.labels, e.boxes) for e in found] == [
        (e.kind, e.labels, e.boxes) for e in wanted
    ]
    assert [e.iou for e in found] == pytest.approx([e.iou for e in wanted])


def test_a_match_at_0_5_is_an_error_at_0_7() -> None:
    table = table_of([box(20, 0, 60)], Labels.of([box(0, 0, 100)], [False]))
    assert table.errors(0.5) == []
    assert [error.kind for error in table.errors(0.7)] == ["too small"]


def test_ignored_labels_and_the_boxes_on_them_are_no_errors() -> None:
    table = table_of([box(0, 0, 100)], Labels.of([box(0, 0, 90), box(0, 50, 90)], [True, False]))
    assert table.errors() == [DetError("missed", (1,))]


def test_indices_are_those_of_the_arguments_where_some_are_invalid() -> None:
    bow = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], np.float64)
    table = table_of([bow, box(0, 50, 100)], Labels.of([bow, box(0, 0, 100)], [False, False]))
    assert table.errors() == [DetError("missed", (1,)), DetError("false", (), (1,))]


def test_shares_of_areas_by_hand() -> None:
    """Of labels of 100 px and boxes of 100 and 50 px 40, 25 and 50 px are shared."""
    labels = [box(0, y, 100) for y in (0, 50, 100)]
    boxes = [box(60, 0, 100), box(75, 50, 50), box(25, 100, 50)]
    table = table_of(boxes, Labels.of(labels, [False] * 3))
    assert table.iou == pytest.approx([40 / 160, 25 / 125, 50 / 100])
    assert table.share_of_label == pytest.approx([0.4, 0.25, 0.5])
    assert table.share_of_box == pytest.approx([0.4, 0.5, 1.0])


def test_labels_by_error() -> None:
    """Two labels under one box, one of two halves, one missed, one found; one is ignored."""
    boxes = [box(0, 0, 200), box(0, 50, 45), box(55, 50, 45), box(0, 90, 50), box(0, 150, 20)]
    labels = [box(0, 0, 95), box(105, 0, 95), box(0, 50, 100), box(0, 120, 50), box(0, 90, 50)]
    labels.append(box(300, 0, 50))
    counts = labels_by_error(table_of(boxes, Labels.of(labels, [False] * 5 + [True])))
    assert counts == {"all": 5, "merged": 2, "split": 1, "missed": 1, "false": 0}
    assert labels_by_error(table_of([], Labels.of([], []))) == {"all": 0}


@pytest.mark.parametrize("seed", range(12))
def test_counts_are_the_metrics(seed: int) -> None:
    truth, other = random_sample(seed), random_sample(seed + 100)
    near = [poly + seed % 4 for poly in truth.polys]
    boxes = [*near, *other.polys]
    labels = Labels.of(truth.polys, truth.ignored)
    table, counts = table_of(boxes, labels), count_image(Polygons.of(boxes), labels)
    assert (len(table.labels), len(table.boxes)) == (counts.gt, counts.det)
    assert len(table.matches(0.5)) == counts.matched
    assert len(table.matches(0.7)) == counts.matched_70
    chosen = np.arange(len(boxes)) % 2 == 0
    few = table_of([b for b, c in zip(boxes, chosen, strict=True) if c], labels)
    assert len(table.matches(0.5, chosen)) == len(few.matches(0.5))


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_not_matched_stands_in_an_error(seed: int) -> None:
    truth, other = random_sample(seed), random_sample(seed + 100)
    table = table_of(list(other.polys), Labels.of(truth.polys, truth.ignored))
    errors, matches = table.errors(0.5), table.matches(0.5)
    labels = {label for error in errors for label in error.labels} | matches.keys()
    boxes = {each for error in errors for each in error.boxes} | set(matches.values())
    assert labels == set(table.labels.tolist())
    assert boxes == set(table.boxes.tolist())


LINE = box(0, 0, 100)
ANGLES: dict[str, tuple[np.ndarray, Angle]] = {
    "as one reads": (LINE, "level"),
    "a little askew": (LINE @ turn(14), "level"),
    "more than a little": (LINE @ turn(16), "slanted"),
    "diagonal": (LINE @ turn(-45), "slanted"),
    "a quarter turn": (LINE @ turn(90), "upright"),
    "three quarters": (LINE @ turn(-80), "upright"),
    "half a turn": (LINE @ turn(180), "upside down"),
    "half a turn, askew": (LINE @ turn(170), "upside down"),
    "a column, from the top": (box(0, 0, 10, 100), "upright"),
    "an outline of six points": (np.concatenate([LINE[:2], LINE[1:] + 1, LINE[3:] + 1]), "level"),
    "the same upright": (np.concatenate([LINE[:2], LINE[1:]]) @ turn(90), "upright"),
}


@pytest.mark.parametrize(("polygon", "angle"), ANGLES.values(), ids=ANGLES.keys())
def test_angles_of_texts(polygon: np.ndarray, angle: Angle) -> None:
    assert angle_of(polygon) == angle
