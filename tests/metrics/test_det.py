"""DetMetric: PaddleOCR's numbers, hand-computed rows, and an all-pairs count on drawn boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from ppocr_ft.errors import ConfigError
from ppocr_ft.metrics import DetMetric
from tests.support import REFERENCE

REFERENCE = json.loads((REFERENCE / "det_metric.json").read_text())

Points = Sequence[tuple[float, float]]


def box(x1: float, y1: float, x2: float, y2: float) -> Points:
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def tall(height: float) -> Points:
    return box(0, 0, 10, height)


def summary_of(pred: Any, gt: Any, ignore: Any) -> dict[str, float | int]:
    metric = DetMetric()
    metric.update(pred, gt, ignore)
    return metric.summary()


def reference_args(image: dict[str, Any]) -> tuple[Any, Any, Any]:
    gt = image["gt"]
    return image["pred"], [g["points"] for g in gt], [g["ignore"] for g in gt]


@pytest.mark.parametrize("index", range(len(REFERENCE["images"])))
def test_counts_are_paddleocrs(index: int) -> None:
    image = REFERENCE["images"][index]
    found = summary_of(*reference_args(image))
    expected = (image["gt_care"], image["det_care"], image["matched"])
    assert (found["gt"], found["det"], found["matched"]) == expected


def test_rates_are_paddleocrs() -> None:
    metric = DetMetric()
    for image in REFERENCE["images"]:
        metric.update(*reference_args(image))
    found = metric.summary()
    assert {key: found[key] for key in REFERENCE["combined"]} == REFERENCE["combined"]
    assert found["images"] == len(REFERENCE["images"])


A = box(0, 0, 10, 10)
FAR = box(50, 0, 60, 10)
BOW_TIE = [(0, 0), (10, 10), (10, 0), (0, 10)]
LINE = [(0, 0), (5, 5), (10, 10)]

# what the row is; pred, gt, ignore; gt, det, matched, matched_70, invalid_gt, invalid_det
ROWS: list[tuple[str, Any, Any, Any, tuple[int, ...]]] = [
    ("no text at all", [], [], [], (0, 0, 0, 0, 0, 0)),
    ("nothing detected", [], [A], [False], (1, 0, 0, 0, 0, 0)),
    ("no ground truth", [A], [], [], (0, 1, 0, 0, 0, 0)),
    ("the same box", [A], [A], [False], (1, 1, 1, 1, 0, 0)),
    ("the same box turned round", [A[::-1]], [A], [False], (1, 1, 1, 1, 0, 0)),
    ("far away", [FAR], [A], [False], (1, 1, 0, 0, 0, 0)),
    ("sharing an edge only", [box(10, 0, 20, 10)], [A], [False], (1, 1, 0, 0, 0, 0)),
    ("IoU 0.6: only the loose match", [box(0, 0, 6, 10)], [A], [False], (1, 1, 1, 0, 0, 0)),
    ("IoU 0.5 exactly is no match", [box(0, 0, 5, 10)], [A], [False], (1, 1, 0, 0, 0, 0)),
    ("IoU 0.7 exactly is no strict one", [box(0, 0, 7, 10)], [A], [False], (1, 1, 1, 0, 0, 0)),
    ("all ignored, all covered", [A, FAR], [A, FAR], [True, True], (0, 0, 0, 0, 0, 0)),
    ("all ignored, one detection outside", [FAR], [A], [True], (0, 1, 0, 0, 0, 0)),
    ("covered by half is not ignored", [box(5, 0, 15, 10)], [A], [True], (0, 1, 0, 0, 0, 0)),
    ("covered by 0.6 is ignored", [box(4, 0, 14, 10)], [A], [True], (0, 0, 0, 0, 0, 0)),
    ("small one in an ignored area", [box(1, 1, 2, 2)], [A], [True], (0, 0, 0, 0, 0, 0)),
    ("ignored beats a perfect match", [A], [A, A], [False, True], (1, 0, 0, 0, 0, 0)),
    ("two detections, one ground truth", [A, A], [A], [False], (1, 2, 1, 1, 0, 0)),
    ("one detection, two ground truths", [A], [A, A], [False] * 2, (2, 1, 1, 1, 0, 0)),
    # Heights 5.5 and 10 detected where 10 and 4.9 are right: IoUs .55 and 1, then .89 and .49.
    (
        "in order: the first takes the second's only one",
        [tall(5.5), A],
        [A, tall(4.9)],
        [False] * 2,
        (2, 2, 1, 2, 0, 0),
    ),
    (
        "detections the other way round",
        [A, tall(5.5)],
        [A, tall(4.9)],
        [False] * 2,
        (2, 2, 2, 2, 0, 0),
    ),
    (
        "five and three points",
        [[(0, 0), (10, 0), (10, 10), (5, 10), (0, 10)], [(20, 0), (30, 0), (20, 10)]],
        [A, [(20, 0), (30, 0), (20, 10)]],
        [False] * 2,
        (2, 2, 2, 2, 0, 0),
    ),
    ("last point repeated", [[*A, A[-1], A[-1]]], [[*A, A[-1]]], [False], (1, 1, 1, 1, 0, 0)),
    ("detection crosses itself", [BOW_TIE, A], [A], [False], (1, 1, 1, 1, 0, 1)),
    ("ground truth crosses itself", [A], [BOW_TIE], [False], (0, 1, 0, 0, 1, 0)),
    ("ignored ground truth crosses itself", [A], [BOW_TIE], [True], (0, 1, 0, 0, 1, 0)),
    ("invalid one before the ignored one", [A], [LINE, A], [False, True], (0, 0, 0, 0, 1, 0)),
    ("four times one point", [[(3, 3)] * 4], [A], [False], (1, 0, 0, 0, 0, 1)),
    ("area too small for a float", [box(0, 0, 1e-200, 1e-200)], [A], [False], (1, 1, 0, 0, 0, 0)),
    ("a line, two points, none", [LINE, LINE[:2], []], [A], [False], (1, 0, 0, 0, 0, 3)),
    ("not finite", [[(0, 0), (np.nan, 0), (9, 9)]], [A], [False], (1, 0, 0, 0, 0, 1)),
    ("nothing finite", [[(np.nan, np.nan)] * 4], [A], [False], (1, 0, 0, 0, 0, 1)),
    ("infinite", [[(0, 0), (np.inf, 0), (9, 9)]], [A], [False], (1, 0, 0, 0, 0, 1)),
]


@pytest.mark.parametrize(
    ("pred", "gt", "ignore", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_counts_by_hand(pred: Any, gt: Any, ignore: Any, expected: tuple[int, ...]) -> None:
    found = summary_of(pred, gt, ignore)
    keys = ("gt", "det", "matched", "matched_70", "invalid_gt", "invalid_det")
    assert tuple(found[key] for key in keys) == expected
    assert found["gt"] + found["ignored_gt"] + found["invalid_gt"] == len(gt)
    assert found["det"] + found["ignored_det"] + found["invalid_det"] == len(pred)


def test_rates_by_hand() -> None:
    metric = DetMetric()
    metric.update([A, FAR], [A], [False])
    metric.update([box(0, 0, 6, 10)], [A, FAR, FAR], [False] * 3)
    found = metric.summary()
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 4)
    assert found["hmean"] == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert found["precision_70"] == pytest.approx(1 / 3)
    assert found["recall_70"] == pytest.approx(1 / 4)
    assert found["hmean_70"] == pytest.approx(2 / 7)


def test_nothing_counted_is_zero_and_summary_keeps_the_counts() -> None:
    metric = DetMetric()
    assert set(metric.summary().values()) == {0}
    metric.update([A], [A], [False])
    assert metric.summary() == metric.summary()
    metric.reset()
    assert set(metric.summary().values()) == {0}


def test_merged_states_equal_one_process() -> None:
    whole, gathered = DetMetric(), DetMetric()
    parts = [DetMetric(), DetMetric(), DetMetric()]
    for i, image in enumerate(REFERENCE["images"]):
        whole.update(*reference_args(image))
        parts[i % 2].update(*reference_args(image))
    for part in parts:
        gathered.merge(json.loads(json.dumps(part.state())))
    assert gathered.summary() == whole.summary()


def test_arrays_and_lists_count_alike() -> None:
    image = max(REFERENCE["images"], key=lambda image: len(image["gt"]))
    pred, gt, ignore = reference_args(image)
    arrays = (np.array(pred), np.array(gt), np.array(ignore))
    assert summary_of(*arrays) == summary_of(pred, gt, ignore)


def test_flags_must_fit() -> None:
    with pytest.raises(ValueError, match="1 ground truths"):
        DetMetric().update([A], [A], [False, True])


@pytest.mark.parametrize("name", ["Hmean", "images", "acc", ""])
def test_bad_main_indicator(name: str) -> None:
    with pytest.raises(ConfigError, match="hmean_70") as caught:
        DetMetric(main_indicator=name)
    assert caught.value.key == "main_indicator"


def is_usable(points: Points) -> bool:
    if len(points) < 3:
        return False
    shape = Polygon(points)
    return bool(shape.is_valid and shape.is_simple)


def all_pairs_counts(
    pred: Sequence[Points], gt: Sequence[Points], ignore: Sequence[bool], threshold: float
) -> tuple[int, int, int]:
    """Ground truths and detections that count, and matches: every pair, no index."""
    pairs = [(Polygon(g), flag) for g, flag in zip(gt, ignore, strict=True) if is_usable(g)]
    wanted = [shape for shape, flag in pairs if not flag]
    unwanted = [shape for shape, flag in pairs if flag]
    found = [Polygon(p) for p in pred if is_usable(p)]
    free = [d for d in found if not any(d.intersection(u).area / d.area > 0.5 for u in unwanted)]
    det, matched = len(free), 0
    for shape in wanted:
        for d in free:
            if d.intersection(shape).area / d.union(shape).area > threshold:
                free.remove(d)
                matched += 1
                break
    return len(wanted), det, matched


# Few whole coordinates: many touching, equal and exactly half-covered boxes.
coordinates = st.integers(0, 12)
boxes = st.builds(
    lambda x, y, w, h: box(x, y, x + w, y + h),
    coordinates,
    coordinates,
    st.integers(1, 8),
    st.integers(1, 8),
)
any_points = st.lists(st.tuples(coordinates, coordinates), min_size=0, max_size=7)
turned = st.builds(
    lambda x, y, w, h, degrees: [
        (
            x + w * dx * np.cos(np.radians(degrees)) - h * dy * np.sin(np.radians(degrees)),
            y + w * dx * np.sin(np.radians(degrees)) + h * dy * np.cos(np.radians(degrees)),
        )
        for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))
    ],
    st.floats(0, 12),
    st.floats(0, 12),
    st.floats(1, 12),
    st.floats(1, 6),
    st.floats(0, 90),
)
polygons = st.lists(st.one_of(boxes, boxes, turned, any_points), max_size=10)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pred=polygons, gt=polygons, data=st.data())
def test_equals_all_pairs(pred: list[Points], gt: list[Points], data: st.DataObject) -> None:
    ignore = data.draw(st.lists(st.booleans(), min_size=len(gt), max_size=len(gt)))
    found = summary_of(pred, gt, ignore)
    loose = all_pairs_counts(pred, gt, ignore, 0.5)
    strict = all_pairs_counts(pred, gt, ignore, 0.7)
    assert (found["gt"], found["det"], found["matched"]) == loose
    assert (found["gt"], found["det"], found["matched_70"]) == strict
