"""Total-Text's text files: one for each image, one record for each text.

After the data set's description (github.com/cs-chan/Total-Text-Dataset, Groundtruth/Text) and
its text files ``poly_gt_[image name].txt``: ``x: [[x1 x2 ...]], y: [[y1 y2 ...]], ornt: [u'c'],
transcriptions: [u'text']``, one polygon per record; a record with many points continues in the next
line. The orientation is c(urved), h(orizontal), m(ulti-oriented), or # for a text to ignore,
whose transcription is # too. Strings are Python's, with its escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import TITLE, Format, Reading
from ppocr_ft.commands.convert.formats.recognition import SourceFile
from ppocr_ft.commands.convert.formats.sources import below, named, read_text, text_files
from ppocr_ft.commands.convert.formats.texts import LabelText, Unusable, make_text, polygon
from ppocr_ft.errors import DataError
from ppocr_ft.utils.progress import ProgressBar

PREFIX = "poly_gt_"
_START = re.compile(r"^\s*x\s*:", re.MULTILINE)
_NUMBERS = r"\[\[([^\[\]]*)\]\]"
_STRING = r"""\[\s*(u?'(?:[^'\\]|\\.)*'|u?"(?:[^"\\]|\\.)*")?\s*\]"""
_RECORD = re.compile(
    rf"\s*x\s*:\s*{_NUMBERS}\s*,\s*y\s*:\s*{_NUMBERS}\s*,\s*ornt\s*:\s*{_STRING}\s*,"
    rf"\s*transcriptions\s*:\s*{_STRING}\s*,?\s*",
    re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([\\'\"abfnrtv]))"
)
_LETTERS = dict(zip("\\'\"abfnrtv", "\\'\"\a\b\f\n\r\t\v", strict=True))
_FORM = "x: [[1 2 ...]], y: [[1 2 ...]], ornt: [u'h'], transcriptions: [u'text']"


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``poly_gt_*.txt`` (or of ``*.txt``, if none begins so).

    Raises:
        DataError: the source holds the MATLAB form.
    """
    _refuse_matlab(source)
    files = named(text_files(source, (".txt",), reading), PREFIX, reading)
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        with draft.part():
            draft.name = reading.images.by_label(below(path, source, PREFIX))
        with draft.part():
            for line, record in _records(read_text(path)):
                with draft.part(line=line):
                    draft.add(_text(record), f"{path}:{line}")
        reading.finish(draft)


def _refuse_matlab(source: Path) -> None:
    is_folder = source.is_dir()
    mat_files = sorted(source.rglob("*.mat")) if is_folder else [source] * (source.suffix == ".mat")
    if mat_files and not (is_folder and any(source.rglob("*.txt"))):
        raise DataError(
            "Total-Text's .mat files are not read; take its text files, txt_format.zip of the "
            "same page",
            path=mat_files[0],
        )


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Yield each record with its 1-based line; text before the first one is unchanged."""
    starts = [start.end() - len(start[0].lstrip()) for start in _START.finditer(text)]
    bounds = [*starts, len(text)]
    if text[: bounds[0]].strip():
        yield 1, text[: bounds[0]]
    for start, end in zip(starts, bounds[1:], strict=True):
        yield text.count("\n", 0, start) + 1, text[start:end]


def _text(record: str) -> LabelText:
    match = _RECORD.fullmatch(record)
    if not match:
        raise Unusable("bad-record", f"found {record.strip()!r:.80}", f"expected {_FORM}")
    xs, ys, orientation, transcription = match.groups()
    columns, rows = _numbers(xs), _numbers(ys)
    if len(columns) != len(rows):
        raise Unusable(
            "bad-points",
            f"has {len(columns)} x but {len(rows)} y",
            "give as many of the one as of the other",
        )
    points = polygon(list(zip(columns, rows, strict=True)))
    ignored = orientation is not None and _string(orientation) == "#"
    return make_text(
        points, None if transcription is None else _string(transcription), ignored=ignored
    )


def _numbers(text: str) -> list[float]:
    values = text.replace(",", " ").split()
    wrong = [value for value in values if not _NUMBER.fullmatch(value)]
    if wrong:
        raise Unusable(
            "bad-points", f"found {wrong[0]!r:.40} among the coordinates", "give numbers"
        )
    return [float(value) for value in values]


def _string(literal: str) -> str:
    """Return the value of a Python string literal; nothing of it is evaluated."""
    inner = literal.removeprefix("u")[1:-1]
    return _ESCAPE.sub(_unescaped, inner)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if not code:
        return _LETTERS[match[4]]
    number = int(code, 16)
    if number > 0x10FFFF:
        raise Unusable("bad-transcription", f"{match[0]} is no character", "write it itself")
    return chr(number)


def _recognise(sample: SourceFile) -> str | None:
    is_record = bool(sample.lines) and re.match(rf"\s*x\s*:\s*{_NUMBERS}", sample.lines[0])
    return "begins with x: [[...]]" if is_record else None


FORMAT = Format("totaltext", "Total-Text's poly_gt_*.txt", read, recognise=_recognise)
