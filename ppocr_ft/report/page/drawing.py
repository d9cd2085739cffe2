"""Pictures for the page: whole images and crops, with labels and boxes that say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.report.page.judging import IOUS, JudgedTable
from ppocr_ft.utils.draw import Picture

LONGEST_PX = 760
CROP_PX = (340, 190)
ENLARGED_AT_MOST = 3.0
JPEG_QUALITY = 82
LABEL_BGR = (200, 110, 0)
FITTING_BGR, LOOSE_BGR, FALSE_BGR = (60, 140, 0), (0, 130, 225), (40, 30, 205)
MISSED_BGR = (190, 20, 190)
LINE_PX, DASH_PX = 2, 6


class Outline(NamedTuple):
    """A polygon (k, 2), px, and how it is drawn."""

    polygon: NDArray[Any]
    color_bgr: tuple[int, int, int]
    dashed: bool = False


class Drawn(NamedTuple):
    """``jpeg`` of ``size_px`` (width, height)."""

    jpeg: bytes
    size_px: tuple[int, int]


@lru_cache(maxsize=8)
def read(path: str, size_px: tuple[int, int]) -> Picture | None:
    """The image file, upright; None where it is gone or has another size than it had."""
    try:
        content = np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError:
        return None
    found = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if found is None or (found.shape[1], found.shape[0]) != size_px:
        return None
    return np.asarray(found, np.uint8)


def labels_of(judged: JudgedTable) -> list[Outline]:
    """Ignored ones dashed."""
    pairs = zip(judged.image.labels, judged.image.ignored.tolist(), strict=True)
    return [Outline(label, LABEL_BGR, ignored) for label, ignored in pairs]


def boxes_of(judged: JudgedTable) -> list[Outline]:
    """Boxes by how well they fit their label, and the labels that have none."""
    loose, strict = (judged.only_found.matches(iou) for iou in IOUS)
    fitting, known = set(strict.values()), set(loose.values())
    made = []
    for box in judged.only_found.boxes.tolist():
        color = FITTING_BGR if box in fitting else LOOSE_BGR if box in known else FALSE_BGR
        made.append(Outline(judged.boxes[box], color))
    missed = [each for each in judged.only_found.labels.tolist() if each not in loose]
    return made + [Outline(judged.image.labels[label], MISSED_BGR, True) for label in missed]


def whole(picture: Picture, outlines: Sequence[Outline]) -> Drawn:
    """The image, made smaller where it is large."""
    scale = min(LONGEST_PX / max(picture.shape[:2]), 1.0)
    return _drawn(picture, outlines, (0, 0), scale)


def crop(picture: Picture, about: Sequence[NDArray[Any]], outlines: Sequence[Outline]) -> Drawn:
    """What lies around some polygons."""
    height, width = picture.shape[:2]
    points = np.concatenate(list(about))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(16.0, 0.7 * float((high - low).min()))
    left, top = np.clip(np.floor(low - margin), 0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + margin), 1, (width, height)).astype(int).tolist()
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    fitting = min(CROP_PX[0] / part.shape[1], CROP_PX[1] / part.shape[0])
    return _drawn(part, outlines, (left, top), min(fitting, ENLARGED_AT_MOST))


def _drawn(
    picture: Picture, outlines: Sequence[Outline], origin_px: tuple[int, int], scale: float
) -> Drawn:
    size = tuple(max(round(side * scale), 1) for side in (picture.shape[1], picture.shape[0]))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)
    for outline in outlines:
        points = (outline.polygon - np.array(origin_px)) * scale
        _outline(canvas, points, outline.color_bgr, outline.dashed)
    encoded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return Drawn(encoded.tobytes(), (size[0], size[1]))


def _outline(
    canvas: Picture, points: NDArray[np.float64], color: tuple[int, int, int], dashed: bool
) -> None:
    if not dashed:
        whole_px = np.round(points).astype(np.int32)
        cv2.polylines(canvas, [whole_px], True, color, LINE_PX, cv2.LINE_AA)
        return
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        pieces = max(int(np.hypot(*(end - start)) // DASH_PX), 1)
        ends = np.round(np.linspace(start, end, pieces + 1)).astype(int).tolist()
        for one, two in list(pairwise(ends))[::2]:
            cv2.line(canvas, one, two, color, LINE_PX, cv2.LINE_AA)
