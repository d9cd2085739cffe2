"""Groups as they stand on panels: a display with its caption and unit, a module with keys."""

from __future__ import annotations

from collections.abc import Callable

from sample_data import clutter, displays, texts
from sample_data.marks import legend
from sample_data.patch import Color, Patch, Rng, rounded_rect, scaled_px, uniform

Maker = Callable[[Rng], Patch]

READINGS: tuple[Maker, ...] = (
    displays.led_reading,
    displays.lcd_reading,
    displays.vfd_message,
    displays.matrix_sign,
    displays.counter,
    displays.flap_display,
)


def beside(first: Patch, second: Patch, gap_px: int) -> Patch:
    """Two patches in a row, middles aligned."""
    height = max(first.height, second.height)
    patch = Patch.clear(first.width + gap_px + second.width, height)
    patch.paste(first, (0, (height - first.height) // 2))
    patch.paste(second, (first.width + gap_px, (height - second.height) // 2))
    return patch


def stacked(first: Patch, second: Patch, gap_px: int, *, centered: bool) -> Patch:
    """Two patches under one another."""
    width = max(first.width, second.width)
    patch = Patch.clear(width, first.height + gap_px + second.height)
    shift = 0.5 if centered else 0.0
    patch.paste(first, (round((width - first.width) * shift), 0))
    patch.paste(second, (round((width - second.width) * shift), first.height + gap_px))
    return patch


def captioned_reading(rng: Rng, ink: Color) -> Patch:
    """Draw a display with its quantity printed above or below, and often its unit."""
    group = texts.pick(rng, READINGS)(rng)
    if rng.random() < 0.6:
        unit = legend(rng, texts.pick(rng, texts.UNITS), ink, size_px=scaled_px(rng, 14, 22))
        group = beside(group, unit, scaled_px(rng, 5, 10))
    caption = legend(rng, texts.pick(rng, texts.CAPTIONS), ink)
    gap, centered = scaled_px(rng, 4, 9), bool(rng.random() < 0.5)
    if rng.random() < 0.75:
        return stacked(caption, group, gap, centered=centered)
    return stacked(group, caption, gap, centered=centered)


def module(rng: Rng) -> Patch:
    """Draw a rack module: a reading over keys or a bar graph, on its own front plate."""
    ink: Color = (0.9, 0.9, 0.9)
    top = captioned_reading(rng, ink)
    bottom = texts.pick(rng, (clutter.keypad, clutter.bargraph, clutter.tick_scale))(rng)
    body = stacked(top, bottom, scaled_px(rng, 8, 16), centered=True)
    border = scaled_px(rng, 8, 16)
    patch = Patch.clear(body.width + 2 * border, body.height + 2 * border)
    level = uniform(rng, 0.12, 0.3)
    plate = rounded_rect(patch.width, patch.height, scaled_px(rng, 2, 8))
    patch.paint(plate, (level * 1.05, level, level * 0.95))
    patch.paste(body, (border, border))
    return patch


def unit_gauge(rng: Rng) -> Patch:
    """Draw a dial with its unit printed under the hub."""
    patch = clutter.gauge(rng)
    unit = legend(rng, texts.pick(rng, texts.UNITS), clutter.INK, size_px=patch.width // 8)
    patch.paste(unit, ((patch.width - unit.width) // 2, round(patch.height * 0.66)))
    return patch


def captioned_switch(rng: Rng, ink: Color) -> Patch:
    """Draw a knob or button over its caption."""
    switch = texts.pick(rng, (clutter.knob, clutter.push_button))(rng)
    caption = legend(rng, texts.pick(rng, texts.CAPTIONS + texts.MESSAGES), ink)
    return stacked(switch, caption, scaled_px(rng, 3, 8), centered=True)
