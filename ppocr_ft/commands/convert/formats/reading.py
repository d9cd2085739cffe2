"""The result of a format's reader: images with their texts, and all faults."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.sources import SourceFile
from ppocr_ft.commands.convert.formats.texts import (
    IGNORED,
    LabelText,
    Unusable,
    are_numbers,
    degrees_of,
)
from ppocr_ft.errors import Finding
from ppocr_ft.limits import MOST_TEXTS
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

_ANGLES = ("rotation", "angle", "rotate", "theta", "direction", "rotation_angle", "skew")
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

    def draft(self, file: Path, line: int | None = None, what: str = "") -> Draft:
        """Begin the label of one more image; ``what`` names it if its image isn't found."""
        return Draft(self, file, line, what or str(file))

    def finish(self, draft: Draft) -> None:
        """Take the label of an image that is read, or leave it out if a part was faulty."""
        if draft.name is None:
            self.left_out.append(draft.what)
            return
        if draft.name in self.mentioned:
            message = f"the image {draft.name} has another label already"
            again = Unusable("image-twice", message, "keep one label an image, or join them")
            self.report(again, draft.file, draft.line)
        elif len(draft.texts) > MOST_TEXTS:
            has = f"the image {draft.name} has {len(draft.texts):,} texts"
            remedy = "cut the image into parts"
            many = Unusable("many-texts", f"{has}; it may have {MOST_TEXTS:,}", remedy)
            self.report(many, draft.file, draft.line)
            self.left_out.append(draft.name)
        elif draft.faulty:
            self.left_out.append(draft.name)
        else:
            self.entries.append(Entry(draft.name, tuple(draft.texts), str(draft.file), draft.line))
        self.mentioned.add(draft.name)


@dataclass
class Draft:
    """An image's label while it is read; the faults of its parts are collected.

    ``place`` says where the part that is being read stands, in a file or in a named part of it.
    """

    reading: Reading
    file: Path
    line: int | None = None
    what: str = ""
    name: str | None = None
    texts: list[LabelText] = field(default_factory=list)
    faulty: bool = False
    place: str = field(init=False)

    def __post_init__(self) -> None:
        self.place = str(self.file)

    @property
    def images(self) -> ImageFolder:
        return self.reading.images

    @contextmanager
    def part(self, what: str = "", line: int | None = None) -> Iterator[None]:
        """Report at this place everything inside that can't be used."""
        line = self.line if line is None else line
        outer = self.place
        if what:
            self.place = f"{self.file}, {what}"
        elif line is not None:
            self.place = f"{self.file}:{line}"
        else:
            self.place = str(self.file)
        try:
            yield
        except Unusable as fault:
            self.faulty = True
            self.reading.report(fault, self.file, line, what)
        finally:
            self.place = outer

    def set_image(self, name: str, width_px: Any, height_px: Any) -> None:
        """Set the image, whose size must be that on which its label was drawn, if one is known.

        Raises:
            Unusable: it has another size.
        """
        self.name = name
        self.images.check_size(name, width_px, height_px)

    def leave_out(self, rule: str, what: str, remedy: str) -> None:
        """Leave the image out without a fault, and count it as ``tally`` does."""
        self.reading.mentioned.add(str(self.name))
        self.tally(rule, what, remedy)

    def takes(self, category: str | None) -> bool:
        """Count an object of a class, and return whether the class is chosen."""
        self.reading.categories[category or None] += 1
        return self.reading.choice.takes(category)

    def add(self, text: LabelText) -> None:
        """Add one more text, of a class that is chosen.

        Raises:
            Unusable: all its coordinates are within 0 and 1, so they are no pixels.
        """
        self.reading.said_classes += text.transcription == text.category
        if all(0 <= value <= 1 for point in text.points for value in point):
            raise Unusable(
                "normalised",
                f"all values are within 0 and 1 ({text.points[0]!r:.40}, ...); expected px",
                "shares of the image's size, as YOLO's, are read by --from yolo",
            )
        if text.difficult and text.transcription != IGNORED:
            difficult = "texts are marked difficult: "
            if self.reading.choice.ignore_difficult:
                text = replace(text, transcription=IGNORED, placeholder=False)
                self.tally("difficult", difficult + "written as ###", "nothing, if that is meant")
            else:
                remedy = "--difficult ignore makes them ###, which the loss leaves out"
                self.tally("difficult", difficult + "learnt as any other", remedy)
        if text.placeholder:
            self.tally(
                "no-transcription",
                f"texts have no transcription: written as {text.transcription!r}",
                "nothing for a detector, which doesn't read it",
            )
        self.texts.append(text)

    def tally(self, rule: str, what: str, remedy: str) -> None:
        """Count a warning at the place of the part that is being read, as ``Reading.tally``."""
        self.reading.tally(rule, what, remedy, self.place)

    def tally_angles(self, *records: object) -> None:
        """Count a box beside which the records have an angle that its format doesn't define."""
        key = angle_key(*records)
        if key:
            self.tally(
                "angle-not-read",
                f"texts have an angle {key!r} of unknown meaning: written without a turn",
                "export polygons; a box that lies beside its text teaches wrong pixels",
            )

    def tally_coordinates(self, record: Mapping[str, Any], *read: str) -> None:
        """Count a text whose box was read though other keys than ``read`` hold coordinates."""
        for key in sorted(set(record) - set(read)):
            leaves = list(_leaves(record[key])) if isinstance(record[key], list) else []
            if len(leaves) >= 6 and len(leaves) % 2 == 0 and are_numbers(leaves):  # 3 points
                self.tally(
                    "coordinates-not-read",
                    f"texts were taken by their box: {key!r}, another list of coordinates, "
                    "is not read",
                    "rename the key to that of the format's outline, if it is the outline",
                )


def angle_key(*records: object) -> str | None:
    """Return the first key of the records that says an angle other than 0, None if none does."""
    angles = (
        key
        for record in records
        if isinstance(record, dict)
        for key, value in record.items()
        if key.lower() in _ANGLES and not isinstance(value, bool) and degrees_of(value)
    )
    return next(angles, None)


def _leaves(value: object) -> Iterable[object]:
    """Yield the values of nested lists, whose points may be objects with x and y."""
    if isinstance(value, dict) and {"x", "y"} <= value.keys():
        value = [value["x"], value["y"]]
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


class Writer(ABC):
    """Makes the files of a format; one for each conversion.

    ``needs_size`` says whether entries must have their images' sizes.
    """

    needs_size = False

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        """Yield why an entry can't be written in this format."""
        try:
            entry.name.encode("utf-8")
        except UnicodeEncodeError:
            yield Unusable("bad-name", "its name is not UTF-8", "rename the image")

    @abstractmethod
    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        """Return contents by path below the output folder; ``part`` is train, val or empty."""

    def stale(self, folder: Path, written: set[Path]) -> list[Path]:
        """Return files that would be read together with the written ones."""
        return []


@dataclass(frozen=True)
class Format:
    """A label format.

    ``name`` is that of the command line, ``meaning`` its line in ``--help``. ``read`` reads a file
    or folder into the Reading; DataError if there is nothing to read. ``recognise`` says why a file
    is of this format (``has lists 'images' and 'annotations'``), None if it isn't: ``--from auto``
    asks it. ``writer`` is None if the format can only be read. ``levels`` are those of its texts
    that can be chosen, the usual one first, none if it has one.
    """

    name: str
    meaning: str
    read: Callable[[Path, Reading, ProgressBar], None]
    recognise: Callable[[SourceFile], str | None]
    writer: Callable[[], Writer] | None = None
    levels: tuple[str, ...] = ()
