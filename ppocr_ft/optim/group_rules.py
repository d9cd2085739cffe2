r"""Rules and presets that give the parameters of a network their settings, in order.

Parameters are matched by their names in ``network.named_parameters()``
(``backbone.conv1.conv.weight``), which are the keys of a ``.pdparams`` file.

Three ways to write them, the last one for all together::

    param_groups: head_first
    param_groups: {preset: layer_decay, decay: 0.7}
    param_groups:
    - no_decay
    - {match: ^head\.thresh, lr_mult: 5}
    - {match: ^backbone, lr_mult: 0.1, freeze_epochs: 2}
    - {match: ''}

The config reads the sections in here, so there is no paddle but for the types.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt, Le
from pydantic import AfterValidator

from ppocr_ft.constructor_keys import ConstructorSection, checked_by, schema_of
from ppocr_ft.declaration import Choice, NonNegativeFloat, NonNegativeInt, Section
from ppocr_ft.errors import ConfigError

if TYPE_CHECKING:
    import paddle


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as reason:
        raise ValueError(f"found {pattern!r}, which is no regular expression: {reason}") from None
    return pattern


@dataclass(frozen=True)
class GroupRule:
    """The settings of parameters whose name contains a pattern, unless an earlier rule matches.

    Args:
        match: regular expression, found anywhere in names such as backbone.conv1.conv.weight;
            '': all.
        lr_mult: factor on the rate; the network's own and fresh_lr_mult multiply in.
        weight_decay: decay per step at rate 1; absent: the optimizer's.
        freeze: whether they never learn.
        freeze_epochs: first epochs in which they don't learn.
        key: the config's key of the rule, for messages; rules with the same one are a preset's, of
            which some may get nothing.
        label: what the log calls it, if not ``match``.

    Raises:
        ConfigError: a value that can't be used, or two ways to freeze; it names the key.
    """

    match: Annotated[str, AfterValidator(_check_pattern)]
    lr_mult: NonNegativeFloat = 1.0
    weight_decay: NonNegativeFloat | None = None
    freeze: bool = False
    freeze_epochs: NonNegativeInt = 0
    key: str = ""
    label: str = ""

    @staticmethod
    def check_keys(keys: Any) -> None:
        if keys.freeze and keys.freeze_epochs:
            message = f"found {keys.freeze_epochs}, but freeze is true: keep one of them"
            raise ConfigError(message, key="freeze_epochs")

    def covers(self, name: str) -> bool:
        return re.search(self.match, name) is not None

    @property
    def shown(self) -> str:
        return self.label or self.match or "all"


ParamGroupKeys = schema_of(
    GroupRule, ConstructorSection, GroupRule.check_keys, leave_out=("key", "label")
)
"""An entry of ``Optimizer.param_groups`` that is no preset."""
checked_by(GroupRule, ParamGroupKeys)

ALL = (GroupRule(r""),)


PATTERN = "pattern entry"


@dataclass(frozen=True)
class NoDecay:
    """Parameters that never decay, under any rule.

    ``one_dim``: those of at most one dimension (biases, norms, learnable affine scalars),
    PaddleOCR's ``one_dim_param_no_weight_decay``. ``name_parts``: those whose name contains one
    of these, its ``no_weight_decay_name``.
    """

    one_dim: bool = True
    name_parts: tuple[str, ...] = ()

    def covers(self, name: str, parameter: paddle.Tensor) -> bool:
        is_small = self.one_dim and len(parameter.shape) <= 1
        return is_small or any(part in name for part in self.name_parts)


@dataclass(frozen=True)
class NewLayers:
    """Parameters that no weights filled: ``lr_mult`` multiplies into that of their rule.

    ``names`` are beginnings of their names. ``alone_first``: whether a run begins with steps in
    which they learn alone, which makes groups of their own of them.
    """

    names: tuple[str, ...] = ()
    lr_mult: float = 1.0
    alone_first: bool = False

    def factor(self, name: str) -> float:
        return self.lr_mult if name.startswith(self.names) else 1.0


class HeadFirstKeys(Section):
    """The head learns faster than the pretrained body."""

    preset: Literal["head_first"] = "head_first"
    backbone: NonNegativeFloat = 0.1
    """Factor on the backbone's rate."""
    neck: NonNegativeFloat = 0.5
    """Factor on the neck's rate."""
    head: NonNegativeFloat = 1.0
    """Factor on the head's rate."""


class NoDecayKeys(Section):
    """Biases, norms and learnable affine scalars don't decay, under any entry."""

    preset: Literal["no_decay"] = "no_decay"


class LayerDecayKeys(Section):
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
    "head_first": HeadFirstKeys,
    "no_decay": NoDecayKeys,
    "layer_decay": LayerDecayKeys,
    PATTERN: ParamGroupKeys,
}
GroupItem = Annotated[
    Section,
    PresetChoice("preset", PRESETS, by="preset", may_stand_alone=True),
]


def head_first(preset: HeadFirstKeys, *, key: str = "") -> tuple[GroupRule, ...]:
    """Return the rules by which a new head learns faster than the pretrained body."""
    factors = {"backbone": preset.backbone, "neck": preset.neck, "head": preset.head}
    return tuple(
        GroupRule(rf"^{part}\.", lr_mult, key=key, label=part) for part, lr_mult in factors.items()
    )


def layer_decay(
    network: paddle.nn.Layer, preset: LayerDecayKeys, *, key: str = ""
) -> tuple[GroupRule, ...]:
    """Return rules: neck and head at 1, the backbone's stages at decay, decay ** 2, ... downwards.

    The stages are the backbone's children in their order (``conv1``, ``blocks2``, ...); those
    of a list ``stages`` count one by one.

    Raises:
        ConfigError: a network without a backbone.
    """
    names = (name for name, _ in trainable_parameters(network))
    matches = (re.match(r"backbone\.(stages\.\d+|[^.]+)\.", name) for name in names)
    stages = list(dict.fromkeys(match[0] for match in matches if match))
    if not stages:
        message = "the network has no parameter below backbone"
        raise ConfigError(message, key=key or "layer_decay")
    body = [
        GroupRule(
            f"^{re.escape(stage)}", preset.decay**depth, key=key, label=stage.removesuffix(".")
        )
        for depth, stage in enumerate(reversed(stages), start=1)
    ]
    return (*reversed(body), GroupRule(r"^(?!backbone\.)", key=key, label="all but the backbone"))


def trainable_parameters(network: paddle.nn.Layer) -> list[tuple[str, paddle.Tensor]]:
    """Return names and parameters, without batch norm statistics, which never train."""
    return [(n, p) for n, p in network.named_parameters() if not p.stop_gradient]
