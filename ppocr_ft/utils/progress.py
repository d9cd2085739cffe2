"""Progress bars on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(
    items: Iterable[Item], total: int, unit: str, title: str, *, leave: bool = True
) -> Iterable[Item]:
    """The items, with a bar on stderr where somebody looks at it; below another one if there is.

    Args:
        total: how many items there will be.
        unit: what one of them is called.
        leave: whether the bar stays on the screen when it is full.
    """
    bar: Iterable[Item] = tqdm(
        items,
        desc=title,
        total=total,
        unit=unit,
        leave=leave,
        disable=not sys.stderr.isatty(),
    )
    return bar
