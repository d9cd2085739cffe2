"""Text on the terminal: color, tables, what is said once, what C libraries print."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO

Color = Literal["red", "yellow", "green"]
Rows = Sequence[Sequence[str]]
_CODES: dict[Color, str] = {"red": "31", "yellow": "33", "green": "32"}
_SEVERITY = re.compile(r"^(error|warning)\b", re.MULTILINE)
_said: set[str] = set()


def has_escapes(stream: TextIO) -> bool:
    """Return whether the stream is a terminal that gets color and bars.

    NO_COLOR (https://no-color.org) and TERM=dumb switch them off.
    """
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()


def colored(text: str, color: Color, stream: TextIO) -> str:
    """Return the text in bold color if the stream `has_escapes`."""
    if not text or not has_escapes(stream):
        return text
    return f"\033[1;{_CODES[color]}m{text}\033[0m"


def severities_colored(text: str, stream: TextIO) -> str:
    """Return the text with ``error`` and ``warning`` at the beginning of a line in color."""

    def in_color(match: re.Match[str]) -> str:
        return colored(match[1], "red" if match[1] == "error" else "yellow", stream)

    return _SEVERITY.sub(in_color, text)


def aligned(rows: Rows) -> list[str]:
    """Return a line per row, two spaces between columns of equal width."""
    return ["  ".join(cells).rstrip() for cells in _padded(rows)]


def markdown_table(header: Sequence[str], rows: Rows) -> str:
    """Return a Markdown table whose columns are as wide as their widest cell."""
    lines = _padded([header, *rows], at_least=3)
    rule = [f"{'-' * (len(cell) - 1)}{':' if i else '-'}" for i, cell in enumerate(lines[0])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (lines[0], rule, *lines[1:]))


def _padded(rows: Rows, at_least: int = 0) -> list[list[str]]:
    """Make columns equally wide, the first one aligned to the left, the others to the right."""
    widths = [max(at_least, *map(len, column)) for column in zip(*rows, strict=True)]
    return [
        [cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(pairs)]
        for pairs in (zip(cells, widths, strict=True) for cells in rows)
    ]


def forget_said() -> None:
    """Begin a command: everything may be said again."""
    _said.clear()


def say_once(about: str, text: str) -> None:
    """Print ``text`` to stderr, unless something about this was said."""
    if about not in _said:
        _said.add(about)
        print(text, file=sys.stderr)


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Collect what C libraries write to stderr; what Python writes still goes there.

    The function that is yielded returns what was written so far. Without a stderr of the process
    nothing is collected.
    """
    try:
        original = os.dup(2)
    except OSError:
        yield lambda: ""
        return
    python_stream = sys.stderr
    with tempfile.TemporaryFile() as file, os.fdopen(original, "w", buffering=1) as stream:
        if python_stream is sys.__stderr__ and python_stream is not None:
            python_stream.flush()
            sys.stderr = stream
        os.dup2(file.fileno(), 2)

        def content() -> str:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), size, 0).decode(errors="replace")

        try:
            yield content
        finally:
            os.dup2(stream.fileno(), 2)
            sys.stderr = python_stream
