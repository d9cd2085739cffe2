"""Compiled loops that move a quad's edges: Clipper's rings, where they are sure.

Where rounding could decide, a loop says so, and the caller asks Clipper itself. This module is
imported where it is used, see ``utils.compiled``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.utils.compiled import compiled

Array = NDArray[Any]

ROUNDING = 1e-6
"""So near to a half, two libraries may round to different whole numbers."""
LEAST_TURN = 0.9
"""The sine of the least turn at a corner of a quad that is shrunk here: all but right angles."""
LEAST_SIDE = 3.0
"""The least side of a quad that is left, in whole numbers of Clipper's."""


@compiled("boolean(float64)")
def _tied(value: float) -> bool:
    """Return whether a value is so near to a half that libraries may round it to either side."""
    return abs(value - math.floor(value) - 0.5) < ROUNDING


@compiled("float64(float64)")
def _circle_steps(radius: float) -> float:
    """Return into how many steps Clipper divides a circle, px."""
    sagitta = 0.25 * min(1.0, radius)
    return min(math.pi / math.acos(1 - sagitta / radius), radius * math.pi)


@compiled("boolean(float32[:, ::1], float64[:, ::1], float64[:, ::1])")
def _find_normals(quad: Array, corners: Array, normals: Array) -> bool:
    """Write a quad's corners, cut to whole numbers, and its edges' normals; False for no edge."""
    for j in range(4):
        corners[j, 0], corners[j, 1] = np.trunc(quad[j, 0]), np.trunc(quad[j, 1])
    for j in range(4):
        k = (j + 1) % 4
        dx, dy = corners[k, 0] - corners[j, 0], corners[k, 1] - corners[j, 1]
        if dx == 0 and dy == 0:
            return False
        scale = 1 / math.sqrt(dx * dx + dy * dy)
        normals[j, 0], normals[j, 1] = dy * scale, -dx * scale
    return True


@compiled("int64(float32[:, ::1], float64, int64[:, ::1])")
def _grow(quad: Array, distance: float, path: Array) -> int:
    """Write the outline that Clipper draws around a quad; return how many points.

    0 where that isn't sure: a corner hardly turns to the right, or a number is nearly a half.
    """
    corners, normals = np.empty((4, 2)), np.empty((4, 2))
    if not _find_normals(quad, corners, normals):
        return 0
    steps = _circle_steps(distance)
    sine, cosine = math.sin(2 * math.pi / steps), math.cos(2 * math.pi / steps)
    count = 0
    for j in range(4):
        k = (j + 3) % 4
        turn = normals[k, 0] * normals[j, 1] - normals[j, 0] * normals[k, 1]
        ahead = normals[k, 0] * normals[j, 0] + normals[k, 1] * normals[j, 1]
        arc = steps / (2 * math.pi) * math.atan2(min(turn, 1.0), ahead)
        if turn * distance < 1 + ROUNDING or _tied(arc):
            return 0
        last = max(math.floor(arc + 0.5), 1)
        x, y = normals[k, 0], normals[k, 1]
        for step in range(last + 1):
            if step == last:
                x, y = normals[j, 0], normals[j, 1]
            to_x, to_y = corners[j, 0] + x * distance, corners[j, 1] + y * distance
            if _tied(to_x) or _tied(to_y):
                return 0
            path[count, 0], path[count, 1] = math.floor(to_x + 0.5), math.floor(to_y + 0.5)
            count += 1
            x, y = x * cosine - sine * y, x * sine + y * cosine
    return count


@compiled("int64(int64[:, ::1], int64)")
def _without_repeats(path: Array, count: int) -> int:
    """Leave out points that repeat the one before; return how many are left."""
    kept = 0
    for j in range(count):
        before = kept - 1 if kept else count - 1
        if path[j, 0] != path[before, 0] or path[j, 1] != path[before, 1]:
            path[kept, 0], path[kept, 1] = path[j, 0], path[j, 1]
            kept += 1
    return kept


