"""Drawing boxes on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
FOUND_BGR = (30, 160, 30)
LABEL_BGR = (200, 120, 0)


def draw_polygons(
    picture: Picture,
    polygons: Sequence[NDArray[Any]],
    color_bgr: tuple[int, int, int] = FOUND_BGR,
    scores: Sequence[float] | None = None,
) -> Picture:
    """Return a copy of ``picture`` (h, w, 3) BGR with polygons (k, 2) and their scores."""
    canvas: Picture = picture.copy()
    width = max(1, round(max(canvas.shape[:2]) / 600))
    for i, polygon in enumerate(polygons):
        points = np.round(polygon).astype(np.int32)
        cv2.polylines(canvas, [points], True, color_bgr, width, cv2.LINE_AA)
        if scores is not None:
            corner = (int(points[0, 0]), max(int(points[0, 1]) - 3, 8))
            size = width * 0.35
            cv2.putText(
                canvas, f"{scores[i]:.2f}", corner, cv2.FONT_HERSHEY_SIMPLEX, size, color_bgr, 1
            )
    return canvas
