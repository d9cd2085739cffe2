"""``Optimizer.param_groups``: patterns and presets, first match wins.

Three ways to write them, the last one for all together::

    param_groups: head_first
    param_groups: {preset: layer_decay, decay: 0.7}
    param_groups:
    - no_decay
    - {match: ^head\\.thresh, lr_mult: 5}
    - {match: ^backbone, lr_mult: 0.1, freeze_epochs: 2}
    - {match: ''}
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le
from pydantic import AfterValidator

from ppocr_ft.declaration import (
    Choice,
    NonNegativeFloat,
    NonNegativeInt,
    Section,
)

PATTERN = "pattern entry"


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as reason:
        raise ValueError(f"found {pattern!r}, which is no regular expression: {reason}") from None
    return pattern


class ParamGroup(Section):
    """Parameters whose name contains a pattern, unless an earlier entry has them."""

    match: Annotated[str, AfterValidator(_check_pattern)]
    """Regular expression, found anywhere in names such as backbone.conv1.conv.weight; '': all."""
    lr_mult: NonNegativeFloat = 1.0
    """Factor on the rate; the network's own and fresh_lr_mult multiply in."""
    weight_decay: NonNegativeFloat | None = None
    """Decay per step at rate 1; absent: the optimizer's."""
    freeze: bool = False
    """Whether they never learn."""
    freeze_epochs: NonNegativeInt = 0
    """First epochs in which they don't learn."""


class HeadFirst(Section):
    """The head learns faster than the pretrained body."""

    preset: Literal["head_first"] = "head_first"
    backbone: NonNegativeFloat = 0.1
    """Factor on the backbone's rate."""
    neck: NonNegativeFloat = 0.5
    """Factor on the neck's rate."""
    head: NonNegativeFloat = 1.0
    """Factor on the head's rate."""


class NoDecay(Section):
    """Biases, norms and learnable affine scalars don't decay, whatever entry they fall under."""

    preset: Literal["no_decay"] = "no_decay"


class LayerDecay(Section):
    """The backbone's stages learn the slower the nearer they are to the image."""

    preset: Literal["layer_decay"] = "layer_decay"
    decay: Annotated[float, Gt(0), Le(1)] = 0.8
    """Factor from a stage to the one below; the last stage has it once, neck and head not."""


@dataclass(frozen=True, eq=False)
class PresetChoice(Choice):
    """A preset by its name, alone or with keys; without one an entry with a pattern."""

    def name_of(self, value: object) -> str | None:
        if isinstance(value, dict) and self.by not in value:
            return PATTERN
        return super().name_of(self.spelled_out(value))

    def spelled_out(self, value: object) -> object:
        return {self.by: value} if isinstance(value, str) else value

    @property
    def names(self) -> list[str]:
        return [name for name in self.table if name != PATTERN]


PRESETS: dict[str, type[Section]] = {
    "head_first": HeadFirst,
    "no_decay": NoDecay,
    "layer_decay": LayerDecay,
    PATTERN: ParamGroup,
}
GroupItem = Annotated[
    HeadFirst | NoDecay | LayerDecay | ParamGroup,
    PresetChoice("preset", PRESETS, by="preset", may_stand_alone=True),
]
