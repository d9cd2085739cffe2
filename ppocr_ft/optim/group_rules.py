"""Which parameters of a network are meant, and what they get: ordered rules and presets of them.

Parameters are told apart by the names of ``network.named_parameters()``
(``backbone.conv1.conv.weight``), which are the keys of a ``.pdparams`` file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import paddle

from ppocr_ft.errors import ConfigError


@dataclass(frozen=True)
class Rule:
    """What the parameters get whose name contains the regular expression ``match``.

    ``key`` is where a config has the rule, for messages; rules with the same one are a preset's,
    of which some may get nothing. ``label`` is what the log calls it, if not ``match``.

    Raises:
        ConfigError: a number below 0, an expression that can't be read, or two ways to freeze.
    """

    match: str
    lr_mult: float = 1.0
    weight_decay: float | None = None
    """None: the optimizer's."""
    freeze: bool = False
    freeze_epochs: int = 0
    """The first epochs, in which they don't learn."""
    key: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as fault:
            message = f"{self.match!r} is not a regular expression: {fault}"
            raise ConfigError(message, key="match") from None
        for name in ("lr_mult", "weight_decay", "freeze_epochs"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"must be 0 or above, is {value!r}", key=name)
        if self.freeze and self.freeze_epochs:
            message = f"is {self.freeze_epochs}, but freeze is true: keep one of them"
            raise ConfigError(message, key="freeze_epochs")

    def covers(self, name: str) -> bool:
        return re.search(self.match, name) is not None

    @property
    def shown(self) -> str:
        return self.label or self.match or "all"


ALL = (Rule(r""),)


@dataclass(frozen=True)
class NoDecay:
    """Parameters that never decay, whatever the rule they fall under says.

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
class Fresh:
    """Parameters that no weights filled: ``lr_mult`` multiplies into that of their rule.

    ``names`` are beginnings of their names.
    """

    names: tuple[str, ...] = ()
    lr_mult: float = 1.0

    def factor(self, name: str) -> float:
        return self.lr_mult if name.startswith(self.names) else 1.0


def head_first(
    backbone: float = 0.1, neck: float = 0.5, head: float = 1.0, *, key: str = ""
) -> tuple[Rule, ...]:
    """A new head learns 5 to 10 times faster than the pretrained body."""
    factors = {"backbone": backbone, "neck": neck, "head": head}
    return tuple(
        Rule(rf"^{part}\.", lr_mult, key=key, label=part) for part, lr_mult in factors.items()
    )


def layer_decay(network: paddle.nn.Layer, factor: float, *, key: str = "") -> tuple[Rule, ...]:
    """Neck and head at 1, the backbone's stages at ``factor``, ``factor ** 2``, ... downwards.

    The stages are the backbone's children in their order (``conv1``, ``blocks2``, ...); those
    of a list ``stages`` count one by one.

    Raises:
        ConfigError: ``factor`` outside (0, 1], or a network without a backbone.
    """
    where = key or "layer_decay"
    if not 0 < factor <= 1:
        raise ConfigError(f"must be above 0 and at most 1, is {factor!r}", key=where)
    names = (name for name, _ in trainable_parameters(network))
    found = (re.match(r"backbone\.(stages\.\d+|[^.]+)\.", name) for name in names)
    stages = list(dict.fromkeys(match[0] for match in found if match))
    if not stages:
        raise ConfigError("the network has no parameter below backbone", key=where)
    body = [
        Rule(f"^{re.escape(stage)}", factor**depth, key=key, label=stage.removesuffix("."))
        for depth, stage in enumerate(reversed(stages), start=1)
    ]
    return (*reversed(body), Rule(r"^(?!backbone\.)", key=key, label="all but the backbone"))


def trainable_parameters(network: paddle.nn.Layer) -> list[tuple[str, paddle.Tensor]]:
    """Names and parameters; batch norm statistics, which never train, are left out."""
    return [(n, p) for n, p in network.named_parameters() if not p.stop_gradient]