@compiled("int64(int64[:, ::1], int64, int64[:, ::1])")
def _corners_of(path: Array, count: int, ring: Array) -> int:
    """Write the points at which a path turns, the topmost, rightmost one last; return how many.

    0 if it turns back on itself.
    """
    top = 0
    for j in range(count):
        higher = path[j, 1] < path[top, 1]
        if higher or (path[j, 1] == path[top, 1] and path[j, 0] > path[top, 0]):
            top = j
    kept = 0
    for n in range(1, count + 1):
        a, b, c = (top + n - 1) % count, (top + n) % count, (top + n + 1) % count
        dx, dy = path[b, 0] - path[a, 0], path[b, 1] - path[a, 1]
        ex, ey = path[c, 0] - path[b, 0], path[c, 1] - path[b, 1]
        if dx * ey != dy * ex:
            ring[kept, 0], ring[kept, 1] = path[b, 0], path[b, 1]
            kept += 1
        elif dx * ex + dy * ey < 0:
            return 0
    return kept


@compiled("boolean(int64[:, ::1], int64, int64, int64, int64)")
def _on_one_side(ring: Array, a: int, b: int, c: int, d: int) -> bool:
    """Return whether the points c and d are on one side of the line a-b, and not on it."""
    dx, dy = ring[b, 0] - ring[a, 0], ring[b, 1] - ring[a, 1]
    to_c = dx * (ring[c, 1] - ring[a, 1]) - dy * (ring[c, 0] - ring[a, 0])
    to_d = dx * (ring[d, 1] - ring[a, 1]) - dy * (ring[d, 0] - ring[a, 0])
    return bool((to_c > 0 and to_d > 0) or (to_c < 0 and to_d < 0))


@compiled("boolean(int64[:, ::1], int64)")
def _is_simple(ring: Array, count: int) -> bool:
    """Return whether a ring of `_corners_of` runs down once, up once, and never meets itself.

    Then Clipper's union keeps it as it is: it never looks at more than two edges at a time.
    """
    down = 0
    while down < count and ring[down, 1] >= ring[down - 1 if down else count - 1, 1]:
        down += 1
    for j in range(down, count):
        if ring[j, 1] > ring[j - 1, 1]:
            return False
    for b in range(down):
        a = b - 1 if b else count - 1
        top, bottom = ring[a, 1], ring[b, 1]
        for d in range(down, count):
            c = d - 1
            beside = c == b or d == a
            if beside or ring[d, 1] > bottom or ring[c, 1] < top:
                continue
            if not (_on_one_side(ring, a, b, c, d) or _on_one_side(ring, c, d, a, b)):
                return False
    return True


@compiled("Tuple((int32[:, ::1], int64[::1]))(float32[:, :, ::1], float64[::1])")
def grown_quads(quads: Array, distances: Array) -> tuple[Array, Array]:
    """Move the edges of quads (n, 4, 2) outwards by distances (n,), px, to Clipper's rings.

    Returns points (m, 2), and starts (n + 1,): a ring has no points where Clipper has to be asked.
    """
    most = total = 0
    for distance in distances:
        if distance >= 1:
            room = int(_circle_steps(distance)) + 16
            most, total = max(most, room), total + room
    path, ring = np.empty((most, 2), np.int64), np.empty((most, 2), np.int64)
    points, starts = np.empty((total, 2), np.int32), np.zeros(len(quads) + 1, np.int64)
    for i in range(len(quads)):
        starts[i + 1] = starts[i]
        count = _grow(quads[i], distances[i], path) if distances[i] >= 1 else 0
        count = _corners_of(path, _without_repeats(path, count), ring)
        if count > 2 and _is_simple(ring, count):
            for j in range(count):
                points[starts[i] + j, 0], points[starts[i] + j, 1] = ring[j, 0], ring[j, 1]
            starts[i + 1] += count
    return points[: starts[-1]], starts


