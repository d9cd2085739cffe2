"""A whole label file, read into arrays, with the findings that need no image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.check.data.lines import ParsedLine, parse_line
from ppocr_ft.commands.check.data.rules import Severity, finding
from ppocr_ft.data.labels import locate_image
from ppocr_ft.errors import DataError, Finding
from ppocr_ft.transforms.polygons import TextPolygons

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""``(items, how many, title)``: the same items, while a bar shows how far they are."""
UTF8_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(frozen=True)
class Source:
    """A label file as the config gives it."""

    label_file: Path
    data_dir: Path
    delimiter: str = "\t"


@dataclass(frozen=True)
class Content:
    """A label file's lines as UTF-8 bytes without their ends, and what the file began with."""

    lines: tuple[bytes, ...]
    has_bom: bool = False
    wide: str | None = None


def read_content(path: Path) -> Content:
    """Whatever the file's encoding.

    Raises:
        OSError: it can't be opened.
    """
    content = path.read_bytes()
    wide = _WIDE_BOMS.get(content[:2])
    if wide:
        content = content.decode(wide, errors="replace").encode()
    has_bom = content.startswith(UTF8_BOM)
    lines = content.removeprefix(UTF8_BOM).split(b"\n")
    return Content(tuple(line.rstrip(b"\r") for line in lines), has_bom, wide)


@dataclass(frozen=True)
class Line:
    """A label line: where it is, its images that are there, and whether training takes it."""

    number: int
    images: tuple[str, ...]
    usable: bool


@dataclass(frozen=True)
class Scan:
    """A label file. Per text (n,): its line's index, its place there from 1, and its nature."""

    source: Source
    lines: tuple[Line, ...]
    polygons: TextPolygons
    owners: NDArray[np.int64]
    numbers: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    spaced: NDArray[np.bool_]
    """Whether the transcription has a space inside."""
    findings: tuple[Finding, ...]

    @property
    def path(self) -> str:
        return os.fspath(self.source.label_file)


@dataclass
class _Collected:
    """What a scan grows from, line by line."""

    source: Source
    readable: bool = True
    lines: list[Line] = field(default_factory=list)
    coords: list[NDArray[Any]] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    ignored: list[NDArray[np.bool_]] = field(default_factory=list)
    spaced: list[bool] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def path(self) -> str:
        return os.fspath(self.source.label_file)

    def report(
        self,
        rule: str,
        message: str,
        line: int | None = None,
        severity: Severity | None = None,
    ) -> None:
        self.findings.append(finding(rule, message, self.path, line, severity))

    def add(self, number: int, parsed: ParsedLine) -> None:
        for fault in parsed.faults:
            self.report(fault.rule, fault.message, number, "error")
        images = tuple(self._locate(parsed.images, number))
        usable = self.readable and not parsed.faults and len(images) == len(parsed.images)
        self.lines.append(Line(number, images, usable))
        texts = parsed.texts
        self.coords.append(texts.polygons.coords)
        self.counts.append(texts.polygons.counts)
        self.numbers.append(parsed.numbers)
        self.ignored.append(texts.ignored)
        self.spaced += [" " in text.strip() for text in texts.transcriptions]

    def _locate(self, names: Iterable[str], number: int) -> Iterator[str]:
        for name in names:
            try:
                yield locate_image(name, self.source.data_dir)
            except DataError as fault:
                self.report("image-missing", fault.message, number)

    def scan(self) -> Scan:
        counts = np.concatenate([np.empty(0, np.int64), *self.counts])
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        coords = np.concatenate([np.empty((0, 2), np.float32), *self.coords])
        per_line = [len(numbers) for numbers in self.numbers]
        return Scan(
            source=self.source,
            lines=tuple(self.lines),
            polygons=TextPolygons(coords, starts),
            owners=np.repeat(np.arange(len(per_line)), np.array(per_line, np.int64)),
            numbers=np.concatenate([np.empty(0, np.int64), *self.numbers]),
            ignored=np.concatenate([np.empty(0, bool), *self.ignored]),
            spaced=np.array(self.spaced, bool),
            findings=tuple(self._findings()),
        )

    def _findings(self) -> list[Finding]:
        """With one finding for a missing ``data_dir`` in place of one for each of its images."""
        missing = sum(found.rule == "image-missing" for found in self.findings)
        folder = Path(self.source.data_dir)
        if not missing or folder.is_dir() or any(line.images for line in self.lines):
            return self.findings
        rest = [found for found in self.findings if found.rule != "image-missing"]
        message = f"the folder {folder} is not there, and none of {missing} images"
        return [finding("data-dir-missing", message, self.path), *rest]


def scan_source(source: Source, show: Progress) -> Scan:
    """Read the label file; images are looked for, not opened."""
    collected = _Collected(source)
    try:
        content = read_content(source.label_file)
    except OSError as error:
        collected.report("label-missing", f"the label file can't be read: {error.strerror}")
        return collected.scan()
    if content.wide:
        collected.readable = False
        name = content.wide.upper()
        collected.report("label-encoding", f"the label file is {name}; training can't read it")
    if content.has_bom:
        collected.report("label-bom", "the file begins with a byte order mark")
    numbered = enumerate(content.lines, start=1)
    for number, raw in show(numbered, len(content.lines), f"reading {source.label_file.name}"):
        if raw.strip():
            collected.add(number, parse_line(raw, source.delimiter))
    if not collected.lines:
        collected.report("label-empty", "the label file is empty")
    return collected.scan()
