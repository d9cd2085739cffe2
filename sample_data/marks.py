"""Marked text: engraved, stamped and dot-peened metal, inkjet codes, label tapes, legends."""

from __future__ import annotations

import cv2
import numpy as np

from sample_data import materials, texts
from sample_data.inks import DotStyle, FontStyle, dot_ink, font_ink, trimmed
from sample_data.patch import (
    OVERSAMPLE,
    Color,
    Ink,
    Patch,
    Rng,
    apart,
    disc,
    pad,
    rotated,
    rounded_rect,
    scaled_px,
    uniform,
)

SANS_FACES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif-Bold")
TAPE_COLORS: tuple[Color, ...] = (
    (0.08, 0.08, 0.09),
    (0.12, 0.12, 0.62),
    (0.52, 0.24, 0.08),
    (0.16, 0.40, 0.14),
)


def relief(rng: Rng, ink: Ink, *, depth: float, raised: bool = False) -> Patch:
    """Text cut into (or raised from) whatever it is laid on: a lit and a shaded edge."""
    border = 4 * OVERSAMPLE
    cover = pad(ink.lit, border)
    soft = cv2.GaussianBlur(cover, (0, 0), 0.5 * OVERSAMPLE)
    toward = (uniform(rng, 0.4, 0.9) * OVERSAMPLE, uniform(rng, 0.6, 1.1) * OVERSAMPLE)
    size = (soft.shape[1], soft.shape[0])
    ahead = cv2.warpAffine(soft, np.array([[1, 0, toward[0]], [0, 1, toward[1]]]), size)
    behind = cv2.warpAffine(soft, np.array([[1, 0, -toward[0]], [0, 1, -toward[1]]]), size)
    slope = (behind - ahead) * (-1.0 if raised else 1.0)
    patch = Patch.clear(*size)
    patch.paint(cover * depth * 0.25, (0.0, 0.0, 0.0))
    patch.paint(np.clip(-slope, 0, 1) * depth, (1.0, 1.0, 1.0))
    patch.paint(np.clip(slope, 0, 1) * depth, (0.0, 0.0, 0.0))
    patch.label(ink, (border, border))
    return patch


def engraving(rng: Rng) -> Patch:
    """Draw a serial number cut into the surface."""
    style = FontStyle(texts.pick(rng, SANS_FACES), tracking_ratio=uniform(rng, 0.3, 1.2))
    ink = trimmed(font_ink(rng, texts.serial(rng), scaled_px(rng, 18, 34), style))
    return apart(relief(rng, ink, depth=uniform(rng, 0.45, 0.85)), ink)


def stamping(rng: Rng) -> Patch:
    """Single characters hammered in, none quite straight."""
    style = FontStyle(
        "DejaVuSans-Bold",
        tracking_ratio=uniform(rng, 0.4, 1.3),
        stretch_ratio=uniform(rng, 0.75, 1.0),
        jitter_ratio=0.04,
        tilt_deg=4.0,
    )
    ink = trimmed(font_ink(rng, texts.serial(rng), scaled_px(rng, 18, 32), style))
    cut = relief(rng, ink, depth=uniform(rng, 0.4, 0.85), raised=bool(rng.random() < 0.2))
    return apart(cut, ink)


def dot_peen(rng: Rng) -> Patch:
    """Pits of a marking needle."""
    style = DotStyle(
        pitch_px=uniform(rng, 2.8, 4.6) * OVERSAMPLE,
        radius_ratio=uniform(rng, 0.28, 0.4),
        gap_columns=uniform(rng, 2.0, 5.5),
        jitter_ratio=0.06,
    )
    ink = trimmed(dot_ink(rng, texts.serial(rng), style))
    return apart(relief(rng, ink, depth=uniform(rng, 0.5, 0.95)), ink)


def inkjet(rng: Rng) -> Patch:
    """Draw a printer's code straight on the packaging, on a tilted baseline."""
    lines = _code_lines(rng)
    return rotated(apart(_block(rng, lines), lines[0]), rng.normal(0.0, 2.5))


