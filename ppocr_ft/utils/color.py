"""Color on a terminal that has it; https://no-color.org."""

from __future__ import annotations

import os
import re
from typing import Literal, TextIO

Color = Literal["red", "yellow", "green"]
_CODES: dict[Color, str] = {"red": "31", "yellow": "33", "green": "32"}
_SEVERITY = re.compile(r"^(error|warning)\b", re.MULTILINE)
_COLOR_OF: dict[str, Color] = {"error": "red", "warning": "yellow"}


def has_color(stream: TextIO) -> bool:
    """Return whether the stream is a terminal with colors, and NO_COLOR isn't set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colored(text: str, color: Color, stream: TextIO) -> str:
    """Return the text in bold color, unchanged where the stream has none."""
    return f"\033[1;{_CODES[color]}m{text}\033[0m" if has_color(stream) and text else text


def severities_colored(text: str, stream: TextIO) -> str:
    """Return the text with ``error`` and ``warning`` at the beginning of a line in color."""
    return _SEVERITY.sub(lambda match: colored(match[1], _COLOR_OF[match[1]], stream), text)
