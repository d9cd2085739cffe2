"""Pairs ``[lowest, highest]``."""

from __future__ import annotations

from typing import Annotated, TypeVar

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


Item = TypeVar("Item")
Rising = Annotated[tuple[Item, Item], Strict(False), AfterValidator(_rising)]
"""A YAML list of two."""
Range = Annotated[Rising[Item], BeforeValidator(_same_twice)]
"""Likewise; one number stands for both."""

CornerRange = Range[Annotated[float, Ge(0), Le(FARTHEST_CORNER_RATIO)]]
SigmaRange = Range[Annotated[float, Ge(0.05), Le(20)]]
GreyRange = Range[Annotated[float, Ge(0), Le(255)]]
QualityRange = Range[Annotated[int, Ge(1), Le(100)]]
AngleRange = Range[float]
FactorRange = Rising[PositiveFloat]
