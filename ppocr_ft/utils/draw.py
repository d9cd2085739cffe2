"""Drawing boxes on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError

Picture = NDArray[np.uint8]
FOUND_BGR = (30, 160, 30)
LABEL_BGR = (200, 120, 0)
SCORE_PX = (7, 11)
"""Lowest and highest digits of a score, on a picture of up to 900 px."""
SCORE_SHARE = 0.4
"""Of a box's shorter side."""
_FONT, _FONT_PX = cv2.FONT_HERSHEY_SIMPLEX, 21
_WHITE = (255, 255, 255)


def draw_polygons(
    picture: Picture,
    polygons: Sequence[NDArray[Any]],
    color_bgr: tuple[int, int, int] = FOUND_BGR,
    scores: Sequence[float] | None = None,
    *,
    copy: bool = True,
) -> Picture:
    """Return ``picture`` (h, w, 3) BGR with polygons (k, 2) and, if given, their scores.

    It is a copy, or not. A score stands in small digits above the right end of its box, where a
    line ends early.
    """
    canvas: Picture = picture.copy() if copy else picture
    width = max(1, round(max(canvas.shape[:2]) / 600))
    for polygon in polygons:
        points = np.round(polygon).astype(np.int32)
        cv2.polylines(canvas, [points], True, color_bgr, width, cv2.LINE_AA)
    for polygon, score in zip(polygons, scores or (), strict=scores is not None):
        _write_score(canvas, polygon, f"{score:.2f}".removeprefix("0"), color_bgr)
    return canvas


def as_rgb(picture: Picture, path: str | Path | None = None) -> Picture:
    """Return a picture (h, w, 3) BGR as RGB; with a ``path`` it is written to that file too.

    Raises:
        DataError: the path's suffix is no picture's.
        OSError: the file can't be written.
    """
    if path is not None:
        if not cv2.haveImageWriter(str(path)):
            raise DataError("its suffix is no picture's; name a .png or .jpg file", path=path)
        Path(path).write_bytes(cv2.imencode(Path(path).suffix, picture)[1].tobytes())
    return np.ascontiguousarray(picture[..., ::-1])


def _write_score(
    canvas: Picture, polygon: NDArray[Any], text: str, color_bgr: tuple[int, int, int]
) -> None:
    height, width = canvas.shape[:2]
    scale = max(height, width, 900) / 900
    _, sides, _ = cv2.minAreaRect(np.asarray(polygon, np.float32))
    digits_px = np.clip(SCORE_SHARE * min(sides), SCORE_PX[0] * scale, SCORE_PX[1] * scale)
    size = float(digits_px) / _FONT_PX
    (text_width, text_height), _ = cv2.getTextSize(text, _FONT, size, 1)
    right, top = float(np.max(polygon, axis=0)[0]), float(np.min(polygon, axis=0)[1])
    x = max(round(min(right, width) - text_width), 0)
    y = max(round(top) - 2, text_height)
    cv2.rectangle(canvas, (x, y - text_height), (x + text_width, y), _WHITE, -1)
    cv2.putText(canvas, text, (x, y), _FONT, size, color_bgr, 1, cv2.LINE_AA)