def _code_lines(rng: Rng) -> list[Ink]:
    """One to three lines of a drop-on-demand printer."""
    pitch = uniform(rng, 2.6, 4.4) * OVERSAMPLE
    style = DotStyle(
        pitch_px=pitch,
        radius_ratio=uniform(rng, 0.36, 0.52),
        gap_columns=uniform(rng, 2.0, 5.5),
        stretch_ratio=uniform(rng, 1.0, 1.35),
        slant_ratio=uniform(rng, 0.0, 0.12),
        jitter_ratio=uniform(rng, 0.04, 0.1),
        dropout_ratio=uniform(rng, 0.0, 0.04),
    )
    lines = [texts.best_before(rng), texts.lot(rng), texts.date(rng)][: int(rng.integers(1, 4))]
    return [trimmed(dot_ink(rng, line, style), round(pitch)) for line in lines]


def _block(rng: Rng, inks: list[Ink]) -> Patch:
    """Text lines under one another, left aligned, a quarter to half a line apart."""
    color: Color = texts.pick(rng, ((0.08, 0.07, 0.07), (0.35, 0.12, 0.1), (0.15, 0.15, 0.16)))
    leading = round(inks[0].size[1] * uniform(rng, 0.2, 0.5))
    patch = Patch.clear(
        max(ink.size[0] for ink in inks), sum(ink.size[1] + leading for ink in inks)
    )
    top = leading // 2
    for ink in inks:
        patch.write(ink, color, (0, top))
        top += ink.size[1] + leading
    return patch


def code_label(rng: Rng) -> Patch:
    """Draw an inkjet code in a white or tinted field of the packaging."""
    code = rotated(_block(rng, _code_lines(rng)), rng.normal(0.0, 2.0))
    border = scaled_px(rng, 5, 14)
    patch = Patch.clear(code.width + 2 * border, code.height + 2 * border)
    level = uniform(rng, 0.75, 0.95)
    box = rounded_rect(patch.width, patch.height, scaled_px(rng, 0, 8))
    patch.paint(box, (level, level, level * 0.99))
    patch.paste(code, (border, border))
    return patch


