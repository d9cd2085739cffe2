"""Several pictures with their boxes on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ppocr_ft.report.outlines import FALSE, FITTING, LOOSE, MISSED, Outline, draw_outline
from ppocr_ft.utils.draw import Picture

TILE_PX = (640, 1100)
"""Largest width and height of an image."""
SHEET_PX = 2400
"""A sheet that is higher has fewer images, but one."""
GAP_PX = 6
LINE_PX = 24
LEGEND = {
    "box that fits (IoU over 0.7)": (FITTING, False),
    "box that fits loosely (0.5 to 0.7)": (LOOSE, False),
    "box without a label": (FALSE, False),
    "label without a box": (MISSED, True),
}
_WHITE = 255


@dataclass(frozen=True)
class Marked:
    """A picture (h, w, 3) BGR, and outlines in its px."""

    picture: Picture
    outlines: Sequence[Outline]


def contact_sheet(images: Sequence[Marked], heading: str) -> Picture:
    """Draw one image below the other, under a heading and what the colors mean."""
    tiles = [_tile(image) for image in images]
    bottoms = np.cumsum([len(tile) for tile in tiles])
    shown = max(int((bottoms <= SHEET_PX).sum()), 1)
    width = max([tile.shape[1] for tile in tiles[:shown]], default=0)
    return _stacked([_head(heading, max(width, TILE_PX[0])), *tiles[:shown]])


def side_by_side(sheets: Sequence[Picture]) -> Picture:
    """Join sheets in one row, aligned at the top."""
    turned = [np.ascontiguousarray(sheet.transpose(1, 0, 2)) for sheet in sheets]
    return np.ascontiguousarray(_stacked(turned).transpose(1, 0, 2))


def as_jpeg(picture: Picture) -> bytes:
    """Encode a picture as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _head(heading: str, width: int) -> Picture:
    lines = 1 + -(-len(LEGEND) // 2)
    head = np.full((GAP_PX + lines * LINE_PX, width, 3), _WHITE, np.uint8)
    _write(head, heading, (6, LINE_PX - 6), 0.6)
    for place, (meaning, (color, dashed)) in enumerate(LEGEND.items()):
        left, bottom = 6 + place % 2 * width // 2, (2 + place // 2) * LINE_PX - 6
        box = np.add([[0, -11], [24, -11], [24, 0], [0, 0]], (left, bottom))
        draw_outline(head, Outline(box, color, dashed))
        _write(head, meaning, (left + 32, bottom), 0.45)
    return head


def _write(canvas: Picture, text: str, at: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)


def _tile(image: Marked) -> Picture:
    """Return the image as large as a tile, and its outlines drawn on that."""
    height, width = image.picture.shape[:2]
    scale = min(TILE_PX[0] / width, TILE_PX[1] / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    tile = np.asarray(cv2.resize(image.picture, size, interpolation=way), np.uint8)
    for outline in image.outlines:
        draw_outline(tile, outline._replace(polygon=outline.polygon * scale))
    return tile


def _stacked(pictures: Sequence[Picture]) -> Picture:
    """Join pictures below each other with gaps, each padded with white to the widest."""
    width = max(picture.shape[1] for picture in pictures)
    rows: list[Picture] = []
    for picture in pictures:
        right = width - picture.shape[1]
        padding = ((0, GAP_PX), (0, right), (0, 0))
        rows.append(np.pad(picture, padding, constant_values=_WHITE))
    return np.concatenate(rows)
