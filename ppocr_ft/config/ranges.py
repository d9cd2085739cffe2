"""Pairs ``[lowest, highest]``; one number stands for both."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Strict

from ppocr_ft.config.base import PositiveFloat

FARTHEST_CORNER_RATIO = 0.25
"""Perspective moves a corner by at most this share of the sides."""


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"found [{pair[0]:g}, {pair[1]:g}], expected [lowest, highest]")
    return pair


def _same_twice(value: object) -> object:
    return (value, value) if isinstance(value, (int, float)) else value


CornerShare = Annotated[float, Ge(0), Le(FARTHEST_CORNER_RATIO)]
CornerRange = Annotated[
    tuple[CornerShare, CornerShare],
    Strict(False),
    BeforeValidator(_same_twice),
    AfterValidator(_rising),
]
SigmaPx = Annotated[float, Ge(0.05), Le(20)]
SigmaRange = Annotated[
    tuple[SigmaPx, SigmaPx], Strict(False), BeforeValidator(_same_twice), AfterValidator(_rising)
]
GreyLevels = Annotated[float, Ge(0), Le(255)]
GreyRange = Annotated[
    tuple[GreyLevels, GreyLevels],
    Strict(False),
    BeforeValidator(_same_twice),
    AfterValidator(_rising),
]
Quality = Annotated[int, Ge(1), Le(100)]
QualityRange = Annotated[
    tuple[Quality, Quality], Strict(False), BeforeValidator(_same_twice), AfterValidator(_rising)
]
FactorRange = Annotated[tuple[PositiveFloat, PositiveFloat], Strict(False), AfterValidator(_rising)]
AngleRange = Annotated[
    tuple[float, float],
    Strict(False),
    BeforeValidator(_same_twice),
    AfterValidator(_rising),
]
