"""A terminal: a process with a pseudo terminal, and what a terminal makes of its output."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from tests.support import ROOT

ESCAPE = "\033"
_SEQUENCE = re.compile(rf"{ESCAPE}\[([?\d;]*)([A-Za-z])|(\r)|(\n)|([^{ESCAPE}\r\n]+)")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def screen(output: str, columns: int = 80) -> list[str]:
    """Return the lines that a terminal shows after ``output``; it knows what rich writes, no more.

    A line feed goes to the beginning of the next line, as the terminal's driver makes it.

    Raises:
        ValueError: a sequence that it doesn't know.
    """
    shown = _Screen(columns)
    at = 0
    while at < len(output):
        found = _SEQUENCE.match(output, at)
        if found is None:
            raise ValueError(f"unknown to this terminal: {output[at : at + 20]!r}")
        at = found.end()
        shown.take(*found.groups())
    lines = [line.rstrip() for line in shown.lines]
    while lines and not lines[-1]:
        lines.pop()
    return lines


class _Screen:
    def __init__(self, columns: int) -> None:
        self.lines = [""]
        self._columns, self._row, self._column = columns, 0, 0

    def take(self, number: str, name: str, back: str, feed: str, text: str) -> None:
        if back:
            self._column = 0
        elif feed:
            self._down()
            self._column = 0
        elif text:
            for letter in text:
                self._put(letter)
        elif (number, name) == ("2", "K"):
            self.lines[self._row] = ""
        elif name == "A":
            self._row -= int(number or 1)
        elif name != "m":
            raise ValueError(f"unknown to this terminal: {number}{name}")

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self.lines):
            self.lines.append("")

    def _put(self, letter: str) -> None:
        if self._column == self._columns:
            self._down()
            self._column = 0
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + letter + line[self._column + 1 :]
        self._column += 1


def plain(output: str) -> str:
    """Return the output without its escape sequences."""
    return re.sub(rf"{ESCAPE}\[[?\d;]*[A-Za-z]", "", output)


def on_terminal(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    columns: int = 80,
    stdout: IO[bytes] | None = None,
    cwd: Path = ROOT,
) -> tuple[int, str]:
    """Run ``python WORDS`` on a terminal; return its exit code and what it wrote there.

    Stdout goes to the terminal as well, if it is not given.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    left_out = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")
    inherited = {key: value for key, value in os.environ.items() if key not in left_out}
    with subprocess.Popen(
        [sys.executable, *words],
        stdin=slave, stdout=slave if stdout is None else stdout, stderr=slave, cwd=cwd,
        env=inherited | given | dict(environment or {}), start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        os.close(slave)
        output = b""
        while True:
            try:
                written = os.read(master, 65536)
            except OSError:  # the other end is closed: Linux's way to say so
                written = b""
            if not written:
                break
            output += written
    os.close(master)
    return process.returncode, output.decode()
