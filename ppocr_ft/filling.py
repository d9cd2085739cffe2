"""Rings filled in an image: OpenCV's ``fillPoly`` for many of them, mostly by a compiled loop."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray


@cache
def fills_like_opencv() -> bool:
    """Return whether the compiled loops take the pixels that the installed OpenCV does.

    OpenCV 4.10 and before round the ends of rows differently.
    """
    from ppocr_ft.polygon_loops import fill_rings

    center, sides = (32.0, 32.0), (45.0, 11.0)
    for angle in range(0, 180, 5):
        ring = cv2.boxPoints((center, sides, float(angle))).astype(np.int32)
        ours, theirs = np.zeros((2, 64, 64), np.float32)
        fill_rings(ours, ring, np.array([0, len(ring)]))
        if not np.array_equal(ours, cv2.fillPoly(theirs, [ring], 1.0)):
            return False
    return True


def fill(
    canvas: NDArray[np.float32],
    points: NDArray[np.int32],
    starts: NDArray[np.int64],
    reaching: NDArray[np.bool_] | None = None,
) -> None:
    """Fill rings of whole pixels with 1, edges included, in a canvas ``(h, w)``.

    Ring i, which doesn't cross itself, is ``points[starts[i]:starts[i + 1]]``. ``reaching``
    ``(n,)`` flags those that the canvas holds part of; the others must be wholly outside.
    """
    from ppocr_ft.polygon_loops import fill_rings

    missing = np.ones(len(starts) - 1, bool) if reaching is None else reaching
    if fills_like_opencv():
        missing = missing & ~fill_rings(canvas, points, starts)
    for i in np.flatnonzero(missing).tolist():
        cv2.fillPoly(canvas, [points[starts[i] : starts[i + 1]]], 1.0)
