"""The compiled loops against Clipper and GEOS themselves."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import shapely

from ppocr_ft.geometry import as_shapely, offset
from ppocr_ft.metrics.det import Labels, Polygons, greedy_matches, overlaps
from ppocr_ft.offset_loops import grown_quads, shrunk_quads
from ppocr_ft.polygon_loops import count_matches, find_convex, find_extents

LONGEST_PX = (12, 80, 600)
WIDEST_PX = (6, 20, 60)


def rectangles(rng: np.random.Generator, count: int) -> np.ndarray:
    """Clockwise quads (n, 4, 2) as OpenCV cuts them: upright or turned, some on whole pixels."""
    quads = []
    for i in range(count):
        center = rng.uniform(-2, (90, 1500)[i % 2], 2)
        sides = (rng.uniform(2, LONGEST_PX[i % 3]), rng.uniform(2, WIDEST_PX[i % 3]))
        if rng.random() < 0.3:
            center, sides = np.round(center * 2) / 2, tuple(np.round(sides))
        angle = rng.choice([0, 90, rng.uniform(0, 180), rng.uniform(-3, 3)])
        quads.append(cv2.boxPoints((center.tolist(), sides, float(angle))))
    return np.array(quads, np.float32)


def clockwise(quads: np.ndarray) -> np.ndarray:
    """The same quads, in the direction that the image's top left corner to the right takes."""
    x, y = np.moveaxis(quads, 2, 0)
    turned = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) < 0
    return np.where(turned[:, None, None], quads[:, ::-1], quads)


