"""Operators by the names that a YAML gives them. Nothing is ever evaluated."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, TypeVar

from ppocr_ft.errors import ConfigError

Operator = Callable[[dict[str, Any]], Any]
Factory = TypeVar("Factory", bound=Callable[..., Operator])

_FACTORIES: dict[str, Callable[..., Operator]] = {}


def register(factory: Factory) -> Factory:
    """Class decorator: the operator is known by its class name from now on.

    Raises:
        ValueError: another operator has that name already.
    """
    name = factory.__name__
    if name in _FACTORIES:
        raise ValueError(f"an operator named {name} is registered already")
    _FACTORIES[name] = factory
    return factory


def operator_names() -> list[str]:
    return sorted(_FACTORIES)


def operator(name: str) -> Callable[..., Operator]:
    """The operator's class.

    Raises:
        ConfigError: there is none of that name.
    """
    if name in _FACTORIES:
        return _FACTORIES[name]
    near = difflib.get_close_matches(name, _FACTORIES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(operator_names())}"
    raise ConfigError(f"no operator is named {name!r}; {hint}")
