"""Where the time goes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Seconds by stage, in the order in which the stages were first met."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def waiting(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """The items; the time spent waiting for each is the stage's."""
        start = time.perf_counter()
        for item in items:
            self.add(name, time.perf_counter() - start)
            yield item
            start = time.perf_counter()
        self.add(name, time.perf_counter() - start)

    def shares(self) -> dict[str, float]:
        """Each stage's part of the whole, 0 to 1."""
        total = sum(self.seconds.values()) or 1.0
        return {name: seconds / total for name, seconds in self.seconds.items()}

    def describe(self) -> str:
        shares = self.shares()
        return ", ".join(
            f"{name} {seconds:.2f} s ({shares[name]:.1%})" for name, seconds in self.seconds.items()
        )
