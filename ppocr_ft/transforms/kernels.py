"""Compiled loops over the points of many polygons; one of them draws the threshold map.

Polygon i is ``coords[starts[i]:starts[i + 1]]``; results go into the arrays given last. They
use one thread and no Python objects. This module is not imported with the others: see
``polygons.compile_kernels``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.utils.compiled import compiled, for_floats

Array = NDArray[Any]


@compiled(*for_floats("void(T[:, ::1], int64[::1], float64, boolean[::1])"))
def find_broken(coords: Array, starts: Array, farthest: float, broken: Array) -> None:
    """Flag polygons of fewer than 3 points or with one that is NaN or beyond ``farthest``."""
    for i in range(len(starts) - 1):
        broken[i] = starts[i + 1] - starts[i] < 3
        for j in range(starts[i], starts[i + 1]):
            for axis in range(2):
                if not abs(coords[j, axis]) <= farthest:
                    broken[i] = True


@compiled(*for_floats("void(T[:, ::1])"))
def _turn_round(polygon: Array) -> None:
    last = len(polygon) - 1
    for j in range(len(polygon) // 2):
        for axis in range(2):
            kept = polygon[j, axis]
            polygon[j, axis] = polygon[last - j, axis]
            polygon[last - j, axis] = kept


@compiled(*for_floats("void(T[:, ::1], int64[::1], int64, int64, T[::1], T[:, ::1])"))
def clip_and_orient(
    coords: Array, starts: Array, h: int, w: int, areas: Array, extents: Array
) -> None:
    """Clip points to an image in place; turn round, in place, polygons of positive area.

    ``areas`` (n,): shoelace areas after clipping, before turning, summed in the order and
    precision in which PaddleOCR 2.6.1 sums them. ``extents`` (n, 2): widths and heights.
    """
    for i in range(len(starts) - 1):
        first, last = starts[i], starts[i + 1] - 1
        for axis in range(2):
            highest = np.float64(w - 1) if axis == 0 else np.float64(h - 1)
            low, high = highest, 0.0
            for j in range(first, last + 1):
                if coords[j, axis] > highest:
                    coords[j, axis] = highest
                elif coords[j, axis] < 0:
                    coords[j, axis] = 0
                low, high = (
                    min(low, np.float64(coords[j, axis])),
                    max(high, np.float64(coords[j, axis])),
                )
            extents[i, axis] = high - low if last >= first else 0.0
        areas[i] = 0
        previous = last
        for j in range(first, last + 1):
            areas[i] += coords[j, 0] * coords[previous, 1] - coords[j, 1] * coords[previous, 0]
            previous = j
        areas[i] /= 2
        if areas[i] > 0:
            _turn_round(coords[first : last + 1])


@compiled(*for_floats("void(T[:, ::1], int64[::1], int64[:, ::1], float64[:, ::1], float64[::1])"))
def to_boxes(
    coords: Array, starts: Array, boxes: Array, relative: Array, square_lengths: Array
) -> None:
    """Write points relative to the corner of their box (n, 4), and squared lengths of their edges.

    Both are rounded to the labels' precision, as in PaddleOCR 2.6.1, if that is float32: it
    shows in the threshold map near slanted edges.
    """
    rounded = np.empty_like(coords)
    for i in range(len(starts) - 1):
        first, last = starts[i], starts[i + 1] - 1
        for j in range(first, last + 1):
            for axis in range(2):
                rounded[j, axis] = coords[j, axis] - boxes[i, axis]
                relative[j, axis] = rounded[j, axis]
        for j in range(first, last + 1):
            after = j + 1 if j < last else first
            dx = rounded[j, 0] - rounded[after, 0]
            dy = rounded[j, 1] - rounded[after, 1]
            square_lengths[j] = dx * dx + dy * dy


@compiled("void(int32[:, ::1], int64[::1], int64, int64, int64[:, ::1], boolean[::1])")
def bound(points: Array, starts: Array, h: int, w: int, boxes: Array, inside: Array) -> None:
    """Write rings' extents, and whether an image of h x w holds part of them.

    A ring has at least one point.

    ``boxes`` (n, 4): xmin, ymin, xmax, ymax. ``inside`` (n,).
    """
    for i in range(len(starts) - 1):
        for axis in range(2):
            low = high = points[starts[i], axis]
            for j in range(starts[i] + 1, starts[i + 1]):
                low, high = min(low, points[j, axis]), max(high, points[j, axis])
            boxes[i, axis], boxes[i, 2 + axis] = low, high
        reaches = boxes[i, 2] >= 0 and boxes[i, 3] >= 0
        inside[i] = reaches and boxes[i, 0] < w and boxes[i, 1] < h


BLOCK = 16
EDGE = "void(float32[::1], float64[::1], float64[::1], float64, float64, int64[::1])"


@compiled("int64(int64)")
def _padded(width: int) -> int:
    """Return a row's length in the buffer: whole blocks, which compile to vector code."""
    return (width + BLOCK - 1) // BLOCK * BLOCK


