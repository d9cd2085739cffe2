"""Lit and mechanical readings: segment and matrix displays, counters, and their housings."""

from __future__ import annotations

import cv2
import numpy as np

from sample_data import texts
from sample_data.inks import (
    DotStyle,
    FontStyle,
    SegmentStyle,
    dot_ink,
    font_ink,
    segment_ink,
    trimmed,
)
from sample_data.patch import (
    OVERSAMPLE,
    Color,
    Image,
    Ink,
    Patch,
    Rng,
    apart,
    rounded_rect,
    scaled_px,
    uniform,
)

LAMP_COLORS: tuple[Color, ...] = (
    (0.15, 0.18, 1.0),
    (0.15, 0.55, 1.0),
    (0.30, 1.0, 0.35),
    (1.0, 0.65, 0.25),
    (0.95, 0.95, 0.55),
    (0.95, 1.0, 1.0),
)
LCD_COLORS: tuple[Color, ...] = (
    (0.50, 0.62, 0.58),
    (0.55, 0.70, 0.66),
    (0.62, 0.66, 0.64),
    (0.78, 0.56, 0.34),
)


def housing(rng: Rng, width: int, height: int, face: Image | Color) -> tuple[Patch, int]:
    """Draw a window filled with ``face`` (a colour or picture) in a bezel; return its width too."""
    bezel = scaled_px(rng, 4, 12)
    radius = scaled_px(rng, 1, 8)
    patch = Patch.clear(width + 2 * bezel, height + 2 * bezel)
    level = uniform(rng, 0.05, 0.35)
    shell = rounded_rect(patch.width, patch.height, radius)
    slope = np.linspace(1.5, 0.7, patch.height, dtype=np.float32)[:, None, None]
    patch.paint(shell, np.broadcast_to(slope * level, (*shell.shape, 3)).astype(np.float32))
    window = rounded_rect(width, height, radius // 2)
    patch.paint(window, face, (bezel, bezel))
    recess = window - cv2.GaussianBlur(window, (0, 0), 3.0 * OVERSAMPLE)
    patch.paint(np.maximum(recess, 0) * 0.6, (0.0, 0.0, 0.0), (bezel, bezel))
    return patch, bezel


def _lamp_face(rng: Rng, ink: Ink, lamp: Color) -> Patch:
    """Glowing elements behind dark, slightly tinted glass."""
    border = (scaled_px(rng, 5, 16), scaled_px(rng, 4, 12))
    size = (ink.size[0] + 2 * border[0], ink.size[1] + 2 * border[1])
    level = uniform(rng, 0.02, 0.09)
    patch, bezel = housing(rng, *size, (level, level, level))
    at = (bezel + border[0], bezel + border[1])
    if ink.unlit is not None and rng.random() < 0.8:
        faint = uniform(rng, 0.04, 0.16)
        patch.paint(ink.unlit * faint, _dimmed(lamp, 0.9), at)
    power = uniform(rng, 0.75, 1.0)
    patch.write(ink, _dimmed(lamp, power), at)
    halo = cv2.GaussianBlur(ink.lit, (0, 0), ink.size[1] * uniform(rng, 0.03, 0.1))
    patch.shine(halo * power, _dimmed(lamp, uniform(rng, 0.2, 0.5)), at)
    return patch


def _dimmed(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def _segment_style(rng: Rng, *, fourteen: bool) -> SegmentStyle:
    return SegmentStyle(
        fourteen=fourteen,
        width_ratio=uniform(rng, 0.46, 0.6),
        gap_ratio=uniform(rng, 0.3, 0.9 if fourteen else 1.2),
        stroke_ratio=uniform(rng, 0.09, 0.12) if fourteen else uniform(rng, 0.1, 0.16),
        slant_ratio=float(rng.choice([0.0, 0.06, 0.12])),
    )


def led_reading(rng: Rng) -> Patch:
    """Draw a seven-segment LED reading."""
    height = scaled_px(rng, 24, 52)
    ink = segment_ink(texts.reading(rng), height, _segment_style(rng, fourteen=False))
    return _lamp_face(rng, ink, texts.pick(rng, LAMP_COLORS[:4]))


def vfd_message(rng: Rng) -> Patch:
    """Draw a fourteen-segment message."""
    height = scaled_px(rng, 20, 36)
    ink = segment_ink(texts.message(rng), height, _segment_style(rng, fourteen=True))
    return _lamp_face(rng, ink, texts.pick(rng, LAMP_COLORS[1:]))


def matrix_sign(rng: Rng) -> Patch:
    """Draw a 5 x 7 LED matrix with its dark dots visible."""
    style = DotStyle(
        pitch_px=uniform(rng, 3.2, 5.6) * OVERSAMPLE,
        radius_ratio=uniform(rng, 0.3, 0.45),
        gap_columns=uniform(rng, 1.5, 6.5),
    )
    text = texts.message(rng) if rng.random() < 0.6 else texts.digits(rng, int(rng.integers(2, 6)))
    return _lamp_face(rng, dot_ink(rng, text, style), texts.pick(rng, LAMP_COLORS))


def lcd_reading(rng: Rng) -> Patch:
    """Dark segments on a lit panel, with the soft shadow that LCD elements throw on the back."""
    height = scaled_px(rng, 22, 50)
    ink = segment_ink(texts.reading(rng), height, _segment_style(rng, fourteen=False))
    border = (scaled_px(rng, 6, 20), scaled_px(rng, 4, 10))
    color = _dimmed(texts.pick(rng, LCD_COLORS), uniform(rng, 0.7, 1.2))
    patch, bezel = housing(rng, ink.size[0] + 2 * border[0], ink.size[1] + 2 * border[1], color)
    at = (bezel + border[0], bezel + border[1])
    if ink.unlit is not None:
        patch.paint(ink.unlit * uniform(rng, 0.02, 0.12), (0.05, 0.06, 0.05), at)
    drop = scaled_px(rng, 0.8, 2)
    patch.paint(
        cv2.GaussianBlur(ink.lit, (0, 0), 2.0) * 0.25,
        (0.1, 0.12, 0.1),
        (at[0] + drop, at[1] + drop),
    )
    dark = uniform(rng, 0.45, 0.95)
    patch.paint(ink.lit * dark, (0.06, 0.08, 0.07), at)
    patch.label(ink, at)
    return patch


def counter(rng: Rng) -> Patch:
    """Meter drums: each digit turns behind a window of its own."""
    height = scaled_px(rng, 20, 38)
    width = round(height * uniform(rng, 0.8, 1.05))
    gap = round(height * uniform(rng, 0.35, 1.2))
    text = texts.digits(rng, int(rng.integers(4, 8)))
    red_digits = int(rng.integers(0, 3))
    total = (len(text) * (width + gap) + gap, round(height * 1.6))
    level = uniform(rng, 0.1, 0.8)
    patch, bezel = housing(rng, *total, (level, level, level))
    lit = np.zeros((total[1], total[0]), np.float32)
    for index, digit in enumerate(text):
        red = index >= len(text) - red_digits
        at = (gap + index * (width + gap), round(height * 0.15))
        drum, mask = _drum(rng, digit, width, round(height * 1.3), red=red)
        patch.paste(drum, (bezel + at[0], bezel + at[1]))
        lit[at[1] : at[1] + mask.shape[0], at[0] : at[0] + width] = mask
    patch.label(Ink(text, lit), (bezel, bezel))
    return patch


def _drum(rng: Rng, digit: str, width: int, height: int, *, red: bool) -> tuple[Patch, Image]:
    """One drum (height, width) with its digit slightly off centre, and the digit's coverage."""
    level = uniform(rng, 0.02, 0.1)
    patch = Patch.opaque(np.full((height, width, 3), (level, level, 0.55 if red else level)))
    style = FontStyle(face="DejaVuSans-Bold")
    ink = trimmed(font_ink(rng, digit, round(height * 0.8), style))
    x = (width - ink.size[0]) // 2
    y = (height - ink.size[1]) // 2 + round(uniform(rng, -0.06, 0.06) * height)
    patch.paint(ink.lit, (0.88, 0.92, 0.94), (x, y))
    curve = np.cos(np.linspace(-1.25, 1.25, height, dtype=np.float32))[:, None, None]
    patch.bgr *= curve
    placed = Patch.clear(width, height)
    placed.paint(ink.lit, (1.0, 1.0, 1.0), (x, y))
    return patch, placed.alpha


def flap_display(rng: Rng) -> Patch:
    """Split flaps: one character on each card, a seam across its middle."""
    height = scaled_px(rng, 24, 40)
    card = rounded_rect(round(height * uniform(rng, 0.8, 1.0)), round(height * 1.35), height // 10)
    gap = round(height * uniform(rng, 0.3, 1.1))
    text = texts.pick(rng, (texts.digits(rng, 4), texts.tag(rng), texts.message(rng)))
    width = len(text) * (card.shape[1] + gap) - gap
    lit = np.zeros((card.shape[0], width), np.float32)
    patch = Patch.clear(width, card.shape[0])
    level = uniform(rng, 0.04, 0.14)
    for index, character in enumerate(text):
        left = index * (card.shape[1] + gap)
        patch.paint(card, (level, level, level), (left, 0))
        lit[:, left : left + card.shape[1]] = _centered(rng, character, height, card.shape)
    color: Color = texts.pick(rng, ((0.92, 0.94, 0.95), (0.35, 0.85, 0.95)))
    patch.write(Ink(text, lit), color, (0, 0))
    seam = np.zeros_like(patch.alpha)
    seam[card.shape[0] // 2 - 1 : card.shape[0] // 2 + 1] = 0.8
    patch.paint(seam * patch.alpha, (0.0, 0.0, 0.0))
    return apart(patch, Ink(text, lit))


def _centered(rng: Rng, character: str, size_px: int, shape: tuple[int, ...]) -> Image:
    """One character in the middle of a (height, width) cell."""
    cell = Patch.clear(shape[1], shape[0])
    if character != " ":
        ink = trimmed(font_ink(rng, character, size_px, FontStyle(face="DejaVuSansMono-Bold")))
        at = ((shape[1] - ink.size[0]) // 2, (shape[0] - ink.size[1]) // 2)
        cell.paint(ink.lit, (1.0, 1.0, 1.0), at)
    return cell.alpha


def thumbwheel(rng: Rng) -> Patch:
    """Draw a bank of code switches: a digit between a plus and a minus key."""
    height = scaled_px(rng, 16, 26)
    pitch = round(height * uniform(rng, 1.4, 2.3))
    text = texts.digits(rng, int(rng.integers(3, 6)))
    patch, bezel = housing(rng, len(text) * pitch, height * 3, (0.07, 0.07, 0.07))
    lit = np.zeros((height * 3, len(text) * pitch), np.float32)
    key = rounded_rect(round(pitch * 0.7), round(height * 0.6), OVERSAMPLE * 2)
    window = rounded_rect(round(pitch * 0.8), round(height * 1.3), OVERSAMPLE)
    for index, digit in enumerate(text):
        left = index * pitch
        for part, color, middle in (
            (key, (0.3, 0.3, 0.32), 0.45),
            (window, (0.85, 0.88, 0.88), 1.5),
            (key, (0.3, 0.3, 0.32), 2.55),
        ):
            x = bezel + left + (pitch - part.shape[1]) // 2
            patch.paint(part, color, (x, bezel + round(height * middle) - part.shape[0] // 2))
        lit[:, left : left + pitch] = _centered(rng, digit, height, (height * 3, pitch))
    patch.write(Ink(text, lit), (0.05, 0.05, 0.05), (bezel, bezel))
    return patch


def blank_display(rng: Rng) -> Patch:
    """Draw a display that is off: only its unlit segments are visible, which is no text."""
    height = scaled_px(rng, 22, 44)
    text = " " * int(rng.integers(3, 6))
    style = _segment_style(rng, fourteen=bool(rng.random() < 0.4))
    ink = segment_ink(text, height, style)
    border = scaled_px(rng, 5, 12)
    lcd = rng.random() < 0.4
    glass: Color = (0.5, 0.6, 0.57) if lcd else (0.06, 0.06, 0.07)
    patch, bezel = housing(rng, ink.size[0] + 2 * border, ink.size[1] + 2 * border, glass)
    element: Color = (0.2, 0.24, 0.22) if lcd else (0.3, 0.3, 0.32)
    at = (bezel + border, bezel + border)
    assert ink.unlit is not None
    patch.paint(ink.unlit * uniform(rng, 0.25, 0.6), element, at)
    return patch
