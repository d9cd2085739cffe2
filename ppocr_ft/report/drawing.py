"""Labels and boxes in the colors that say how they fit: on images, crops and contact sheets."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.metrics.errors import Table
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.utils.draw import Picture

IOUS = (0.5, 0.7)
"""A box fits its label loosely from the first on, and well from the second on."""
LINE_PX, DASH_PX = 2, 6
LONGEST_PX = 880
CROP_PX = (340, 190)
MAX_ENLARGEMENT = 3.0
PAGE_QUALITY, SHEET_QUALITY = 80, 88
"""Of JPEG."""
TILE_PX = (640, 1100)
"""Largest width and height of an image on a sheet."""
SHEET_PX = 2400
"""A sheet that is higher has fewer images, but one."""
GAP_PX = 6
HEAD_LINE_PX, CAPTION_PX = 24, 16
_WHITE = 255
Polygons = Sequence[NDArray[Any]]


class Color(NamedTuple):
    """A color of the page, 0 to 255 each."""

    red: int
    green: int
    blue: int

    @property
    def css(self) -> str:
        return f"rgb({self.red},{self.green},{self.blue})"


LABEL, MISSED = Color(0, 110, 200), Color(190, 20, 190)
FITTING, LOOSE, FALSE = Color(0, 140, 60), Color(225, 130, 0), Color(205, 30, 40)
LEGEND = {
    "box that fits (IoU over 0.7)": (FITTING, False),
    "box that fits loosely (0.5 to 0.7)": (LOOSE, False),
    "box without a label": (FALSE, False),
    "label without a box": (MISSED, True),
}


class Outline(NamedTuple):
    """A polygon (k, 2), px, and the style of its line."""

    polygon: NDArray[Any]
    color: Color
    dashed: bool = False


@dataclass(frozen=True)
class Marked:
    """A picture (h, w, 3) BGR, and outlines in its px."""

    picture: Picture
    outlines: Sequence[Outline]


class Drawing(NamedTuple):
    """A picture as JPEG; ``size_px`` is (width, height)."""

    jpeg: bytes
    size_px: tuple[int, int]

    @property
    def url(self) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def box_outlines(table: Table, boxes: Polygons, labels: Polygons) -> list[Outline]:
    """Return the boxes, colored by how well they fit their label, and the labels without a box."""
    loose, strict = (table.matches(iou) for iou in IOUS)
    fitting, matched = set(strict.values()), set(loose.values())
    outlines = []
    for box in table.boxes.tolist():
        color = FITTING if box in fitting else LOOSE if box in matched else FALSE
        outlines.append(Outline(boxes[box], color))
    missed = [label for label in table.labels.tolist() if label not in loose]
    return outlines + [Outline(labels[label], MISSED, True) for label in missed]


def draw_outline(canvas: Picture, outline: Outline) -> None:
    """Draw an outline into a picture (h, w, 3) BGR."""
    color_bgr, points = outline.color[::-1], outline.polygon
    if not outline.dashed:
        whole_px = np.round(points).astype(np.int32)
        cv2.polylines(canvas, [whole_px], True, color_bgr, LINE_PX, cv2.LINE_AA)
        return
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        pieces = max(int(np.hypot(*(end - start)) // DASH_PX), 1)
        ends = np.round(np.linspace(start, end, pieces + 1)).astype(int).tolist()
        for one, two in list(pairwise(ends))[::2]:
            cv2.line(canvas, one, two, color_bgr, LINE_PX, cv2.LINE_AA)


def _resized(picture: Picture, outlines: Sequence[Outline], scale: float) -> Picture:
    """Return the picture in another size, and the outlines drawn on that."""
    height, width = picture.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    canvas = np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)
    for outline in outlines:
        draw_outline(canvas, outline._replace(polygon=outline.polygon * scale))
    return canvas


def as_jpeg(picture: Picture, quality: int = SHEET_QUALITY) -> bytes:
    """Encode a picture as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@lru_cache(maxsize=8)
def read_picture(path: str, size_px: tuple[int, int]) -> Picture | None:
    """Read the image file, upright; None if it is missing or has another size than before."""
    picture = read_image(path)
    if picture is None or (picture.shape[1], picture.shape[0]) != size_px:
        return None
    return picture


