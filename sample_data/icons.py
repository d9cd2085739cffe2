"""Pictograms as coverage masks (size, size)."""

from __future__ import annotations

import numpy as np

from sample_data.patch import Image, Rng, clipped, disc, polygon_mask


def draw(rng: Rng, size: int) -> Image:
    """Draw a warning triangle, bolt, arrow, power, earth or cross sign."""
    return _SIGNS[int(rng.integers(len(_SIGNS)))](size)


def _unit_polygons(size: int, *polygons: list[tuple[float, float]]) -> Image:
    return polygon_mask(size, size, [np.array(points) * size for points in polygons])


def _triangle(size: int) -> Image:
    outer = _unit_polygons(size, [(0.5, 0.05), (0.97, 0.92), (0.03, 0.92)])
    inner = _unit_polygons(size, [(0.5, 0.22), (0.83, 0.83), (0.17, 0.83)])
    sign = _unit_polygons(
        size,
        [(0.46, 0.4), (0.54, 0.4), (0.52, 0.64), (0.48, 0.64)],
        [(0.46, 0.69), (0.54, 0.69), (0.54, 0.77), (0.46, 0.77)],
    )
    return clipped(outer - inner + sign)


def _bolt(size: int) -> Image:
    return _unit_polygons(
        size,
        [(0.62, 0.02), (0.22, 0.56), (0.5, 0.56)],
        [(0.38, 0.98), (0.78, 0.44), (0.5, 0.44)],
    )


def _arrow(size: int) -> Image:
    return _unit_polygons(
        size,
        [(0.05, 0.4), (0.55, 0.4), (0.55, 0.6), (0.05, 0.6)],
        [(0.5, 0.15), (0.95, 0.5), (0.5, 0.85)],
    )


def _power(size: int) -> Image:
    ring = _centered_disc(size, 0.8) - _centered_disc(size, 0.6)
    cut = _unit_polygons(size, [(0.38, 0.0), (0.62, 0.0), (0.62, 0.5), (0.38, 0.5)])
    bar = _unit_polygons(size, [(0.45, 0.02), (0.55, 0.02), (0.55, 0.48), (0.45, 0.48)])
    return clipped(clipped(ring - cut) + bar)


def _earth(size: int) -> Image:
    rows = [(0.5, 0.4), (0.62, 0.27), (0.74, 0.14)]
    bars = [[(0.5 - w, y), (0.5 + w, y), (0.5 + w, y + 0.06), (0.5 - w, y + 0.06)] for y, w in rows]
    return _unit_polygons(size, [(0.47, 0.1), (0.53, 0.1), (0.53, 0.5), (0.47, 0.5)], *bars)


def _cross(size: int) -> Image:
    return _unit_polygons(
        size,
        [(0.1, 0.2), (0.2, 0.1), (0.9, 0.8), (0.8, 0.9)],
        [(0.8, 0.1), (0.9, 0.2), (0.2, 0.9), (0.1, 0.8)],
    )


def _centered_disc(size: int, diameter_ratio: float) -> Image:
    cover = disc(round(size * diameter_ratio / 2) * 2 + size % 2)
    return np.pad(cover, (size - len(cover)) // 2)


_SIGNS = (_triangle, _bolt, _arrow, _power, _earth, _cross)
