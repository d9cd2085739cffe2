"""Pictures for the page: whole images and crops, with labels and boxes in colors."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.report.outlines import LABEL, Outline, draw_outline
from ppocr_ft.report.page.matches import ImageMatches
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.utils.draw import Picture

LONGEST_PX = 880
CROP_PX = (340, 190)
MAX_ENLARGEMENT = 3.0
JPEG_QUALITY = 80


class Drawing(NamedTuple):
    """A picture as JPEG; ``size_px`` is (width, height)."""

    jpeg: bytes
    size_px: tuple[int, int]

    @property
    def url(self) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@lru_cache(maxsize=8)
def read_picture(path: str, size_px: tuple[int, int]) -> Picture | None:
    """Read the image file, upright; None if it is missing or has another size than before."""
    picture = read_image(path)
    if picture is None or (picture.shape[1], picture.shape[0]) != size_px:
        return None
    return picture


def label_outlines(matches: ImageMatches) -> list[Outline]:
    """Return the labels, ignored ones dashed."""
    pairs = zip(matches.image.labels, matches.image.ignored.tolist(), strict=True)
    return [Outline(label, LABEL, ignored) for label, ignored in pairs]


def draw_whole(picture: Picture, outlines: Sequence[Outline]) -> Drawing:
    """Draw the whole image, smaller if it is large."""
    scale = min(LONGEST_PX / max(picture.shape[:2]), 1.0)
    return _draw(picture, outlines, (0, 0), scale)


def draw_crop(
    picture: Picture, polygons: Sequence[NDArray[Any]], outlines: Sequence[Outline]
) -> Drawing:
    """Draw the part of the image around ``polygons``."""
    height, width = picture.shape[:2]
    points = np.concatenate(list(polygons))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(16.0, 0.7 * float((high - low).min()))
    left, top = np.clip(np.floor(low - margin), 0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + margin), 1, (width, height)).astype(int).tolist()
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = min(CROP_PX[0] / part.shape[1], CROP_PX[1] / part.shape[0], MAX_ENLARGEMENT)
    return _draw(part, outlines, (left, top), scale)


def _draw(
    picture: Picture, outlines: Sequence[Outline], origin_px: tuple[int, int], scale: float
) -> Drawing:
    size = tuple(max(round(side * scale), 1) for side in (picture.shape[1], picture.shape[0]))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)
    for outline in outlines:
        points = (outline.polygon - np.array(origin_px)) * scale
        draw_outline(canvas, outline._replace(polygon=points))
    jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return Drawing(jpeg.tobytes(), (size[0], size[1]))