def draw_whole(picture: Picture, outlines: Sequence[Outline]) -> Drawing:
    """Draw the whole image, smaller if it is large."""
    scale = min(LONGEST_PX / max(picture.shape[:2]), 1.0)
    return _as_drawing(_resized(picture, outlines, scale))


def draw_crop(picture: Picture, polygons: Polygons, outlines: Sequence[Outline]) -> Drawing:
    """Draw the part of the image around ``polygons``."""
    return _as_drawing(crop(picture, polygons, outlines))


def crop(picture: Picture, polygons: Polygons, outlines: Sequence[Outline]) -> Picture:
    """Return the part of the image around ``polygons``, enlarged, with the outlines."""
    height, width = picture.shape[:2]
    points = np.concatenate(list(polygons))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = max(16.0, 0.7 * float((high - low).min()))
    left, top = np.clip(np.floor(low - margin), 0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = np.clip(np.ceil(high + margin), 1, (width, height)).astype(int).tolist()
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = min(CROP_PX[0] / part.shape[1], CROP_PX[1] / part.shape[0], MAX_ENLARGEMENT)
    origin = np.array((left, top))
    moved = [outline._replace(polygon=outline.polygon - origin) for outline in outlines]
    return _resized(part, moved, scale)


def _as_drawing(canvas: Picture) -> Drawing:
    return Drawing(as_jpeg(canvas, PAGE_QUALITY), (canvas.shape[1], canvas.shape[0]))


def captioned(tiles: Iterable[tuple[Picture, Sequence[str]]], columns: int) -> Picture:
    """Draw pictures with lines of text below them, so many in a row."""
    cells = [
        _stacked([tile, *(_line(words, max(tile.shape[1], CROP_PX[0])) for words in caption)])
        for tile, caption in tiles
    ]
    wide = max(cell.shape[1] for cell in cells)
    padded = [_padded(cell, cell.shape[0], wide) for cell in cells]
    rows = [padded[i : i + columns] for i in range(0, len(padded), columns)]
    return _stacked([side_by_side(row) for row in rows])


def _line(words: str, width: int) -> Picture:
    line = np.full((CAPTION_PX, width, 3), _WHITE, np.uint8)
    _write(line, words, (2, CAPTION_PX - 5), 0.42)
    return line


def contact_sheet(images: Sequence[Marked], heading: str) -> Picture:
    """Draw one image below the other, under a heading and what the colors mean."""
    tiles = []
    for image in images:
        height, width = image.picture.shape[:2]
        scale = min(TILE_PX[0] / width, TILE_PX[1] / height)
        tiles.append(_resized(image.picture, image.outlines, scale))
    bottoms = np.cumsum([len(tile) for tile in tiles])
    shown = max(int((bottoms <= SHEET_PX).sum()), 1)
    width = max([tile.shape[1] for tile in tiles[:shown]], default=0)
    return _stacked([_head(heading, max(width, TILE_PX[0])), *tiles[:shown]])


def side_by_side(sheets: Sequence[Picture]) -> Picture:
    """Join sheets in one row, aligned at the top."""
    turned = [np.ascontiguousarray(sheet.transpose(1, 0, 2)) for sheet in sheets]
    return np.ascontiguousarray(_stacked(turned).transpose(1, 0, 2))


def _head(heading: str, width: int) -> Picture:
    lines = 1 + -(-len(LEGEND) // 2)
    head = np.full((GAP_PX + lines * HEAD_LINE_PX, width, 3), _WHITE, np.uint8)
    _write(head, heading, (6, HEAD_LINE_PX - 6), 0.6)
    for place, (meaning, (color, dashed)) in enumerate(LEGEND.items()):
        left, bottom = 6 + place % 2 * width // 2, (2 + place // 2) * HEAD_LINE_PX - 6
        box = np.add([[0, -11], [24, -11], [24, 0], [0, 0]], (left, bottom))
        draw_outline(head, Outline(box, color, dashed))
        _write(head, meaning, (left + 32, bottom), 0.45)
    return head


def _write(canvas: Picture, text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)


def _stacked(pictures: Sequence[Picture]) -> Picture:
    """Join pictures below each other with gaps, each padded with white to the widest."""
    width = max(picture.shape[1] for picture in pictures)
    return np.concatenate([_padded(picture, len(picture) + GAP_PX, width) for picture in pictures])


def _padded(picture: Picture, height: int, width: int) -> Picture:
    padding = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
    return np.pad(picture, padding, constant_values=_WHITE)
