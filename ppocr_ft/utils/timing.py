"""Time per stage of the work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
_END: Any = object()


class Stopwatch:
    """Seconds by stage, in the order in which the stages first ended.

    A stage may be inside another one; its time then doesn't count for the outer one.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner = [0.0]
        """Of each stage that is running, and of none: the seconds of the stages within it."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to the stage."""
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._inner.pop()
            self._inner[-1] += whole

    def waiting(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; the time spent waiting for each is the stage's."""
        iterator = iter(items)
        while True:
            with self.stage(name):
                item = next(iterator, _END)
            if item is _END:
                return
            yield item

    def shares(self) -> dict[str, float]:
        """Return each stage's part of the whole, 0 to 1."""
        total = sum(self.seconds.values()) or 1.0
        return {name: seconds / total for name, seconds in self.seconds.items()}

    def describe(self) -> str:
        shares = self.shares()
        return ", ".join(
            f"{name} {seconds:.2f} s ({shares[name]:.1%})" for name, seconds in self.seconds.items()
        )
