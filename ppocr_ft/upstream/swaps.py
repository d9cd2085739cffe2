"""Replacing an object under every name that loaded modules have for it, and putting it back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Namespace = dict[str, Any]


@dataclass(frozen=True)
class _Place:
    namespace: Namespace
    name: str
    original: Any
    replacement: Any


class Swaps:
    """The active replacements."""

    def __init__(self) -> None:
        self._places: list[_Place] = []

    def replace(self, original: Any, make: Callable[[Any], Any]) -> None:
        """Put ``make(original)`` in place of ``original`` in every module, also under another name.

        An object that is itself a replacement is left alone.
        """
        if any(place.replacement is original for place in self._places):
            return
        replacement = make(original)
        for namespace, name in list(_holders(original)):
            namespace[name] = replacement
            self._places.append(_Place(namespace, name, original, replacement))

    def undo(self) -> None:
        """Put the originals back, except for names that other code has rebound since."""
        for place in self._places:
            if place.namespace.get(place.name) is place.replacement:
                place.namespace[place.name] = place.original
        self._places.clear()


def _holders(value: Any) -> Iterator[tuple[Namespace, str]]:
    for namespace in _namespaces():
        for name, held in list(namespace.items()):
            if held is value:
                yield namespace, name


def _namespaces() -> Iterator[Namespace]:
    for module in list(sys.modules.values()):
        if issubclass(type(module), ModuleType):
            # past the module's own lookup, by which a lazily imported one would load itself
            yield object.__getattribute__(module, "__dict__")