def boxed_code(rng: Rng) -> Patch:
    """Draw a code with one character per printed box."""
    size = scaled_px(rng, 15, 24)
    pitch = round(size * uniform(rng, 1.3, 2.2))
    text = texts.digits(rng, int(rng.integers(4, 9)))
    boxes = np.zeros((round(size * 1.5), len(text) * pitch + OVERSAMPLE), np.float32)
    boxes[:OVERSAMPLE] = boxes[-OVERSAMPLE:] = 1.0
    lit = Patch.clear(boxes.shape[1], boxes.shape[0])
    face = FontStyle(texts.pick(rng, ("DejaVuSans", "DejaVuSansMono-Bold", "DejaVuSans-Oblique")))
    for index, character in enumerate(text):
        boxes[:, index * pitch : index * pitch + OVERSAMPLE] = 1.0
        ink = trimmed(font_ink(rng, character, size, face))
        left = index * pitch + (pitch - ink.size[0]) // 2
        lit.paint(ink.lit, (1.0, 1.0, 1.0), (left, (boxes.shape[0] - ink.size[1]) // 2))
    boxes[:, -OVERSAMPLE:] = 1.0
    patch = Patch.clear(boxes.shape[1], boxes.shape[0])
    level = uniform(rng, 0.78, 0.95)
    patch.paint(np.ones_like(boxes), (level, level, level))
    patch.paint(boxes * uniform(rng, 0.4, 0.9), texts.pick(rng, (*TAPE_COLORS, (0.2, 0.2, 0.2))))
    patch.write(Ink(text, lit.alpha), texts.pick(rng, TAPE_COLORS), (0, 0))
    return patch


def label_tape(rng: Rng) -> Patch:
    """Draw an embossing tape: white, wide-set capitals pressed into coloured plastic."""
    size = scaled_px(rng, 15, 24)
    style = FontStyle(
        "DejaVuSans-Bold",
        tracking_ratio=uniform(rng, 0.7, 1.5),
        stretch_ratio=uniform(rng, 0.8, 1.0),
        jitter_ratio=0.03,
        tilt_deg=1.5,
    )
    ink = trimmed(font_ink(rng, texts.tag(rng), size, style))
    border = (round(size * uniform(rng, 0.5, 1.2)), round(size * 0.35))
    width, height = ink.size[0] + 2 * border[0], ink.size[1] + 2 * border[1]
    patch = Patch.clear(width, height)
    gloss = np.linspace(1.35, 0.8, height, dtype=np.float32)[:, None, None]
    tape = gloss * np.asarray(texts.pick(rng, TAPE_COLORS), np.float32)
    patch.paint(
        rounded_rect(width, height, OVERSAMPLE),
        np.broadcast_to(tape, (height, width, 3)).astype(np.float32),
    )
    halo = cv2.GaussianBlur(ink.lit, (0, 0), 1.2 * OVERSAMPLE)
    patch.paint(halo * 0.45, (0.85, 0.85, 0.85), border)
    patch.write(ink, (0.93, 0.94, 0.95), border)
    return rotated(patch, float(rng.normal(0.0, 2.0)))


def legend(rng: Rng, text: str, color: Color, *, size_px: int | None = None) -> Patch:
    """Draw a printed caption in an ordinary typeface."""
    style = FontStyle(texts.pick(rng, SANS_FACES), tracking_ratio=uniform(rng, 0.0, 0.25))
    ink = trimmed(font_ink(rng, text, size_px or scaled_px(rng, 13, 19), style), OVERSAMPLE)
    patch = Patch.clear(*ink.size)
    patch.write(ink, color, (0, 0))
    return patch


def name_plate(rng: Rng) -> Patch:
    """Draw a riveted metal plate: printed keys, and values stamped or peened into ruled boxes."""
    rows = [_plate_row(rng) for _ in range(int(rng.integers(2, 5)))]
    border = scaled_px(rng, 10, 18)
    key_width = max(key.width for key, _ in rows) + border
    width = key_width + max(value.width for _, value in rows) + 3 * border
    row_height = max(value.height for _, value in rows) + scaled_px(rng, 0, 8)
    height = row_height * len(rows) + 2 * border
    patch = Patch.clear(width, height)
    plate = materials.brushed_metal(rng, height, width)
    patch.paint(rounded_rect(width, height, scaled_px(rng, 2, 8)), plate)
    for index, (key, value) in enumerate(rows):
        top = border + index * row_height
        patch.paste(key, (border * 3 // 2, top + (row_height - key.height) // 2))
        rule = np.ones((OVERSAMPLE, width - 3 * border), np.float32) * 0.7
        patch.paint(rule, (0.1, 0.1, 0.1), (border * 3 // 2, top + row_height - OVERSAMPLE))
        patch.paste(value, (key_width + border * 3 // 2, top + (row_height - value.height) // 2))
    _rivets(patch, border)
    return patch


def _plate_row(rng: Rng) -> tuple[Patch, Patch]:
    word, text = texts.plate_row(rng)
    key = legend(rng, word, (0.12, 0.12, 0.12), size_px=scaled_px(rng, 12, 14))
    style = FontStyle(
        "DejaVuSans-Bold",
        tracking_ratio=uniform(rng, 0.3, 0.9),
        stretch_ratio=0.8,
        jitter_ratio=0.03,
        tilt_deg=3.0,
    )
    ink = trimmed(font_ink(rng, text, scaled_px(rng, 16, 22), style))
    return key, relief(rng, ink, depth=uniform(rng, 0.5, 0.9))


def _rivets(patch: Patch, border: int) -> None:
    size = border * 2 // 3
    for x in (border // 4, patch.width - border // 4 - size):
        for y in (border // 4, patch.height - border // 4 - size):
            patch.paint(disc(size), (0.35, 0.37, 0.38), (x, y))
            patch.shine(disc(size // 2) * 0.35, (1.0, 1.0, 1.0), (x + size // 5, y + size // 5))
