"""Data sets of curved text: Total-Text and SCUT-CTW1500.

Total-Text's text files ``poly_gt_[image name].txt``, after the data set's description
(github.com/cs-chan/Total-Text-Dataset, Groundtruth/Text) and the files: ``x: [[x1 x2 ...]], y: [[y1
y2 ...]], ornt: [u'c'], transcriptions: [u'text']``, one polygon per record; a record with many
points continues in the next line. The orientation is c(urved), h(orizontal), m(ulti-oriented), or #
for a text to ignore, whose transcription is # too. Strings are Python's, with its escapes.

SCUT-CTW1500's labels, 14 points each, after the data set's page
(github.com/Yuliang-Liu/Curve-Text-Detector). XML for training: ``Annotations`` / ``image``
(``file``) / ``box`` with ``label`` (what it says) and ``segs`` (x1,y1,...,x14,y14 in px). Text
files for the test: ``x1,y1,...,x14,y14,####text``, ``###`` for a text to ignore; in the set's first
edition ``xmin,ymin,xmax,ymax,x1,y1,...,x14,y14``, the points seen from (xmin, ymin), no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.line_files import (
    NUMBER,
    bad_line,
    most_lines,
    read_line_files,
    text_files,
)
from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading
from ppocr_ft.commands.convert.formats.sources import SourceFile, below, read_text, source_files
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Unusable,
    flat_polygon,
    make_text,
    polygon,
)
from ppocr_ft.commands.convert.formats.xml_files import Node, find_image, points_of, xml_format
from ppocr_ft.errors import DataError
from ppocr_ft.utils.progress import ProgressBar

_PREFIX = "poly_gt_"
_START = re.compile(r"^\s*x\s*:", re.MULTILINE)
_NUMBERS = r"\[\[([^\[\]]*)\]\]"
_STRING = r"""\[\s*(u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*")?\s*\]"""
_RECORD = re.compile(
    rf"\s*x\s*:\s*{_NUMBERS}\s*,\s*y\s*:\s*{_NUMBERS}\s*,\s*ornt\s*:\s*{_STRING}\s*,"
    rf"\s*transcriptions\s*:\s*{_STRING}\s*,?\s*",
    re.DOTALL,
)
_RECORD_FORM = "x: [[1 2 ...]], y: [[1 2 ...]], ornt: [u'h'], transcriptions: [u'text']"
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\'\"abfnrtv]))"
)
_LETTERS = dict(zip("\\'\"abfnrtv", "\\'\"\a\b\f\n\r\t\v", strict=True))
_COMMA = r"\s*,\s*"
_CTW_FORM = "x1,y1,...,x14,y14,####text"
_CTW_LINE = re.compile(rf"\s*({NUMBER}(?:{_COMMA}{NUMBER}){{27}}){_COMMA}####(.*)", re.DOTALL)
_CTW_FIRST_EDITION = re.compile(rf"\s*{NUMBER}(?:{_COMMA}{NUMBER}){{31}}\s*,?\s*")


def _read_totaltext(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``poly_gt_*.txt`` (or of ``*.txt``, if none begins so).

    Raises:
        DataError: the source holds the MATLAB form.
    """
    is_folder = source.is_dir()
    mat_files = sorted(source.rglob("*.mat")) if is_folder else [source] * (source.suffix == ".mat")
    if mat_files and not (is_folder and any(source.rglob("*.txt"))):
        raise DataError(
            "Total-Text's .mat files are not read; take its text files, txt_format.zip of the "
            "same page",
            path=mat_files[0],
        )
    files = text_files(source, (".txt",), reading, _PREFIX)
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        with draft.part():
            draft.name = reading.images.by_label(below(path, source, _PREFIX))
        with draft.part():
            for line, record in _records(read_text(path)):
                with draft.part(line=line):
                    draft.add(_record_text(record))
        reading.finish(draft)


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Yield each record with its 1-based line; text before the first one is unchanged."""
    starts = [start.end() - len(start[0].lstrip()) for start in _START.finditer(text)]
    bounds = [*starts, len(text)]
    if text[: bounds[0]].strip():
        yield 1, text[: bounds[0]]
    for start, end in zip(starts, bounds[1:], strict=True):
        yield text.count("\n", 0, start) + 1, text[start:end]


def _record_text(record: str) -> LabelText:
    match = _RECORD.fullmatch(record)
    if not match:
        raise Unusable("bad-record", f"found {record.strip()!r:.80}", f"expected {_RECORD_FORM}")
    xs, ys, orientation, transcription = match.groups()
    columns, rows = _numbers(xs), _numbers(ys)
    if len(columns) != len(rows):
        message = f"has {len(columns)} x but {len(rows)} y"
        raise Unusable("bad-points", message, "give as many of the one as of the other")
    points = polygon(list(zip(columns, rows, strict=True)))
    ignored = orientation is not None and _string(orientation) == "#"
    text = None if transcription is None else _string(transcription)
    return make_text(points, text, ignored=ignored)


def _numbers(text: str) -> list[float]:
    values = text.replace(",", " ").split()
    wrong = [value for value in values if not _NUMBER.fullmatch(value)]
    if wrong:
        message = f"found {wrong[0]!r:.40} among the coordinates"
        raise Unusable("bad-points", message, "give numbers")
    return [float(value) for value in values]


def _string(literal: str) -> str:
    """Return the value of a Python string literal; nothing of it is evaluated."""
    return _ESCAPE.sub(_unescaped, literal.removeprefix("u")[1:-1])


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if not code:
        return _LETTERS[match[4]]
    number = int(code, 16)
    if number > 0x10FFFF:
        raise Unusable("bad-transcription", f"{match[0]} is no character", "write it itself")
    return chr(number)


def _recognise_totaltext(sample: SourceFile) -> str | None:
    is_record = bool(sample.lines) and re.match(rf"\s*x\s*:\s*{_NUMBERS}", sample.lines[0])
    return "begins with x: [[...]]" if is_record else None


TOTALTEXT = Format("totaltext", "Total-Text's poly_gt_*.txt", _read_totaltext, _recognise_totaltext)


def _read_ctw1500(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file, or a folder of ``*.xml``, else of ``*.txt``."""
    if source_files(source, ".xml", ".txt")[0].suffix.lower() == ".xml":
        _CTW_XML.read(source, reading, bar)
    else:
        read_line_files(source, reading, bar, _ctw_text, _fits_ctw)


def _read_ctw_root(root: Node, path: Path, reading: Reading) -> None:
    for image in root.all("image"):
        draft = reading.draft(path, image.line)
        with draft.part():
            draft.name = find_image(draft, image.attributes.get("file"))
        for box in image.all("box"):
            with draft.part(line=box.line):
                points = points_of(box.said("segs") or "", box.line)
                draft.add(make_text(points, box.said("label")))
        reading.finish(draft)


def _ctw_text(line: str, _: Draft) -> LabelText:
    match = _CTW_LINE.fullmatch(line)
    if match:
        return make_text(flat_polygon([float(value) for value in match[1].split(",")]), match[2])
    if not _CTW_FIRST_EDITION.fullmatch(line):
        raise bad_line(line, _CTW_FORM)
    values = [float(value) for value in line.strip(" ,").split(",")]
    return make_text(flat_polygon([value + values[i % 2] for i, value in enumerate(values[4:])]))


def _fits_ctw(line: str) -> object:
    return _CTW_LINE.fullmatch(line) or _CTW_FIRST_EDITION.fullmatch(line)


def _recognise_ctw1500(sample: SourceFile) -> str | None:
    of_14_points = "has lines of 14 points" if most_lines(sample, _fits_ctw) else None
    return _CTW_XML.recognise(sample) or of_14_points


_CTW_XML = xml_format("ctw1500", "SCUT-CTW1500's XML and text files", "Annotations", _read_ctw_root)
CTW1500 = Format("ctw1500", _CTW_XML.meaning, _read_ctw1500, _recognise_ctw1500)
