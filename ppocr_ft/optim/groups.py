"""Which parameter learns how fast, decays how much, or not at all: ordered rules, checked.

Parameters are told apart by the names of ``network.named_parameters()``
(``backbone.conv1.conv.weight``), which are the keys of a ``.pdparams`` file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import paddle

from ppocr_ft.errors import ConfigError

KEY = "Optimizer.param_groups"
SHOWN_NAMES = 5
_OWN = "network_settings"  # in optimize_attr: what the network set before an optimizer did


class Penalty(NamedTuple):
    """A term in the gradient: ``factor * w`` (L2) or ``factor * sign(w)`` (L1)."""

    kind: Literal["L1", "L2"]
    factor: float


@dataclass(frozen=True)
class Rule:
    """What the parameters get whose name contains the regular expression ``match``.

    Raises:
        ConfigError: a number below 0, or an expression that can't be read.
    """

    match: str
    lr_mult: float = 1.0
    weight_decay: float | None = None
    """None: the optimizer's."""
    freeze: bool = False

    def __post_init__(self) -> None:
        try:
            re.compile(self.match)
        except re.error as fault:
            message = f"{self.match!r} is not a regular expression: {fault}"
            raise ConfigError(message, key="match") from None
        for name in ("lr_mult", "weight_decay"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"must be 0 or above, is {value!r}", key=name)

    def covers(self, name: str) -> bool:
        return re.search(self.match, name) is not None


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


class GroupSettings(NamedTuple):
    """What the parameters of a group have in common."""

    lr_mult: float
    """The rule's factor times the network's own."""
    weight_decay: float
    own_penalty: Penalty | None
    """The regularizer that the network gave them."""
    freeze: bool


@dataclass(frozen=True)
class ParamGroup:
    """Parameters with equal settings, in the order of the network."""

    settings: GroupSettings
    matches: tuple[str, ...]
    """The rules that they fell under."""
    names: tuple[str, ...]
    parameters: tuple[paddle.Tensor, ...]

    @property
    def label(self) -> str:
        """No two groups of a network have the same."""
        lr_mult, decay, own, freeze = self.settings
        parts = [" | ".join(self.matches), f"lr x {lr_mult:g}", f"decay {decay:g}"]
        parts += [f"own {own.kind} {own.factor:g}"] if own else []
        return ", ".join(parts + ["frozen"] * freeze)

    @property
    def number_of_values(self) -> int:
        return sum(parameter.size for parameter in self.parameters)


class RuleMatches(NamedTuple):
    """How much a rule won."""

    rule: Rule
    number_of_parameters: int
    number_of_values: int


@dataclass(frozen=True)
class ParamGroups:
    """The groups of a network's trainable parameters, and what each rule matched."""

    groups: tuple[ParamGroup, ...]
    matched: tuple[RuleMatches, ...]

    def describe(self) -> list[str]:
        """Lines for the log."""
        lines = [
            f"{rule.match}: {count} parameter(s), {values} value(s)"
            for rule, count, values in self.matched
        ]
        return lines + [
            f"group {group.label}: {len(group.names)} parameter(s), "
            f"{group.number_of_values} value(s)"
            for group in self.groups
        ]

    def freeze(self) -> None:
        """Take the frozen groups' parameters out of the backward pass."""
        for group in self.groups:
            if group.settings.freeze:
                for parameter in group.parameters:
                    parameter.stop_gradient = True


ALL = (Rule(r""),)


def head_first(backbone: float = 0.1, neck: float = 0.5, head: float = 1.0) -> tuple[Rule, ...]:
    """A new head learns 5 to 10 times faster than the pretrained body."""
    factors = {"backbone": backbone, "neck": neck, "head": head}
    return tuple(Rule(rf"^{part}\.", lr_mult) for part, lr_mult in factors.items())


def layer_decay(network: paddle.nn.Layer, factor: float) -> tuple[Rule, ...]:
    """Neck and head at 1, the backbone's stages at ``factor``, ``factor ** 2``, ... downwards.

    The stages are the backbone's children in their order (``conv1``, ``blocks2``, ...); those
    of a list ``stages`` count one by one.

    Raises:
        ConfigError: ``factor`` outside (0, 1], or a network without a backbone.
    """
    if not 0 < factor <= 1:
        raise ConfigError(f"must be above 0 and at most 1, is {factor!r}", key="layer_decay")
    names = (name for name, _ in trainable_parameters(network))
    found = (re.match(r"backbone\.(stages\.\d+|[^.]+)\.", name) for name in names)
    stages = list(dict.fromkeys(match[0] for match in found if match))
    if not stages:
        raise ConfigError("the network has no parameter below backbone", key="layer_decay")
    body = [
        Rule(f"^{re.escape(stage)}", factor**depth)
        for depth, stage in enumerate(reversed(stages), start=1)
    ]
    return (*reversed(body), Rule(r"^(?!backbone\.)"))


def trainable_parameters(network: paddle.nn.Layer) -> list[tuple[str, paddle.Tensor]]:
    """Names and parameters; batch norm statistics, which never train, are left out."""
    return [(n, p) for n, p in network.named_parameters() if not p.stop_gradient]


