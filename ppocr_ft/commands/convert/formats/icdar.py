"""ICDAR's text files: one for each image, one line for each text.

After the task pages of the Robust Reading Competition (rrc.cvc.uab.es), challenge 4, "Incidental
Scene Text" of 2015: UTF-8, CR/LF, ``gt_[image name].txt``, ``x1, y1, x2, y2, x3, y3, x4, y4,
transcription`` with the corners clockwise, all that follows the eighth comma being the
transcription, ``###`` for a text to ignore. And challenge 2, "Focused Scene Text" of 2013:
``left, top, right, bottom, "transcription"``, a backslash before quotes and backslashes; its
training files have blanks in place of the commas. The multi-lingual sets (challenges 8 and 15)
put the text's script before the transcription.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress, takewhile
from pathlib import Path, PurePosixPath

from ppocr_ft.commands.convert.formats.line_files import (
    DOTA,
    RCTW,
    TD500,
    fits_dota,
    fits_td500,
    have_flags,
    is_flagged,
    lines_of,
    text_files,
)
from ppocr_ft.commands.convert.formats.reading import (
    TITLE,
    Draft,
    Entry,
    Format,
    Reading,
    Writer,
)
from ppocr_ft.commands.convert.formats.sources import SourceFile, below
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    flat_polygon,
    make_text,
    plain,
    rectangle,
)
from ppocr_ft.commands.convert.formats.yolo import YOLO
from ppocr_ft.commands.convert.formats.yolo import fits as fits_yolo
from ppocr_ft.messages import counted
from ppocr_ft.utils.progress import ProgressBar

_PREFIX = "gt_"
_CORNERS = 4
_OTHERS = ((TD500, fits_td500), (DOTA, fits_dota), (YOLO, fits_yolo))
_NUMBER = r"[+-]?\d+(?:\.\d*)?"
_BETWEEN = r"(?:\s*,\s*|\s+)"
_QUAD = re.compile(rf"\s*({_NUMBER}(?:\s*,\s*{_NUMBER}){{7}})\s*(?:,(.*))?", re.DOTALL)
_RECTANGLE = re.compile(
    rf"\s*({_NUMBER}(?:{_BETWEEN}{_NUMBER}){{3}})(?:{_BETWEEN}(.*)|\s*)", re.DOTALL
)
_MORE_NUMBERS = re.compile(rf"(?:\s*{_NUMBER}\s*,){{3}}\s*{_NUMBER}\s*(?:,|$)")
_NUMBER_FIRST = re.compile(rf"{_NUMBER}\s*(?:,|$)")
_SCRIPT = re.compile(
    r"\s*(?:Arabic|Latin|Chinese|Japanese|Korean|Bangla|Hindi|Symbols|Mixed|None)\s*,"
)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class _Line:
    number: int
    text: str
    points: Polygon
    transcription: str | None
    is_quad: bool


def _read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``gt_*.txt`` (or of ``*.txt``, if none begins so)."""
    files = text_files(source, (".txt", ".csv"), reading, _PREFIX)
    parsed = [_parse(path, source, reading) for path in bar(files, len(files), TITLE, "file")]
    lines = [line for _, file_lines in parsed for line in file_lines]
    scripts = bool(lines) and all(
        line.is_quad and _SCRIPT.match(line.transcription or "") for line in lines
    )
    if scripts:
        reading.warn(
            "script",
            "each transcription has a script's name before it, as in the multi-lingual sets: "
            "it was taken off",
            "nothing, if that is so",
            source,
        )
    is_other = _is_other_form(lines, source, reading)
    for draft, file_lines in parsed:
        for line in file_lines:
            transcription = line.transcription
            if scripts and transcription:
                transcription = transcription.partition(",")[2]
            with draft.part(line=line.number):
                draft.add(_text(line.points, transcription))
        draft.faulty |= is_other
        reading.finish(draft)


def _parse(path: Path, source: Path, reading: Reading) -> tuple[Draft, list[_Line]]:
    draft = reading.draft(path)
    lines: list[_Line] = []
    with draft.part():
        draft.name = reading.images.by_label(below(path, source, _PREFIX))
    with draft.part():
        for number, line in lines_of(path):
            with draft.part(line=number):
                lines.append(_Line(number, line, *parse_line(line)))
    return draft, lines


def parse_line(line: str) -> tuple[Polygon, str | None, bool]:
    """Return polygon, transcription (None if missing), and whether it is a line of 2015.

    Raises:
        Unusable: it is a line of neither kind.
    """
    match = _QUAD.fullmatch(line)
    if match:
        transcription = match[2]
        blanks_after_commas = re.search(r",\s", match[1])
        if transcription and blanks_after_commas:  # then one stands before the text too
            transcription = transcription.removeprefix(" ")
        return flat_polygon([float(value) for value in match[1].split(",")]), transcription, True
    match = _RECTANGLE.fullmatch(line)
    text = (match and match[2]) or ""
    if not match or _NUMBER_FIRST.match(text) or not ("," in match[1] or text.startswith('"')):
        raise _bad_line(line)
    edges = [float(value) for value in re.split(_BETWEEN, match[1])]
    return rectangle(*edges), _unquoted(match[2]), False


