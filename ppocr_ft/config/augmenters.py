"""The steps of IaaAugment: one section each, PaddleOCR's names and arguments."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import BeforeValidator

from ppocr_ft.declaration import (
    Choice,
    PositiveFloat,
    Range,
    Rising,
    Section,
    Share,
    empty_as_defaults,
)

FARTHEST_CORNER_RATIO = 0.25
"""Perspective moves a corner by at most this share of the sides."""
CornerRange = Range[Annotated[float, Ge(0), Le(FARTHEST_CORNER_RATIO)]]
AngleRange = Range[float]
FactorRange = Rising[PositiveFloat]


class FliplrArgs(Section):
    p: Share = 1.0
    """Probability."""


class AffineArgs(Section):
    rotate: AngleRange = (0.0, 0.0)
    """Lowest and highest angle, degrees."""
    p: Share = 1.0
    """Probability."""


class ResizeArgs(Section):
    size: FactorRange = (1.0, 1.0)
    """Lowest and highest factor of both sides."""


class PerspectiveArgs(Section):
    scale: CornerRange = (0.0, 0.05)
    """Lowest and highest bound on how far a corner moves, as a share of the sides."""
    p: Share = 0.5
    """Probability."""


class Fliplr(Section):
    """Mirrors left and right."""

    type: Literal["Fliplr"] = "Fliplr"
    args: Annotated[FliplrArgs, BeforeValidator(empty_as_defaults)] = FliplrArgs()


class Affine(Section):
    """Rotates about the middle."""

    type: Literal["Affine"] = "Affine"
    args: Annotated[AffineArgs, BeforeValidator(empty_as_defaults)] = AffineArgs()


class Resize(Section):
    """Scales both sides by one factor."""

    type: Literal["Resize"] = "Resize"
    args: Annotated[ResizeArgs, BeforeValidator(empty_as_defaults)] = ResizeArgs()


class Perspective(Section):
    """Moves each corner; PaddleOCR has none."""

    type: Literal["Perspective"] = "Perspective"
    args: Annotated[PerspectiveArgs, BeforeValidator(empty_as_defaults)] = PerspectiveArgs()


AUGMENTERS: dict[str, type[Section]] = {
    kind.__name__: kind for kind in (Fliplr, Affine, Resize, Perspective)
}
AugmenterItem = Annotated[Section, Choice("augmenter", AUGMENTERS, by="type")]
PADDLEOCR_AUGMENTERS: tuple[Section, ...] = (
    Fliplr(args=FliplrArgs(p=0.5)),
    Affine(args=AffineArgs(rotate=(-10.0, 10.0))),
    Resize(args=ResizeArgs(size=(0.5, 3.0))),
)
