"""A few of many, evenly spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spread(count: int, shown: int) -> list[int]:
    """So many indices at most, evenly spread over ``count``."""
    shown = min(shown, count)
    return [i * count // shown for i in range(shown)]


def some_of(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of them, evenly spread."""
    return [items[index] for index in spread(len(items), most)]
