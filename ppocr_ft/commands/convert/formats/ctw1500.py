"""SCUT-CTW1500's labels of curved text, 14 points each: XML for training, text files for the test.

After the data set's page (github.com/Yuliang-Liu/Curve-Text-Detector). XML: ``Annotations`` /
``image`` (``file``) / ``box`` with ``label`` (what it says) and ``segs`` (x1,y1,...,x14,y14 in px).
Text: ``x1,y1,...,x14,y14,####text``, ``###`` for a text to ignore; in the set's first edition
``xmin,ymin,xmax,ymax,x1,y1,...,x14,y14``, the points seen from (xmin, ymin), without a text.
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
from ppocr_ft.commands.convert.formats.sources import source_files
from ppocr_ft.commands.convert.formats.texts import LabelText, flat_polygon, make_text
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format
from ppocr_ft.utils.progress import ProgressBar

FORM = "x1,y1,...,x14,y14,####text"
_COMMA = r"\s*,\s*"
_LINE = re.compile(rf"\s*({NUMBER}(?:{_COMMA}{NUMBER}){{27}}){_COMMA}####(.*)", re.DOTALL)
_FIRST_EDITION = re.compile(rf"\s*{NUMBER}(?:{_COMMA}{NUMBER}){{31}}\s*,?\s*")


def _read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file, or a folder of ``*.xml``, else of ``*.txt``."""
    if source_files(source, ".xml", ".txt")[0].suffix.lower() == ".xml":
        _XML.read(source, reading, bar)
    else:
        read_line_files(source, reading, bar, _text, _fits)


def _text(line: str, _: Draft) -> LabelText:
    match = _LINE.fullmatch(line)
    if match:
        return make_text(flat_polygon([float(value) for value in match[1].split(",")]), match[2])
    if not _FIRST_EDITION.fullmatch(line):
        raise bad_line(line, FORM)
    values = [float(value) for value in line.strip(" ,").split(",")]
    return make_text(flat_polygon([value + values[i % 2] for i, value in enumerate(values[4:])]))


def _read_root(root: Node, path: Path, reading: Reading) -> None:
    for image in root.all("image"):
        draft = reading.draft(path, image.line)
        with draft.part():
            draft.name = find_image(draft, image.attributes.get("file"))
        for box in image.all("box"):
            with draft.part(line=box.line):
                points = points_of(box.said("segs") or "", box.line)
                draft.add(make_text(points, box.said("label")), f"{path}:{box.line}")
        reading.finish(draft)


def _recognise(sample: SourceFile) -> str | None:
    if _XML.recognise(sample):
        return _XML.recognise(sample)
    return "has lines of 14 points" if most_lines(sample, _fits) else None


def _fits(line: str) -> object:
    return _LINE.fullmatch(line) or _FIRST_EDITION.fullmatch(line)


_XML = xml_format("ctw1500", "SCUT-CTW1500's XML and text files", "Annotations", _read_root)
FORMAT = Format("ctw1500", _XML.meaning, _read, recognise=_recognise)
