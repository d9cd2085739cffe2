"""The result of a format's reader: images with their texts, and all faults."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import EllipsisType
from typing import Protocol

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.recognition import SourceFile
from ppocr_ft.commands.convert.formats.texts import IGNORED, LabelText, Unusable
from ppocr_ft.errors import Finding
from ppocr_ft.utils.progress import ProgressBar

LINES, WORDS, BLOCKS = "lines", "words", "blocks"
"""The levels of texts in formats that have several."""
TITLE = "convert"
"""Of the progress bars."""


@dataclass(frozen=True)
class Entry:
    """One image and its texts, none for an image without text.

    ``name`` is its path below the image folder with ``/`` between the parts, or how to get there
    from that folder. ``file`` and ``line`` are the place of its label. ``size_px`` is (width,
    height), if the format to be written needs it.
    """

    name: str
    texts: tuple[LabelText, ...]
    file: str
    line: int | None = None
    size_px: tuple[int, int] | None = None


@dataclass(frozen=True)
class TextChoice:
    """Which objects of a source become texts, by their class (``LabelText.category``).

    ``only`` takes these classes alone, if it names any; ``without`` leaves these out.
    ``ignore_difficult`` makes ``###`` of the objects marked difficult. ``level`` is one of the
    format's levels, None for its usual one.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ignore_difficult: bool = False
    level: str | None = None

    def takes(self, category: str | None) -> bool:
        return (not self.only or category in self.only) and category not in self.without


TAKE_ALL = TextChoice()


_SINGULAR = {
    "are": "is",
    "begin": "begins",
    "belong": "belongs",
    "have": "has",
    "share": "shares",
    "were": "was",
}


@dataclass
class _Tally:
    what: str
    remedy: str
    first: str
    count: int = 0

    @property
    def words(self) -> str:
        """``2 texts have ...``, ``1 text has ...``."""
        if self.count != 1:
            return f"{self.count} {self.what}"
        noun, _, rest = self.what.partition(" ")
        verb = re.compile(rf"\b({'|'.join(_SINGULAR)})\b")
        return f"1 {noun.removesuffix('s')} {verb.sub(lambda m: _SINGULAR[m[0]], rest, count=1)}"


@dataclass
class Reading:
    """All that was read of one source of any format.

    ``entries`` are the images whose whole label can be used; ``left_out`` names the others: an
    image only a part of whose texts is known would teach the rest as background. ``mentioned``
    are all images that the labels speak of, ``said_classes`` counts the texts that say what their
    class is called (a tool has one field for both), ``categories`` the objects of each class
    (None: without one), those that ``choice`` leaves out too.
    """

    images: ImageFolder
    choice: TextChoice = TAKE_ALL
    entries: list[Entry] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)
    categories: Counter[str | None] = field(default_factory=Counter)
    said_classes: int = 0
    _findings: list[Finding] = field(default_factory=list)
    _tallies: dict[tuple[str, str], _Tally] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        """In the order in which they were met; what was only counted comes last."""
        counted = (
            Finding(rule, "warning", f"{t.words} (the first: {t.first})", t.remedy)
            for (rule, _), t in self._tallies.items()
        )
        return [*self._findings, *counted]

    def report(
        self, fault: Unusable, file: str | Path, line: int | None = None, part: str = ""
    ) -> None:
        """Record an error at a place: a line of a file, or a named part of it."""
        message = f"{part}: {fault.message}" if part else fault.message
        line = fault.line if line is None else line
        self._findings.append(Finding(fault.rule, "error", message, fault.remedy, str(file), line))

    def warn(self, rule: str, message: str, remedy: str, file: str | Path | None = None) -> None:
        where = None if file is None else str(file)
        self._findings.append(Finding(rule, "warning", message, remedy, where))

    def tally(self, rule: str, what: str, remedy: str, where: str) -> None:
        """Record a warning that is given once for all places, with their number.

        ``what`` follows the number: a noun in the plural first, its verb one of _SINGULAR.
        """
        self._tallies.setdefault((rule, what), _Tally(what, remedy, where)).count += 1

    def tally_difficult(self, where: str) -> None:
        ignored = self.choice.ignore_difficult
        self.tally(
            "difficult",
            f"texts are marked difficult: {'written as ###' if ignored else 'learnt as any other'}",
            "nothing, if that is meant"
            if ignored
            else "--difficult ignore makes them ###, which the loss leaves out",
            where,
        )

    def draft(self, file: Path, line: int | None = None, what: str = "") -> Draft:
        """Begin the label of one more image; ``what`` names it if its image isn't found."""
        return Draft(self, file, line, what or str(file))

    def finish(self, draft: Draft) -> None:
        """Take the label of an image that is read, or leave it out if a part was faulty."""
        if draft.name is None:
            self.left_out.append(draft.what)
            return
        if draft.name in self.mentioned:
            self._report_again(draft)
        elif draft.faulty:
            self.left_out.append(draft.name)
        else:
            self.entries.append(Entry(draft.name, tuple(draft.texts), str(draft.file), draft.line))
        self.mentioned.add(draft.name)

    def _report_again(self, draft: Draft) -> None:
        again = Unusable(
            "image-twice",
            f"the image {draft.name} has another label already",
            "keep one label an image, or join them",
        )
        self.report(again, draft.file, draft.line)


