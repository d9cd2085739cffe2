"""Labels that a detector contradicts: each kind of fault, whatever the detector's habits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ppocr_ft.commands.check.contradictions import (
    LOOSE,
    MISSING,
    SHIFTED,
    TIGHT,
    TWO_LINES,
    UNFOUND,
    SeenImage,
    contradictions,
)

Polygon = np.ndarray
IMAGES, ROWS, COLUMNS = 3, 8, 2
LENGTH, HEIGHT, LINE = 150.0, 20.0, 32.0
SURE, SCORE = 0.6, 0.9
AT = ROWS  # the index of the first line of the second column


def quad(left: float, top: float, width: float = LENGTH, height: float = HEIGHT) -> Polygon:
    right, bottom = left + width, top + height
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def lines() -> list[Polygon]:
    return [
        quad(30 + 200 * column, 30 + LINE * row) for column in range(COLUMNS) for row in range(ROWS)
    ]


def found(seed: int, habit: Callable[[Polygon], Polygon] = lambda box: box) -> list[Polygon]:
    """A detector's boxes: the lines, a pixel off, in whole pixels, and as it is its habit."""
    rng = np.random.default_rng(seed)
    return [np.round(habit(line + rng.uniform(-1, 1, (1, 2)))) for line in lines()]


def pages(
    labels: list[Polygon],
    boxes: list[Polygon] | None = None,
    habit: Callable[[Polygon], Polygon] = lambda box: box,
    ignored: int | None = None,
) -> list[SeenImage]:
    """Three pages; the first has these labels, the others are right."""
    made = []
    for page in range(IMAGES):
        own = labels if page == 0 else lines()
        seen = found(page, habit)
        seen = seen if boxes is None or page else boxes
        flags = np.arange(len(own)) == ignored if page == 0 else np.zeros(len(own), bool)
        made.append(SeenImage(own, flags, seen, np.full(len(seen), SCORE)))
    return made


def with_label(change: Callable[[Polygon], Polygon], at: int = AT) -> list[Polygon]:
    labels = lines()
    labels[at] = change(labels[at])
    return labels


def without(at: int) -> list[Polygon]:
    return [line for i, line in enumerate(lines()) if i != at]


def joined(at: int) -> list[Polygon]:
    both = quad(30 + 200, 30, LENGTH, LINE + HEIGHT)
    return [both if i == at else line for i, line in enumerate(lines()) if i != at + 1]


def larger(box: Polygon) -> Polygon:
    return box.mean(axis=0) + (box - box.mean(axis=0)) * (1.06, 1.3)


def lower(box: Polygon) -> Polygon:
    return box + np.array([4, 5])


HABITS = {"none": lambda box: box, "boxes a third higher": larger, "lower to the right": lower}
# what is wrong | labels of the first page | rule | index of the label
FAULTS = [
    ("dropped", without(AT), MISSING, None),
    ("on nothing", [*lines(), quad(500, 100)], UNFOUND, ROWS * COLUMNS),
    ("too far down", with_label(lambda p: p + np.array([0, 11])), SHIFTED, AT),
    ("too far left", with_label(lambda p: p - (14, 0)), SHIFTED, AT),
    ("half as high", with_label(lambda p: quad(p[0, 0], p[0, 1] + 5, LENGTH, 10)), TIGHT, AT),
    ("cut", with_label(lambda p: quad(p[0, 0], p[0, 1], LENGTH - 50)), TIGHT, AT),
    ("twice as high", with_label(lambda p: quad(p[0, 0], p[0, 1] - 10, LENGTH, 40)), LOOSE, AT),
    ("two lines", joined(AT), TWO_LINES, AT),
]


