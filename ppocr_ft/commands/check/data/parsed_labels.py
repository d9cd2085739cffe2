"""Label lines, read leniently, with the faults of each."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.rules import finding
from ppocr_ft.data.image_paths import AmbiguousImageError, ImagePaths, find_images
from ppocr_ft.data.labels import (
    decode_line,
    folder_message,
    image_names,
    notes_on,
    other_kind,
    read_bytes,
    split_line,
)
from ppocr_ft.errors import DataError, Finding
from ppocr_ft.messages import counted
from ppocr_ft.transforms.labels import (
    FaultKind,
    TextFault,
    Texts,
    TooLargeError,
    check_length,
    parse_items,
    read_texts,
    text_faults,
)
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.utils.progress import ProgressBar

BOM = "\ufeff"
_LONGEST_PATH = 4096
_TRIED = 20
"""So many places are tried where the JSON of a line without its delimiter could begin."""
UTF8_BOM = BOM.encode()
_WIDE_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
RULE_OF: dict[FaultKind, str] = {
    "item": "text-item",
    "key": "text-key",
    "transcription": "text-transcription",
    "points": "points-format",
    "count": "points-few",
    "large": "label-large",
    "coordinate": "points-number",
}
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Chinese characters: words aren't set apart by spaces."""
_BETWEEN = " \t,;|:=\u3000"
"""What a wrong delimiter may be made of."""


class LabelFault(NamedTuple):
    """A rule that a line breaks, with its message."""

    rule: str
    message: str


@dataclass(frozen=True)
class ParsedLine:
    """The readable content of a line.

    ``name`` is the text in the place of the image path, ``images`` the paths in it. ``items``
    are the label's elements, None if it is no JSON list; ``texts`` the usable ones among
    them, and ``numbers`` (n,) their places, from 1. Training takes a line without ``faults``.
    """

    name: str
    images: tuple[str, ...]
    items: list[Any] | None
    texts: Texts
    numbers: NDArray[np.int64]
    faults: tuple[LabelFault, ...]


def parse_line(raw: bytes, delimiter: str) -> ParsedLine:
    """Parse a label line without its end; never raise."""
    faults: list[LabelFault] = []
    images: tuple[str, ...] = ()
    items: list[Any] | None = None
    try:
        check_length(len(raw))
    except TooLargeError as fault:
        faults.append(LabelFault("label-large", fault.message))
        raw = raw.partition(delimiter.encode())[0][:_LONGEST_PATH] + f"{delimiter}[]".encode()
    name, label = _halves(_text(raw, faults), delimiter, faults)
    try:
        images = image_names(name) if name else ()
    except DataError as fault:
        faults.append(LabelFault("label-path", fault.message))
    try:
        items = parse_items(label) if label is not None else None
    except DataError as fault:
        rule = "label-large" if isinstance(fault, TooLargeError) else "label-json"
        faults.append(LabelFault(rule, fault.message))
    texts, numbers, bad = _usable_texts(items or [])
    for rule in dict.fromkeys(RULE_OF[fault.kind] for fault in bad):
        messages = [f"text {f.number} {f.message}" for f in bad if RULE_OF[f.kind] == rule]
        faults.append(LabelFault(rule, "; ".join(messages)))
    return ParsedLine(name, images, items, texts, numbers, tuple(faults))


def _usable_texts(items: list[Any]) -> tuple[Texts, NDArray[np.int64], list[TextFault]]:
    """Return the texts that training can use, their places from 1, and the faults of the rest."""
    every = np.arange(1, len(items) + 1)
    try:
        return read_texts(items), every, []
    except DataError:
        faults = text_faults(items)
    bad = {fault.number for fault in faults}
    numbers = np.array([number for number in every.tolist() if number not in bad], np.int64)
    return read_texts([items[number - 1] for number in numbers]), numbers, faults


def _text(raw: bytes, faults: list[LabelFault]) -> str:
    try:
        line = decode_line(raw)
    except DataError as fault:
        faults.append(LabelFault("label-encoding", fault.message))
        line = raw.decode("utf-8", errors="replace")
    if line.startswith(BOM):
        faults.append(LabelFault("label-bom", "a byte order mark stands before the image path"))
    return line.lstrip(BOM)