def _unquoted(transcription: str | None) -> str | None:
    if transcription is None or not transcription.startswith('"'):
        return transcription
    transcription = transcription.rstrip()
    if len(transcription) < 2 or not transcription.endswith('"'):
        message = f"the quotes of {transcription:.60} are not closed"
        raise Unusable("bad-line", message, 'write "transcription"')
    return _ESCAPED.sub(r"\1", transcription[1:-1])


def _bad_line(line: str) -> Unusable:
    for form, fits in _OTHERS:
        if fits(line):
            message = f"found {line.strip():.60}: {form.meaning}"
            return Unusable("other-form", message, f"read it with --from {form.name}")
    values = re.split(_BETWEEN, line.strip())
    numbers = len(list(takewhile(re.compile(_NUMBER).fullmatch, values)))
    return Unusable(
        "bad-line",
        f"found {numbers} numbers at the start of {line.strip():.60}",
        "expected x1,y1,x2,y2,x3,y3,x4,y4,transcription or "
        'left, top, right, bottom, "transcription" (in quotes, if blanks separate the numbers)',
    )


def _is_other_form(lines: Sequence[_Line], source: Path, reading: Reading) -> bool:
    """Return whether all lines seem to be of another form, and report it; count single ones."""
    corners = [_MORE_NUMBERS.match(line.transcription or "") for line in lines]
    flags = [is_flagged(line.text) for line in lines]
    if corners and all(corners):
        fault = Unusable(
            "many-corners",
            "every line has 12 numbers or more: polygons, while ICDAR 2015's have 4 corners",
            "convert the files of another form that the set has; --from ctw1500 reads CTW1500's",
        )
    elif have_flags([line.text for line in lines]):
        fault = Unusable(
            "other-form",
            f"every line has 0 or 1 after the eighth number: {RCTW.meaning}",
            f"read them with --from {RCTW.name}",
        )
    else:
        _tally(lines, corners, reading, "many-corners", "with four numbers or more, maybe corners")
        _tally(lines, flags, reading, "other-form", "with 0 or 1 and a comma, maybe RCTW's flag")
        return False
    reading.report(fault, source)
    return True


def _tally(
    lines: Sequence[_Line], seeming: Sequence[object], reading: Reading, rule: str, how: str
) -> None:
    for line in compress(lines, seeming):
        reading.tally(rule, f"texts begin {how}", "look at the line", f"{line.transcription:.40}")


def _text(points: Polygon, transcription: str | None) -> LabelText:
    ignored = transcription is not None and transcription.strip().strip('"') in IGNORE_MARKS
    return make_text(points, transcription, ignored=ignored)


class IcdarWriter(Writer):
    """Writes files of 2015's form, ``gt_*.txt`` in the folders of their images."""

    def __init__(self) -> None:
        self._takers: dict[str, str] = {}

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        name = entry.name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            yield Unusable(
                "image-outside",
                f"the image {name} is not below the image folder, so its label file has no place",
                "give a folder that holds all images with --images",
            )
        else:
            path = _label_path(entry.name)
            taker = self._takers.setdefault(path, entry.name)
            if taker != entry.name:
                message = f"its label file {path} would be that of {taker}"
                yield Unusable("same-label-file", message, "rename one of the images")
        for number, text in enumerate(entry.texts, start=1):
            yield from _text_faults(number, text)

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        """Return contents by path below the output folder, in the part's folder if there is one."""
        contents = {}
        for entry in entries:
            lines = "".join(f"{_line(text)}\r\n" for text in entry.texts)
            contents[str(PurePosixPath(part, _label_path(entry.name)))] = lines.encode("utf-8")
        return contents

    def stale(self, folder: Path, written: set[Path]) -> list[Path]:
        return sorted(path for path in folder.rglob(f"{_PREFIX}*.txt") if path not in written)


def _label_path(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{_PREFIX}{path.stem}.txt"))


def _text_faults(number: int, text: LabelText) -> Iterator[Unusable]:
    if len(text.points) != _CORNERS:
        yield Unusable(
            "not-4-points",
            f"text {number} has {counted(len(text.points), 'point')}; ICDAR's have {_CORNERS}",
            "write COCO, which has polygons, or draw a box of 4 corners",
        )
        return
    line = _line(text)
    broken = "\n" in line or line.endswith("\r")
    points, transcription, _ = parse_line(line)
    back = _text(points, transcription)
    if broken or (back.points, back.transcription) != (text.points, text.transcription):
        yield Unusable(
            "unwritable-text",
            f"text {number}, {text.transcription!r:.60}, would be read back as another",
            "write COCO, or change the transcription",
        )


def _line(text: LabelText) -> str:
    values = plain(value for point in text.points for value in point)
    return ",".join([*(f"{value}" for value in values), text.transcription])


def _recognise(sample: SourceFile) -> str | None:
    parsed = []
    for line in sample.lines:
        with suppress(Unusable):
            parsed.append((line, *parse_line(line)))
    are_corners = all(_MORE_NUMBERS.match(text or "") for _, _, text, _ in parsed)
    few = 2 * len(parsed) <= len(sample.lines)
    if few or are_corners or have_flags([line for line, *_ in parsed]):
        return None
    return f"has lines of {'8 numbers' if parsed[0][3] else '4 numbers'} and a text"


ICDAR = Format(
    "icdar",
    "gt_*.txt of ICDAR 2015 and 2013: corners or edges, then the text",
    _read,
    _recognise,
    IcdarWriter,
)