@compiled("void(float64[::1], float64[::1], float64, int64[::1], int64[::1])")
def _edge_window(a: Array, b: Array, reach: float, window: Array, near: Array) -> None:
    """Write ``near``: first, last + 1 column of the window's pixels near edge a-b; its y range."""
    x_first = math.floor(min(a[0], b[0]) - reach)
    x_last = math.ceil(max(a[0], b[0]) + reach)
    y_first = math.floor(min(a[1], b[1]) - reach)
    y_last = math.ceil(max(a[1], b[1]) + reach)
    near[0] = max(window[0], x_first) - window[0]
    near[1] = min(window[1], x_last + 1) - window[0]
    near[2] = max(window[2], y_first)
    near[3] = min(window[3], y_last + 1)


@compiled(EDGE)
def _near_edge(
    nearest: Array, a: Array, b: Array, square: float, reach: float, window: Array
) -> None:
    """Lower ``nearest`` to the square of (distance from edge a-b / ``reach``), if below 1.

    The distance is 2.6.1's: by the law of cosines with ``square`` for the edge's squared length,
    or that of the nearer end where the pixel sees the edge under an acute angle. With the exact
    squared length the law of cosines is the cross product; ``square`` is rounded to the labels'
    precision, and ``slope`` and ``level`` are what that adds. On the edge itself the sum can turn
    negative, where 2.6.1 gets NaN: there only the cross product is used.
    """
    ax, ay, bx, by = a[0], a[1], b[0], b[1]
    near = np.empty(4, dtype=np.int64)
    _edge_window(a, b, reach, window, near)
    dx, dy = bx - ax, by - ay
    true_square = dx * dx + dy * dy
    rounding = square - true_square
    inverse = 1 / square if square > 0 else 0.0
    scale = 1 / (reach * reach)
    slope = rounding * inverse / 2
    level = -(2 * true_square + rounding) * rounding * inverse / 4
    for y in range(near[2], near[3]):
        ya, yb = y - ay, y - by
        ya2, yb2 = ya * ya, yb * yb
        row = (y - window[2]) * _padded(window[1] - window[0])
        for column in range(near[0] // BLOCK * BLOCK, near[1], BLOCK):
            begin, at = np.float64(window[0] + column), np.uint64(row + column)
            for n in range(BLOCK):
                xa, xb = begin + n - ax, begin + n - bx
                to_a, to_b = xa * xa + ya2, xb * xb + yb2
                cross = xa * dy - ya * dx
                straight = cross * cross * inverse
                height2 = straight + slope * (to_a + to_b) + level
                height2 = height2 if height2 >= 0 else straight
                distance2 = min(to_a, to_b) if square - to_a - to_b < 0 else height2
                part2 = np.float32(distance2 * scale)
                k = at + np.uint64(n)  # unsigned, so that no negative index has to be thought of
                nearest[k] = part2 if part2 < nearest[k] else nearest[k]


@compiled(EDGE)
def _near_long_edge(
    nearest: Array, a: Array, b: Array, square: float, reach: float, window: Array
) -> None:
    """Do the same, repeating 2.6.1's floating-point operations one by one.

    Its rounding error grows with the edge's length: only on edges hundreds of times longer than
    ``reach`` does it show in the sixth decimal of the map, so that it has to be repeated.
    """
    ax, ay, bx, by = a[0], a[1], b[0], b[1]
    near = np.empty(4, dtype=np.int64)
    _edge_window(a, b, reach, window, near)
    dx, dy = bx - ax, by - ay
    for y in range(near[2], near[3]):
        ya, yb = y - ay, y - by
        row = (y - window[2]) * _padded(window[1] - window[0])
        for column in range(near[0], near[1]):
            x = np.float64(window[0] + column)
            xa, xb = x - ax, x - bx
            to_a, to_b = xa * xa + ya * ya, xb * xb + yb * yb
            product = to_a * to_b
            opposite = square - to_a - to_b
            if opposite < 0 or product == 0:
                distance2 = min(to_a, to_b)
            else:
                cosine = opposite / (2 * math.sqrt(product))
                distance2 = product * (1 - cosine * cosine) / square
                if distance2 < 0:
                    distance2 = (xa * dy - ya * dx) ** 2 / (dx * dx + dy * dy)
            part2 = np.float32(distance2 / (reach * reach))
            nearest[row + column] = min(nearest[row + column], part2)


LONG_EDGE = 100.0
"""From how many times ``reach`` on an edge is a long one."""


@compiled(
    "void(float32[:, ::1], float64[:, ::1], float64[::1], int64[::1], float64[::1], int64[:, ::1],"
    " float32, float32)"
)
def paint_borders(
    canvas: Array,
    coords: Array,
    square_lengths: Array,
    starts: Array,
    distances: Array,
    boxes: Array,
    span: np.float32,
    base: np.float32,
) -> None:
    """Raise ``canvas`` (h, w) float32 to ``base + span * (1 - distance / distances[i])``.

    The distance is that to the i-th text's edge, if it is below ``distances[i]`` pixels.
    ``coords`` (m, 2): the texts' points relative to the corner of their box ``boxes[i]``
    (xmin, ymin, xmax, ymax: the padded text's extent in whole pixels, ends included), text i's
    being ``coords[starts[i]:starts[i + 1]]``. ``square_lengths[j]``: from point j to the text's
    next one, in the precision of the labels.
    """
    h, w = canvas.shape
    flat = canvas.reshape(-1)
    nearest = np.empty(h * _padded(w), dtype=np.float32)
    window = np.empty(4, dtype=np.int64)  # x begin, x end, y begin, y end, relative to the box
    for i in range(len(distances)):
        left, top, reach = boxes[i, 0], boxes[i, 1], distances[i]
        window[0], window[1] = max(0, left) - left, min(w - 1, boxes[i, 2]) - left + 1
        window[2], window[3] = max(0, top) - top, min(h - 1, boxes[i, 3]) - top + 1
        width, height = window[1] - window[0], window[3] - window[2]
        if width <= 0 or height <= 0:
            continue
        stride = _padded(width)
        nearest[: stride * height] = 1
        for j in range(starts[i], starts[i + 1]):
            k = j + 1 if j + 1 < starts[i + 1] else starts[i]
            if square_lengths[j] > (LONG_EDGE * reach) ** 2:
                _near_long_edge(nearest, coords[j], coords[k], square_lengths[j], reach, window)
            else:
                _near_edge(nearest, coords[j], coords[k], square_lengths[j], reach, window)
        for y in range(height):
            here = np.uint64(y * stride)
            there = np.uint64((y + window[2] + top) * w + window[0] + left)
            for n in range(width):
                k = np.uint64(n)
                value = (np.float32(1) - np.sqrt(nearest[here + k])) * span + base
                flat[there + k] = max(flat[there + k], value)
