"""A YAML section -> the frozen config dataclass of a part, with every fault named by its key."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from ppocr_ft.errors import ConfigError

T = TypeVar("T")

_TYPE_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


def suggest(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if a known word is near, else the list of the known ones."""
    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(names)}"


def check_keys(section: Mapping[str, object], known: Iterable[str], path: str) -> None:
    """Raise ConfigError for the first key of ``section`` that is not known."""
    names = list(known)
    for key in section:
        if key not in names:
            raise ConfigError(f"unknown key{suggest(key, names)}", key=f"{path}.{key}")


def parse_arguments(config: type[T], section: Mapping[str, object], path: str) -> T:
    """Build the dataclass ``config`` from a section's keys but ``name``.

    Raises ConfigError, naming ``path.key``, for an unknown or missing key, a wrong type, or a value
    that the dataclass itself refuses.
    """
    hints = get_type_hints(config)
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    arguments = {key: value for key, value in section.items() if key != "name"}
    check_keys(arguments, fields, path)
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in arguments:
            raise ConfigError("is missing", key=f"{path}.{name}")
    values = {key: _convert(value, hints[key], f"{path}.{key}") for key, value in arguments.items()}
    try:
        return config(**values)
    except ConfigError as error:
        raise ConfigError(error.message, key=f"{path}.{error.key}") from None


def _convert(value: object, hint: Any, key: str) -> object:
    """``value`` as the type ``hint``: bool, int, float, str, Literal or tuple[item, ...]."""
    origin = get_origin(hint)
    if origin is Literal:
        if value not in get_args(hint):
            options = [str(option) for option in get_args(hint)]
            raise ConfigError(f"{value!r} is not a choice{suggest(value, options)}", key=key)
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"must be a list, is {value!r}", key=key)
        item = get_args(hint)[0]
        return tuple(_convert(entry, item, f"{key}[{i}]") for i, entry in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"must be {_TYPE_NAMES[hint]}, is {value!r}", key=key)
    return value
