"""Compiled loops over the points of many polygons, in the precision of their labels.

Polygon i is ``coords[starts[i]:starts[i + 1]]``; results go into the arrays given last.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.compiled import compiled, for_floats

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


@compiled(*for_floats("void(T[:, ::1], int64[::1], float64[::1], float64[::1])"))
def measure(coords: Array, starts: Array, areas: Array, lengths: Array) -> None:
    """Areas (n,) and perimeters (n,) in float64, to the last bit those of GEOS (and shapely)."""
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


@compiled(*for_floats("void(T[:, ::1], int64[::1], int64[:, ::1], float64[:, ::1], float64[::1])"))
def to_boxes(
    coords: Array, starts: Array, boxes: Array, relative: Array, square_lengths: Array
) -> None:
    """Points relative to the corner of their box (n, 4), and squared lengths of their edges.

    Both are rounded to the labels' precision, as in PaddleOCR 2.6.1, where that is float32: it
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
    """Extents of rings of at least one point, and whether an image of h x w holds part of them.

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
