"""Compiled loops over polygons and pairs: what GEOS and OpenCV give, where that is sure.

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
        finite = starts[i + 1] - starts[i] > 2
        for axis in range(2):
            low, high = math.inf, -math.inf
            for j in range(starts[i], starts[i + 1]):
                low, high = min(low, coords[j, axis]), max(high, coords[j, axis])
                finite &= math.isfinite(coords[j, axis])
            extents[i, axis], extents[i, 2 + axis] = low, high
        if not finite:
            extents[i] = np.nan


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


@compiled("int64(float64[:, ::1], int64, float64, float64, float64, float64, float64[:, ::1])")
def _clip(points: Array, count: int, x: float, y: float, dx: float, dy: float, part: Array) -> int:
    """Write what of a polygon is to the right of an edge from (x, y); return how many points.

    Right as the image shows it. -1: there is no room. Whole numbers stay exact at upright edges.
    """
    kept = 0
    xb, yb = points[count - 1, 0], points[count - 1, 1]
    before = dx * (yb - y) - dy * (xb - x)
    for j in range(count):
        if kept + 2 > len(part):
            return -1
        xa, ya = points[j, 0], points[j, 1]
        here = dx * (ya - y) - dy * (xa - x)
        if (here > 0 and before < 0) or (here < 0 and before > 0):
            far, near = abs(before), abs(here)
            part[kept, 0] = (xa * far + xb * near) / (far + near)
            part[kept, 1] = (ya * far + yb * near) / (far + near)
            kept += 1
        if here >= 0:
            part[kept, 0], part[kept, 1] = xa, ya
            kept += 1
        xb, yb, before = xa, ya, here
    return kept


@compiled("float64(float64[:, ::1], float64[:, ::1], int64, float64[:, :, ::1])")
def _shared_area(polygon: Array, convex: Array, turn: int, room: Array) -> float:
    """Return the area of a simple polygon inside a convex one; NaN if it is too ragged."""
    count, here, there = len(polygon), room[0], room[1]
    x0, y0 = convex[0, 0], convex[0, 1]
    for j in range(count):
        here[j, 0], here[j, 1] = polygon[j, 0] - x0, polygon[j, 1] - y0
    for a in range(len(convex)):
        b = a + 1 if a + 1 < len(convex) else 0
        dx, dy = (convex[b, 0] - convex[a, 0]) * turn, (convex[b, 1] - convex[a, 1]) * turn
        count = _clip(here, count, convex[a, 0] - x0, convex[a, 1] - y0, dx, dy, there)
        if count <= 0:
            return 0.0 if count == 0 else math.nan
        here, there = there, here
    twice = 0.0
    for j in range(count):
        k = j - 1 if j else count - 1
        twice += here[k, 0] * here[j, 1] - here[k, 1] * here[j, 0]
    return abs(twice) / 2


@compiled("Tuple((int64[::1], int64[::1]))(float64[:, ::1], float64[:, ::1])")
def _meeting(extents: Array, others: Array) -> tuple[Array, Array]:
    """Return which rectangles share an area with which others, in the order of both."""
    columns = others.T.copy()
    left, top, right, bottom = columns[0], columns[1], columns[2], columns[3]
    meet = np.empty((len(extents), len(others)), np.bool_)
    pairs = 0
    for i in range(len(extents)):
        x0, y0, x1, y1 = extents[i, 0], extents[i, 1], extents[i, 2], extents[i, 3]
        for j in range(len(others)):
            meet[i, j] = (x0 < right[j]) & (left[j] < x1) & (y0 < bottom[j]) & (top[j] < y1)
            pairs += meet[i, j]
    one, other = np.empty(pairs, np.int64), np.empty(pairs, np.int64)
    pair = 0
    for i in range(len(extents)):
        for j in range(len(others)):
            if meet[i, j]:
                one[pair], other[pair] = i, j
                pair += 1
    return one, other


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
    one, other = _meeting(extents, other_extents)
    area = np.full(len(one), math.nan)
    most = 8
    for i in range(len(extents)):
        most = max(most, starts[i + 1] - starts[i])
    for j in range(len(other_extents)):
        most = max(most, other_starts[j + 1] - other_starts[j])
    room = np.empty((2, 4 * most, 2))
    for pair in range(len(one)):
        i, j = one[pair], other[pair]
        a = coords[starts[i] : starts[i + 1]]
        b = other_coords[other_starts[j] : other_starts[j + 1]]
        if other_turns[j] != 0:
            area[pair] = _shared_area(a, b, other_turns[j], room)
        elif turns[i] != 0:
            area[pair] = _shared_area(b, a, turns[i], room)
    return one, other, area


@compiled("int64[::1](int64[::1], int64[::1], float64[::1], float64[::1])")
def count_matches(gt: Array, det: Array, scores: Array, limits: Array) -> Array:
    """Count the matches (b,) among the pairs whose detection's score reaches each limit.

    A pair, in turn, is one if both sides are still free. ``scores`` are of all detections.
    """
    counts = np.zeros(len(limits), np.int64)
    most = -1
    for label in gt:
        most = max(most, label)
    for b in range(len(limits)):
        gt_taken = np.zeros(most + 1, np.bool_)
        det_taken = np.zeros(len(scores), np.bool_)
        for pair in range(len(gt)):
            g, d = gt[pair], det[pair]
            if scores[d] >= limits[b] and not gt_taken[g] and not det_taken[d]:
                gt_taken[g] = det_taken[d] = True
                counts[b] += 1
    return counts


@compiled("void(int64, int64, int64, int64, int64, int32[:, ::1])")
def reach(x: int, y: int, x_end: int, y_end: int, top: int, ends: Array) -> None:
    """Widen rows' first and last columns, ``ends`` (rows, 2) from ``top`` on, by a line.

    The line's pixels are OpenCV's: Bresenham's from left to right.
    """
    if x_end < x:
        x, y, x_end, y_end = x_end, y_end, x, y
    across, down = x_end - x, abs(y_end - y)
    longer, shorter = max(across, down), min(across, down)
    step = 1 if y_end > y else -1
    left_over = longer - 2 * shorter
    for _ in range(longer + 1):
        row = y - top
        ends[row, 0], ends[row, 1] = min(ends[row, 0], x), max(ends[row, 1], x)
        aside = left_over < 0
        left_over += 2 * (longer * aside - shorter)
        x += aside or across >= down
        y += step * (aside or across < down)


@compiled("boolean(int32[:, ::1], int64, int64)")
def _rises_once(ring: Array, h: int, w: int) -> bool:
    """Return whether a ring goes up once and down once, and is inside an image of h x w."""
    last = len(ring) - 1
    turns, before, first = 0, 0, 0
    inside = True
    for j in range(len(ring)):
        k = j + 1 if j < last else 0
        down = np.sign(ring[k, 1] - ring[j, 1])
        if down != 0:
            turns += before != 0 and down != before
            first = first if first != 0 else down
            before = down
        inside &= 0 <= ring[j, 0] < w and 0 <= ring[j, 1] < h
    return bool(inside and turns + (before != first) <= 2)


@compiled("boolean[::1](float32[:, ::1], int32[:, ::1], int64[::1])")
def fill_rings(canvas: Array, points: Array, starts: Array) -> Array:
    """Fill rings that don't cross themselves with 1, edges included, as ``cv2.fillPoly`` does.

    A row's pixels lie between those of the ring's edges. Returns which rings (n,) are filled: a
    ring that isn't inside the canvas (h, w) or rises twice is left alone.
    """
    h, w = canvas.shape
    filled = np.zeros(len(starts) - 1, np.bool_)
    ends = np.empty((h, 2), np.int32)
    for i in range(len(starts) - 1):
        ring = points[starts[i] : starts[i + 1]]
        if len(ring) < 3 or not _rises_once(ring, h, w):
            continue
        filled[i] = True
        top, bottom = ring[:, 1].min(), ring[:, 1].max()
        for row in range(bottom - top + 1):
            ends[row, 0], ends[row, 1] = w, -1
        for j in range(len(ring)):
            k = j + 1 if j + 1 < len(ring) else 0
            reach(ring[j, 0], ring[j, 1], ring[k, 0], ring[k, 1], top, ends)
        for row in range(bottom - top + 1):
            canvas[top + row, ends[row, 0] : ends[row, 1] + 1] = 1
    return filled
