"""Reading the next items while the present one is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