def squeezed(rng: np.random.Generator, quads: np.ndarray) -> np.ndarray:
    """Quads that are no rectangles, some of them not even convex."""
    moved = quads + rng.uniform(-9, 9, quads.shape)
    return moved.astype(np.float32)


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 2500), (1, 2500), (2, 2500), pytest.param(3, 50_000, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("squeeze", [False, True], ids=["rectangles", "other quads"])
def test_quads_grow_to_clippers_rings(seed: int, count: int, squeeze: bool) -> None:
    rng = np.random.default_rng(seed)
    quads = rectangles(rng, count)
    if squeeze:
        quads = squeezed(rng, quads)
    shapes = as_shapely(list(quads))
    distances = shapely.area(shapes) * rng.uniform(0.4, 3, len(quads)) / shapely.length(shapes)
    points, starts = grown_quads(quads, distances)
    sure = np.diff(starts) > 0
    for i in np.flatnonzero(sure):
        rings = offset(quads[i], float(distances[i]))
        assert [ring.tolist() for ring in rings] == [points[starts[i] : starts[i + 1]].tolist()]
    assert sure[distances > 1.1].mean() > (0.6 if squeeze else 0.98)


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 2500), (1, 2500), (2, 2500), pytest.param(3, 50_000, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("squeeze", [False, True], ids=["rectangles", "other quads"])
def test_quads_shrink_to_clippers_rings(seed: int, count: int, squeeze: bool) -> None:
    """By a shrink ratio, or by one to three pixels, where Clipper's rounding is felt most."""
    rng = np.random.default_rng(seed)
    quads = clockwise(rectangles(rng, count))
    if squeeze:
        quads = squeezed(rng, quads)
    shapes = as_shapely(list(quads))
    kept = 1 - rng.uniform(0.1, 0.95, count) ** 2
    distances = shapely.area(shapes) * kept / shapely.length(shapes)
    distances[::3] = rng.uniform(0.9, 3, len(distances[::3]))
    rings, sure = shrunk_quads(quads, distances)
    for i in np.flatnonzero(sure):
        (expected,) = offset(quads[i], -float(distances[i]))
        first = np.flatnonzero((expected == rings[i][0]).all(axis=1))
        assert rings[i].tolist() == np.roll(expected, -first[0], axis=0).tolist()
    assert sure.mean() > (0.1 if squeeze else 0.4)


def test_clipper_is_asked_for_odd_kernels() -> None:
    quad = np.array([[[3, 3], [63, 3], [63, 23], [3, 23]]], np.float32)
    slanted = quad + np.array([[0, 0], [0, 0], [20, 0], [20, 0]], np.float32)
    none = quad * np.nan
    odd = ((quad[:, ::-1], 5.3), (slanted, 5.3), (quad, 5.5), (quad, 0.9), (quad, 9.8), (none, 5.3))
    for unsure, distance in (*odd, (quad * 0, 5.3), (quad, np.nan)):
        assert shrunk_quads(np.ascontiguousarray(unsure), np.array([distance]))[1].tolist() == [
            False
        ]
    rings, sure = shrunk_quads(quad, np.array([5.3]))
    assert sure.all()
    assert rings.tolist() == [[[8, 8], [58, 8], [58, 18], [8, 18]]]
    assert len(shrunk_quads(quad[:0], np.empty(0))[0]) == 0


def test_clipper_is_asked_where_rounding_could_decide() -> None:
    """20 x 4 px and 1.5 give 2.5 px: edges in the middle between two pixels."""
    quad = np.array([[[3, 3], [23, 3], [23, 7], [3, 7]]], np.float32)
    far, unknown, nothing = quad * np.nan, quad[:, [0, 3, 2, 1]], quad * 0
    for odd, distance in ((quad, 2.5), (quad, 0.5), (unknown, 2.3), (nothing, 2.3)):
        assert grown_quads(odd, np.array([distance]))[1].tolist() == [0, 0]
    assert grown_quads(far, np.array([np.nan]))[1].tolist() == [0, 0]
    assert len(grown_quads(quad, np.array([2.3]))[0]) == 8
    assert grown_quads(quad[:0], np.empty(0))[1].tolist() == [0]


SHAPES = {
    "square": ([(0, 0), (9, 0), (9, 9), (0, 9)], 1),
    "the other way round": ([(0, 9), (9, 9), (9, 0), (0, 0)], -1),
    "triangle": ([(0, 0), (9, 0), (5, 9)], 1),
    "dent": ([(0, 0), (9, 0), (3, 3), (0, 9)], 0),
    "bow": ([(0, 0), (9, 9), (9, 0), (0, 9)], 0),
    "star, which turns twice": ([(5, 0), (8, 9), (0, 3), (10, 3), (2, 9)], 0),
    "flat corner": ([(0, 0), (5, 0), (9, 0), (9, 9)], 0),
    "line": ([(0, 0), (5, 5), (9, 9)], 0),
    "two points": ([(0, 0), (5, 5)], 0),
    "not finite": ([(0, 0), (9, 0), (np.nan, 9)], 0),
}


@pytest.mark.parametrize(("points", "turn"), SHAPES.values(), ids=SHAPES.keys())
def test_convex_polygons_are_known(points: list[tuple[float, float]], turn: int) -> None:
    coords, starts = np.array(points, np.float64), np.array([0, len(points)])
    extents, turns = np.empty((1, 4)), np.empty(1, np.int64)
    find_extents(coords, starts, extents)
    find_convex(coords, starts, extents, turns)
    assert turns.tolist() == [turn]
    usable = len(points) > 2 and np.isfinite(coords).all()
    wanted = [*coords.min(axis=0), *coords.max(axis=0)] if usable else [np.nan] * 4
    np.testing.assert_array_equal(extents[0], wanted)


def polygons(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Turned rectangles, ragged rings, and points in any order; most on whole pixels."""
    found = []
    for quad in rectangles(rng, count):
        quad = (quad - quad.mean(axis=0)).clip(-40, 40) + rng.uniform(0, 150, 2)
        kind = rng.integers(0, 8)
        if kind == 0:
            quad = rng.uniform(0, 40, (int(rng.integers(3, 8)), 2)) + quad[0]
        elif kind == 1:
            angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
            ring = np.stack([30 * np.cos(angles), 12 * np.sin(angles)], axis=1)
            quad = ring * rng.uniform(0.5, 1, (9, 1)) + quad[0]
        found.append(np.round(quad) if rng.random() < 0.7 else quad)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_overlaps_are_those_of_geos(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gts = polygons(rng, 20)
    dets = [*polygons(rng, 12), *(gt + rng.integers(-3, 4, 2) for gt in gts[:10])]
    found = overlaps(Polygons.of(dets), Labels.of(gts, [False] * len(gts)))
    valid_gt, valid_det = (shapely.is_valid(as_shapely(each)) for each in (gts, dets))
    np.testing.assert_array_equal(found.invalid_gt, ~valid_gt)
    np.testing.assert_array_equal(found.invalid_det, ~valid_det)
    pairs = zip(found.gt.tolist(), found.det.tolist(), strict=True)
    ious = dict(zip(pairs, found.iou.tolist(), strict=True))
    assert list(ious) == sorted(ious)
    gt_shapes, det_shapes = as_shapely(gts), as_shapely(dets)
    for g in np.flatnonzero(valid_gt):
        for d in np.flatnonzero(valid_det):
            a, b = gt_shapes[g], det_shapes[d]
            expected = a.intersection(b).area / a.union(b).area
            assert ious.get((g, d), 0.0) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_matches_are_counted_as_they_are_made(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gt, det = map(np.ascontiguousarray, np.nonzero(rng.random((8, 12)) < 0.4))
    scores, limits = rng.random(12), np.array([0.0, 0.3, 0.6, 2.0])
    expected = [
        len(greedy_matches(gt[scores[det] >= limit], det[scores[det] >= limit])) for limit in limits
    ]
    assert count_matches(gt, det, scores, limits).tolist() == expected
    assert count_matches(gt[:0], det[:0], scores, limits).tolist() == [0] * 4
