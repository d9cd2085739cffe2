"""Going through many items: with a progress bar on the terminal, and reading ahead."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

from ppocr_ft.utils.console import has_escapes
from ppocr_ft.utils.timing import duration_text

if TYPE_CHECKING:
    from ppocr_ft.utils.bars import Bars

Item = TypeVar("Item")
Result = TypeVar("Result")


class ProgressBar(Protocol):
    """Pass items on, and show how many of ``total`` are done.

    ``title`` names the work and ``unit`` one item.
    """

    def __call__(
        self, items: Iterable[Item], total: int, title: str, unit: str = "image"
    ) -> Iterable[Item]: ...


def no_progress(
    items: Iterable[Item], total: int, title: str, unit: str = "image"
) -> Iterable[Item]:
    """Pass items on and show nothing."""
    return items


def progress(items: Iterable[Item], total: int, title: str, unit: str = "image") -> Iterable[Item]:
    """Pass items on with a bar on stderr, if that shows bars."""
    return _with_bar(items, Bar(title, total, unit)) if bars_are_shown() else items


def _with_bar(items: Iterable[Item], bar: Bar) -> Iterator[Item]:
    try:
        for item in items:
            yield item
            bar.advance()
    finally:
        bar.close()


_bars: Bars | None = None
"""Those that are on the terminal now."""


def bars_are_shown() -> bool:
    """Return whether stderr is a terminal for bars (`has_escapes`)."""
    return has_escapes(sys.stderr)


@dataclass(eq=False)
class Bar:
    """A bar among those at the bottom of the terminal, where `bars_are_shown`.

    What is printed meanwhile appears above them.

    Args:
        title: the work.
        total: how many there are.
        unit: one of them.
        done: how many of them are done already.
        left_s: how long it takes from now on; None: at the speed so far.
        speed: as text; None: that so far.
        figures: further ones by their names, the most important first.
    """

    title: str
    total: float
    unit: str = "image"
    done: float = 0
    left_s: float | None = None
    speed: str | None = None
    figures: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        global _bars
        self._began, self._first = time.monotonic(), self.done
        if _bars is None:
            from ppocr_ft.utils.bars import Bars

            _bars = Bars(sys.stderr)
        self._bars = _bars
        self._bars.add(self)

    def advance(self, more: float = 1) -> None:
        """Count items that were done, and show it if the last look is a while ago."""
        self.done += more
        self._bars.refresh()

    def close(self) -> None:
        """Take the bar away; more than once does no harm."""
        if self._bars.remove(self):
            close_bars()

    def times(self) -> tuple[str, str]:
        """Return the time that is left, or was needed, and the speed."""
        spent, new = time.monotonic() - self._began, self.done - self._first
        plural = self.unit if self.unit.isupper() else f"{self.unit}s"
        rate = new / spent if spent else 0.0
        speed = f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
        speed = f"{speed} {plural}/s" if rate else ""
        left_s = self.left_s
        if self.done >= self.total:
            left = f"in {duration_text(spent)}"
        else:
            if left_s is None and new:
                left_s = spent / new * (self.total - self.done)
            left = "" if left_s is None else f"{duration_text(max(left_s, 1))} left"
        return left, speed if self.speed is None else self.speed


def close_bars() -> None:
    """Take all bars away, as before a message that ends the program."""
    global _bars
    if _bars is not None:
        _bars.stop()
        _bars = None


@contextmanager
def closing_bars() -> Iterator[None]:
    """Take all bars away at the end, whatever ends it."""
    try:
        yield
    finally:
        close_bars()


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Generator[Result, None, None]:
    """Yield ``function`` of each item, in order; ``threads`` of them work ahead of the caller.

    At most twice as many results as threads wait in memory. An exception is raised at the place of
    its result. With 0 threads nothing runs ahead.
    """
    if threads == 0:
        yield from map(function, items)
        return
    pending: deque[Future[Result]] = deque()
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        pending.extend(pool.submit(function, item) for item in islice(rest, 2 * threads))
        try:
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in islice(rest, 1))
                yield result
        finally:
            for future in pending:
                future.cancel()
