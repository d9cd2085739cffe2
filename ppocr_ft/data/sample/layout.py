"""Devices in rows, as panels and labels are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ppocr_ft.data.sample.patch import Patch, Rng, uniform


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
        """Puts the patch at the end of a row, or below all; False where there is no room."""
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
