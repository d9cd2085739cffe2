"""Time per stage of the work, and durations as text."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
_DURATION = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", re.ASCII)


def seconds_of(duration: str) -> float:
    """Return the seconds of ``90s``, ``20m``, ``1.5h`` or ``1h30m``.

    Raises:
        ValueError: it is no such text, or no time at all.
    """
    match = _DURATION.fullmatch(duration.strip())
    parts = match.groups(default="0") if match else ("0", "0", "0")
    try:
        seconds = sum(float(part) * unit for part, unit in zip(parts, (3600, 60, 1), strict=True))
    except ValueError:  # 1.2.3m
        seconds = 0.0
    if not seconds > 0:
        raise ValueError(f"found {duration!r}, expected a duration such as 90s, 20m or 1h30m")
    return seconds


def duration_text(seconds: float) -> str:
    """Return a duration as ``seconds_of`` reads it, to three digits at most: 1h30m, 4m5s, 0.2s."""
    if seconds < 59.5:
        return f"{seconds:.0f}s" if seconds >= 9.5 else f"{seconds:.2g}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m" + f"{rest}s" * bool(rest)
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours}h" + f"{minutes}m" * bool(minutes)


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
                waiting = list(islice(iterator, 1))
            if not waiting:
                return
            yield waiting.pop()  # no name keeps it: it may be large

    def shares(self) -> dict[str, float]:
        """Return each stage's part of the whole, 0 to 1."""
        total = sum(self.seconds.values()) or 1.0
        return {name: seconds / total for name, seconds in self.seconds.items()}

    def describe(self) -> str:
        shares = self.shares()
        return ", ".join(
            f"{name} {seconds:.2f} s ({shares[name]:.1%})" for name, seconds in self.seconds.items()
        )
