"""Short names of parameter groups, for columns and legends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ppocr_ft.optim.groups import ParamGroup

_SHOWN: dict[str, Callable[[Any], str]] = {
    "weight_decay": lambda factor: f"decay{factor:g}",
    "own_penalty": lambda own: f"{own.kind}_{own.factor:g}" if own else "no_penalty",
    "freeze": lambda freeze: "frozen" if freeze else "free",
    "freeze_epochs": lambda epochs: f"frozen{epochs}" if epochs else "free",
    "biases": lambda biases: "biases" if biases else "weights",
    "fresh": lambda fresh: "fresh" if fresh else "loaded",
}


def group_names(groups: Sequence[ParamGroup]) -> list[str]:
    """Return a unique name for each group: the place of its parameters, and its differences.

    ``head.thresh`` is what all its parameters' names begin with, ``backbone+neck`` what they begin
    with in turn. A learning rate factor follows (``backbone_x0.1``), then the settings in which
    groups that would have the same name differ. They depend on the groups alone, so that a resumed
    run has the same.
    """
    places = [_place(group) for group in groups]
    names = []
    for group, place in zip(groups, places, strict=True):
        alike = [g for g, other in zip(groups, places, strict=True) if other == place]
        names.append("_".join([place, *_differences(group, alike)]))
    return _numbered(names)


def _place(group: ParamGroup) -> str:
    """Return ``head.thresh_x5`` of ``head.thresh.conv1.weight`` and ``head.thresh.conv2.bias``."""
    paths = [name.split(".") for name in group.names]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    place = ".".join(common) or "+".join(dict.fromkeys(path[0] for path in paths))
    lr_mult = group.settings.lr_mult
    return place if lr_mult == 1 else f"{place}_x{lr_mult:g}"


def _differences(group: ParamGroup, others: Sequence[ParamGroup]) -> list[str]:
    return [
        _SHOWN[key](value) if key in _SHOWN else f"{key}{value}"
        for key, value in group.settings._asdict().items()
        if key != "lr_mult" and any(getattr(other.settings, key) != value for other in others)
    ]


def _numbered(names: Sequence[str]) -> list[str]:
    """Return the names, with a number after each repeated one."""
    counts: Counter[str] = Counter()
    numbered = []
    for name in names:
        counts[name] += 1
        numbered.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return numbered
