"""Text on the terminal: color, tables, what is said once, what C libraries print."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, TextIO

Color = Literal["red", "yellow", "green"]
Rows = Sequence[Sequence[str]]
_CODES: dict[Color, str] = {"red": "31", "yellow": "33", "green": "32"}
WIDTH = 80
"""Columns of a table or a text; a terminal has them."""
_SEVERITY = re.compile(r"^(error|warning)\b", re.MULTILINE)
_said: set[str] = set()
_lock, _silence, _inside, _capturing = threading.Lock(), ExitStack(), 0, False
"""Of `quiet_libraries`: how many are inside, and whether `captured_stderr` is."""


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


def wrapped(text: str, first: str = "", other: str = "") -> list[str]:
    """Break a text into lines of `WIDTH` columns; they begin with ``first`` and ``other``."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=other,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
    global _capturing
    with tempfile.TemporaryFile() as file, _stderr_of_c_to(file.fileno()):

        def content() -> str:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), size, 0).decode(errors="replace")

        _capturing = True
        try:
            yield content
        finally:
            _capturing = False


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Drop what C libraries write to stderr meanwhile; `captured_stderr` collects it all the same.

    Several threads may be inside at once.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1 and not _capturing:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            _silence.callback(os.close, nowhere)
            _silence.enter_context(_stderr_of_c_to(nowhere))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _silence.close()


@contextmanager
def _stderr_of_c_to(descriptor: int) -> Iterator[None]:
    try:
        original = os.dup(2)
    except OSError:
        yield
        return
    # Closed when the last thread that writes to it lets it go.
    python_stream, stream = sys.stderr, os.fdopen(original, "w", buffering=1)
    if python_stream is sys.__stderr__ and python_stream is not None:
        python_stream.flush()
        sys.stderr = stream
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        if sys.stderr is stream:
            sys.stderr = python_stream
