"""Text files of one image each, with one line for each text: MSRA-TD500, RCTW-17, DOTA.

MSRA-TD500's ``.gt`` files, after the data set's page (Microsoft Research Asia's text detection
500): ``index difficult x y w h theta``, blanks between; (x, y) is the left top corner of a box of
w x h px that is then turned about its centre by theta radians, clockwise on the screen (y points
down). No transcriptions.

RCTW-17's, after the competition's page (ICDAR 2017, "Reading Chinese Text in the Wild"): UTF-8,
``x1,y1,x2,y2,x3,y3,x4,y4,difficult,"text"``, the corners clockwise, ``###`` for a text that can't
be read.

DOTA's, after the data set's page (captain-whu.github.io/DOTA): ``x1 y1 x2 y2 x3 y3 x4 y4 category
difficult``, blanks between, the corners clockwise in px; two lines ``imagesource:`` and ``gsd:``
may come first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading
from ppocr_ft.commands.convert.formats.sources import (
    SourceFile,
    is_label_file,
    read_text,
    source_files,
)
from ppocr_ft.commands.convert.formats.texts import (
    LabelText,
    Unusable,
    flat_polygon,
    make_text,
    turned_box,
)
from ppocr_ft.utils.progress import ProgressBar

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
LineParser = Callable[[str, Draft], LabelText | None]
"""Makes a text of a line, None of a line that holds none; Unusable says why it can't."""
Fits = Callable[[str], object]
"""Says whether a line is one of a format, be its values right or wrong."""
_PPOCR_NAMES = frozenset({"fileState.txt", "rec_gt.txt"})
_TD500_FORM = "index difficult x y w h theta"
_TD500_LINE = re.compile(rf"\s*\d+\s+([01])((?:\s+{NUMBER}){{5}})\s*")
_RCTW_FORM = 'x1,y1,x2,y2,x3,y3,x4,y4,difficult,"text"'
_RCTW_CORNERS = re.compile(rf"\s*{NUMBER}(?:\s*,\s*{NUMBER}){{7}}\s*(?:,|$)")
_RCTW_LINE = re.compile(
    rf"\s*({NUMBER}(?:\s*,\s*{NUMBER}){{7}})\s*,\s*([01])\s*,\s*(.*?)\s*", re.DOTALL
)
_DOTA_FORM = "x1 y1 x2 y2 x3 y3 x4 y4 category difficult"
_DOTA_LINE = re.compile(rf"\s*({NUMBER}(?:\s+{NUMBER}){{7}})\s+(\S*[^\s\d.]\S*)(?:\s+(\d))?\s*")
_DOTA_HEADER = re.compile(r"\s*(?:imagesource|gsd)\s*:.*", re.IGNORECASE)
fits_td500 = _TD500_LINE.fullmatch
fits_dota = _DOTA_LINE.fullmatch


def text_files(
    source: Path, suffixes: Sequence[str], reading: Reading, prefix: str = ""
) -> list[Path]:
    """Return the ``source_files`` whose names begin with ``prefix``, or all if none does.

    PaddleOCR's own files, which an earlier conversion may have written into the folder, are left
    out. What isn't read is reported.
    """
    files = source_files(source, *suffixes)
    chosen = files
    if source.is_dir():
        chosen = [p for p in files if p.name not in _PPOCR_NAMES and not is_label_file(p)]
        _tally_others(files, chosen, "files are PaddleOCR's or PPOCRLabel's own: not read", reading)
    begun = [path for path in chosen if path.name.startswith(prefix)] or chosen
    _tally_others(
        chosen, begun, f"files without {prefix!r} before their names were not read", reading
    )
    return begun


def _tally_others(
    files: Sequence[Path], chosen: Collection[Path], what: str, reading: Reading
) -> None:
    read = set(chosen)
    for path in files:
        if path not in read:
            remedy = "give a file itself to have it read"
            reading.tally("other-file", what, remedy, str(path))


def read_line_files(
    source: Path,
    reading: Reading,
    bar: ProgressBar,
    parse: LineParser,
    fits: Fits,
    suffixes: Sequence[str] = (".txt",),
    unread: Collection[str] = (),
) -> None:
    """Read a file, or a folder's files of these suffixes but those named ``unread``."""
    files = [p for p in text_files(source, suffixes, reading) if p.name not in unread]
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        image = reading.images.name_of(path.with_suffix(""))
        if source.is_dir() and _is_no_label(path, image, fits, reading):
            draft.tally(
                "other-file",
                "files have no image and no line of this form: not read",
                "give a file itself to have it read",
            )
            continue
        with draft.part():
            draft.name = reading.images.by_label(image)
        with draft.part():
            for number, line in lines_of(path):
                with draft.part(line=number):
                    text = parse(line, draft)
                    if text is not None and draft.takes(text.category):
                        draft.add(text)
        reading.finish(draft)


