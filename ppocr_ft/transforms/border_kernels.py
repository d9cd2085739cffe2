"""The compiled loop that draws the threshold map: float64, one thread, no Python objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.compiled import compiled

Array = NDArray[Any]
BLOCK = 16
EDGE = "void(float32[::1], float64[::1], float64[::1], float64, float64, int64[::1])"


@compiled("int64(int64)")
def _padded(width: int) -> int:
    """A row's length in the buffer of distances: whole blocks, which compile to vector code."""
    return (width + BLOCK - 1) // BLOCK * BLOCK


@compiled("void(float64[::1], float64[::1], float64, int64[::1], int64[::1])")
def _edge_window(a: Array, b: Array, reach: float, window: Array, near: Array) -> None:
    """``near``: first and last + 1 column of the window's pixels near edge a-b; its y range."""
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
    """Lower ``nearest`` to the square of (distance from edge a-b / ``reach``), where below 1.

    The distance is 2.6.1's: by the law of cosines with ``square`` for the edge's squared length,
    or that of the nearer end where the pixel sees the edge under an acute angle. With the exact
    squared length the law of cosines is the cross product; ``square`` is rounded to the labels'
    precision, and ``slope`` and ``level`` are what that adds. On the edge itself the sum can turn
    negative, where 2.6.1 gets NaN: there the cross product stands alone.
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
    """The same, repeating 2.6.1's floating-point operations one by one.

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

    The distance is that to the i-th text's edge, where it is below ``distances[i]`` pixels.
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