@dataclass
class Draft:
    """An image's label while it is read; the faults of its parts are collected."""

    reading: Reading
    file: Path
    line: int | None = None
    what: str = ""
    name: str | None = None
    texts: list[LabelText] = field(default_factory=list)
    faulty: bool = False

    @contextmanager
    def part(
        self, what: str = "", line: int | None = None, *, category: str | EllipsisType | None = ...
    ) -> Iterator[None]:
        """Report at this place everything inside that can't be used.

        An object of a ``category`` that isn't chosen has no faults; ``...`` is for what is no
        object, such as the image.
        """
        try:
            yield
        except Unusable as fault:
            if not isinstance(category, EllipsisType):
                self.reading.categories[category or None] += 1
                if not self.reading.choice.takes(category):
                    return
            self.faulty = True
            self.reading.report(fault, self.file, self.line if line is None else line, what)

    def leaves_out(self, category: str | None) -> bool:
        """Return whether objects of a class aren't chosen, and count one that isn't."""
        taken = self.reading.choice.takes(category)
        self.reading.categories[category or None] += not taken
        return not taken

    def add(self, text: LabelText, where: str = "") -> None:
        """Add one more text, if its class is chosen; ``where`` is its place, else the file.

        Raises:
            Unusable: all its coordinates are within 0 and 1, so they are no pixels.
        """
        where = where or str(self.file)
        choice = self.reading.choice
        self.reading.categories[text.category or None] += 1
        self.reading.said_classes += text.transcription == text.category
        if not choice.takes(text.category):
            return
        if all(0 <= value <= 1 for point in text.points for value in point):
            raise Unusable(
                "normalised",
                f"all values are within 0 and 1 ({text.points[0]!r:.40}, ...); expected px",
                "shares of the image's size, as YOLO's, are read by --from yolo",
            )
        if text.difficult and text.transcription != IGNORED:
            self.reading.tally_difficult(where)
            if choice.ignore_difficult:
                text = replace(text, transcription=IGNORED, placeholder=False)
        if text.placeholder:
            self.reading.tally(
                "no-transcription",
                f"texts have no transcription: written as {text.transcription!r}",
                "nothing for a detector, which doesn't read it",
                where,
            )
        self.texts.append(text)


class Writer(Protocol):
    """Makes the files of a format; one for each conversion."""

    needs_size: bool
    """Whether entries must have their images' sizes."""

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        """Yield why an entry can't be written in this format."""
        ...

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        """Return contents by path below the output folder; ``part`` is train, val or empty."""
        ...

    def stale(self, folder: Path, written: set[Path]) -> list[Path]:
        """Return files that would be read together with the written ones."""
        ...


Reader = Callable[[Path, Reading, ProgressBar], None]
"""Reads a file or folder into the Reading; DataError if there is nothing to read."""


@dataclass(frozen=True)
class Format:
    """A label format.

    ``name`` is that of the command line, ``meaning`` its line in ``--help``; ``writer`` is None
    if the format can only be read. ``recognise`` says why a file is of this format (``has lists
    'images' and 'annotations'``), None if it isn't: ``--from auto`` asks it.
    ``levels`` are those of its texts that can be chosen, the usual one first, none if it has one.
    ``json_forms`` says what its JSON files hold, if that is what it reads.
    """

    name: str
    meaning: str
    read: Reader
    writer: Callable[[], Writer] | None = None
    recognise: Callable[[SourceFile], str | None] = lambda _: None
    levels: tuple[str, ...] = ()
    json_forms: str = ""
