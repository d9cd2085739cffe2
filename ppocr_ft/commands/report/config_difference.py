"""Two configs key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ppocr_ft.report.page.run import Difference

NOT_COMPARED = frozenset({"Global.save_model_dir"})


def config_differences(default: Any, own: Any) -> list[Difference]:
    """Of two configs as plain data. Operators of a pipeline are compared by their names."""
    theirs, ours = dict(_flat(default, "")), dict(_flat(own, ""))
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return [
        Difference(key, theirs.get(key), ours.get(key))
        for key in keys
        if theirs.get(key) != ours.get(key) and key not in NOT_COMPARED
    ]


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif _is_pipeline(value):
        for name, inner in _named(value):
            yield from _flat(inner, f"{key}.{name}")
    else:
        yield key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_pipeline(value: Any) -> bool:
    """A list of one-key mappings, as PaddleOCR writes operators."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, Mapping) and len(each) == 1 for each in value)


def _named(operators: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """A second operator of one name is ``NAME#2``."""
    seen: dict[str, int] = {}
    for operator in operators:
        ((name, arguments),) = operator.items()
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}", arguments
