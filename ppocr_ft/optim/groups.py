"""Parameters of a network sorted into groups: each learns at its rate, decays, or is frozen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal, NamedTuple

import paddle

from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import counted
from ppocr_ft.optim.group_rules import ALL, GroupRule, NewLayers, NoDecay, trainable_parameters

KEY = "Optimizer.param_groups"
SHOWN_NAMES = 5
_OWN = "network_settings"  # in optimize_attr: what the network set before an optimizer did


class Penalty(NamedTuple):
    """A term in the gradient: ``factor * w`` (L2) or ``factor * sign(w)`` (L1)."""

    kind: Literal["L1", "L2"]
    factor: float


class GroupSettings(NamedTuple):
    """The common settings of a group's parameters."""

    lr_mult: float
    """The rule's factor, times the network's own, times that of what no weights filled."""
    weight_decay: float
    own_penalty: Penalty | None
    """The regularizer that the network gave them."""
    freeze: bool
    freeze_epochs: int = 0
    biases: bool = False
    """Whether they are biases, which warm up by a rate of their own."""
    fresh: bool = False
    """Whether they are what no weights filled, where that learns alone first."""

    def is_frozen(self, epochs_done: int, *, fresh_alone: bool = False) -> bool:
        """Return whether it is frozen in the epoch after ``epochs_done`` whole ones.

        ``fresh_alone``: whether it is so early in the run that only fresh parameters learn.
        """
        too_early = fresh_alone and not self.fresh
        return self.freeze or too_early or epochs_done < self.freeze_epochs


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
        lr_mult, decay, own_penalty, freeze, freeze_epochs, biases, fresh = self.settings
        parts = [" | ".join(self.matches), f"lr x {lr_mult:g}", f"decay {decay:g}"]
        parts += [f"own {own_penalty.kind} {own_penalty.factor:g}"] if own_penalty else []
        parts += ["biases"] * biases + ["fresh"] * fresh + ["frozen"] * freeze
        parts += [f"frozen for {counted(freeze_epochs, 'epoch')}"] if freeze_epochs else []
        return ", ".join(parts)

    def named(self) -> Iterable[tuple[str, paddle.Tensor]]:
        """Return names and parameters in pairs."""
        return zip(self.names, self.parameters, strict=True)

    @property
    def number_of_values(self) -> int:
        return sum(parameter.size for parameter in self.parameters)

    @property
    def is_frozen(self) -> bool:
        """At the moment."""
        return all(parameter.stop_gradient for parameter in self.parameters)


class RuleMatches(NamedTuple):
    """The parameters that a rule won."""

    rule: GroupRule
    number_of_parameters: int
    number_of_values: int


@dataclass(frozen=True)
class ParamGroups:
    """The groups of a network's trainable parameters, and what each rule matched."""

    groups: tuple[ParamGroup, ...]
    matched: tuple[RuleMatches, ...]

    def describe(self) -> list[str]:
        """Return lines for the log."""
        lines = [
            f"{rule.shown}: {counted(count, 'parameter')}, {counted(values, 'value')}"
            for rule, count, values in self.matched
        ]
        return lines + [
            f"group {group.label}: {counted(len(group.names), 'parameter')}, "
            f"{counted(group.number_of_values, 'value')}"
            for group in self.groups
        ]

    def summary(self) -> str:
        """Return one line on the groups."""
        factors = sorted({group.settings.lr_mult for group in self.groups})
        rates = " to ".join(f"{factor:g}" for factor in dict.fromkeys((factors[0], factors[-1])))
        frozen = sum(group.number_of_values for group in self.groups if group.settings.freeze)
        values = sum(group.number_of_values for group in self.groups)
        return (
            f"{values:,} values in {counted(len(self.groups), 'parameter group')}, "
            f"learning rate x {rates}{f', {frozen:,} values frozen' if frozen else ''}"
        )

    def freeze(self, epochs_done: int = 0, *, fresh_alone: bool = False) -> None:
        """Take what `GroupSettings.is_frozen` says is frozen out of the backward pass.

        What is no longer frozen is put back.

        A frozen parameter gets no gradient, so an optimizer has no moments for it. It makes them
        in the first step that the parameter learns in, when Adam's bias correction starts for it
        too; the state of the others and the schedule don't notice.
        """
        for group in self.groups:
            for parameter in group.parameters:
                parameter.stop_gradient = group.settings.is_frozen(
                    epochs_done, fresh_alone=fresh_alone
                )


