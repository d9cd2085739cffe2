"""The errors that a user's input can cause; each says where it is and what would be right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FAILED, WRONG_INPUT, SIGNALLED, INTERRUPTED, TERMINATED = 1, 2, 128, 130, 143
"""Exit codes of a command beside 0; a signal that stopped a saved run adds its number to
SIGNALLED."""


_CONTROLS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would steer the terminal or turn the text around, and what can't be printed."""


def printable(text: str) -> str:
    r"""Return the text with control characters, which a file may have, written as ``\x1b``."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class PpocrFtError(Exception):
    """The one error that the functions of ``ppocr_ft`` raise."""


class RunFailed(PpocrFtError):  # noqa: N818  an outcome
    """A run that can't be finished though its input is right; its command exits with 1."""


class UserInputError(PpocrFtError, ValueError):
    """Wrong input: a message, and its place.

    ``path`` is the file, ``key`` the config key (``Train.dataset.data_dir``), ``line`` the
    1-based line; each may be None. ``str(error)`` reads ``path:line: key: message``, `printable`.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        key: str | None = None,
        line: int | None = None,
    ) -> None:
        self.message = message
        self.path = None if path is None else str(path)
        self.key = key
        self.line = line
        super().__init__(self.describe())

    def describe(self) -> str:
        return printable(placed(self.message, self.path, self.line, self.key))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.path, self.key, self.line)


def _rebuild(
    kind: type[UserInputError], message: str, path: str | None, key: str | None, line: int | None
) -> UserInputError:
    return kind(message, path=path, key=key, line=line)


def placed(message: str, path: str | None, line: int | None, key: str | None) -> str:
    """Return ``path:line: key: message``, without what isn't known."""
    where = path or ""
    if line is not None:
        where = f"{where}:{line}" if where else f"line {line}"
    return ": ".join(part for part in (where, key, message) if part)


class ConfigError(UserInputError):
    """A config key or value that can't be used."""


class DataError(UserInputError):
    """A label line, an image or a data set that can't be used."""


class WeightsError(UserInputError):
    """A weights file that can't be read or doesn't fit the network."""


class UnreachableError(WeightsError):
    """Weights on the web that can't be reached from here."""


class WriteError(WeightsError):
    """A weights or state file that can't be written, as where the disk is full."""


@dataclass(frozen=True)
class Finding:
    """One result of a check, an ``issue`` of ``ppocr-ft check --json``.

    ``rule`` is its name, such as ``image-missing``; with an ``error`` training is impossible.
    ``file`` and the 1-based ``line`` are None if there is no such place; ``remedy`` is what to do.
    """

    rule: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    file: str | None = None
    line: int | None = None
