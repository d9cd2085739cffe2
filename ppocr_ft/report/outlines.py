"""Labels and boxes in the colors that say how they fit each other, drawn on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.metrics.errors import Table
from ppocr_ft.utils.draw import Picture

IOUS = (0.5, 0.7)
"""A box fits its label loosely from the first on, and well from the second on."""
LINE_PX, DASH_PX = 2, 6
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


class Outline(NamedTuple):
    """A polygon (k, 2), px, and the style of its line."""

    polygon: NDArray[Any]
    color: Color
    dashed: bool = False


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
