"""Parameter groups from ``Optimizer.param_groups`` and the keys beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ppocr_ft.models.architecture import Detector
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
)
from ppocr_ft.optim.groups import ParamGroups, build_groups

KEY = "Optimizer.param_groups"


def param_groups(
    section: OptimizerSection,
    detector: Detector,
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
    return build_groups(
        detector,
        rules,
        weight_decay=_weight_decay(section),
        no_decay=NoDecay(one_dim, name_parts),
        fresh=NewLayers(tuple(fresh), section.fresh_lr_mult, fresh_first),
        split_biases=split_biases,
    )


def _rules(entries: Sequence[object], detector: Detector) -> Iterator[GroupRule]:
    for index, entry in enumerate(entries):
        key = f"{KEY}[{index}]"
        if isinstance(entry, HeadFirstKeys):
            preset = f"{key}.preset"
            yield from head_first(entry, key=preset)
        elif isinstance(entry, LayerDecayKeys):
            yield from layer_decay(detector, entry, key=f"{key}.preset")
        elif isinstance(entry, ParamGroupKeys):
            yield GroupRule(**entry.arguments(), key=f"{key}.match")


def _weight_decay(section: OptimizerSection) -> float:
    if section.weight_decay is not None:
        return section.weight_decay
    penalty = section.regularizer
    return penalty.factor if penalty else OPTIMIZERS[section.name].weight_decay


def fresh_layers(detector: Detector, loaded: Iterable[str]) -> list[str]:
    """Return the shortest beginnings of parameter names under which no weights were loaded."""
    filled = {start for key in loaded for start in _starts(key)}
    starts = (_starts(name) for name, _ in detector.named_parameters())
    fresh = (next((s for s in candidates if s not in filled), None) for candidates in starts)
    return list(dict.fromkeys(start for start in fresh if start is not None))


def _starts(key: str) -> list[str]:
    """Return the beginnings of a key: ``a.``, ``a.b`` for ``a.b``."""
    parts = key.split(".")
    return [".".join(parts[:end]) + "." for end in range(1, len(parts))] + [key]
