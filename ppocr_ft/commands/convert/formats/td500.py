"""MSRA-TD500's ``.gt`` files: one for each image, one line for each text.

After the data set's page (Microsoft Research Asia's text detection 500): ``index difficult x y w h
theta``, blanks between; (x, y) is the left top corner of a box of w x h px that is then turned
about its centre by theta radians, clockwise on the screen (y points down). No transcriptions.
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
from ppocr_ft.commands.convert.formats.texts import LabelText, make_text, turned_box
from ppocr_ft.utils.progress import ProgressBar

FORM = "index difficult x y w h theta"
LINE = re.compile(rf"\s*\d+\s+([01])((?:\s+{NUMBER}){{5}})\s*")
fits = LINE.fullmatch


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file, or a folder of ``*.gt``, else of ``*.txt``."""
    read_line_files(source, reading, bar, _text, fits, (".gt", ".txt"))


def _text(line: str, _: Draft) -> LabelText:
    match = LINE.fullmatch(line)
    if not match:
        raise bad_line(line, FORM)
    x, y, width, height, theta = map(float, match[2].split())
    points = turned_box(x + width / 2, y + height / 2, width, height, theta)
    return make_text(points, difficult=match[1] == "1")


def _recognise(sample: SourceFile) -> str | None:
    return f"has lines {FORM}" if most_lines(sample, fits) else None


FORMAT = Format("td500", f"MSRA-TD500's .gt: {FORM}", read, recognise=_recognise)
