"""No label crashes the pair, and none vanishes: it is learnt, or masked and counted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppocr_ft import MakeBorderMap, MakeShrinkMap
from ppocr_ft.transforms import kernels
from tests.support.samples import sample

SHAPE = (80, 120)
NAN, INF = float("nan"), float("inf")
GOOD = [[20, 20], [100, 20], [100, 60], [20, 60]]


def circle(points: int, radius: float = 30, center: tuple[float, float] = (60, 40)) -> Any:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius + center


def run(polys: Any, ignored: Any = None) -> dict[str, Any]:
    data = MakeShrinkMap()(MakeBorderMap()(sample(polys, SHAPE, ignored)))
    for name in ("shrink_map", "shrink_mask", "threshold_mask"):
        assert set(np.unique(data[name])) <= {0.0, 1.0}
    assert data["threshold_map"].min() >= np.float32(0.3)
    assert data["threshold_map"].max() <= 0.7 + 1e-6
    return data


UNUSABLE: list[tuple[str, list[Any]]] = [
    ("zero area: one point four times", [[30, 30]] * 4),
    ("zero area: there and back", [[20, 30], [90, 30], [90, 30], [20, 30]]),
    ("collinear on a slant", [[10, 10], [20, 20], [40, 40], [60, 60]]),
    ("area below one pixel", [[30, 30], [31, 30], [31, 30.5], [30, 30.5]]),
    ("no points", []),
    ("one point", [[30, 30]]),
    ("two points", [[30, 30], [60, 40]]),
    ("NaN point", [[20, 20], [NAN, 20], [100, 60], [20, 60]]),
    ("all NaN", [[NAN, NAN]] * 4),
    ("infinite point", [[20, 20], [INF, 20], [100, 60], [20, 60]]),
    ("minus infinite", [[-INF, 20], [100, 20], [100, 60], [20, 60]]),
    ("wholly left of the image", [[-60, 20], [-20, 20], [-20, 50], [-60, 50]]),
    ("wholly right", [[140, 20], [190, 20], [190, 50], [140, 50]]),
    ("wholly above", [[20, -60], [90, -60], [90, -20], [20, -20]]),
    ("wholly below", [[20, 100], [90, 100], [90, 140], [20, 140]]),
    ("far away", [[1e9, 20], [2e9, 20], [2e9, 60], [1e9, 60]]),
    ("beyond float32", [[1e300, 20], [1e300, 60], [20, 60], [20, 20]]),
    ("bow tie whose halves cancel", [[20, 20], [100, 60], [100, 20], [20, 60]]),
]


@pytest.mark.parametrize("polygon", [u[1] for u in UNUSABLE], ids=[u[0] for u in UNUSABLE])
def test_what_cannot_be_drawn_is_masked_and_counted(polygon: list[Any]) -> None:
    data = run([np.array(polygon, np.float64).reshape(-1, 2)])
    assert data["unusable_texts"] == 1
    assert data["unusable_tags"]["MakeShrinkMap"].tolist() == [True]
    assert data["ignore_tags"].all()
    assert data["shrink_map"].sum() == 0
    points = np.array(polygon, np.float64).reshape(-1, 2)
    inside = points[((points >= 0) & (points < (SHAPE[1], SHAPE[0]))).all(axis=1)]
    for x, y in inside.astype(int):
        assert data["shrink_mask"][y, x] == 0, "drawn as background"


USABLE: list[tuple[str, Any]] = [
    ("repeated points", [[20, 20], [20, 20], [100, 20], [100, 60], [100, 60], [20, 60]]),
    ("PaddleOCR's padding: last point again and again", [*GOOD, GOOD[-1], GOOD[-1], GOOD[-1]]),
    ("the other way round", GOOD[::-1]),
    ("triangle", [[20, 20], [100, 20], [60, 70]]),
    ("self-intersecting", [[20, 20], [100, 20], [100, 60], [60, 10], [20, 60]]),
    ("over the left border", [[-40, 20], [60, 20], [60, 60], [-40, 60]]),
    ("over a corner", [[90, 50], [150, 50], [150, 120], [90, 120]]),
    ("larger than the image", [[-500, -400], [600, -400], [600, 500], [-500, 500]]),
    ("whole numbers", np.array(GOOD, np.int64)),
    ("float32", np.array(GOOD, np.float32)),
    ("200 points", circle(200)),
]


@pytest.mark.parametrize("polygon", [u[1] for u in USABLE], ids=[u[0] for u in USABLE])
def test_what_can_be_drawn_is_drawn(polygon: Any) -> None:
    data = run([np.asarray(polygon)])
    assert data["unusable_texts"] == 0
    assert not data["ignore_tags"].any()
    assert data["shrink_map"].sum() > 50


@pytest.mark.parametrize("points", [4, 5, 7, 14, 50, 100, 200])
def test_any_number_of_points(points: int) -> None:
    data = run([circle(points)])
    assert data["unusable_texts"] == 0
    assert data["shrink_map"][40, 60] == 1
    assert data["threshold_mask"].sum() > data["shrink_map"].sum()


def test_one_pixel_high_text_is_masked_by_min_text_size() -> None:
    thin = np.array([[10, 30], [110, 30], [110, 31], [10, 31]], np.float32)
    data = run(thin[np.newaxis])
    assert data["ignore_tags"].all()
    assert data["shrink_mask"][30, 10:110].sum() == 0
    assert data["unusable_texts"] == 0, "too small by the YAML's own rule, not impossible"


def test_a_text_that_vanishes_on_shrinking_is_masked_and_counted() -> None:
    """A slanted sliver: 36 square pixels, but a line once its points are whole pixels."""
    data = run([np.array([[20, 20], [20.9, 20], [60.9, 60], [60, 60]], np.float32)])
    assert data["unusable_texts"] == 1
    assert data["unusable_tags"]["MakeShrinkMap"].tolist() == [True]
    assert data["ignore_tags"].all()
    assert data["shrink_mask"][40, 40] == 0


def test_both_parts_of_a_kernel_that_splits_are_drawn() -> None:
    """A dumbbell: shrunk by either ratio (0.4, 0.8) its thin bar goes and two ends stay."""
    left, right = [[5, 10], [45, 10], [45, 39.5]], [[75, 39.5], [75, 10], [115, 10]]
    lower = [[115, 70], [75, 70], [75, 40.5], [45, 40.5], [45, 70], [5, 70]]
    data = run([np.array([*left, *right, *lower], np.float32)])
    assert data["shrink_map"][25, 25] == data["shrink_map"][25, 95] == 1
    assert data["shrink_map"][:, 60].sum() == 0


def test_no_texts() -> None:
    for empty in (np.empty((0, 4, 2), np.float32), np.empty((0,)), []):
        data = run(empty)
        assert data["shrink_map"].sum() == data["threshold_mask"].sum() == 0
        assert data["shrink_mask"].all()
        assert data["unusable_texts"] == 0


def test_all_ignored() -> None:
    data = run(np.array([GOOD, GOOD], np.float32), [True, True])
    assert data["shrink_map"].sum() == data["threshold_mask"].sum() == 0
    assert data["shrink_mask"][40, 60] == 0
    assert data["unusable_texts"] == 0, "ignored on purpose"


def test_good_texts_are_not_disturbed_by_bad_ones() -> None:
    bad = [np.array(u[1], np.float64).reshape(-1, 2) for u in UNUSABLE if "tie" not in u[0]]
    alone = run([np.array(GOOD, np.float64)])
    among = run([*bad[:9], np.array(GOOD, np.float64), *bad[9:]])
    assert among["unusable_texts"] == len(bad)
    np.testing.assert_array_equal(among["shrink_map"], alone["shrink_map"])
    np.testing.assert_array_equal(among["threshold_map"], alone["threshold_map"])


@pytest.mark.parametrize(
    ("left", "top", "inside"),
    [
        (-4, 5, True), (-5, 5, False), (19, 5, True), (20, 5, False),
        (5, -4, True), (5, -5, False), (5, 9, True), (5, 10, False),
    ],
)  # fmt: skip
def test_a_ring_that_holds_a_pixel_of_the_rim_is_inside(left: int, top: int, inside: bool) -> None:
    """A ring of 5 x 5 px, both ends included, beside an image of 20 x 10."""
    ring = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], np.int32) + np.array([left, top], np.int32)
    boxes, flags = np.zeros((1, 4), np.int64), np.zeros(1, bool)
    kernels.bound(ring, np.array([0, 4]), 10, 20, boxes, flags)
    assert boxes[0].tolist() == [left, top, left + 4, top + 4]
    assert flags[0] == inside


def test_a_text_beyond_the_far_side_leaves_no_stray_column() -> None:
    """2.6.1 paints part of such a text along the image's last column."""
    from tests.support.paddleocr_wheels import border_class

    beyond = np.array([[[140, 20], [190, 20], [190, 50], [140, 50]]], np.float32)
    with np.errstate(all="ignore"):
        old = border_class("2.6.1.3")()(sample(beyond.copy(), SHAPE))
    assert old["threshold_map"][:, :-1].max() == np.float32(0.3)
    assert old["threshold_map"][:, -1].max() > 0.5
    new = run(beyond)
    assert new["threshold_map"].max() == np.float32(0.3)
    assert new["threshold_mask"].sum() == old["threshold_mask"].sum() == 0


numbers = st.one_of(
    st.floats(-300, 300),
    st.sampled_from([NAN, INF, -INF, 0.0, -0.0, 1e-30, 1e20, -1e20, 79.0, 119.0]),
    st.integers(-5, 130).map(float),
)
polygon_lists = st.lists(st.lists(st.tuples(numbers, numbers), max_size=12), max_size=5)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(polygons=polygon_lists, kind=st.sampled_from([np.float32, np.float64]))
def test_anything_goes(polygons: list[Any], kind: type) -> None:
    with np.errstate(over="ignore"):
        polys = [np.array(p, kind).reshape(-1, 2) for p in polygons]
    data = run(polys)
    assert 0 <= data["unusable_texts"] <= len(polys)
    drawn = ~data["ignore_tags"]
    assert bool(data["shrink_map"].any()) == bool(drawn.any())
