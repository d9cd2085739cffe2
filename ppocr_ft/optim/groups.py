"""Parameters of a network sorted into groups: each learns at its rate, decays, or is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

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


class _Member(NamedTuple):
    name: str
    parameter: paddle.Tensor
    rule: GroupRule


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
    winners = [_winner(name, rules) for name, _ in named]
    _check_all_matched(name for (name, _), won in zip(named, winners, strict=True) if won is None)
    _check_all_used(rules, winners, [name for name, _ in named])
    exempt, new = no_decay or NoDecay(one_dim=False), fresh or NewLayers()
    _check_parts_used(exempt, [name for name, _ in named])

    members: dict[GroupSettings, list[_Member]] = {}
    for (name, parameter), won in zip(named, winners, strict=True):
        member = _Member(name, parameter, rules[won or 0])
        decay = _decay(member, weight_decay, exempt)
        settings = _settings(member, decay, new)._replace(
            biases=split_biases and name.endswith("bias"),
            fresh=new.alone_first and name.startswith(new.names),
        )
        members.setdefault(settings, []).append(member)
    groups = tuple(_group(settings, items) for settings, items in members.items())
    _check_some_train(groups, new.alone_first)
    return ParamGroups(groups, _count(rules, winners, [parameter for _, parameter in named]))


def _winner(name: str, rules: Sequence[GroupRule]) -> int | None:
    return next((index for index, rule in enumerate(rules) if rule.covers(name)), None)


def _decay(member: _Member, usual: float, exempt: NoDecay) -> float:
    if exempt.covers(member.name, member.parameter):
        return 0.0
    own_decay = member.rule.weight_decay
    return usual if own_decay is None else own_decay


def _settings(member: _Member, decay: float, new: NewLayers) -> GroupSettings:
    own_lr_mult, own_penalty = _own_settings(member.parameter)
    rule = member.rule
    lr_mult = rule.lr_mult * own_lr_mult * new.factor(member.name)
    return GroupSettings(lr_mult, decay, own_penalty, rule.freeze, rule.freeze_epochs)


def _own_settings(parameter: paddle.Tensor) -> tuple[float, Penalty | None]:
    """Note what the network set, since an optimizer writes its own over it."""
    attributes = parameter.optimize_attr
    if _OWN not in attributes:
        attributes[_OWN] = (float(attributes["learning_rate"]), _penalty(parameter.regularizer))
    attribute: tuple[float, Penalty | None] = attributes[_OWN]
    return attribute


def _penalty(regularizer: object) -> Penalty | None:
    if regularizer is None:
        return None
    kind: Literal["L1", "L2"] = (
        "L1" if isinstance(regularizer, paddle.regularizer.L1Decay) else "L2"
    )
    return Penalty(kind, float(regularizer._coeff))  # type: ignore[attr-defined]


def _group(settings: GroupSettings, items: Sequence[_Member]) -> ParamGroup:
    names, parameters, rules = zip(*items, strict=True)
    matches = tuple(dict.fromkeys(rule.shown for rule in rules))
    return ParamGroup(settings, matches, names, parameters)


def _count(
    rules: Sequence[GroupRule], winners: Sequence[int | None], parameters: Sequence[paddle.Tensor]
) -> tuple[RuleMatches, ...]:
    counts = []
    for index, rule in enumerate(rules):
        won = [p.size for p, winner in zip(parameters, winners, strict=True) if winner == index]
        counts.append(RuleMatches(rule, len(won), sum(won)))
    return tuple(counts)


def _check_all_matched(unmatched: Iterable[str]) -> None:
    names = list(unmatched)
    if names:
        listed = ", ".join(names[:SHOWN_NAMES])
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        raise ConfigError(
            f"no group matches {counted(len(names), 'parameter')}: {listed}{more}; add a last "
            "group with match: '' for the rest",
            key=KEY,
        )


def _check_all_used(
    rules: Sequence[GroupRule], winners: Sequence[int | None], names: Sequence[str]
) -> None:
    keys = [rule.key or f"{KEY}[{index}].match" for index, rule in enumerate(rules)]
    used = {keys[winner] for winner in winners if winner is not None}
    faults = []
    for key in dict.fromkeys(key for key in keys if key not in used):
        matching = [rule for rule, other in zip(rules, keys, strict=True) if other == key]
        hits = sum(any(rule.covers(name) for rule in matching) for name in names)
        why = (
            f"all its {counted(hits, 'parameter')} go to earlier groups"
            if hits
            else "matches nothing"
        )
        what = "" if matching[0].label else f"{matching[0].match!r}: "
        faults.append((key, f"{what}{why}"))
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