def _halves(line: str, delimiter: str, faults: list[LabelFault]) -> tuple[str, str | None]:
    """Return image path and label; the label is None if it can't be separated from the rest."""
    try:
        name, label = split_line(line, delimiter)
    except DataError as fault:
        if delimiter in line:
            faults.append(LabelFault("label-path", fault.message))
            return "", line.partition(delimiter)[2]
        faults.append(LabelFault("label-delimiter", fault.message))
        return _guessed_halves(line)
    if not label.lstrip().startswith(("[", "{")):
        guessed = _guessed_halves(line)
        if guessed[1] is not None:
            message = (
                f"the first delimiter {delimiter!r} does not stand before the JSON list, "
                f"which begins {guessed[1][:20]!r}"
            )
            faults.append(LabelFault("label-delimiter", message))
            return guessed
    return name, label


def _guessed_halves(line: str) -> tuple[str, str | None]:
    """Split at the text between a path and the first JSON list, as if it were the delimiter."""
    start, tried = line.find("[", 1), 0
    while start > 0 and tried < _TRIED:
        if line[start - 1] in _BETWEEN:
            tried += 1
            with contextlib.suppress(DataError):
                parse_items(line[start:])
                return line[:start].strip(_BETWEEN), line[start:]
        start = line.find("[", start + 1)
    return "", None


@dataclass(frozen=True)
class Source:
    """A label file with the values of the config.

    Without ``images`` those that it names are taken to be where ``data_dir`` leads, unseen.
    """

    label_file: Path
    data_dir: Path
    delimiter: str = "\t"
    images: bool = True

    @property
    def path(self) -> str:
        return os.fspath(self.label_file)


@dataclass(frozen=True)
class Content:
    """A label file's lines as UTF-8 bytes without their ends, and what the file began with."""

    lines: tuple[bytes, ...]
    has_bom: bool = False
    wide: str | None = None


def read_content(path: Path) -> Content:
    """Read the file's content in any encoding.

    Raises:
        OSError: it can't be opened.
    """
    content = read_bytes(path)
    wide = _WIDE_BOMS.get(content[:2])
    if wide:
        content = content.decode(wide, errors="replace").encode()
    has_bom = content.startswith(UTF8_BOM)
    lines = content.removeprefix(UTF8_BOM).split(b"\n")
    return Content(tuple(line.rstrip(b"\r") for line in lines), has_bom, wide)


@dataclass(frozen=True)
class Line:
    """A label line: its place, its existing images, and whether training takes it."""

    number: int
    images: tuple[str, ...]
    usable: bool