def build_groups(
    network: paddle.nn.Layer,
    rules: Sequence[Rule] = ALL,
    *,
    weight_decay: float = 0.0,
    no_decay: NoDecay | None = None,
) -> ParamGroups:
    """Sort the trainable parameters into groups; the first rule that matches wins.

    The network's own learning rate factors (``ParamAttr.learning_rate``) multiply in; what an
    earlier optimizer wrote over them doesn't. Call it before anything is frozen.

    Args:
        weight_decay: of parameters whose rule has none, per step at rate 1.

    Raises:
        ConfigError: naming every parameter that no rule matches, or every rule and name part
            that gets no parameter; or nothing is left to train.
    """
    named = trainable_parameters(network)
    winners = [_winner(name, rules) for name, _ in named]
    _check_all_matched(name for (name, _), won in zip(named, winners, strict=True) if won is None)
    _check_all_used(rules, winners, [name for name, _ in named])
    exempt = no_decay or NoDecay(one_dim=False)
    _check_parts_used(exempt, [name for name, _ in named])

    members: dict[GroupSettings, list[tuple[str, paddle.Tensor, str]]] = {}
    for (name, parameter), won in zip(named, winners, strict=True):
        rule = rules[won or 0]
        decay = weight_decay if rule.weight_decay is None else rule.weight_decay
        settings = _settings(parameter, rule, 0.0 if exempt.covers(name, parameter) else decay)
        members.setdefault(settings, []).append((name, parameter, rule.match or "all"))
    groups = tuple(_group(settings, items) for settings, items in members.items())
    if all(group.settings.freeze for group in groups):
        raise ConfigError("nothing is left to train: every parameter is frozen", key=KEY)
    return ParamGroups(groups, _count(rules, winners, [parameter for _, parameter in named]))


def _winner(name: str, rules: Sequence[Rule]) -> int | None:
    return next((index for index, rule in enumerate(rules) if rule.covers(name)), None)


def _settings(parameter: paddle.Tensor, rule: Rule, decay: float) -> GroupSettings:
    own_lr_mult, own_penalty = _own_settings(parameter)
    return GroupSettings(rule.lr_mult * own_lr_mult, decay, own_penalty, rule.freeze)


def _own_settings(parameter: paddle.Tensor) -> tuple[float, Penalty | None]:
    """What the network set. Paddle's optimizers write theirs over it, so it is noted here."""
    attributes = parameter.optimize_attr
    if _OWN not in attributes:
        attributes[_OWN] = (float(attributes["learning_rate"]), _penalty(parameter.regularizer))
    own: tuple[float, Penalty | None] = attributes[_OWN]
    return own


def _penalty(regularizer: object) -> Penalty | None:
    if regularizer is None:
        return None
    kind: Literal["L1", "L2"] = (
        "L1" if isinstance(regularizer, paddle.regularizer.L1Decay) else "L2"
    )
    return Penalty(kind, float(regularizer._coeff))  # type: ignore[attr-defined]


def _group(settings: GroupSettings, items: list[tuple[str, paddle.Tensor, str]]) -> ParamGroup:
    names, parameters, matches = zip(*items, strict=True)
    return ParamGroup(settings, tuple(dict.fromkeys(matches)), names, parameters)


def _count(
    rules: Sequence[Rule], winners: Sequence[int | None], parameters: Sequence[paddle.Tensor]
) -> tuple[RuleMatches, ...]:
    counts = []
    for index, rule in enumerate(rules):
        won = [p.size for p, winner in zip(parameters, winners, strict=True) if winner == index]
        counts.append(RuleMatches(rule, len(won), sum(won)))
    return tuple(counts)


def _check_all_matched(unmatched: Iterable[str]) -> None:
    names = list(unmatched)
    if names:
        shown = ", ".join(names[:SHOWN_NAMES])
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        raise ConfigError(
            f"{len(names)} parameter(s) are matched by no group: {shown}{more}; add a last group "
            "with match: '' for the rest",
            key=KEY,
        )


def _check_all_used(
    rules: Sequence[Rule], winners: Sequence[int | None], names: Sequence[str]
) -> None:
    faults = []
    for index in sorted(set(range(len(rules))) - set(winners)):
        rule = rules[index]
        hits = sum(rule.covers(name) for name in names)
        why = f"all its {hits} parameter(s) go to earlier groups" if hits else "matches nothing"
        faults.append((f"{KEY}[{index}].match", f"{rule.match!r} {why}"))
    if faults:
        first, rest = faults[0], [f"{key}: {message}" for key, message in faults[1:]]
        heads = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
        message = f"{'; '.join([first[1], *rest])}; the names start with {heads}"
        raise ConfigError(message, key=first[0])


def _check_parts_used(exempt: NoDecay, names: Sequence[str]) -> None:
    unused = [part for part in exempt.name_parts if not any(part in name for name in names)]
    if unused:
        message = f"{', '.join(map(repr, unused))}: part of no parameter's name"
        raise ConfigError(message, key="Optimizer.no_weight_decay_name")
