"""Things that a command says once, however often they happen."""

from __future__ import annotations

import sys

from tqdm import tqdm

_said: set[str] = set()


def begin() -> None:
    """Begin a command: everything may be said again."""
    _said.clear()


def say_once(about: str, text: str) -> None:
    """Print ``text`` to stderr, past a progress bar, unless something about this was said."""
    if about not in _said:
        _said.add(about)
        tqdm.write(text, file=sys.stderr)