@compiled("boolean(float64[:, ::1], float64[:, ::1], int64, int64, float64[::1])")
def _cross_plainly(begin: Array, end: Array, j: int, k: int, heights: Array) -> bool:
    """Return whether edges j and k are over a pixel apart at each of ``heights`` that both reach.

    Clipper looks at edges where a point of the path is, with x rounded: if two are in one place
    there, it takes that for their crossing. Level edges it looks at as they are.
    """
    if begin[j, 1] == end[j, 1] or begin[k, 1] == end[k, 1]:
        return True
    top = max(min(begin[j, 1], end[j, 1]), min(begin[k, 1], end[k, 1]))
    bottom = min(max(begin[j, 1], end[j, 1]), max(begin[k, 1], end[k, 1]))
    slope_j = (end[j, 0] - begin[j, 0]) / (end[j, 1] - begin[j, 1])
    slope_k = (end[k, 0] - begin[k, 0]) / (end[k, 1] - begin[k, 1])
    plain = True
    for y in heights:
        gap = begin[j, 0] + slope_j * (y - begin[j, 1]) - begin[k, 0] - slope_k * (y - begin[k, 1])
        plain &= y < top or y > bottom or abs(gap) > 1 + ROUNDING
    return bool(plain)


@compiled("boolean(float32[:, ::1], float64, float64[:, ::1], float64[:, ::1], float64[::1])")
def _move_inwards(quad: Array, distance: float, begin: Array, end: Array, heights: Array) -> bool:
    """Write the ends of a quad's edges, moved inwards, and the y of all points of Clipper's path.

    False where that isn't sure.
    """
    corners, normals = np.empty((4, 2)), np.empty((4, 2))
    if not _find_normals(quad, corners, normals):
        return False
    for j in range(4):
        k = (j + 1) % 4
        turn = normals[j, 0] * normals[k, 1] - normals[k, 0] * normals[j, 1]
        if not (turn > LEAST_TURN and turn * distance > 1 + ROUNDING):
            return False
        for axis in range(2):
            first = corners[j, axis] - normals[j, axis] * distance
            last = corners[k, axis] - normals[j, axis] * distance
            if _tied(first) or _tied(last):
                return False
            begin[j, axis], end[j, axis] = math.floor(first + 0.5), math.floor(last + 0.5)
        heights[3 * j], heights[3 * j + 1], heights[3 * j + 2] = (
            corners[j, 1],
            begin[j, 1],
            end[j, 1],
        )
    return True


@compiled("boolean(float32[:, ::1], float64, int32[:, ::1])")
def _shrink(quad: Array, distance: float, ring: Array) -> bool:
    """Write the quad that Clipper leaves of a quad; False where that isn't sure."""
    begin, end, heights = np.empty((4, 2)), np.empty((4, 2)), np.empty(12)
    if not _move_inwards(quad, distance, begin, end, heights):
        return False
    for j in range(4):
        k = (j + 3) % 4
        dx, dy = end[k, 0] - begin[k, 0], end[k, 1] - begin[k, 1]
        ex, ey = end[j, 0] - begin[j, 0], end[j, 1] - begin[j, 1]
        turn = dx * ey - dy * ex
        if turn <= 0 or not _cross_plainly(begin, end, j, k, heights):
            return False
        share = ((begin[j, 0] - begin[k, 0]) * ey - (begin[j, 1] - begin[k, 1]) * ex) / turn
        x, y = begin[k, 0] + share * dx, begin[k, 1] + share * dy
        if _tied(x) or _tied(y):
            return False
        ring[j, 0], ring[j, 1] = math.floor(x + 0.5), math.floor(y + 0.5)
    for j in range(4):  # a side that is left runs as it did
        k = (j + 1) % 4
        dx, dy = end[j, 0] - begin[j, 0], end[j, 1] - begin[j, 1]
        along = (ring[k, 0] - ring[j, 0]) * dx + (ring[k, 1] - ring[j, 1]) * dy
        if along < LEAST_SIDE * math.sqrt(dx * dx + dy * dy):
            return False
    return True


@compiled("Tuple((int32[:, :, ::1], boolean[::1]))(float32[:, :, ::1], float64[::1])")
def shrunk_quads(quads: Array, distances: Array) -> tuple[Array, Array]:
    """Move the edges of quads (n, 4, 2) inwards by distances (n,), px.

    Returns the quads (n, 4, 2) that Clipper leaves, each from some corner on, and whether (n,)
    that is sure.
    """
    rings, sure = np.zeros((len(quads), 4, 2), np.int32), np.zeros(len(quads), np.bool_)
    for i in range(len(quads)):
        sure[i] = _shrink(quads[i], distances[i], rings[i])
    return rings, sure
