"""Kinds of scenes: a control cabinet, an instrument rack, packaging, a machine's body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sample_data import clutter, displays, instruments, marks, materials
from sample_data.patch import Color, Image, Patch, Rng

Maker = Callable[[Rng], Patch]
Material = Callable[[Rng, int, int], Image]

DARK: Color = (0.10, 0.10, 0.11)
LIGHT: Color = (0.92, 0.93, 0.93)


@dataclass(frozen=True)
class Theme:
    """What a kind of scene is made of; a maker that is named twice comes twice as often.

    ``raised``: devices stand out from the surface and throw a shadow.
    """

    materials: tuple[Material, ...]
    text: tuple[Maker, ...]
    clutter: tuple[Maker, ...]
    decor: tuple[Callable[[Rng, Patch], None], ...]
    raised: bool


def _on_light(maker: Callable[[Rng, Color], Patch]) -> Maker:
    return partial(_with_ink, maker, DARK)


def _on_dark(maker: Callable[[Rng, Color], Patch]) -> Maker:
    return partial(_with_ink, maker, LIGHT)


def _with_ink(maker: Callable[[Rng, Color], Patch], ink: Color, rng: Rng) -> Patch:
    return maker(rng, ink)


_PANEL_CLUTTER: tuple[Maker, ...] = (
    clutter.gauge,
    clutter.tick_scale,
    clutter.tick_scale,
    clutter.bargraph,
    clutter.push_button,
    clutter.knob,
    clutter.vent,
    clutter.icon,
    clutter.terminals,
    clutter.keypad,
    clutter.connector,
    displays.blank_display,
    displays.blank_display,
)

THEMES: tuple[Theme, ...] = (
    Theme(  # control cabinet
        (materials.powder_coat, materials.brushed_metal),
        (
            _on_light(instruments.captioned_reading),
            _on_light(instruments.captioned_reading),
            _on_light(instruments.captioned_switch),
            instruments.unit_gauge,
            marks.label_tape,
            displays.thumbwheel,
            displays.counter,
            displays.flap_display,
            marks.boxed_code,
        ),
        (*_PANEL_CLUTTER, clutter.hazard_stripe),
        decor=(materials.scratches, materials.seam),
        raised=True,
    ),
    Theme(  # instrument rack
        (materials.anodised,),
        (
            _on_dark(instruments.captioned_reading),
            _on_dark(instruments.captioned_switch),
            instruments.module,
            displays.matrix_sign,
            displays.vfd_message,
            marks.label_tape,
        ),
        _PANEL_CLUTTER,
        decor=(materials.seam,),
        raised=True,
    ),
    Theme(  # packaging
        (materials.carton, materials.film),
        (marks.inkjet, marks.inkjet, marks.code_label, marks.label_tape, marks.boxed_code),
        (clutter.barcode, clutter.matrix_code, clutter.icon, clutter.icon, clutter.tick_scale),
        decor=(),
        raised=False,
    ),
    Theme(  # machine body
        (materials.brushed_metal, materials.powder_coat),
        (
            marks.engraving,
            marks.stamping,
            marks.dot_peen,
            marks.name_plate,
            marks.label_tape,
            marks.boxed_code,
            displays.counter,
        ),
        (
            clutter.screw,
            clutter.vent,
            clutter.tick_scale,
            clutter.tick_scale,
            clutter.matrix_code,
            clutter.icon,
            clutter.hazard_stripe,
        ),
        decor=(materials.scratches,),
        raised=False,
    ),
)
