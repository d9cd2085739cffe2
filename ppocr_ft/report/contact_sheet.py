"""Several pictures with their boxes on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.utils.draw import FOUND_BGR, LABEL_BGR, Picture, draw_polygons

TILE_PX = 420
GAP_PX = 6
HEADING_PX = 34
_WHITE = 255


@dataclass(frozen=True)
class Marked:
    """A picture (h, w, 3) BGR, its boxes and its labels: polygons (k, 2) in its px."""

    picture: Picture
    found: Sequence[NDArray[Any]]
    labels: Sequence[NDArray[Any]] = ()


def contact_sheet(images: Sequence[Marked], heading: str) -> Picture:
    """Draw one image below the other, labels blue and boxes green, under a heading."""
    tiles = [_tile(image) for image in images]
    width = max([tile.shape[1] for tile in tiles], default=TILE_PX)
    head = np.full((HEADING_PX, width, 3), _WHITE, np.uint8)
    cv2.putText(head, heading, (6, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return _stacked([head, *tiles])


def side_by_side(sheets: Sequence[Picture]) -> Picture:
    """Join sheets in one row, aligned at the top."""
    turned = [np.ascontiguousarray(sheet.transpose(1, 0, 2)) for sheet in sheets]
    return np.ascontiguousarray(_stacked(turned).transpose(1, 0, 2))


def read_picture(path: Path) -> Picture | None:
    """Read a picture as BGR; None if there is no readable one."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, np.uint8)


def as_jpeg(picture: Picture) -> bytes:
    """Encode a picture as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _tile(image: Marked) -> Picture:
    drawn = draw_polygons(image.picture, image.labels, LABEL_BGR)
    drawn = draw_polygons(drawn, image.found, FOUND_BGR)
    scale = TILE_PX / max(drawn.shape[:2])
    size = max(round(drawn.shape[1] * scale), 1), max(round(drawn.shape[0] * scale), 1)
    return np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)


def _stacked(pictures: Sequence[Picture]) -> Picture:
    """Join pictures below each other with gaps, each padded with white to the widest."""
    width = max(picture.shape[1] for picture in pictures)
    rows: list[Picture] = []
    for picture in pictures:
        right = width - picture.shape[1]
        padding = ((0, GAP_PX), (0, right), (0, 0))
        rows.append(np.pad(picture, padding, constant_values=_WHITE))
    return np.concatenate(rows)
