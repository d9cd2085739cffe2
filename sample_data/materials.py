"""Surfaces: opaque textures (h, w, 3) float32 BGR, around 0..1, fit to be enlarged twofold.

And what is on them before anything is mounted: scratches and seams.
"""

from __future__ import annotations

import cv2
import numpy as np

from sample_data.patch import OVERSAMPLE, Color, Image, Patch, Rng, capsule, clipped, uniform

CABINET_COLORS: tuple[Color, ...] = (
    (0.80, 0.82, 0.82),
    (0.66, 0.68, 0.66),
    (0.50, 0.52, 0.50),
    (0.55, 0.42, 0.25),
    (0.45, 0.52, 0.36),
    (0.62, 0.76, 0.82),
    (0.16, 0.42, 0.62),
)
FILM_COLORS: tuple[Color, ...] = (
    (0.90, 0.91, 0.92),
    (0.78, 0.88, 0.93),
    (0.72, 0.55, 0.30),
    (0.30, 0.62, 0.86),
    (0.42, 0.66, 0.40),
    (0.50, 0.46, 0.80),
)


def clouds(rng: Rng, height: int, width: int, cell_px: int) -> Image:
    """Smooth noise of unit amplitude that varies over about ``cell_px``."""
    coarse = rng.standard_normal((height // cell_px + 3, width // cell_px + 3), np.float32)
    smooth: Image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth


def grain(rng: Rng, height: int, width: int) -> Image:
    """Fine noise of unit amplitude, repeated every 512 px."""
    tile = rng.standard_normal((512, 512), np.float32)
    repeats = (height // 512 + 1, width // 512 + 1)
    return np.tile(tile, repeats)[:height, :width]


def _toned(shade: Image, color: Color) -> Image:
    """``color`` brightened and darkened by a (h, w) shade around 0."""
    light = (1.0 + shade).astype(np.float32)
    tinted: Image = cv2.merge([light * np.float32(part) for part in color])
    return tinted


def brushed_metal(rng: Rng, height: int, width: int) -> Image:
    """Steel or brass with streaks along x and a broad sheen."""
    streaks = cv2.resize(
        rng.standard_normal((height, width // 64 + 3), np.float32),
        (width, height),
        interpolation=cv2.INTER_LINEAR,
    )
    level = uniform(rng, 0.5, 0.78)
    warm = uniform(rng, -0.02, 0.05) + (0.14 if rng.random() < 0.2 else 0.0)
    sheen = clouds(rng, height, width, max(width // 2, 8)) * 0.08
    shade = streaks * uniform(rng, 0.03, 0.06) + sheen + grain(rng, height, width) * 0.015
    return _toned(shade, (level - warm, level - warm * 0.3, level))


def powder_coat(rng: Rng, height: int, width: int) -> Image:
    """Draw a painted cabinet: orange-peel grain and faint stains."""
    color = CABINET_COLORS[int(rng.integers(len(CABINET_COLORS)))]
    peel = cv2.GaussianBlur(grain(rng, height, width), (0, 0), 0.9) * 0.12
    return _toned(peel * 0.35 + clouds(rng, height, width, 130) * 0.025, color)


def carton(rng: Rng, height: int, width: int) -> Image:
    """Corrugated board: fibres, specks and faint flutes."""
    level = uniform(rng, 0.55, 0.72)
    flutes = np.sin(np.arange(height, dtype=np.float32) * uniform(rng, 0.5, 0.8))[:, None]
    fibres = cv2.resize(
        rng.standard_normal((height + 1, width // 7 + 3), np.float32), (width, height)
    )
    shade = fibres * 0.03 + flutes * 0.012 + clouds(rng, height, width, 60) * 0.02
    return _printed(rng, _toned(shade, (level * 0.62, level * 0.82, level)))


def film(rng: Rng, height: int, width: int) -> Image:
    """Draw packaging film with soft wrinkles that catch the light."""
    color = FILM_COLORS[int(rng.integers(len(FILM_COLORS)))]
    ridges = np.abs(clouds(rng, height, width, int(rng.integers(45, 110))))
    creases = np.maximum(0.0, 0.12 - ridges) * uniform(rng, 0.6, 1.6)
    return _printed(rng, _toned(creases + clouds(rng, height, width, 150) * 0.03, color))


def anodised(rng: Rng, height: int, width: int) -> Image:
    """Draw a dark front plate."""
    level = uniform(rng, 0.08, 0.2)
    tint = rng.uniform(0.9, 1.15, 3)
    color = (level * tint[0], level * tint[1], level * tint[2])
    return _toned(grain(rng, height, width) * 0.05 + clouds(rng, height, width, 100) * 0.05, color)


def _printed(rng: Rng, texture: Image) -> Image:
    """Draw large soft-coloured areas of a package design on the texture."""
    height, width = texture.shape[:2]
    for _ in range(2):
        if rng.random() < 0.5:
            mask = clipped(clouds(rng, height, width, width // 2) * 60.0 - 10.0)
        else:
            center = (int(rng.integers(width)), int(rng.integers(height)))
            radius = round(width * uniform(rng, 0.15, 0.4))
            mask = cv2.circle(np.zeros((height, width), np.float32), center, radius, 1.0, -1)
        tint = rng.uniform(0.6, 1.0, 3) * uniform(rng, 0.55, 1.0)
        cover = mask * np.float32(uniform(rng, 0.3, 0.7))
        texture *= cv2.merge([1.0 - cover * np.float32(1.0 - part) for part in tint])
    return texture


def scratches(rng: Rng, scene: Patch) -> None:
    """Thin straight scuffs, some bright and some dark."""
    for _ in range(int(rng.integers(0, 20))):
        start = rng.random(2) * (scene.width, scene.height)
        end = start + rng.normal(0.0, scene.width * 0.06, 2)
        line = capsule((start[0], start[1]), (end[0], end[1]), uniform(rng, 0.4, 1.0) * OVERSAMPLE)
        color: Color = (1.0, 1.0, 1.0) if rng.random() < 0.5 else (0.0, 0.0, 0.0)
        scene.draw(line, color, uniform(rng, 0.05, 0.25))


def seam(rng: Rng, scene: Patch) -> None:
    """Draw the groove around a cover plate, close to the edge of the picture."""
    inset = uniform(rng, 0.03, 0.09) * min(scene.width, scene.height)
    right, bottom = scene.width - inset, scene.height - inset
    corners = [(inset, inset), (right, inset), (right, bottom), (inset, bottom)]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        for shift, color, opacity in ((2, (1.0, 1.0, 1.0), 0.45), (0, (0.0, 0.0, 0.0), 0.75)):
            line = capsule((x0 + shift, y0 + shift), (x1 + shift, y1 + shift), 2.0 * OVERSAMPLE)
            scene.draw(line, color, opacity)
