"""DBPostProcess on synthetic maps: hand-computed boxes, PaddleOCR 2.10.0's, and bad values."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.postprocess import DBPostProcess
from tests.support.postprocess_reference import reference_boxes


def blank(height: int = 160, width: int = 224) -> np.ndarray:
    return np.zeros((height, width), dtype=np.float32)


def with_rectangle(x1: int, y1: int, x2: int, y2: int, value: float = 0.9) -> np.ndarray:
    prob_map = blank()
    prob_map[y1 : y2 + 1, x1 : x2 + 1] = value
    return prob_map


def blurred_blobs(seed: int, count: int, longest_px: int) -> np.ndarray:
    """Rotated rectangles anywhere, also over the border and each other, with soft edges."""
    rng = np.random.default_rng(seed)
    prob_map = blank()
    for _ in range(count):
        center = (rng.uniform(0, 224), rng.uniform(0, 160))
        size = (rng.uniform(1, longest_px), rng.uniform(1, longest_px / 3))
        corners = cv2.boxPoints((center, size, rng.uniform(0, 180)))
        cv2.fillPoly(prob_map, [corners.astype(np.int32)], float(rng.uniform(0.3, 1.0)))
    return cv2.GaussianBlur(prob_map, (3, 3), 0)


def grid_of_squares(step_px: int, side_px: int) -> np.ndarray:
    prob_map = np.zeros((400, 400), dtype=np.float32)
    for y, x in itertools.product(range(2, 390, step_px), repeat=2):
        prob_map[y : y + side_px, x : x + side_px] = 0.8
    return prob_map


def rings() -> np.ndarray:
    prob_map = blank()
    for radius in (60, 40, 15):
        cv2.circle(prob_map, (112, 80), radius, 0.95, 6)
    return prob_map


def l_shape() -> np.ndarray:
    prob_map = with_rectangle(20, 20, 29, 119, 1.0)
    prob_map[110:120, 20:140] = 1.0
    return prob_map


def c_shape() -> np.ndarray:
    """A frame with a gap of 3 px, which unclipping closes: its outline becomes two rings."""
    prob_map = with_rectangle(60, 30, 160, 130, 1.0)
    prob_map[45:116, 75:146] = 0.0
    prob_map[79:82, 140:] = 0.0
    return prob_map


def triangle() -> np.ndarray:
    corners = np.array([[30, 30], [130, 30], [80, 110]], dtype=np.int32)
    return cv2.fillPoly(blank(), [corners], 1.0)


def noise() -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(7).random((160, 224), np.float32), (5, 5), 0)


MAPS = {
    "empty": blank(),
    "all ones": np.ones((64, 96), np.float32),
    "one pixel map": np.ones((1, 1), np.float32),
    "one blob": with_rectangle(20, 30, 59, 39),
    "touching each border": np.maximum(
        blurred_blobs(1, 3, 30), np.pad(blank(152, 216), 4, constant_values=1)
    ),
    "blobs": blurred_blobs(2, 40, 60),
    "large overlapping blobs": blurred_blobs(3, 15, 150),
    "tiny blobs": blurred_blobs(4, 300, 8),
    "more blobs than max_candidates": grid_of_squares(10, 6),
    "blobs under the least side": grid_of_squares(10, 3),
    "rings with holes": rings(),
    "concave": l_shape(),
    "nearly closed": c_shape(),
    "triangle": triangle(),
    "noise": noise(),
}
KEYS = [
    {"box_type": box_type, "score_mode": score_mode, "use_dilation": dilation, **ratios}
    for box_type, score_mode, dilation, ratios in itertools.product(
        ("quad", "poly"),
        ("fast", "slow"),
        (False, True),
        ({}, {"box_thresh": 0.3, "unclip_ratio": 1.1}),
    )
]


@pytest.mark.parametrize("name", MAPS)
def test_equals_paddleocr_on_synthetic_map(name: str) -> None:
    for keys in KEYS:
        expected_polygons, expected_scores = reference_boxes(keys, MAPS[name], (241, 301))
        polygons, scores = DBPostProcess(**keys).boxes_from_map(MAPS[name], (241, 301))
        assert [p.tolist() for p in polygons] == [p.tolist() for p in expected_polygons], keys
        np.testing.assert_array_equal(scores, expected_scores, err_msg=str(keys))


# A blob of pixels x1..x2, y1..y2 has an outline of (x2 - x1) by (y2 - y1) px. The first row's:
# 39 by 9 px, area 351, perimeter 96, so ratio 2 moves each side by 7.3125 px, and Clipper rounds.
RECTANGLES = [
    ("map is the source", (20, 30, 59, 39), (160, 224), 2.0, [13, 23, 66, 46]),
    ("source twice as large", (20, 30, 59, 39), (320, 448), 2.0, [26, 46, 132, 92]),
    ("unclip 1.5: 5.48 px", (20, 30, 59, 39), (160, 224), 1.5, [15, 25, 64, 44]),
    ("clipped at the top left", (1, 2, 40, 11), (160, 224), 2.0, [0, 0, 47, 18]),
    ("clipped at the bottom right", (184, 150, 223, 159), (160, 224), 2.0, [177, 143, 224, 160]),
    ("upright", (30, 20, 39, 59), (160, 224), 2.0, [23, 13, 46, 66]),
]


@pytest.mark.parametrize(
    ("rectangle", "source_size", "unclip_ratio", "expected"),
    [row[1:] for row in RECTANGLES],
    ids=[row[0] for row in RECTANGLES],
)
@pytest.mark.parametrize("score_mode", ["fast", "slow"])
def test_rectangle_by_hand(
    rectangle: tuple[int, int, int, int],
    source_size: tuple[int, int],
    unclip_ratio: float,
    expected: list[int],
    score_mode: Any,
) -> None:
    post = DBPostProcess(unclip_ratio=unclip_ratio, score_mode=score_mode)
    polygons, scores = post.boxes_from_map(with_rectangle(*rectangle), source_size)
    x1, y1, x2, y2 = expected
    assert [p.tolist() for p in polygons] == [[[x1, y1], [x2, y1], [x2, y2], [x1, y2]]]
    assert scores == pytest.approx([0.9], abs=1e-6)
    assert polygons[0].dtype == np.int32


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({}, 1),
        ({"thresh": 0.95}, 0),
        ({"box_thresh": 0.91}, 0),
        ({"thresh": 0.95, "box_thresh": 0.0}, 0),
        ({"unclip_ratio": 0.001}, 1),
        ({"thresh": 0.875}, 0),
        ({"thresh": 0.87, "box_thresh": 0.875}, 1),
    ],
    ids=str,
)
def test_thresholds_decide(keys: dict[str, float], count: int) -> None:
    prob_map = with_rectangle(20, 30, 59, 39, 0.875)
    polygons, scores = DBPostProcess(**keys).boxes_from_map(prob_map, (160, 224))
    assert (len(polygons), len(scores)) == (count, count)


def test_slow_score_follows_the_outline_and_fast_score_the_box() -> None:
    """A concave blob fills its outline but not its box."""
    slow = DBPostProcess(box_thresh=0.0, score_mode="slow").candidates(l_shape()).scores
    fast = DBPostProcess(box_thresh=0.0, score_mode="fast").candidates(l_shape()).scores
    assert slow == pytest.approx([1.0])
    assert fast[0] < 0.5


def test_dilation_joins_blobs_one_pixel_apart() -> None:
    prob_map = with_rectangle(20, 30, 39, 39) + with_rectangle(41, 30, 60, 39)
    counts = [
        len(DBPostProcess(use_dilation=dilation).candidates(prob_map).polygons)
        for dilation in (False, True)
    ]
    assert counts == [2, 1]


def test_max_candidates_are_looked_at() -> None:
    prob_map = grid_of_squares(10, 6)
    assert len(DBPostProcess().boxes_from_map(prob_map, (400, 400))[0]) == 1000
    assert len(DBPostProcess(max_candidates=7).boxes_from_map(prob_map, (400, 400))[0]) == 7
    blobs = 39**2
    for most, left_out in ((7, blobs - 7), (blobs - 1, 1), (blobs, 0), (blobs + 1, 0)):
        for box_type in ("quad", "poly"):
            finder = DBPostProcess(max_candidates=most, box_type=box_type)
            assert finder.candidates(prob_map).left_out == left_out


def test_poly_keeps_the_outline() -> None:
    polygons, _ = DBPostProcess(box_type="poly").boxes_from_map(l_shape(), (160, 224))
    quads, _ = DBPostProcess(box_type="quad", box_thresh=0.0).boxes_from_map(l_shape(), (160, 224))
    areas = [cv2.contourArea(p) for p in (polygons[0], quads[0])]
    assert len(polygons[0]) > 6
    assert areas[0] < 0.6 * areas[1]


@pytest.mark.parametrize("box_type", ["quad", "poly"])
def test_candidates_serve_every_box_thresh_and_unclip_ratio(box_type: Any) -> None:
    prob_map = MAPS["blobs"]
    found = DBPostProcess(box_type=box_type).candidates(prob_map)
    counts = set()
    for box_thresh, unclip_ratio in itertools.product((0.3, 0.6, 0.8), (0.5, 1.0, 2.2)):
        post = DBPostProcess(box_thresh=box_thresh, unclip_ratio=unclip_ratio, box_type=box_type)
        polygons, scores = post.boxes_from_candidates(found, (160, 224))
        expected_polygons, expected_scores = post.boxes_from_map(prob_map, (160, 224))
        assert [p.tolist() for p in polygons] == [p.tolist() for p in expected_polygons]
        np.testing.assert_array_equal(scores, expected_scores)
        counts.add(len(polygons))
    assert len(counts) > 2


def test_batch_is_its_maps_one_by_one_and_leaves_them_alone() -> None:
    maps = np.stack([MAPS["blobs"], MAPS["noise"], MAPS["rings with holes"]])[:, None]
    before = maps.copy()
    shape_list = np.array([[160, 224, 1, 1], [320, 448, 0.5, 0.5], [100, 100, 1.6, 2.24]])
    post = DBPostProcess(box_thresh=0.4)
    batch = post(maps, shape_list)
    assert [sorted(image) for image in batch] == [["points", "scores"]] * 3
    for image, prob_map, shape in zip(batch, maps[:, 0], shape_list, strict=True):
        polygons, scores = post.boxes_from_map(prob_map, (shape[0], shape[1]))
        assert [p.tolist() for p in image["points"]] == [p.tolist() for p in polygons]
        np.testing.assert_array_equal(image["scores"], scores)
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize(
    ("maps_shape", "shape_list_shape"),
    [((1, 8, 8), (1, 4)), ((1, 2, 8, 8), (1, 4)), ((2, 1, 8, 8), (1, 4)), ((1, 1, 8, 8), (1, 2))],
)
def test_batch_of_wrong_shape(
    maps_shape: tuple[int, ...], shape_list_shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"must be \("):
        DBPostProcess()(np.zeros(maps_shape), np.zeros(shape_list_shape))


def test_defaults_are_paddleocrs() -> None:
    assert dataclasses.asdict(DBPostProcess()) == {
        "thresh": 0.3,
        "box_thresh": 0.7,
        "max_candidates": 1000,
        "unclip_ratio": 2.0,
        "use_dilation": False,
        "score_mode": "fast",
        "box_type": "quad",
    }


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("thresh", 1.2, "found 1.2, must be 1 or less"),
        ("thresh", "0.3", "found '0.3', expected a number"),
        ("thresh", True, "found true, expected a number"),
        ("thresh", None, "is empty, expected a number"),
        ("box_thresh", -0.1, "found -0.1, must be 0 or more"),
        ("box_thresh", float("nan"), "found nan, expected a finite number"),
        ("unclip_ratio", 0, "found 0, must be above 0"),
        ("unclip_ratio", float("inf"), "found inf, expected a finite number"),
        ("max_candidates", 0, "found 0, must be 1 or more"),
        ("max_candidates", 10.0, "found 10.0, expected a whole number"),
        ("max_candidates", True, "found true, expected a whole number"),
        ("use_dilation", 1, "found 1, expected true or false"),
        ("use_dilation", "no", "found 'no', expected true or false"),
        ("score_mode", "medium", "found 'medium', expected one of fast, slow"),
        ("score_mode", None, "found null, expected one of fast, slow"),
        ("box_type", "rect", "found 'rect', expected one of quad, poly"),
    ],
)
def test_bad_value_names_its_key(key: str, value: Any, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted) as caught:
        DBPostProcess(**{key: value})
    assert caught.value.key == key
