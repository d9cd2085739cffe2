"""Parameter groups from ``Optimizer.param_groups`` and the keys beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ppocr_ft.models.architecture import Detector
from ppocr_ft.optim.configs import OPTIMIZERS, OptimizerSection
from ppocr_ft.optim.group_rules import (
    Fresh,
    HeadFirstKeys,
    LayerDecayKeys,
    NoDecay,
    NoDecayKeys,
    ParamGroupKeys,
    Rule,
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
) -> ParamGroups:
    """The groups that the config asks for; one with everything where it asks for none.

    Presets stand for their rules, in their place. ``no_decay`` takes part in no matching: it sets
    the decay of what it is about to 0 wherever that falls. ``fresh`` are beginnings of the names
    that no weights filled; ``fresh_lr_mult`` multiplies into the rate of their group, whether
    that comes from a preset, a pattern or neither.

    Raises:
        ConfigError: a parameter without a group, or an entry that gets none, naming the key.
    """
    entries = section.param_groups or ()
    presets_without_rules = [isinstance(entry, NoDecayKeys) for entry in entries]
    rules = [Rule("")] if all(presets_without_rules) else list(_rules(entries, detector))
    one_dim = section.one_dim_param_no_weight_decay or any(presets_without_rules)
    name_parts = tuple((section.no_weight_decay_name or "").split())
    return build_groups(
        detector,
        rules,
        weight_decay=_weight_decay(section),
        no_decay=NoDecay(one_dim, name_parts),
        fresh=Fresh(tuple(fresh), section.fresh_lr_mult),
        split_biases=split_biases,
    )


def _rules(entries: Sequence[object], detector: Detector) -> Iterator[Rule]:
    for index, entry in enumerate(entries):
        key = f"{KEY}[{index}]"
        if isinstance(entry, HeadFirstKeys):
            preset = f"{key}.preset"
            yield from head_first(entry, key=preset)
        elif isinstance(entry, LayerDecayKeys):
            yield from layer_decay(detector, entry, key=f"{key}.preset")
        elif isinstance(entry, ParamGroupKeys):
            yield Rule(**entry.arguments(), key=f"{key}.match")


def _weight_decay(section: OptimizerSection) -> float:
    if section.weight_decay is not None:
        return section.weight_decay
    penalty = section.regularizer
    return penalty.factor if penalty else OPTIMIZERS[section.name].weight_decay


def fresh_layers(detector: Detector, loaded: Iterable[str]) -> list[str]:
    """Beginnings of parameter names, as short as can be, under which no weights were loaded."""
    filled = {start for key in loaded for start in _starts(key)}
    starts = (_starts(name) for name, _ in detector.named_parameters())
    fresh = (next((s for s in own if s not in filled), None) for own in starts)
    return list(dict.fromkeys(start for start in fresh if start is not None))


def _starts(key: str) -> list[str]:
    """``a.b`` to ``a.``, ``a.b``."""
    parts = key.split(".")
    return [".".join(parts[:end]) + "." for end in range(1, len(parts))] + [key]
