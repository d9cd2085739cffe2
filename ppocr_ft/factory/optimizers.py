"""Optimizers and their parameter groups from the ``Optimizer`` section."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ppocr_ft.config import Config
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.learning_rates import warms_biases_apart
from ppocr_ft.messages import counted
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.optim.configs import OPTIMIZERS, OptimizerSection
from ppocr_ft.optim.group_rules import (
    GroupRule,
    HeadFirstKeys,
    LayerDecayKeys,
    NewLayers,
    NoDecay,
    NoDecayKeys,
    ParamGroupKeys,
    head_first,
    layer_decay,
    trainable_parameters,
)
from ppocr_ft.optim.groups import ParamGroups, build_groups
from ppocr_ft.optim.optimizers import GradientClip, Optimizer, StartDecay, build_optimizer
from ppocr_ft.optim.rates import AUTO, FreshFirst, longest


def fresh_first(
    config: Config, detector: DetectionNetwork, fresh: Sequence[str], total_steps: int
) -> FreshFirst | None:
    """Return the first steps, in which only parameters whose names begin with ``fresh`` learn.

    None if the config asks for none, or the weights filled all parameters, or none.

    Raises:
        ConfigError: they are the whole run.
    """
    section, names = config.Optimizer, [name for name, _ in trainable_parameters(detector)]
    are_fresh = [name.startswith(tuple(fresh)) for name in names]
    if not section.fresh_first or not any(are_fresh) or all(are_fresh):
        return None
    asked = section.fresh_first
    steps = asked if isinstance(asked, int) else longest(total_steps)
    if steps >= total_steps:
        message = f"found {asked}, but the run has {counted(total_steps, 'step')}"
        raise ConfigError(f"{message}: nothing is left for the rest", key="Optimizer.fresh_first")
    threshold_alone = all(name.startswith("head.thresh.") for name in fresh)
    loss = "loss_threshold_maps" if threshold_alone else "loss"
    return FreshFirst(steps, section.fresh_first_lr, asked == AUTO, tuple(fresh), loss)


def optimizer(
    section: OptimizerSection,
    detector: DetectionNetwork,
    fresh: Sequence[str],
    *,
    fresh_first: bool = False,
) -> Optimizer:
    """Build the detector's optimizer.

    ``fresh`` are beginnings of the names that no weights filled: ``fresh_lr_mult`` is for them,
    ``start_decay`` for all others. ``fresh_first``: whether they learn alone first.

    Raises:
        ConfigError: arguments or groups that don't fit, naming the key.
    """
    given, defaults = section.arguments(), OPTIMIZERS[section.name].defaults
    groups = param_groups(
        section,
        detector,
        fresh,
        split_biases=warms_biases_apart(section),
        fresh_first=fresh_first,
    )
    pretrained = {
        name: parameter
        for group in groups.groups
        for name, parameter in zip(group.names, group.parameters, strict=True)
        if not (group.settings.freeze or name.startswith(tuple(fresh)))
    }
    return build_optimizer(
        section.name,
        groups,
        {key: given[key] for key in defaults if key in given},
        learning_rate=0.0,  # each step sets its own
        penalty=section.regularizer.name if section.regularizer else "L2",
        clip=_clip(section),
        start_decay=StartDecay(section.start_decay, pretrained) if section.start_decay else None,
    )


def _clip(section: OptimizerSection) -> GradientClip | None:
    if section.clip_norm_global is not None:
        return GradientClip("global_norm", section.clip_norm_global)
    if section.clip_norm is not None:
        return GradientClip("norm", section.clip_norm)
    if section.clip_value is not None:
        return GradientClip("value", section.clip_value)
    return None


def param_groups(
    section: OptimizerSection,
    detector: DetectionNetwork,
    fresh: Sequence[str],
    *,
    split_biases: bool = False,
    fresh_first: bool = False,
) -> ParamGroups:
    """Return the groups of the config; one group with everything if it has none.

    Presets are replaced by their rules. ``no_decay`` is not matched like the others: it sets the
    decay of its parameters to 0 in all groups. ``fresh`` are beginnings of the names that no
    weights filled; ``fresh_lr_mult`` multiplies the rate of their group, whether that rate comes
    from a preset, a pattern or neither. ``fresh_first``: whether they learn alone first.

    Raises:
        ConfigError: a parameter without a group, or an entry that gets none, naming the key.
    """
    entries = section.param_groups or ()
    presets_without_rules = [isinstance(entry, NoDecayKeys) for entry in entries]
    rules = [GroupRule("")] if all(presets_without_rules) else list(_rules(entries, detector))
    one_dim = section.one_dim_param_no_weight_decay or any(presets_without_rules)
    name_parts = tuple((section.no_weight_decay_name or "").split())
    penalty, decay = section.regularizer, section.weight_decay
    if decay is None:
        decay = penalty.factor if penalty else OPTIMIZERS[section.name].weight_decay
    return build_groups(
        detector,
        rules,
        weight_decay=decay,
        no_decay=NoDecay(one_dim, name_parts),
        fresh=NewLayers(tuple(fresh), section.fresh_lr_mult, fresh_first),
        split_biases=split_biases,
    )


def _rules(entries: Sequence[object], detector: DetectionNetwork) -> Iterator[GroupRule]:
    for index, entry in enumerate(entries):
        key = f"Optimizer.param_groups[{index}]"
        if isinstance(entry, HeadFirstKeys):
            yield from head_first(entry, key=f"{key}.preset")
        elif isinstance(entry, LayerDecayKeys):
            yield from layer_decay(detector, entry, key=f"{key}.preset")
        elif isinstance(entry, ParamGroupKeys):
            yield GroupRule(**entry.arguments(), key=f"{key}.match")


def fresh_layers(detector: DetectionNetwork, loaded: Iterable[str]) -> list[str]:
    """Return the shortest beginnings of parameter names under which no weights were loaded."""
    filled = {start for key in loaded for start in _starts(key)}
    starts = (_starts(name) for name, _ in detector.named_parameters())
    fresh = (next((s for s in candidates if s not in filled), None) for candidates in starts)
    return list(dict.fromkeys(start for start in fresh if start is not None))


def _starts(key: str) -> list[str]:
    """Return the beginnings of a key: ``a.``, ``a.b`` for ``a.b``."""
    parts = key.split(".")
    return [".".join(parts[:end]) + "." for end in range(1, len(parts))] + [key]