@dataclass(frozen=True)
class Scan:
    """A label file. Per text (n,): its line's index, its place there from 1, and its nature.

    ``places`` are where its images were found.
    """

    source: Source
    lines: tuple[Line, ...]
    places: ImagePaths
    polygons: TextPolygons
    owners: NDArray[np.int64]
    numbers: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    spaced: NDArray[np.bool_]
    """Whether the transcription has a space inside."""
    unspaced: NDArray[np.bool_]
    """Whether the transcription has characters of a script without spaces."""
    difficult: int
    findings: tuple[Finding, ...]
    notes: Mapping[str, str]
    """What is to be said of the file as a whole, by kind (ppocr_ft.data.labels)."""

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether training takes a line, (lines,)."""
        return np.array([line.usable for line in self.lines], bool)


@dataclass
class _Collected:
    """The lists from which a scan is built, line by line."""

    source: Source
    readable: bool = True
    lines: list[tuple[int, tuple[str, ...], bool]] = field(default_factory=list)
    """Number, names of images, and whether training could take it were the images there."""
    coords: list[NDArray[Any]] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    ignored: list[NDArray[np.bool_]] = field(default_factory=list)
    spaced: list[bool] = field(default_factory=list)
    unspaced: list[bool] = field(default_factory=list)
    difficult: int = 0
    scored: int = 0
    findings: list[Finding] = field(default_factory=list)

    def report(self, rule: str, message: str, line: int | None = None) -> None:
        self.findings.append(finding(rule, message, self.source.path, line))

    def add(self, number: int, parsed: ParsedLine) -> None:
        for rule, message in parsed.faults:
            self.findings.append(finding(rule, message, self.source.path, number, "error"))
        self.lines.append((number, parsed.images, self.readable and not parsed.faults))
        texts = parsed.texts
        self.coords.append(texts.polygons.coords)
        self.counts.append(texts.polygons.counts)
        self.numbers.append(parsed.numbers)
        self.ignored.append(texts.ignored)
        self.spaced += [" " in text.strip() for text in texts.transcriptions]
        if all(map(str.isascii, texts.transcriptions)):
            self.unspaced += [False] * len(texts)
        else:
            self.unspaced += [bool(_UNSPACED.search(text)) for text in texts.transcriptions]
        self.difficult += texts.difficult
        self.scored += texts.scored

    def _located(self, places: ImagePaths) -> Iterator[Line]:
        """Yield the lines with those of their images that are found; report the others."""
        for number, names, usable in self.lines:
            for fault in (places.faults[name] for name in names if name in places.faults):
                ambiguous = isinstance(fault, AmbiguousImageError)
                rule = "image-ambiguous" if ambiguous else "image-missing"
                self.report(rule, fault.message, number)
            images = tuple(places.paths[name] for name in names if name in places.paths)
            yield Line(number, images, usable and len(images) == len(names))

    def scan(self) -> Scan:
        counts = np.concatenate([np.empty(0, np.int64), *self.counts])
        names = (name for _, names, _ in self.lines for name in names)
        source = self.source
        if source.images:
            places = find_images(names, source.data_dir, source.label_file)
        else:
            places = ImagePaths.unseen(names, source.data_dir)
        lines = tuple(self._located(places))
        notes = notes_on(source.path, places, int(counts.size), self.difficult, self.scored)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        coords = np.concatenate([np.empty((0, 2), np.float32), *self.coords])
        per_line = [len(numbers) for numbers in self.numbers]
        return Scan(
            source=self.source,
            lines=lines,
            places=places,
            polygons=TextPolygons(coords, starts),
            owners=np.repeat(np.arange(len(per_line)), np.array(per_line, np.int64)),
            numbers=np.concatenate([np.empty(0, np.int64), *self.numbers]),
            ignored=np.concatenate([np.empty(0, bool), *self.ignored]),
            spaced=np.array(self.spaced, bool),
            unspaced=np.array(self.unspaced, bool),
            difficult=self.difficult,
            findings=tuple(self._findings(lines)),
            notes=notes,
        )

    def _findings(self, lines: Sequence[Line]) -> list[Finding]:
        """Return the findings, with one for a missing ``data_dir`` instead of one per image."""
        missing = sum(finding.rule == "image-missing" for finding in self.findings)
        folder = self.source.data_dir
        if not missing or folder.is_dir() or any(line.images for line in lines):
            return self.findings
        rest = [finding for finding in self.findings if finding.rule != "image-missing"]
        message = f"the folder {folder} is not there, and none of {counted(missing, 'image')}"
        return [finding("data-dir-missing", message, self.source.path), *rest]


def scan_source(source: Source, bar: ProgressBar) -> Scan:
    """Read the label file; images are looked for, not opened."""
    collected = _Collected(source)
    if source.label_file.is_dir():
        collected.report("label-kind", folder_message(source.label_file))
        return collected.scan()
    try:
        content = read_content(source.label_file)
    except OSError as error:
        collected.report("label-missing", f"the label file can't be read: {error.strerror}")
        return collected.scan()
    other = other_kind(source.label_file, content.lines, source.delimiter)
    if other:
        collected.report("label-kind", other)
        return collected.scan()
    if content.wide:
        collected.readable = False
        name = content.wide.upper()
        collected.report("label-encoding", f"the label file is {name}; training can't read it")
    if content.has_bom:
        collected.report("label-bom", "the file begins with a byte order mark")
    numbered, title = enumerate(content.lines, start=1), f"reading {source.label_file.name}"
    for number, raw in bar(numbered, len(content.lines), title, "line"):
        if raw.strip():
            collected.add(number, parse_line(raw, source.delimiter))
    if not collected.lines:
        collected.report("label-empty", "the label file is empty")
    return collected.scan()
