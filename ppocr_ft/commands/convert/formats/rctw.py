"""RCTW-17's text files: one for each image, one line for each text.

After the competition's page (ICDAR 2017, "Reading Chinese Text in the Wild"): UTF-8,
``x1,y1,x2,y2,x3,y3,x4,y4,difficult,"text"``, the corners clockwise, ``###`` for a text that
can't be read.
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

FORM = 'x1,y1,x2,y2,x3,y3,x4,y4,difficult,"text"'
_CORNERS = re.compile(rf"\s*{NUMBER}(?:\s*,\s*{NUMBER}){{7}}\s*(?:,|$)")
LINE = re.compile(rf"\s*({NUMBER}(?:\s*,\s*{NUMBER}){{7}})\s*,\s*([01])\s*,\s*(.*?)\s*", re.DOTALL)


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``*.txt``."""
    read_line_files(source, reading, bar, _text, LINE.fullmatch)


def _text(line: str, _: Draft) -> LabelText:
    match = LINE.fullmatch(line)
    if not match:
        raise bad_line(line, FORM)
    said = match[3]
    if len(said) > 1 and said[0] == said[-1] == '"':
        said = said[1:-1]
    points = flat_polygon([float(value) for value in match[1].split(",")])
    return make_text(points, said, difficult=match[2] == "1")


def is_flagged(line: str) -> bool:
    """Return whether 0 or 1 and a text in quotes follow the eight numbers."""
    match = LINE.fullmatch(line)
    return match is not None and len(match[3]) > 1 and match[3][0] == match[3][-1] == '"'


def has_flags(lines: list[str]) -> bool:
    """Return whether the lines of an image or of a source are RCTW's.

    A single line without quotes may as well be of ICDAR 2015, with the text ``1,234``.
    """
    return bool(lines) and (
        all(map(is_flagged, lines)) or (len(lines) > 1 and all(map(LINE.fullmatch, lines)))
    )


def _recognise(sample: SourceFile) -> str | None:
    corners = [line for line in sample.lines if _CORNERS.match(line)]
    fits = has_flags(corners) and most_lines(sample, LINE.fullmatch)
    return f"has lines {FORM}" if fits else None


FORMAT = Format("rctw", f"RCTW-17's text files: {FORM}", read, recognise=_recognise)