def build_groups(
    network: paddle.nn.Layer,
    rules: Sequence[GroupRule] = ALL,
    *,
    weight_decay: float = 0.0,
    no_decay: NoDecay | None = None,
    fresh: NewLayers | None = None,
    split_biases: bool = False,
) -> ParamGroups:
    """Sort the trainable parameters into groups; the first rule that matches wins.

    All factors on the rate multiply: the rule's, the network's own (``ParamAttr.learning_rate``;
    what an earlier optimizer wrote over it doesn't count), and ``fresh``'s. Parameters whose
    settings are equal are one group, also if their rules differ. Call it before anything is
    frozen.

    ``weight_decay`` is for parameters whose rule has none, per step at rate 1; ``fresh`` are the
    parameters that no weights filled; with ``split_biases`` biases (names that end in ``bias``)
    are groups of their own.

    Raises:
        ConfigError: naming every parameter that no rule matches, or every rule and name part
            that gets no parameter; or nothing is left to train in the first epoch.
    """
    named = trainable_parameters(network)
    names = [name for name, _ in named]
    winners = [next((i for i, rule in enumerate(rules) if rule.covers(n)), None) for n in names]
    exempt, new = no_decay or NoDecay(one_dim=False), fresh or NewLayers()
    _check_rules(rules, winners, names)
    _check_parts_used(exempt, names)

    members: dict[GroupSettings, list[tuple[str, paddle.Tensor, GroupRule]]] = {}
    for (name, parameter), won in zip(named, winners, strict=True):
        rule = rules[won or 0]
        own_lr_mult, own_penalty = _own_settings(parameter)
        decay = weight_decay if rule.weight_decay is None else rule.weight_decay
        settings = GroupSettings(
            rule.lr_mult * own_lr_mult * new.factor(name),
            0.0 if exempt.covers(name, parameter) else decay,
            own_penalty,
            rule.freeze,
            rule.freeze_epochs,
            biases=split_biases and name.endswith("bias"),
            fresh=new.alone_first and name.startswith(new.names),
        )
        members.setdefault(settings, []).append((name, parameter, rule))
    groups = tuple(_group(settings, items) for settings, items in members.items())
    _check_some_train(groups, new.alone_first)
    return ParamGroups(groups, _matches(rules, winners, [parameter for _, parameter in named]))


def _own_settings(parameter: paddle.Tensor) -> tuple[float, Penalty | None]:
    """Return the network's own factor and penalty; an optimizer writes others over them."""
    attributes, regularizer = parameter.optimize_attr, parameter.regularizer
    if _OWN not in attributes:
        is_l1 = isinstance(regularizer, paddle.regularizer.L1Decay)
        penalty = regularizer and Penalty("L1" if is_l1 else "L2", float(regularizer._coeff))
        attributes[_OWN] = (float(attributes["learning_rate"]), penalty)
    configured: tuple[float, Penalty | None] = attributes[_OWN]
    return configured


def _group(
    settings: GroupSettings, items: Sequence[tuple[str, paddle.Tensor, GroupRule]]
) -> ParamGroup:
    names, parameters, rules = zip(*items, strict=True)
    matches = tuple(dict.fromkeys(rule.shown for rule in rules))
    return ParamGroup(settings, matches, names, parameters)


def _matches(
    rules: Sequence[GroupRule], winners: Sequence[int | None], parameters: Sequence[paddle.Tensor]
) -> tuple[RuleMatches, ...]:
    counts = []
    for index, rule in enumerate(rules):
        won = [p.size for p, winner in zip(parameters, winners, strict=True) if winner == index]
        counts.append(RuleMatches(rule, len(won), sum(won)))
    return tuple(counts)


