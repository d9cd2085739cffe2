"""Text -> Ink: segments, dots and outline fonts, each letter-spaced as its device would do it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from sample_data import glyphs
from sample_data.patch import Image, Ink, Polygon, Rng, polygon_mask


@dataclass(frozen=True)
class SegmentStyle:
    """Lengths are ratios of the character height."""

    fourteen: bool = False
    width_ratio: float = 0.52
    gap_ratio: float = 0.3
    stroke_ratio: float = 0.12
    slant_ratio: float = 0.08


def segment_ink(text: str, height_px: int, style: SegmentStyle) -> Ink:
    """Seven- or fourteen-segment characters; a ``.`` sits beside its digit, a ``:`` in half a cell.

    The unlit elements are the segments that the text leaves dark.
    """
    pen = _SegmentPen(height_px, style)
    for character in text:
        pen.put(character)
    width, height = pen.size()
    return Ink(text, polygon_mask(width, height, pen.lit), polygon_mask(width, height, pen.unlit))


class _SegmentPen:
    """Collects the polygons of a segment display from left to right."""

    def __init__(self, height_px: int, style: SegmentStyle) -> None:
        self.style = style
        self.height = height_px
        self.stroke = style.stroke_ratio * height_px
        self.cell = style.width_ratio * height_px
        self.gap = style.gap_ratio * height_px + self.stroke
        self.strokes = glyphs.FOURTEEN_STROKES if style.fourteen else glyphs.SEVEN_STROKES
        self.table = glyphs.FOURTEEN if style.fourteen else glyphs.SEVEN
        self.x = self.stroke
        self.lit: list[Polygon] = []
        self.unlit: list[Polygon] = []

    def put(self, character: str) -> None:
        if character == ".":
            self._dot(self.x - self.gap + self.stroke * 1.4, 1.0)
        elif character == ":":
            self._dot(self.x, 0.3)
            self._dot(self.x, 0.7)
            self.x += self.gap
        else:
            self._segments("" if character == " " else self.table[character])
            self.x += self.cell + self.gap

    def size(self) -> tuple[int, int]:
        slant = abs(self.style.slant_ratio) * self.height
        width = self.x - self.gap + 3 * self.stroke + slant
        return int(np.ceil(width)), int(np.ceil(self.height + 3 * self.stroke))

    def _segments(self, names: str) -> None:
        for name, (start, end) in self.strokes.items():
            p, q = self._place(*start), self._place(*end)
            thick = self.stroke * (1.0 if name in "abcdefgh" else 0.8)
            (self.lit if name in names else self.unlit).append(_hexagon(p, q, thick))

    def _dot(self, x: float, y_ratio: float) -> None:
        center = np.array([self._slanted(x, y_ratio), self._y(y_ratio)])
        corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * self.stroke * 0.55
        self.lit.append(center + corners)

    def _place(self, x_ratio: float, y_ratio: float) -> Polygon:
        return np.array([self._slanted(self.x + x_ratio * self.cell, y_ratio), self._y(y_ratio)])

    def _y(self, y_ratio: float) -> float:
        return self.stroke + y_ratio * (self.height - self.stroke)

    def _slanted(self, x: float, y_ratio: float) -> float:
        return x + self.style.slant_ratio * self.height * (1.0 - y_ratio)


def _hexagon(p: Polygon, q: Polygon, thick: float) -> Polygon:
    """Return a segment with pointed ends and a small gap to its neighbours, (6, 2)."""
    along = (q - p) / np.hypot(*(q - p))
    across = np.array([-along[1], along[0]]) * thick / 2
    p, q = p + along * thick * 0.12, q - along * thick * 0.12
    tip = along * thick / 2
    return np.array([p, p + tip + across, q - tip + across, q, q - tip - across, p + tip - across])


@dataclass(frozen=True)
class DotStyle:
    """``pitch_px`` is the distance between dots; gaps between characters count in columns."""

    pitch_px: float
    radius_ratio: float = 0.42
    gap_columns: float = 1.0
    stretch_ratio: float = 1.0
    slant_ratio: float = 0.0
    jitter_ratio: float = 0.0
    dropout_ratio: float = 0.0


def dot_ink(rng: Rng, text: str, style: DotStyle) -> Ink:
    """5 x 7 dots; the unlit elements are the cells' other dots."""
    lit: list[tuple[float, float]] = []
    unlit: list[tuple[float, float]] = []
    for column, character in enumerate(text):
        dots = glyphs.DOTS[character]
        for row, col in np.ndindex(7, 5):
            x = column * (5 + style.gap_columns) + col + style.slant_ratio * (6 - row)
            (lit if dots[row, col] else unlit).append((x + 1.0, row * style.stretch_ratio + 1.0))
    columns = len(text) * (5 + style.gap_columns) - style.gap_columns + 6 * style.slant_ratio
    size = (
        int(np.ceil((columns + 1) * style.pitch_px)),
        int(np.ceil((6 * style.stretch_ratio + 2) * style.pitch_px)),
    )
    centers = np.array(lit) + rng.normal(0.0, style.jitter_ratio, (len(lit), 2))
    centers = centers[rng.random(len(lit)) >= style.dropout_ratio]
    return Ink(text, _circles(centers, size, style), _circles(np.array(unlit), size, style))


