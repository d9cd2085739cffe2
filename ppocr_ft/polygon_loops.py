"""Compiled loops over polygons: what GEOS and Clipper give, where that is sure.

Polygon i is ``coords[starts[i]:starts[i + 1]]``. Where rounding could decide, a loop says so, and
the caller asks the library itself. This module is imported where it is used, see
``utils.compiled``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.utils.compiled import compiled, for_floats

Array = NDArray[Any]

FLATTEST_TURN = 1e-9
"""A corner that turns less is not surely convex: its cross product, in squares of the extent."""
ROUNDING = 1e-6
"""So near to a half, two libraries may round to different whole numbers."""


@compiled(*for_floats("void(T[:, ::1], int64[::1], float64[::1], float64[::1])"))
def measure(coords: Array, starts: Array, areas: Array, lengths: Array) -> None:
    """Measure areas (n,) and perimeters (n,) in float64, to the last bit as GEOS (and shapely)."""
    for i in range(len(starts) - 1):
        first, count = starts[i], starts[i + 1] - starts[i]
        area, length = 0.0, 0.0
        for j in range(count):
            here, after = first + j, first + (j + 1) % count
            before = first + (j + count - 1) % count
            dx = np.float64(coords[after, 0]) - np.float64(coords[here, 0])
            dy = np.float64(coords[after, 1]) - np.float64(coords[here, 1])
            length += math.sqrt(dx * dx + dy * dy)
            if j > 0:
                x = np.float64(coords[here, 0]) - np.float64(coords[first, 0])
                area += x * (np.float64(coords[before, 1]) - np.float64(coords[after, 1]))
        areas[i], lengths[i] = abs(area / 2), length


@compiled("void(float64[:, ::1], int64[::1], float64[:, ::1])")
def find_extents(coords: Array, starts: Array, extents: Array) -> None:
    """Write each polygon's xmin, ymin, xmax, ymax (n, 4).

    They are NaN if it has under three points or one that is not finite.
    """
    for i in range(len(starts) - 1):
        extents[i] = np.nan
        points = coords[starts[i] : starts[i + 1]]
        if len(points) > 2 and np.isfinite(points).all():
            for axis in range(2):
                extents[i, axis] = points[:, axis].min()
                extents[i, 2 + axis] = points[:, axis].max()


@compiled("void(float64[:, ::1], int64[::1], float64[:, ::1], int64[::1])")
def find_convex(coords: Array, starts: Array, extents: Array, turns: Array) -> None:
    """Write 1 or -1 for the turn of each polygon (n,) that is surely convex, else 0.

    1: clockwise in the image. ``extents`` are those of `find_extents`.
    """
    for i in range(len(starts) - 1):
        first, count = starts[i], starts[i + 1] - starts[i]
        size = max(extents[i, 2] - extents[i, 0], extents[i, 3] - extents[i, 1])
        flat = FLATTEST_TURN * size * size
        left = right = reversals = 0
        previous = 0.0
        for j in range(2 * count):  # twice around, so that the first edge has a previous one
            a, b, c = first + j % count, first + (j + 1) % count, first + (j + 2) % count
            dx, dy = coords[b, 0] - coords[a, 0], coords[b, 1] - coords[a, 1]
            cross = dx * (coords[c, 1] - coords[b, 1]) - dy * (coords[c, 0] - coords[b, 0])
            left, right = left + (cross > flat), right + (cross < -flat)
            if dx != 0:
                reversals += j >= count and dx * previous < 0
                previous = dx
        once = count > 2 and flat > 0 and reversals == 2
        turns[i] = once * (1 if left == 2 * count else -1 if right == 2 * count else 0)


@compiled("int64(float64[:, ::1], int64, float64[::1], float64[::1], int64, float64[:, ::1])")
def _clip(polygon: Array, count: int, a: Array, b: Array, turn: int, part: Array) -> int:
    """Write the part of a polygon inside of the edge a-b; return how many points, -1: no room.

    Points on whole numbers are exact where edges are upright.
    """
    kept = 0
    dx, dy = (b[0] - a[0]) * turn, (b[1] - a[1]) * turn
    before = polygon[count - 1]
    side_before = dx * (before[1] - a[1]) - dy * (before[0] - a[0])
    for j in range(count):
        if kept + 2 > len(part):
            return -1
        here = polygon[j]
        side = dx * (here[1] - a[1]) - dy * (here[0] - a[0])
        if (side > 0 and side_before < 0) or (side < 0 and side_before > 0):
            to_here, to_before = abs(side_before), abs(side)
            for axis in range(2):
                sum_ = here[axis] * to_here + before[axis] * to_before
                part[kept, axis] = sum_ / (to_here + to_before)
            kept += 1
        if side >= 0:
            part[kept] = here
            kept += 1
        before, side_before = here, side
    return kept


@compiled("float64(float64[:, ::1], float64[:, ::1], int64)")
def _shared_area(polygon: Array, convex: Array, turn: int) -> float:
    """Return the area of a simple polygon inside a convex one; NaN if it is too ragged."""
    count, room = len(polygon), 2 * (len(polygon) + len(convex)) + 8
    here, there = np.empty((room, 2)), np.empty((room, 2))
    origin = convex[0]
    corners = convex - origin
    here[:count] = polygon - origin
    for j in range(len(corners)):
        count = _clip(here, count, corners[j], corners[(j + 1) % len(corners)], turn, there)
        if count < 0:
            return math.nan
        if count == 0:
            return 0.0
        here, there = there, here
    twice = 0.0
    for j in range(count):
        before = here[j - 1] if j else here[count - 1]
        twice += before[0] * here[j, 1] - before[1] * here[j, 0]
    return abs(twice) / 2


@compiled("boolean(float64[::1], float64[::1])")
def _meet(a: Array, b: Array) -> bool:
    """Return whether two rectangles share an area."""
    return bool(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


SHAPES = "float64[:, ::1], int64[::1], float64[:, ::1], int64[::1]"


@compiled(f"Tuple((int64[::1], int64[::1], float64[::1]))({SHAPES}, {SHAPES})")
def shared_areas(
    coords: Array,
    starts: Array,
    extents: Array,
    turns: Array,
    other_coords: Array,
    other_starts: Array,
    other_extents: Array,
    other_turns: Array,
) -> tuple[Array, Array, Array]:
    """Return which of some polygons and which of others share a rectangle, and the area they share.

    Pairs are in the order of the former, then the latter. ``extents`` and ``turns`` are those of
    `find_extents` and `find_convex`. The area is NaN if neither is surely convex.
    """
    pairs = 0
    for i in range(len(extents)):
        for j in range(len(other_extents)):
            pairs += _meet(extents[i], other_extents[j])
    one, other, area = np.empty(pairs, np.int64), np.empty(pairs, np.int64), np.empty(pairs)
    pair = 0
    for i in range(len(extents)):
        for j in range(len(other_extents)):
            if _meet(extents[i], other_extents[j]):
                a = coords[starts[i] : starts[i + 1]]
                b = other_coords[other_starts[j] : other_starts[j + 1]]
                one[pair], other[pair], area[pair] = i, j, math.nan
                if other_turns[j] != 0:
                    area[pair] = _shared_area(a, b, other_turns[j])
                elif turns[i] != 0:
                    area[pair] = _shared_area(b, a, turns[i])
                pair += 1
    return one, other, area
