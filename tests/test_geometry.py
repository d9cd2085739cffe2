"""Areas, sides, offsets and parts of polygons."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from ppocr_ft.geometry import (
    areas,
    clockwise,
    offset,
    offset_quads,
    parts_inside,
    perimeters,
    rectangle_sides,
    signed_areas,
    tilts,
    uncrossed,
)


def box(width: float, height: float, x: float = 0, y: float = 0) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def test_areas_and_perimeters_of_mixed_polygons() -> None:
    shapes = [box(10, 4), np.array([[0, 0], [3, 0], [0, 4]])]
    np.testing.assert_allclose(areas(shapes), [40, 6])
    np.testing.assert_allclose(perimeters(shapes), [28, 12])
    assert len(areas([])) == len(perimeters([])) == 0


def test_signed_areas_are_above_0_clockwise_on_the_screen() -> None:
    square = np.array([[0, 0], [4, 0], [4, 3], [0, 3]], np.float32)
    far = square[::-1] + np.array([1e6, 7])
    triangle = np.array([[5, 5], [9, 5], [9, 8]], np.float32)
    coords = np.concatenate([square, far, triangle])
    assert signed_areas(coords, np.array([0, 4, 8, 11])).tolist() == [12, -12, 6]
    assert signed_areas(coords[:0], np.array([0])).tolist() == []


def test_clockwise_keeps_the_first_point() -> None:
    square = np.array([[0, 0], [4, 0], [4, 3], [0, 3]], np.float64)
    assert clockwise(square) is square
    turned = clockwise(square[[0, 3, 2, 1]])
    assert turned.tolist() == square.tolist()


@pytest.mark.parametrize(
    ("degrees", "tilt"), [(0, 0), (10, 10), (-10, 10), (44, 44), (50, 40), (90, 0), (170, 10)]
)
def test_tilts_are_those_from_upright(degrees: float, tilt: float) -> None:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    turned = box(50, 10) @ np.array([[cos, sin], [-sin, cos]])
    np.testing.assert_allclose(tilts([turned, turned + 7]), [tilt, tilt], atol=1e-6)


def test_rectangle_sides() -> None:
    shorter, longer = rectangle_sides(np.array([12.0, 25.0, 8.0]), np.array([14.0, 20.0, 8.0]))
    assert shorter.tolist() == [3, 5, 2]  # the last is no rectangle's: a square of its perimeter
    assert longer.tolist() == [4, 5, 2]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        pytest.param([0, 1, 3, 2], [0, 1, 2, 3], id="the lower edge from left to right"),
        pytest.param([2, 0, 3, 1], [2, 3, 0, 1], id="any order, from its first point"),
        pytest.param([1, 3, 2, 0], [1, 2, 3, 0], id="begun at the second corner"),
    ],
)
def test_crossed_polygons_are_put_in_order(order: list[int], wanted: list[int]) -> None:
    quad = np.array([[0, 0], [10, 1], [9, 6], [1, 5]], np.float64)
    mended = uncrossed(quad[order])
    assert mended is not None
    assert mended.tolist() == quad[wanted].tolist()


def test_points_on_one_line_are_in_no_order() -> None:
    assert uncrossed(np.array([[0, 0], [2, 0], [1, 0], [3, 0]], np.float64)) is None


def test_offset_moves_every_edge() -> None:
    (ring,) = offset(box(100, 20), -7.0)
    assert sorted(map(tuple, ring.tolist())) == [(7, 7), (7, 13), (93, 7), (93, 13)]
    (ring,) = offset(box(100, 20), 7.0)
    assert ring.min(axis=0).tolist() == [-7, -7]
    assert ring.max(axis=0).tolist() == [107, 27]
    assert offset(box(100, 20), -11.0) == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quads_are_offset_as_polygons_are(dtype: type) -> None:
    """Also quads that run the other way, cross themselves or have no area."""
    rng = np.random.default_rng(5)
    turned = np.array([box(rng.uniform(20, 90), 20) + rng.uniform(0, 9, (4, 2)) for _ in range(60)])
    crossed = turned[:20, [0, 2, 1, 3]]
    quads = np.concatenate([turned, turned[:, ::-1], crossed, 0 * turned[:3]]).astype(dtype)
    distances = rng.uniform(0.2, 12, len(quads))
    for quad, distance, rings in zip(quads, distances, offset_quads(quads, distances), strict=True):
        expected = offset(quad, float(distance))
        assert [ring.tolist() for ring in rings] == [ring.tolist() for ring in expected]
        assert all(ring.dtype == np.int32 for ring in rings)
    assert offset_quads(quads[:0], distances[:0]) == []


def test_parts_inside_a_box() -> None:
    square = np.float32([[0, 0], [10, 0], [10, 10], [0, 10]])
    crossing = np.float32([[0, 0], [10, 10], [10, 0], [0, 6]])  # its larger piece is on the right
    beside, touching = square + 20, np.add(square, (8, 0))
    box = (4.0, -5.0, 8.0, 20.0)
    parts = parts_inside([square, crossing, beside, touching], box)
    assert shapely.Polygon(parts[0]).equals(shapely.box(4, 0, 8, 10))
    assert shapely.Polygon(parts[1]).is_valid
    assert parts[1][:, 0].max() == 8
    assert [len(part) for part in parts[2:]] == [0, 0]
    assert parts_inside([], box) == []