def _circles(centers: Polygon, size: tuple[int, int], style: DotStyle) -> Image:
    mask = np.zeros((size[1], size[0]), np.uint8)
    radius = round(style.radius_ratio * style.pitch_px * 16)
    for x, y in np.round(centers * style.pitch_px * 16).astype(int):
        cv2.circle(mask, (int(x), int(y)), radius, 255, -1, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255.0


@dataclass(frozen=True)
class FontStyle:
    """The look of a font.

    ``tracking_ratio`` is extra space after a character, as a ratio of the font size; half of it
    after a space, so that words don't drift apart.
    """

    face: str = "DejaVuSans"
    tracking_ratio: float = 0.0
    stretch_ratio: float = 1.0
    jitter_ratio: float = 0.0
    tilt_deg: float = 0.0


def font_ink(rng: Rng, text: str, size_px: int, style: FontStyle) -> Ink:
    """Characters of a font bundled with matplotlib; jitter and tilt move each one by chance."""
    font = font_face(style.face, size_px)
    bleed = _bleed_px(font)
    margin, top = size_px // 3 + bleed, size_px / 6
    tracking = style.tracking_ratio * size_px
    advances = [font.getlength(c) + tracking * (0.5 if c == " " else 1.0) for c in text]
    canvas = np.zeros((size_px * 2, int(sum(advances)) + 2 * margin), np.float32)
    x = float(margin)
    for character, advance in zip(text, advances, strict=True):
        shift = rng.normal(0.0, style.jitter_ratio * size_px, 2)
        tilt = float(rng.normal(0.0, style.tilt_deg)) if style.tilt_deg else 0.0
        _stamp(canvas, _character(font, character, tilt), x - bleed + shift[0], top + shift[1])
        x += advance
    if style.stretch_ratio != 1.0:
        canvas = cv2.resize(
            canvas, None, fx=style.stretch_ratio, fy=1, interpolation=cv2.INTER_AREA
        )
    return Ink(text, canvas)


@lru_cache(maxsize=256)
def font_face(face: str, size_px: int) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    return ImageFont.truetype(str(path), size_px)


def _character(font: ImageFont.FreeTypeFont, character: str, tilt_deg: float) -> Image:
    """One character's coverage, on a cell with the font's baseline."""
    bleed = _bleed_px(font)
    width = int(font.getlength(character)) + 2 * bleed
    cell = PilImage.new("L", (width, round(font.size * 1.4)))
    ImageDraw.Draw(cell).text((bleed, 0), character, fill=255, font=font)
    mask = np.asarray(cell, np.float32) / 255.0
    if not tilt_deg:
        return mask
    matrix = cv2.getRotationMatrix2D((width / 2, font.size * 0.6), tilt_deg, 1.0)
    turned: Image = cv2.warpAffine(mask, matrix, (width, mask.shape[0]))
    return turned


def _bleed_px(font: ImageFont.FreeTypeFont) -> int:
    """Room beside a character for what hangs over its advance or is turned out of it."""
    return round(font.size * 0.15) + 2


def _stamp(canvas: Image, mask: Image, x: float, y: float) -> None:
    left, top = max(round(x), 0), max(round(y), 0)
    part = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]
    np.maximum(part, mask[: part.shape[0], : part.shape[1]], out=part)


def trimmed(ink: Ink, margin_px: int = 0) -> Ink:
    """Return the ink cut to its extents (lit and unlit), with a margin."""
    cover = ink.lit if ink.unlit is None else np.maximum(ink.lit, ink.unlit)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    unlit = None if ink.unlit is None else np.pad(ink.unlit[window], margin_px)
    return Ink(ink.text, np.pad(ink.lit[window], margin_px), unlit)
