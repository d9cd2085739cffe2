"""A made-up receipt with a sticker on it: pixels and labels, drawn from a seed.

The labels come from the layout alone, never from a font, so that they are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

Points = NDArray[np.float64]
Place = Callable[[Points], Points]
"""Maps points (m, 2) of the unit square, (0, 0) a text's top left corner, into the image."""

WIDTH_PX, HEIGHT_PX = 440, 320
SEED = 7
PAPER_CENTER = np.array([162.0, 160.0])
PAPER_HALF = np.array([150.0, 148.0])
PAPER_TILT = np.deg2rad(-5.0)
STICKER_CENTER = np.array([362.0, 232.0])
STICKER_RADIUS_PX = 70.0
PRICE_CENTER = np.array([362.0, 240.0])
TABLE, PAPER, STICKER, INK = (150, 168, 182), (246, 245, 240), (222, 231, 214), (38, 34, 30)
ITEMS = ("green tea", "oolong tin", "ink", "paper A5", "nib", "two cups")
SUBPIXEL_BITS = 4

Row = tuple[str, tuple[float, float], tuple[float, float]]
"""Words, their centre from the paper's, width and height; pixels."""


@dataclass(frozen=True)
class Text:
    """One text: what it says, where its points go, how many of them its label has along a side."""

    words: str
    place: Place
    points_a_side: int = 2

    def label(self) -> NDArray[np.float32]:
        """Clockwise from the top left, (2 * points_a_side, 2), to a tenth of a pixel."""
        along = np.linspace(0, 1, self.points_a_side)
        top = np.stack([along, np.zeros_like(along)], axis=1)
        bottom = np.stack([along[::-1], np.ones_like(along)], axis=1)
        ring = self.place(np.concatenate([top, bottom]))
        return np.asarray(np.round(ring, 1), dtype=np.float32)


@dataclass(frozen=True)
class Crop:
    """image (h, w, 3) uint8 BGR; polygons, one of 14 points and the others of 4."""

    image: NDArray[np.uint8]
    polygons: list[NDArray[np.float32]]

    def sample(self) -> dict[str, Any]:
        """PaddleOCR's data dict, as it reaches the map operators."""
        return {
            "image": self.image,
            "polys": [polygon.copy() for polygon in self.polygons],
            "ignore_tags": np.zeros(len(self.polygons), dtype=bool),
        }


def made_up_crop() -> Crop:
    texts = layout(np.random.default_rng(SEED))
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), TABLE, dtype=np.uint8)
    _fill(image, [PAPER_CENTER + _turned(_square() * PAPER_HALF, PAPER_TILT)], PAPER)
    around = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    rim = np.stack([np.cos(around), np.sin(around)], axis=1) * STICKER_RADIUS_PX
    _fill(image, [STICKER_CENTER + rim], STICKER)
    for text in texts:
        _fill(image, [text.place(ring) for ring in _glyphs(text.words)], INK)
    return Crop(image, [text.label() for text in texts])


def layout(rng: np.random.Generator) -> list[Text]:
    """Lay out texts: lines of a tilted receipt, one along its side, a sticker with a bent one."""
    cents = rng.integers(120, 980, len(ITEMS))
    rows: list[Row] = [
        ("GREEN LANTERN", (-8, -124), (212, 27)),
        ("tea, paper & ink", (-8, -97), (128, 15)),
        *_items(cents.tolist()),
        ("TOTAL", (-105, 56), (66, 21)),
        (f"{cents.sum() / 100:.2f}", (83, 56), (68, 21)),
        ("paid by card, thank you and see you again", (-8, 92), (260, 14)),
        ("No. 004217 / 2", (-8, 122), (104, 13)),
    ]
    tilts = PAPER_TILT + np.deg2rad(rng.uniform(-0.8, 0.8, len(rows)))
    texts = [
        Text(words, partial(_on_paper, offset=np.array(offset), size=np.array(size), tilt=tilt))
        for (words, offset, size), tilt in zip(rows, tilts, strict=True)
    ]
    side = partial(_straight, center=np.array([368.0, 82.0]), size=np.array([128.0, 19.0]))
    texts.append(Text("TABLE 12 B", partial(side, turn=np.deg2rad(78.0))))
    texts.append(Text("FRESHLY MADE TODAY", _on_arc, points_a_side=7))
    price = partial(_straight, center=PRICE_CENTER, size=np.array([78.0, 30.0]))
    texts.append(Text("-30%", partial(price, turn=np.deg2rad(18.0))))
    return texts


def _items(cents: list[int]) -> list[Row]:
    """Return a name at the left and a price at the right for each line."""
    rows: list[Row] = []
    for i, (name, price) in enumerate(zip(ITEMS, cents, strict=True)):
        top = -67.0 + 20 * i
        width = 8.6 * len(name)
        rows.append((name, (-138 + width / 2, top), (width, 15)))
        rows.append((f"{price / 100:.2f}", (99, top), (36, 15)))
    return rows


def _on_paper(points: Points, offset: Points, size: Points, tilt: float) -> Points:
    center = PAPER_CENTER + _turned(offset[np.newaxis].astype(np.float64), PAPER_TILT)[0]
    return _straight(points, center=center, size=size, turn=tilt)


def _straight(points: Points, center: Points, size: Points, turn: float) -> Points:
    return center + _turned((points - 0.5) * size, turn)


def _on_arc(points: Points) -> Points:
    """Along the sticker's upper rim, 200 degrees of it."""
    angles = np.deg2rad(170 + 200 * points[:, 0])
    radii = STICKER_RADIUS_PX - 5 - 17 * points[:, 1]
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, np.newaxis]
    return np.asarray(STICKER_CENTER + ring)


def _turned(points: Points, angle: float) -> Points:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(points @ turn)


def _square() -> Points:
    return np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _glyphs(words: str) -> list[Points]:
    """Return the letters' outlines in the unit square, slightly inside it."""
    path = TextPath((0, 0), words, size=100, prop=FontProperties(family="DejaVu Sans"))
    rings = [np.asarray(ring, dtype=np.float64) for ring in path.to_polygons()]
    points = np.concatenate(rings)
    low, high = points.min(axis=0), points.max(axis=0)
    inner = np.array([0.97, 0.78])
    unit = [(ring - low) / (high - low) * (1, -1) + (0, 1) for ring in rings]
    return [0.5 + (ring - 0.5) * inner for ring in unit]


def _fill(image: NDArray[np.uint8], rings: list[Points], colour: tuple[int, int, int]) -> None:
    fixed = [np.round(ring * 2**SUBPIXEL_BITS).astype(np.int32) for ring in rings]
    cv2.fillPoly(image, fixed, colour, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
