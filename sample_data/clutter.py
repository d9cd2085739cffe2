"""What stands on panels and packages and is no text: gauges, scales, keys, icons, codes, screws."""

from __future__ import annotations

import cv2
import numpy as np

from sample_data import icons
from sample_data.patch import (
    OVERSAMPLE,
    Color,
    Patch,
    Polygon,
    Rng,
    capsule,
    disc,
    pad,
    polygon_mask,
    rounded_rect,
    scaled_px,
    uniform,
)

INK: Color = (0.08, 0.08, 0.08)
KEY_COLORS: tuple[Color, ...] = (
    (0.20, 0.20, 0.75),
    (0.30, 0.60, 0.25),
    (0.15, 0.70, 0.85),
    (0.60, 0.35, 0.15),
    (0.85, 0.86, 0.87),
    (0.15, 0.15, 0.16),
)


def _key_color(rng: Rng) -> Color:
    return KEY_COLORS[int(rng.integers(len(KEY_COLORS)))]


def _dome(patch: Patch, diameter: int, color: Color, at: tuple[int, int]) -> None:
    """Draw a shaded round body with a highlight."""
    patch.paint(disc(diameter), color, at)
    glint = cv2.GaussianBlur(disc(diameter), (0, 0), diameter * 0.12)[: diameter * 2 // 3]
    shine = glint * np.linspace(0.35, 0.0, glint.shape[0], dtype=np.float32)[:, None]
    patch.shine(shine * disc(diameter)[: glint.shape[0]], (1.0, 1.0, 1.0), at)
    shade = np.linspace(0.0, 0.5, diameter, dtype=np.float32)[:, None] * disc(diameter)
    patch.paint(shade, (0.0, 0.0, 0.0), at)


def gauge(rng: Rng) -> Patch:
    """Draw a dial with ticks and a needle."""
    size = scaled_px(rng, 95, 160)
    patch = Patch.clear(size, size)
    _dome(patch, size, (0.18, 0.18, 0.19), (0, 0))
    face = round(size * 0.88)
    level = uniform(rng, 0.8, 0.95)
    patch.paint(disc(face), (level, level, level), ((size - face) // 2,) * 2)
    ticks = []
    start, sweep, count = uniform(rng, 2.2, 2.7), uniform(rng, 4.0, 4.9), int(rng.integers(20, 51))
    for index, angle in enumerate(np.linspace(start, start + sweep, count)):
        inner = 0.32 if index % 5 == 0 else 0.36
        ticks.append(_ray(size, angle, inner, 0.4, size * (0.014 if index % 5 == 0 else 0.007)))
    patch.paint(polygon_mask(size, size, ticks), INK)
    angle = start + sweep * rng.random()
    needle = _ray(size, angle, -0.08, 0.34, size * 0.022)
    patch.paint(polygon_mask(size, size, [needle]), (0.1, 0.1, 0.6))
    hub = size // 8
    _dome(patch, hub, (0.15, 0.15, 0.15), ((size - hub) // 2,) * 2)
    return patch


def _ray(size: int, angle: float, inner: float, outer: float, width: float) -> Polygon:
    direction = np.array([np.cos(angle), np.sin(angle)])
    middle = size / 2
    p, q = middle + direction * inner * size, middle + direction * outer * size
    return capsule((p[0], p[1]), (q[0], q[1]), width)


def tick_scale(rng: Rng) -> Patch:
    """Draw a ruler of ticks, with or without a pointer."""
    count, pitch = int(rng.integers(20, 51)), uniform(rng, 4, 8) * OVERSAMPLE
    length = scaled_px(rng, 7, 14)
    width, height = int(count * pitch), length * 2
    ticks = []
    for index in range(count):
        tall = length if index % 5 == 0 else length * 0.6
        x = (index + 0.5) * pitch
        ticks.append(capsule((x, height), (x, height - tall), 1.2 * OVERSAMPLE))
    patch = Patch.clear(width, height)
    patch.paint(polygon_mask(width, height, ticks), _mark_color(rng))
    if rng.random() < 0.6:
        x = uniform(rng, 0.1, 0.9) * width
        tip = np.array([(x, height * 0.5), (x - length * 0.4, 0), (x + length * 0.4, 0)])
        patch.paint(polygon_mask(width, height, [tip]), (0.15, 0.15, 0.8))
    return patch if rng.random() < 0.6 else _turned(patch)


def _mark_color(rng: Rng) -> Color:
    return INK if rng.random() < 0.6 else (0.92, 0.92, 0.92)


def _turned(patch: Patch) -> Patch:
    """Turn a patch without fields by a quarter."""
    return Patch(
        np.ascontiguousarray(patch.bgr.transpose(1, 0, 2)),
        np.ascontiguousarray(patch.alpha.T),
    )


def bargraph(rng: Rng) -> Patch:
    """Draw a row of LED bars, lit up to a level."""
    count, lit = int(rng.integers(8, 21)), uniform(rng, 0.2, 0.9)
    bar = rounded_rect(scaled_px(rng, 4, 8), scaled_px(rng, 10, 20), OVERSAMPLE)
    pitch = bar.shape[1] + scaled_px(rng, 2, 5)
    border = scaled_px(rng, 4, 8)
    patch = Patch.clear(count * pitch + 2 * border, bar.shape[0] + 2 * border)
    patch.paint(rounded_rect(patch.width, patch.height, border), (0.06, 0.06, 0.06))
    for index in range(count):
        share = index / count
        color: Color = (0.2, 0.9, 0.3) if share < 0.6 else (0.15, 0.75, 1.0)
        color = (0.15, 0.15, 0.95) if share > 0.85 else color
        power = 1.0 if share < lit else 0.18
        patch.paint(bar * power, color, (border + index * pitch, border))
    return patch if rng.random() < 0.7 else _turned(patch)


def screw(rng: Rng) -> Patch:
    """Draw a slotted or cross-head screw."""
    size = scaled_px(rng, 10, 20)
    patch = Patch.clear(size, size)
    level = uniform(rng, 0.35, 0.7)
    _dome(patch, size, (level, level, level), (0, 0))
    angle = uniform(rng, 0.0, np.pi)
    slots = [_ray(size, angle, -0.34, 0.34, size * 0.14)]
    if rng.random() < 0.5:
        slots.append(_ray(size, angle + np.pi / 2, -0.34, 0.34, size * 0.14))
    patch.paint(polygon_mask(size, size, slots) * 0.85, INK)
    return patch


def push_button(rng: Rng) -> Patch:
    """Draw a round push button or pilot lamp in its collar."""
    size = scaled_px(rng, 30, 60)
    patch = Patch.clear(size, size)
    _dome(patch, size, (0.45, 0.46, 0.47), (0, 0))
    cap = round(size * uniform(rng, 0.65, 0.8))
    _dome(patch, cap, _key_color(rng), ((size - cap) // 2,) * 2)
    if rng.random() < 0.4:
        glow = cv2.GaussianBlur(pad(disc(cap), (size - cap) // 2), (0, 0), cap * 0.2)
        patch.shine(glow * 0.4 * disc(size)[: glow.shape[0], : glow.shape[1]], (0.6, 0.9, 0.8))
    return patch


def knob(rng: Rng) -> Patch:
    """Draw a rotary switch with its position marks."""
    size = scaled_px(rng, 55, 95)
    patch = Patch.clear(size, size)
    marks = [_ray(size, a, 0.4, 0.47, size * 0.02) for a in np.linspace(2.4, 7.0, 9)]
    patch.paint(polygon_mask(size, size, marks), _mark_color(rng))
    body = round(size * 0.7)
    _dome(patch, body, (0.14, 0.14, 0.15), ((size - body) // 2,) * 2)
    pointer = _ray(size, uniform(rng, 2.4, 7.0), 0.05, 0.33, size * 0.04)
    patch.paint(polygon_mask(size, size, [pointer]), (0.92, 0.92, 0.92))
    return patch


def vent(rng: Rng) -> Patch:
    """Ventilation slots."""
    rows, columns = int(rng.integers(3, 7)), int(rng.integers(2, 9))
    slot = rounded_rect(scaled_px(rng, 8, 30), scaled_px(rng, 3, 5), 3 * OVERSAMPLE)
    gap = scaled_px(rng, 4, 7)
    pitch = (slot.shape[1] + gap, slot.shape[0] + gap)
    patch = Patch.clear(columns * pitch[0], rows * pitch[1])
    for row, column in np.ndindex(rows, columns):
        at = (column * pitch[0], row * pitch[1])
        patch.paint(slot * 0.4, (1.0, 1.0, 1.0), (at[0], at[1] + OVERSAMPLE))
        patch.paint(slot, (0.04, 0.04, 0.04), at)
    return patch if rng.random() < 0.5 else _turned(patch)


def barcode(rng: Rng) -> Patch:
    """Draw a linear code without its number."""
    module = 1.4 * OVERSAMPLE * uniform(rng, 0.8, 1.4)
    widths = rng.integers(1, 5, int(rng.integers(40, 70))) * module
    edges = np.cumsum(widths) + 6 * module
    height = scaled_px(rng, 30, 60)
    width = int(edges[-1] + 6 * module)
    patch = Patch.clear(width, height + 8 * OVERSAMPLE)
    patch.paint(np.ones((patch.height, width), np.float32), (0.94, 0.95, 0.95))
    bars = [
        np.array([(a, 4), (b, 4), (b, height), (a, height)], float)
        for a, b in zip(edges[:-1:2], edges[1::2], strict=False)
    ]
    patch.paint(polygon_mask(width, patch.height, bars), INK, (0, 4 * OVERSAMPLE - 4))
    return patch


def matrix_code(rng: Rng) -> Patch:
    """Draw a square 2-D code with solid and dashed borders."""
    cells = int(rng.integers(12, 25))
    module = scaled_px(rng, 2.2, 3.6)
    grid = rng.integers(0, 2, (cells, cells)).astype(np.float32)
    grid[:, 0] = grid[-1, :] = 1.0
    grid[0, :] = grid[:, -1] = np.arange(cells) % 2
    code = np.pad(grid, 2).repeat(module, axis=0).repeat(module, axis=1)
    patch = Patch.clear(code.shape[1], code.shape[0])
    patch.paint(np.ones_like(code), (0.93, 0.94, 0.94))
    patch.paint(code, INK)
    return patch


def icon(rng: Rng) -> Patch:
    """Draw a pictogram, bare or on a coloured sign."""
    size = scaled_px(rng, 18, 44)
    patch = Patch.clear(size, size)
    if rng.random() < 0.5:
        patch.paint(icons.draw(rng, size), _mark_color(rng))
        return patch
    rim, border = 3, 8
    patch.paint(rounded_rect(size, size, size // 6), _key_color(rng))
    inner = rounded_rect(size - 2 * rim, size - 2 * rim, size // 6)
    patch.paint(inner, (0.92, 0.93, 0.93), (rim, rim))
    patch.paint(icons.draw(rng, size - 2 * border), INK, (border, border))
    return patch


def terminals(rng: Rng) -> Patch:
    """Draw a row of screw terminals."""
    count, pitch = int(rng.integers(4, 12)), scaled_px(rng, 16, 26)
    patch = Patch.clear(count * pitch, pitch * 2)
    body = _key_color(rng)
    patch.paint(rounded_rect(patch.width, patch.height, OVERSAMPLE * 2), body)
    for index in range(count):
        groove = np.full((patch.height, OVERSAMPLE), 0.6, np.float32)
        patch.paint(groove, (0.0, 0.0, 0.0), (index * pitch, 0))
        _dome(patch, pitch * 2 // 3, (0.6, 0.62, 0.63), (index * pitch + pitch // 6, pitch // 6))
        slot = rounded_rect(pitch // 2, pitch // 2, 2)
        patch.paint(slot, (0.05, 0.05, 0.05), (index * pitch + pitch // 4, pitch * 5 // 4))
    return patch


def keypad(rng: Rng) -> Patch:
    """Membrane keys with arrows and signs."""
    rows, columns, key = int(rng.integers(1, 4)), int(rng.integers(2, 5)), scaled_px(rng, 24, 38)
    pitch = key + scaled_px(rng, 4, 9)
    patch = Patch.clear(columns * pitch, rows * pitch)
    color = _key_color(rng)
    for row, column in np.ndindex(rows, columns):
        at = (column * pitch, row * pitch)
        patch.paint(rounded_rect(key, key, key // 6), color, at)
        sign = icons.draw(rng, key // 2)
        bright = (0.95, 0.95, 0.95) if sum(color) < 1.8 else INK
        patch.paint(sign, bright, (at[0] + key // 4, at[1] + key // 4))
    return patch


def connector(rng: Rng) -> Patch:
    """Draw a two-row pin socket."""
    pins, pitch = int(rng.integers(4, 13)), scaled_px(rng, 8, 13)
    patch = Patch.clear((pins + 2) * pitch, 3 * pitch)
    patch.paint(rounded_rect(patch.width, patch.height, pitch), (0.62, 0.63, 0.64))
    inner = rounded_rect(patch.width - pitch, patch.height - pitch // 2, pitch)
    patch.paint(inner, (0.1, 0.1, 0.11), (pitch // 2, pitch // 4))
    hole = disc(pitch // 2)
    for row in range(2):
        for pin in range(pins - row):
            at = (round((pin + 1.25 + row / 2) * pitch), round((0.75 + row) * pitch))
            patch.paint(hole, (0.55, 0.6, 0.65) if rng.random() < 0.9 else (0.0, 0.0, 0.0), at)
    return patch


def hazard_stripe(rng: Rng) -> Patch:
    """Black and yellow warning tape."""
    height, width = scaled_px(rng, 10, 20), scaled_px(rng, 100, 300)
    patch = Patch.clear(width, height)
    patch.paint(np.ones((height, width), np.float32), (0.1, 0.75, 0.9))
    step = height * 2
    stripes = [
        np.array([(x, height), (x + height, 0), (x + 2 * height, 0), (x + height, height)], float)
        for x in range(-step, width, step)
    ]
    patch.paint(polygon_mask(width, height, stripes), INK)
    return patch
