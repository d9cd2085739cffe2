"""Progress bars on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Protocol, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


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
    bar: Iterable[Item] = tqdm(
        items,
        desc=title,
        total=total,
        unit=unit,
        leave=leave,
        disable=not sys.stderr.isatty(),
    )
    return bar
