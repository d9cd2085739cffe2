"""Text files of one image each, with one line for each text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Reading
from ppocr_ft.commands.convert.formats.recognition import SourceFile
from ppocr_ft.commands.convert.formats.sources import read_text, text_files
from ppocr_ft.commands.convert.formats.texts import LabelText, Unusable
from ppocr_ft.utils.progress import ProgressBar

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
LineParser = Callable[[str, Draft], LabelText | None]
"""Makes a text of a line, None of a line that holds none; Unusable says why it can't."""


def read_line_files(
    source: Path,
    reading: Reading,
    bar: ProgressBar,
    parse: LineParser,
    fits: Callable[[str], object],
    suffixes: Collection[str] = (".txt",),
    *,
    unread: Collection[str] = (),
) -> None:
    """Read a file, or a folder's files of these suffixes but those named ``unread``.

    ``fits`` says whether a line is one of the format, be its values right or wrong.
    """
    files = [p for p in text_files(source, tuple(suffixes), reading) if p.name not in unread]
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        image = reading.images.name_of(path.absolute().with_suffix(""))
        if source.is_dir() and _is_no_label(path, image, fits, reading):
            reading.tally(
                "other-file",
                "files have no image and no line of this form: not read",
                "give a file itself to have it read",
                str(path),
            )
            continue
        with draft.part():
            draft.name = reading.images.by_label(image)
        with draft.part():
            for number, line in lines_of(path):
                with draft.part(line=number):
                    text = parse(line, draft)
                    if text is not None:
                        draft.add(text, f"{path}:{number}")
        reading.finish(draft)


def _is_no_label(path: Path, image: str, fits: Callable[[str], object], reading: Reading) -> bool:
    """Return whether a file, such as a readme, has neither an image nor a line that fits."""
    try:
        reading.images.by_label(image)
    except Unusable as fault:
        if fault.rule != "image-missing":
            return False
    else:
        return False
    lines = SourceFile(path).lines
    return bool(lines) and not any(map(fits, lines))


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


def most_lines(sample: SourceFile, fits: Callable[[str], object]) -> bool:
    """Return whether a file has lines, and most of them fit: a few may be faulty."""
    return 2 * sum(bool(fits(line)) for line in sample.lines) > len(sample.lines)
