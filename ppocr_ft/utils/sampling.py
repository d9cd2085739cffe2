"""Sample a few items of many, evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def evenly_spaced(count: int, at_most: int) -> list[int]:
    """Return at most ``at_most`` indices, evenly spaced over ``count``."""
    at_most = min(at_most, count)
    return [i * count // at_most for i in range(at_most)]


def sample_evenly(items: Sequence[Item], at_most: int) -> list[Item]:
    """Return at most ``at_most`` of the items, evenly spaced."""
    return [items[index] for index in evenly_spaced(len(items), at_most)]