def _is_no_label(path: Path, image: str, fits: Fits, reading: Reading) -> bool:
    """Return whether a file, such as a readme, has neither an image nor a line that fits."""
    try:
        reading.images.by_label(image)
    except Unusable as fault:
        if fault.rule == "image-missing":
            lines = SourceFile(path).lines
            return bool(lines) and not any(map(fits, lines))
    return False


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file that aren't blank, with their numbers.

    Raises:
        Unusable: it can't be read.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def bad_line(line: str, expected: str) -> Unusable:
    """Return the fault of a line that isn't as ``expected``."""
    return Unusable("bad-line", f"found {line.strip()!r:.80}", f"expected {expected}")


def most_lines(sample: SourceFile, fits: Fits) -> bool:
    """Return whether a file has lines, and most of them fit: a few may be faulty."""
    return 2 * sum(bool(fits(line)) for line in sample.lines) > len(sample.lines)


def _line_format(
    name: str,
    title: str,
    form: str,
    parse: LineParser,
    fits: Fits,
    suffixes: Sequence[str] = (".txt",),
    recognises: Callable[[SourceFile], bool] | None = None,
) -> Format:
    """Return the format of files whose lines are of a form, as most must be to recognise it."""

    def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
        read_line_files(source, reading, bar, parse, fits, suffixes)

    def recognise(sample: SourceFile) -> str | None:
        is_one = recognises(sample) if recognises else most_lines(sample, fits)
        return f"has lines {form}" if is_one else None

    return Format(name, f"{title}: {form}", read, recognise)


def _td500_text(line: str, _: Draft) -> LabelText:
    match = _TD500_LINE.fullmatch(line)
    if not match:
        raise bad_line(line, _TD500_FORM)
    x, y, width, height, theta = map(float, match[2].split())
    points = turned_box(x + width / 2, y + height / 2, width, height, theta)
    return make_text(points, difficult=match[1] == "1")


TD500 = _line_format(
    "td500", "MSRA-TD500's .gt", _TD500_FORM, _td500_text, fits_td500, (".gt", ".txt")
)


def _rctw_text(line: str, _: Draft) -> LabelText:
    match = _RCTW_LINE.fullmatch(line)
    if not match:
        raise bad_line(line, _RCTW_FORM)
    transcription = match[3][1:-1] if _is_quoted(match[3]) else match[3]
    points = flat_polygon([float(value) for value in match[1].split(",")])
    return make_text(points, transcription, difficult=match[2] == "1")


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def is_flagged(line: str) -> bool:
    """Return whether RCTW's 0 or 1 and a text in quotes follow the eight numbers."""
    match = _RCTW_LINE.fullmatch(line)
    return match is not None and _is_quoted(match[3])


def have_flags(lines: Sequence[str]) -> bool:
    """Return whether the lines of an image or of a source are RCTW's.

    A single line without quotes may as well be of ICDAR 2015, with the text ``1,234``.
    """
    return bool(lines) and (
        all(map(is_flagged, lines)) or (len(lines) > 1 and all(map(_RCTW_LINE.fullmatch, lines)))
    )


def _is_rctw(sample: SourceFile) -> bool:
    corners = [line for line in sample.lines if _RCTW_CORNERS.match(line)]
    return have_flags(corners) and most_lines(sample, _RCTW_LINE.fullmatch)


RCTW = _line_format(
    "rctw",
    "RCTW-17's text files",
    _RCTW_FORM,
    _rctw_text,
    _RCTW_LINE.fullmatch,
    recognises=_is_rctw,
)


def _dota_text(line: str, _: Draft) -> LabelText | None:
    if _DOTA_HEADER.fullmatch(line):
        return None
    match = _DOTA_LINE.fullmatch(line)
    if not match:
        raise bad_line(line, _DOTA_FORM)
    points = flat_polygon([float(value) for value in match[1].split()])
    return make_text(points, category=match[2], difficult=(match[3] or "0") != "0")


def _is_dota(sample: SourceFile) -> bool:
    return most_lines(sample, lambda line: fits_dota(line) or _DOTA_HEADER.fullmatch(line))


DOTA = _line_format(
    "dota", "DOTA's text files", _DOTA_FORM, _dota_text, fits_dota, recognises=_is_dota
)
