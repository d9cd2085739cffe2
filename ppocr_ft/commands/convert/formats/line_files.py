"""Text files of one image each, with one line for each text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Reading
from ppocr_ft.commands.convert.formats.recognition import Sample
from ppocr_ft.commands.convert.formats.sources import read_text, text_files
from ppocr_ft.commands.convert.formats.texts import LabelText, Unusable
from ppocr_ft.utils.progress import ProgressBar

NUMBER = r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"
LineParser = Callable[[str, Draft], LabelText | None]
"""Makes a text of a line, None of a line that holds none; Unusable says why it can't."""


def read_line_files(
    source: Path,
    reading: Reading,
    bar: ProgressBar,
    parse: LineParser,
    suffixes: Collection[str] = (".txt",),
    *,
    unread: Collection[str] = (),
    image_of: Callable[[Path], Path] = Path,
) -> None:
    """Read a file, or a folder's files of these suffixes but those named ``unread``.

    ``image_of`` makes the image's path of the label file's, both without suffix.
    """
    files = [p for p in text_files(source, tuple(suffixes), reading) if p.name not in unread]
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        with draft.part():
            image = image_of(path.absolute().with_suffix(""))
            draft.name = reading.images.by_label(reading.images.name_of(image))
        with draft.part():
            for number, line in lines_of(path):
                with draft.part(line=number):
                    text = parse(line, draft)
                    if text is not None:
                        draft.add(text, f"{path}:{number}")
        reading.finish(draft)


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


def all_lines(sample: Sample, fits: Callable[[str], object]) -> bool:
    """Return whether a file has lines, and all of them fit."""
    return bool(sample.lines) and all(fits(line) for line in sample.lines)