def _check_rules(
    rules: Sequence[GroupRule], winners: Sequence[int | None], names: Sequence[str]
) -> None:
    unmatched = [name for name, winner in zip(names, winners, strict=True) if winner is None]
    if unmatched:
        listed = ", ".join(unmatched[:SHOWN_NAMES])
        more = len(unmatched) - SHOWN_NAMES
        raise ConfigError(
            f"no group matches {counted(len(unmatched), 'parameter')}: {listed}"
            f"{f' and {more} more' if more > 0 else ''}; add a last group with match: '' for the "
            "rest",
            key=KEY,
        )
    keys = [rule.key or f"{KEY}[{index}].match" for index, rule in enumerate(rules)]
    used = {keys[winner] for winner in winners if winner is not None}
    faults: dict[str, str] = {}
    for key in dict.fromkeys(key for key in keys if key not in used):
        matching = [rule for rule, other in zip(rules, keys, strict=True) if other == key]
        hits = sum(any(rule.covers(name) for rule in matching) for name in names)
        taken = f"all its {counted(hits, 'parameter')} go to earlier groups"
        what = "" if matching[0].label else f"{matching[0].match!r}: "
        faults[key] = what + (taken if hits else "matches nothing")
    if faults:
        (key, first), *others = faults.items()
        message = "; ".join([first, *(f"{other}: {fault}" for other, fault in others)])
        heads = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
        raise ConfigError(f"{message}; the names start with {heads}", key=key)


def _check_parts_used(exempt: NoDecay, names: Sequence[str]) -> None:
    unused = [part for part in exempt.name_parts if not any(part in name for name in names)]
    if unused:
        message = f"{', '.join(map(repr, unused))}: part of no parameter's name"
        raise ConfigError(message, key="Optimizer.no_weight_decay_name")


def _check_some_train(groups: Sequence[ParamGroup], alone_first: bool) -> None:
    if not all(group.settings.is_frozen(0, fresh_alone=alone_first) for group in groups):
        return
    if alone_first:
        message = "what no weights filled is frozen, and Optimizer.fresh_first lets it learn alone"
        raise ConfigError(message, key=KEY)
    for_good = all(group.settings.freeze for group in groups)
    when = "" if for_good else " in the first epoch"
    message = f"nothing is left to train{when}: every parameter is frozen"
    raise ConfigError(message, key=KEY)


_SHOWN: dict[str, Callable[[Any], str]] = {
    "weight_decay": lambda factor: f"decay{factor:g}",
    "own_penalty": lambda own: f"{own.kind}_{own.factor:g}" if own else "no_penalty",
    "freeze": lambda freeze: "frozen" if freeze else "free",
    "freeze_epochs": lambda epochs: f"frozen{epochs}" if epochs else "free",
    "biases": lambda biases: "biases" if biases else "weights",
    "fresh": lambda fresh: "fresh" if fresh else "loaded",
}
"""How a group's name shows a setting."""


def group_names(groups: Sequence[ParamGroup]) -> list[str]:
    """Return a short unique name for each group, for columns and legends.

    ``head.thresh`` is what all its parameters' names begin with, ``backbone+neck`` what they begin
    with in turn. A learning rate factor follows (``backbone_x0.1``), then the settings in which
    groups that would have the same name differ, then a number. They depend on the groups alone, so
    that a resumed run has the same.
    """
    places = [_place(group) for group in groups]
    counts: Counter[str] = Counter()
    names = []
    for group, place in zip(groups, places, strict=True):
        alike = [g.settings for g, other in zip(groups, places, strict=True) if other == place]
        differences = [
            _SHOWN[key](value)
            for key, value in group.settings._asdict().items()
            if key != "lr_mult" and any(getattr(settings, key) != value for settings in alike)
        ]
        name = "_".join([place, *differences])
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return names


def _place(group: ParamGroup) -> str:
    """Return ``head.thresh_x5`` of ``head.thresh.conv1.weight`` and ``head.thresh.conv2.bias``."""
    paths = [name.split(".") for name in group.names]
    same = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    common = ".".join(parts[0] for parts in same)
    place = common or "+".join(dict.fromkeys(path[0] for path in paths))
    lr_mult = group.settings.lr_mult
    return place if lr_mult == 1 else f"{place}_x{lr_mult:g}"
