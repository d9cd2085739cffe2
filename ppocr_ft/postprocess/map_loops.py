"""Compiled loops over a probability map: its text pixels, and the means inside quads.

This module is imported where it is used, see ``utils.compiled``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.polygon_loops import reach
from ppocr_ft.utils.compiled import compiled

Array = NDArray[Any]


@compiled("uint8[:, ::1](float32[:, ::1], float32)")
def text_pixels(prob_map: Array, thresh: float) -> Array:
    """Return where a map (h, w) is above a threshold, 1 or 0."""
    text = np.empty(prob_map.shape, np.uint8)
    values, flags = prob_map.reshape(-1), text.reshape(-1)
    for i in range(len(values)):
        flags[i] = values[i] > thresh
    return text


@compiled("boolean(int32[:, ::1], int64, int64)")
def _is_plain(quad: Array, h: int, w: int) -> bool:
    """Return whether a quad turns clockwise at each corner, and is inside an image of h x w."""
    plain = True
    for a in range(4):
        b, c = (a + 1) % 4, (a + 2) % 4
        dx, dy = quad[b, 0] - quad[a, 0], quad[b, 1] - quad[a, 1]
        plain &= dx * (quad[c, 1] - quad[b, 1]) > dy * (quad[c, 0] - quad[b, 0])
        plain &= 0 <= quad[a, 0] < w and 0 <= quad[a, 1] < h
    return bool(plain)


@compiled("float64[::1](float32[:, ::1], int32[:, :, ::1])")
def quad_means(prob_map: Array, quads: Array) -> Array:
    """Return the mean (n,) of a map (h, w) inside each quad (n, 4, 2), its edges' pixels included.

    The same to the last bit as ``cv2.mean`` over ``cv2.fillPoly``'s mask: a convex quad's pixels
    in a row lie between those of its edges, and the sum goes row by row. NaN for a quad that isn't
    surely convex, clockwise and inside the map.
    """
    h, w = prob_map.shape
    means = np.full(len(quads), math.nan)
    ends = np.empty((h, 2), np.int32)
    for i in range(len(quads)):
        quad = quads[i]
        if not _is_plain(quad, h, w):
            continue
        top, bottom = quad[:, 1].min(), quad[:, 1].max()
        for row in range(bottom - top + 1):
            ends[row, 0], ends[row, 1] = w, -1
        for j in range(4):
            k = (j + 1) % 4
            reach(quad[j, 0], quad[j, 1], quad[k, 0], quad[k, 1], top, ends)
        total, count = 0.0, 0
        for row in range(bottom - top + 1):
            inside = prob_map[top + row, ends[row, 0] : ends[row, 1] + 1]
            for value in inside:
                total += np.float64(value)
            count += len(inside)
        means[i] = total * (1.0 / count)
    return means
