"""A scene: devices, marks and clutter of one theme, laid out in rows on a surface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from sample_data import texts
from sample_data.patch import OVERSAMPLE, Image, Patch, Rng, scaled_px, uniform
from sample_data.themes import THEMES, Maker, Material, Theme

FIELDS_MIN, FIELDS_MAX = 8, 20
LONG_SIDE_MIN_PX, LONG_SIDE_MAX_PX = 640, 960
MARGIN_RATIO = 0.14
"""Surface around the content on each side, which the camera may cut off."""

_TRIES = 10
"""Devices in a row that don't fit before a scene counts as full."""


@dataclass(frozen=True)
class Scene:
    """What the camera looks at, drawn OVERSAMPLE times as large as the picture to be taken.

    ``content`` (4, 2): corners in scene pixels, clockwise from the top left, of what has to be in
    the picture; all fields of ``surface`` lie in it.
    """

    surface: Patch
    content: Image
    picture_width_px: int
    picture_height_px: int


def compose(rng: Rng) -> Scene:
    """Compose a random scene with FIELDS_MIN to FIELDS_MAX fields."""
    width_px, height_px = _picture_size(rng)
    theme = texts.pick(rng, THEMES)
    shelves = _filled(rng, theme, width_px * OVERSAMPLE, height_px * OVERSAMPLE)
    while shelves.field_count < FIELDS_MIN:
        shelves = _filled(rng, theme, width_px * OVERSAMPLE, height_px * OVERSAMPLE)
    left, top = (round(side * MARGIN_RATIO) for side in (shelves.width, shelves.height))
    right, bottom = left + shelves.width, top + shelves.height
    surface = _surface(rng, texts.pick(rng, theme.materials), right + left, bottom + top)
    for decorate in theme.decor:
        decorate(rng, surface)
    for patch, (x, y) in shelves.spread(rng):
        shadow = 0.35 if theme.raised and _is_solid(patch) else 0.0
        surface.paste(patch, (left + x, top + y), shadow=shadow)
    content = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    return Scene(surface, content, width_px, height_px)


def _picture_size(rng: Rng) -> tuple[int, int]:
    """(width, height) of the picture; one in five is upright."""
    long_side = int(rng.integers(LONG_SIDE_MIN_PX, LONG_SIDE_MAX_PX + 1))
    size = (long_side, round(long_side * uniform(rng, 0.62, 0.85)))
    return size if rng.random() < 0.8 else (size[1], size[0])


def _surface(rng: Rng, material: Material, width: int, height: int) -> Patch:
    """Draw a material at the picture's resolution and enlarge it: it needs no oversampling."""
    small = material(rng, height // OVERSAMPLE, width // OVERSAMPLE)
    return Patch.opaque(cv2.resize(small, (width, height)))


def _is_solid(patch: Patch) -> bool:
    return bool(patch.alpha.mean() > 0.6)


class _Bag:
    """Draws from makers in random order, each once before any comes again."""

    def __init__(self, rng: Rng, makers: tuple[Maker, ...]) -> None:
        self.rng = rng
        self.makers = makers
        self.left: list[int] = []

    def draw(self) -> Patch:
        if not self.left:
            self.left = [int(i) for i in self.rng.permutation(len(self.makers))]
        return self.makers[self.left.pop()](self.rng)


def _filled(rng: Rng, theme: Theme, width: int, height: int) -> Shelves:
    """Text and clutter, mixed, until there is enough of both or no more room."""
    shelves = Shelves(width, height, gap_px=scaled_px(rng, 10, 22))
    text, clutter = _Bag(rng, theme.text), _Bag(rng, theme.clutter)
    fields_left = int(rng.integers(FIELDS_MIN + 3, FIELDS_MAX + 1))
    clutter_left = int(rng.integers(5, 13))
    misses = 0
    while misses < _TRIES and fields_left + clutter_left > 0:
        is_clutter = rng.random() * (fields_left + clutter_left) < clutter_left
        patch = (clutter if is_clutter else text).draw()
        if len(patch.fields) <= fields_left and shelves.place(patch):
            fields_left -= len(patch.fields)
            clutter_left -= is_clutter
        else:
            misses += 1
    return shelves


@dataclass
class Row:
    """Patches side by side."""

    width: int = 0
    height: int = 0
    patches: list[Patch] = field(default_factory=list)

    def add(self, patch: Patch, gap_px: int) -> None:
        self.width += patch.width + (gap_px if self.patches else 0)
        self.height = max(self.height, patch.height)
        self.patches.append(patch)


@dataclass
class Shelves:
    """Rows that fill a ``width`` x ``height`` area, at least ``gap_px`` apart."""

    width: int
    height: int
    gap_px: int
    rows: list[Row] = field(default_factory=list)

    @property
    def field_count(self) -> int:
        return sum(len(patch.fields) for row in self.rows for patch in row.patches)

    def place(self, patch: Patch) -> bool:
        """Put the patch at the end of a row, or below all; return False if there is no room."""
        if patch.width > self.width:
            return False
        for row in self.rows:
            taller = max(patch.height - row.height, 0)
            if row.width + self.gap_px + patch.width <= self.width and self._has_room(taller):
                row.add(patch, self.gap_px)
                return True
        if not self._has_room(self.gap_px + patch.height):
            return False
        self.rows.append(Row())
        self.rows[-1].add(patch, self.gap_px)
        return True

    def spread(self, rng: Rng) -> Iterator[tuple[Patch, tuple[int, int]]]:
        """Each patch and its (x, y), the rows in random order and the spare room shared out."""
        rows = [self.rows[int(index)] for index in rng.permutation(len(self.rows))]
        spare = self.height - sum(row.height for row in rows)
        top = 0
        for row, space in zip(rows, _shares(rng, spare, len(rows)), strict=True):
            top += space
            spare_width = self.width - sum(patch.width for patch in row.patches)
            left = 0
            gaps = _shares(rng, spare_width, len(row.patches))
            for patch, gap in zip(row.patches, gaps, strict=True):
                down = round((row.height - patch.height) * uniform(rng, 0.2, 0.8))
                yield patch, (left + gap, top + down)
                left += gap + patch.width
            top += row.height

    def _has_room(self, height: int) -> bool:
        used = sum(row.height for row in self.rows) + self.gap_px * max(len(self.rows) - 1, 0)
        return used + height <= self.height


def _shares(rng: Rng, total: int, count: int) -> list[int]:
    """``total`` split into count + 1 random but similar parts, of which the last is left out."""
    weights = rng.uniform(0.6, 1.4, count + 1)
    return [int(part) for part in np.floor(total * weights / weights.sum())[:count]]