def told(images: list[SeenImage]) -> list[tuple[str, int, int | None]]:
    return [(one.rule, one.image, one.label) for one in contradictions(images, SURE).found]


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS)
@pytest.mark.parametrize(
    ("labels", "rule", "label"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_each_fault_is_told_and_no_other_whatever_the_habit(
    labels: list[Polygon], rule: str, label: int | None, habit: Callable[[Polygon], Polygon]
) -> None:
    assert told(pages(labels, habit=habit)) == [(rule, 0, label)]


@pytest.mark.parametrize("habit", HABITS.values(), ids=HABITS)
def test_right_labels_are_left_alone(habit: Callable[[Polygon], Polygon]) -> None:
    result = contradictions(pages(lines(), habit=habit), SURE)
    assert result.found == []
    assert result.agreement == 1.0


def test_the_habit_is_the_median_of_the_sides() -> None:
    habit = contradictions(pages(lines(), habit=lower), SURE).habit
    # boxes lie 4 px to the right and 5 lower: labels reach beyond their start and upper side
    assert habit == pytest.approx(np.array([4, -4, 5, -5]) / HEIGHT, abs=0.06)


@pytest.mark.parametrize("degrees", [3, 30, 85, 140])
def test_turned_pages_have_the_same_faults(degrees: float) -> None:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def turned(image: SeenImage) -> SeenImage:
        labels = [label @ turn for label in image.labels]
        boxes = [box @ turn for box in image.boxes]
        return SeenImage(labels, image.ignored, boxes, image.scores)

    for _, labels, rule, label in FAULTS:
        assert told([turned(page) for page in pages(labels)]) == [(rule, 0, label)]


def test_what_is_ignored_is_neither_judged_nor_missing() -> None:
    for _, labels, rule, label in FAULTS:
        if label is not None and rule != TWO_LINES:
            rules = {one[0] for one in told(pages(labels, ignored=label))}
            assert rules <= {MISSING}  # where the text itself is left without a label
    assert told(pages(lines(), ignored=AT)) == []


def test_an_unsure_box_is_no_text_but_its_label_is_found() -> None:
    page = pages(without(AT))
    scores = page[0].scores.copy()
    scores[AT] = 0.5
    page[0] = SeenImage(page[0].labels, page[0].ignored, page[0].boxes, scores)
    assert told(page) == []
    labels = lines()
    page[0] = SeenImage(labels, np.zeros(len(labels), bool), page[0].boxes, scores)
    assert told(page) == []


def test_a_line_found_in_two_parts_or_labelled_in_two_is_no_fault() -> None:
    whole = found(0)
    halves = [quad(230, 30, 70), quad(310, 30, 70)]
    assert told(pages(lines(), [*whole[:AT], *halves, *whole[AT + 1 :]])) == []
    assert told(pages([*lines()[:AT], *halves, *lines()[AT + 1 :]])) == []


def test_a_narrow_digit_in_a_wide_box_is_not_too_tight() -> None:
    digit, box = quad(500, 100, 9, 20), quad(494, 99, 22, 22)
    assert told(pages([*lines(), digit], [*found(0), box])) == []
    small = quad(501, 105, 8, 9)
    assert told(pages([*lines(), small], [*found(0), box])) == [(TIGHT, 0, ROWS * COLUMNS)]


def test_the_worst_comes_first() -> None:
    labels = lines()
    labels[0] = labels[0] + (0, 8)
    labels[AT] = labels[AT] + (0, 13)
    del labels[-1]
    result = contradictions(pages(labels), SURE)
    assert [(one.rule, one.label) for one in result.found] == [
        (MISSING, None), (SHIFTED, AT), (SHIFTED, 0),
    ]  # fmt: skip
    strengths = [one.strength for one in result.found]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] == pytest.approx(SCORE)
    assert all(0 < strength <= 1 for strength in strengths)


def test_words_of_the_messages() -> None:
    words = {}
    for name, labels, _, _ in FAULTS:
        (one,) = contradictions(pages(labels), SURE).found
        words[name] = one.what
    assert words["dropped"] == "is found with a score of 0.90 and has no label"
    assert words["too far down"].startswith("its box lies 0.")
    assert words["too far down"].endswith("of the text's height below it")
    assert words["too far left"].endswith("of the text's height before it")
    assert words["half as high"] == "its box is 0.5 times as high as the text"
    assert words["cut"].endswith("heights at the text's end")
    assert words["two lines"] == "its box holds 2 lines that are found one by one"


def test_a_detector_that_finds_other_things_than_are_labelled_says_nothing() -> None:
    words = [quad(x, line[0, 1], 30) for line in lines() for x in line[0, 0] + (0, 40, 80, 120)]
    page = [SeenImage(words, np.zeros(len(words), bool), found(0), np.full(len(lines()), SCORE))]
    result = contradictions(page, SURE)
    assert result.found == []
    assert result.agreement < 0.5


def test_images_without_labels_or_boxes() -> None:
    none = np.empty(0)
    empty = SeenImage([], np.empty(0, bool), [], none)
    bare = SeenImage([], np.empty(0, bool), found(1), np.full(len(lines()), SCORE))
    result = contradictions([*pages(lines()), empty, bare], SURE)
    assert {(one.rule, one.image) for one in result.found} == {(MISSING, IMAGES + 1)}
    assert len(result.found) == len(lines())
    assert contradictions([empty], SURE).found == []
