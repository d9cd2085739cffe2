"""Going through many items: with a progress bar on the terminal, and reading ahead."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Protocol, TypeVar

from tqdm import tqdm

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


def progress(
    items: Iterable[Item], total: int, title: str, unit: str = "image", *, leave: bool = False
) -> Iterable[Item]:
    """Pass items on with a bar on stderr, if that is a terminal; ``leave`` keeps the full bar."""
    hidden = not sys.stderr.isatty()
    bar: Iterable[Item] = tqdm(
        items, desc=title, total=total, unit=unit, leave=leave, disable=hidden
    )
    return bar


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
