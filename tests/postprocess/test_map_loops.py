"""The compiled loops over a probability map against OpenCV and numpy themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ppocr_ft.filling import fills_like_opencv
from ppocr_ft.postprocess import db, map_loops
from ppocr_ft.postprocess.db import _clockwise, _mean_inside
from ppocr_ft.postprocess.map_loops import quad_means, text_pixels

MAP_SIZE = HEIGHT, WIDTH = 300, 400


def random_map(rng: np.random.Generator) -> np.ndarray:
    """Probabilities of very different size: their sum depends on its order."""
    return (rng.random(MAP_SIZE, np.float32) ** 9).astype(np.float32)


def random_quads(rng: np.random.Generator, count: int) -> np.ndarray:
    """Rectangles as candidates have them, cut to whole pixels, some of them beyond the map."""
    quads = []
    for _ in range(count):
        center = (rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
        sides = (rng.uniform(3, rng.choice([12, 60, 300])), rng.uniform(3, rng.choice([9, 60])))
        angle = rng.choice([0, 90, rng.uniform(0, 180), rng.uniform(-3, 3)])
        quads.append(cv2.boxPoints((center, sides, float(angle))))
    return _clockwise(np.array(quads, np.float32)).astype(np.int32)


@pytest.mark.skipif(not fills_like_opencv(), reason="this OpenCV fills other pixels")
@pytest.mark.parametrize(
    ("seed", "maps"), [(0, 10), (1, 10), pytest.param(2, 500, marks=pytest.mark.slow)]
)
def test_means_inside_quads_are_opencvs(seed: int, maps: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(maps):
        prob_map, quads = random_map(rng), random_quads(rng, 200)
        means, expected = quad_means(prob_map, quads), _mean_inside(prob_map, quads)
        np.testing.assert_array_equal(db._mean_inside_quads(prob_map, quads), expected)
        inside = ((quads >= 0) & (quads < (WIDTH, HEIGHT))).all(axis=(1, 2))
        np.testing.assert_array_equal(np.isnan(means), ~inside)
        np.testing.assert_array_equal(means[inside], expected[inside])
        assert inside.sum() > 60


def test_another_opencv_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    prob_map, quads = random_map(rng), random_quads(rng, 9)
    monkeypatch.setattr(db, "fills_like_opencv", lambda: False)
    monkeypatch.setattr(map_loops, "quad_means", lambda *_: np.zeros(9))
    found = db._mean_inside_quads(prob_map, quads)
    np.testing.assert_array_equal(found, _mean_inside(prob_map, quads))


SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


@pytest.mark.parametrize(
    "quad",
    [
        pytest.param(SQUARE[::-1], id="not clockwise"),
        pytest.param([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]], id="crosses itself"),
        pytest.param([[10, 10], [30, 10], [13, 13], [10, 30]], id="concave"),
        pytest.param([[10, 10], [20, 10], [30, 10], [10, 30]], id="three on a line"),
        pytest.param([[10, 10]] * 4, id="one point"),
        pytest.param([[-1, 10], [30, 10], [30, 30], [10, 30]], id="beyond the left"),
        pytest.param([[10, 10], [WIDTH, 10], [30, 30], [10, 30]], id="beyond the right"),
        pytest.param([[10, -1], [30, 10], [30, 30], [10, 30]], id="beyond the top"),
        pytest.param([[10, 10], [30, 10], [30, HEIGHT], [10, 30]], id="beyond the bottom"),
    ],
)
def test_opencv_is_asked_for_odd_quads(quad: list[list[int]]) -> None:
    prob_map = random_map(np.random.default_rng(0))
    means = quad_means(prob_map, np.array([SQUARE, quad], np.int32))
    mask = np.ones((21, 21), np.uint8)
    assert means[0] == cv2.mean(prob_map[10:31, 10:31], mask)[0]
    assert np.isnan(means[1])


def test_no_quads_have_no_means() -> None:
    assert quad_means(np.zeros(MAP_SIZE, np.float32), np.empty((0, 4, 2), np.int32)).shape == (0,)


def test_text_is_above_the_threshold() -> None:
    """0.3 as float32 is above 0.3: the pixel with that value is no text."""
    thresh = np.float32(0.3)
    below, above = (np.nextafter(thresh, np.float32(end)) for end in (0, 1))
    row = np.array([[0, below, thresh, above, np.nan, 1]])
    text = text_pixels(row.astype(np.float32), thresh)
    assert text.tolist() == [[0, 0, 0, 1, 0, 1]]
    assert text.dtype == np.uint8
