"""DOTA's text files: one for each image, one line for each object.

After the data set's page (captain-whu.github.io/DOTA): ``x1 y1 x2 y2 x3 y3 x4 y4 category
difficult``, blanks between, the corners clockwise in px; two lines ``imagesource:`` and ``gsd:``
may come first.
"""

from __future__ import annotations

import re
from pathlib import Path

from ppocr_ft.commands.convert.formats.line_files import (
    NUMBER,
    bad_line,
    most_lines,
    read_line_files,
)
from ppocr_ft.commands.convert.formats.reading import Draft, Format, Reading
from ppocr_ft.commands.convert.formats.recognition import SourceFile
from ppocr_ft.commands.convert.formats.texts import LabelText, flat_polygon, make_text
from ppocr_ft.utils.progress import ProgressBar

FORM = "x1 y1 x2 y2 x3 y3 x4 y4 category difficult"
LINE = re.compile(rf"\s*({NUMBER}(?:\s+{NUMBER}){{7}})\s+(\S*[^\s\d.]\S*)(?:\s+(\d))?\s*")
_HEADER = re.compile(r"\s*(?:imagesource|gsd)\s*:.*", re.IGNORECASE)
fits = LINE.fullmatch


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``*.txt``."""
    read_line_files(source, reading, bar, _text, fits)


def _text(line: str, _: Draft) -> LabelText | None:
    if _HEADER.fullmatch(line):
        return None
    match = LINE.fullmatch(line)
    if not match:
        raise bad_line(line, FORM)
    points = flat_polygon([float(value) for value in match[1].split()])
    return make_text(points, category=match[2], difficult=(match[3] or "0") != "0")


def _recognise(sample: SourceFile) -> str | None:
    fits = most_lines(sample, lambda line: LINE.fullmatch(line) or _HEADER.fullmatch(line))
    return f"has lines {FORM}" if fits else None


FORMAT = Format("dota", f"DOTA's text files: {FORM}", read, recognise=_recognise)
