"""Rings are filled as OpenCV fills them, whichever way they take."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from ppocr_ft import filling, polygon_loops
from ppocr_ft.filling import fill, fills_like_opencv
from ppocr_ft.geometry import offset

SIZE = HEIGHT, WIDTH = 120, 160


@pytest.fixture
def another_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenCV whose pixels are not those of the compiled loop."""
    monkeypatch.setattr(filling, "fills_like_opencv", lambda: False)


def random_rings(seed: int, count: int) -> list[np.ndarray]:
    """Text outlines moved outwards and inwards, bent ones among them, some beyond the border."""
    rng = np.random.default_rng(seed)
    rings: list[np.ndarray] = []
    while len(rings) < count:
        points = rng.integers(2, 5)
        x = np.linspace(0, rng.uniform(20, 90), points)
        bend = rng.uniform(-12, 12) * rng.integers(0, 2) * np.sin(np.linspace(0, np.pi, points))
        upper = np.stack([x, bend], axis=1)
        ring = np.concatenate([upper, upper[::-1] + np.array([0, rng.uniform(6, 30)])])
        angle = rng.choice([0, rng.uniform(-0.3, 0.3), rng.uniform(-np.pi, np.pi)])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        ring = ring @ turn + rng.uniform((20, 20), (WIDTH - 40, HEIGHT - 20))
        rings += offset(ring, rng.uniform(-5, 9))
    return rings[:count]


def flat(rings: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(rings), np.cumsum([0, *map(len, rings)], dtype=np.int64)


def filled(rings: Sequence[np.ndarray]) -> np.ndarray:
    canvas = np.zeros(SIZE, np.float32)
    fill(canvas, *flat(rings))
    return canvas


def opencvs(rings: Sequence[np.ndarray]) -> np.ndarray:
    canvas = np.zeros(SIZE, np.float32)
    for ring in rings:
        cv2.fillPoly(canvas, [ring], 1.0)
    return canvas


@pytest.mark.parametrize(
    ("seed", "count"), [(0, 500), (1, 500), pytest.param(2, 20_000, marks=pytest.mark.slow)]
)
def test_rings_are_filled_as_opencv_does(seed: int, count: int) -> None:
    rings = random_rings(seed, count)
    for ring in rings:
        np.testing.assert_array_equal(filled([ring]), opencvs([ring]), err_msg=str(ring.tolist()))
    np.testing.assert_array_equal(filled(rings[:5]), opencvs(rings[:5]))


@pytest.mark.skipif(not fills_like_opencv(), reason="this OpenCV fills other pixels")
def test_the_loop_fills_most_rings_and_leaves_the_others_alone() -> None:
    rings = random_rings(3, 500)
    done = 0
    for ring in rings:
        canvas = np.zeros(SIZE, np.float32)
        (is_done,) = polygon_loops.fill_rings(canvas, *flat([ring]))
        inside = ((ring >= 0) & (ring < (WIDTH, HEIGHT))).all()
        assert is_done == canvas.any()
        assert inside or not is_done
        done += is_done
    assert done > 200


W_SHAPE = [[10, 10], [30, 60], [50, 20], [70, 60], [90, 10], [70, 90], [50, 50], [30, 90]]


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param(W_SHAPE, id="rises twice"),
        pytest.param([[10, 10], [60, 60]], id="two points"),
        pytest.param([[10, 10], [60, 10], [WIDTH, 60], [10, 60]], id="beyond the right"),
        pytest.param([[10, 10], [60, 10], [60, HEIGHT], [10, 60]], id="beyond the bottom"),
        pytest.param([[-1, 10], [60, 10], [60, 60], [10, 60]], id="beyond the left"),
        pytest.param([[10, -1], [60, 10], [60, 60], [10, 60]], id="beyond the top"),
    ],
)
def test_opencv_is_asked_for_odd_rings(ring: list[list[int]]) -> None:
    points = np.array(ring, np.int32)
    done = polygon_loops.fill_rings(np.zeros(SIZE, np.float32), *flat([points]))
    assert done.tolist() == [False]
    np.testing.assert_array_equal(filled([points]), opencvs([points]))


@pytest.mark.usefixtures("another_opencv")
def test_another_opencv_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygon_loops, "fill_rings", None)
    rings = random_rings(4, 30)
    np.testing.assert_array_equal(filled(rings), opencvs(rings))


def test_nothing_is_filled_beyond_the_canvas() -> None:
    beyond = np.array([[-30, 5], [-9, 5], [-9, 20], [-30, 20]], np.int32)
    within = np.array([[3, 5], [9, 5], [9, 20], [3, 20]], np.int32)
    canvas = np.zeros(SIZE, np.float32)
    fill(canvas, *flat([beyond, within]), np.array([False, True]))
    np.testing.assert_array_equal(canvas, opencvs([within]))
    fill(canvas, np.empty((0, 2), np.int32), np.zeros(1, np.int64))
    np.testing.assert_array_equal(canvas, opencvs([within]))
