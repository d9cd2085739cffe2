"""A tree against the schema: every fault, and what can be used in spite of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ppocr_ft.config.faults import Fault, error, found_by, is_under, join_key
from ppocr_ft.config.schema import Config
from ppocr_ft.config.unknown_keys import Pruner
from ppocr_ft.messages import describe, is_telling, show

_SPARE_SPLIT = {
    "dataset": {
        "data_dir": "unknown",
        "label_file_list": ["unknown"],
        "transforms": [{"ToCHWImage": None}],
    }
}
_SPARE: dict[str, Any] = {
    "Architecture": {
        "Backbone": {"name": "PPLCNetV3"},
        "Neck": {"name": "RSEFPN", "out_channels": 96},
        "Head": {"name": "DBHead"},
    },
    "Optimizer": {"name": "Adam", "lr": {"learning_rate": 0.001}, "regularizer": {"name": "L2"}},
    "Train": _SPARE_SPLIT,
    "Eval": _SPARE_SPLIT,
}
"""Stands in for what has no default, so that the rules can look at the rest."""


@dataclass(frozen=True)
class Checked:
    """The outcome of ``check``.

    ``usable`` is ``config`` or, where the data can't be read as a config, what could be read with
    spare values for the rest; ``unsure`` are the keys (with all below them) that got such values.
    """

    config: Config | None
    faults: list[Fault]
    usable: Config | None
    unsure: tuple[str, ...] = ()

    def is_sure(self, fault: Fault) -> bool:
        """Whether a finding about ``usable`` rests on values that were really given."""
        return not any(_overlaps_any(key, self.unsure) for key in (fault.key, *fault.related))


def check(data: object, unreadable: Sequence[str] = ()) -> Checked:
    """Read plain data as a Config. Faults carry keys only; the caller knows the lines.

    ``unreadable`` are keys whose values are known to be wrong and not to be reported again.
    """
    if not isinstance(data, dict):
        return Checked(None, [error("", _not_a_config(data))], None)
    pruner = Pruner()
    pruned = pruner.section(Config, data, "")
    config, value_faults = _read(pruned)
    explained = _explained(pruner, unreadable)
    faults = [*pruner.faults, *(fault for fault in value_faults if not explained(fault.key))]
    unsure = [*unreadable, *pruner.unsure]
    if config is not None:
        whole = all(fault.severity == "warning" for fault in faults)
        return Checked(config if whole else None, faults, config, tuple(unsure))
    suspects = [*pruner.broken, *unreadable, *(fault.key for fault in value_faults)]
    usable, spares = _repaired(pruned, list(dict.fromkeys(suspects)))
    return Checked(None, faults, usable, (*spares, *unsure))


def _explained(pruner: Pruner, unreadable: Sequence[str]) -> Callable[[str], bool]:
    """Whether a value fault only follows from what is reported already."""
    reported = [*pruner.broken, *pruner.meant]

    def explained(key: str) -> bool:
        below = any(is_under(key, other) for other in reported)
        return below or key in pruner.unsure or _overlaps_any(key, unreadable)

    return explained


def _overlaps_any(key: str, others: Sequence[str]) -> bool:
    return any(is_under(key, other) or is_under(other, key) for other in others)


def _not_a_config(data: object) -> str:
    wanted = "sections such as Global: and Train:"
    if data is None:
        return f"the file is empty, expected {wanted}"
    return f"found {show(data)}, expected {wanted}"


def _read(data: dict[str, Any]) -> tuple[Config | None, list[Fault]]:
    try:
        return Config.model_validate(data), []
    except ValidationError as reason:
        found = [details for details in reason.errors(include_url=False) if is_telling(details)]
        faults = {_key_of(details, data): describe(details) for details in found}
        return None, found_by("value", [error(key, message) for key, message in faults.items()])


def _key_of(details: ErrorDetails, data: Any) -> str:
    """The key in the data; pydantic's location also holds the names that chose a section."""
    parts: list[str | int] = []
    *_, last = location = details["loc"]
    for part in location:
        if _holds(data, part):
            data = data[part]
        elif not (details["type"] == "missing" and part is last and isinstance(part, str)):
            continue
        parts.append(part)
    return join_key(*parts)


def _holds(data: object, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _repaired(data: dict[str, Any], keys: Sequence[str]) -> tuple[Config | None, list[str]]:
    """The config with defaults or spare values at ``keys``, and the keys that got them."""
    rest = copy.deepcopy(data)
    last_items_first = sorted(keys, key=_natural, reverse=True)
    spares = [_repair(rest, key.split(".")) for key in last_items_first]
    config, _ = _read(rest)
    return config, spares


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in key.split(".")]


def _repair(data: dict[str, Any], parts: list[str]) -> str:
    """Put a spare value or nothing in the place of the nearest entry that may be replaced."""
    for depth in range(len(parts), 0, -1):
        above, last = _look_up(data, parts[: depth - 1]), parts[depth - 1]
        spare = _look_up(_SPARE, parts[:depth])
        if isinstance(above, dict) and spare is not None:
            above[last] = copy.deepcopy(spare)
            return ".".join(parts[:depth])
        if isinstance(above, list) and int(last) < len(above) and isinstance(above[0], dict):
            del above[int(last)]
            return ".".join(parts[: depth - 1])
        is_item = depth > 1 and isinstance(_look_up(data, parts[: depth - 2]), list)
        if isinstance(above, dict) and last in above and not is_item:
            del above[last]
            return ".".join(parts[:depth])
    return ".".join(parts)


def _look_up(data: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data
