"""Conversion of label files from one format to another."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder, folder_of_images
from ppocr_ft.commands.convert.formats.reading import (
    TAKE_ALL,
    TITLE,
    Entry,
    Reading,
    TextChoice,
    Writer,
)
from ppocr_ft.commands.convert.formats.texts import IGNORED, Unusable
from ppocr_ft.commands.convert.recognition import recognise
from ppocr_ft.data.held_out import by_original
from ppocr_ft.errors import DataError, Finding, placed
from ppocr_ft.messages import counted, nearest
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import ProgressBar, no_progress

_NAMED, _CLASSES = 3, 12
"""The numbers of names, and of classes, that are written out of a list."""


@dataclass(frozen=True)
class Request:
    """The options of a conversion.

    ``split_ratio`` is the share of images in the training part, None for one part;
    ``skip_bad`` writes the images without fault if others have some; ``negatives`` takes
    images without a label as images without text; ``choice`` says which objects are texts.
    """

    source: Path
    from_format: str
    to_format: str
    images: Path
    out: Path
    split_ratio: float | None = None
    seed: int = 0
    skip_bad: bool = False
    force: bool = False
    negatives: bool = False
    choice: TextChoice = TAKE_ALL


@dataclass(frozen=True)
class Conversion:
    """The result: the parts' entries, the written files, and all findings.

    ``left_out`` names the images that were not written because a part of their label is faulty.
    """

    parts: Mapping[str, Sequence[Entry]]
    files: tuple[Path, ...]
    findings: tuple[Finding, ...]
    left_out: tuple[str, ...]

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    def describe(self) -> str:
        """Return images and texts in numbers."""
        entries = list(chain.from_iterable(self.parts.values()))
        texts = [text.transcription for entry in entries for text in entry.texts]
        empty = sum(not entry.texts for entry in entries)
        return (
            f"{counted(len(entries), 'image')}, {empty} of them without text; "
            f"{counted(len(texts), 'text')}, {texts.count(IGNORED)} of them ignored ({IGNORED}); "
            f"{counted(len(self.left_out), 'image')} left out with a fault"
        )


def convert(request: Request, bar: ProgressBar = no_progress) -> Conversion:
    """Read, check, and write if there is no error.

    Raises:
        DataError: there is no such source or level, a part of the split is empty, or the disk
            fails.
    """
    form, level = FORMATS[request.from_format], request.choice.level
    if level and level not in form.levels:
        levels = f"has {' and '.join(form.levels)}" if form.levels else "has one level of texts"
        raise DataError(f"--level {level}: {form.name} {levels}; leave the option out")
    make_writer = FORMATS[request.to_format].writer
    if make_writer is None:
        raise ValueError(f"{request.to_format} can only be read")
    reading, writer = Reading(ImageFolder(request.images), request.choice), make_writer()
    form.read(request.source, reading, bar)
    _report_categories(reading, request.source)
    _look_for_unlabelled(reading, request)
    entries = _writable(reading, writer, bar)
    if not entries and not _has_error(reading.findings):
        remedy = "give the labels of some image; --negatives takes images without any"
        none = Unusable("no-label", "no image has a label here", remedy)
        reading.report(none, request.source)
    parts = _parts(entries, request, reading) if entries else {}
    files = {
        request.out / name: content
        for part, part_entries in parts.items()
        for name, content in writer.files(part_entries, part).items()
    }
    blocked = _blocked(files, writer, request)
    findings = (*_findings(reading), *blocked)
    done = Conversion(parts, (), findings, tuple(dict.fromkeys(reading.left_out)))
    may_skip = request.skip_bad and not _has_error(blocked)
    if not files or (done.errors and not may_skip):
        return done
    for path in bar(files, len(files), TITLE, "file"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, files[path])
        except OSError as error:
            raise DataError(f"can't be written: {error.strerror}", path=path) from None
    return replace(done, files=tuple(files))


class OwnLabels(NamedTuple):
    """Labels of any tool as PaddleOCR's: the images' folder, the label file, what was left out."""

    images: Path
    file: Path
    warnings: tuple[str, ...]


def own_labels(source: Path, out: Path) -> OwnLabels:
    """Write the labels of a file or folder, of any tool, as ``out``/Label.txt.

    A file that is there is replaced.

    Raises:
        DataError: there are no labels, or several kinds, or some have a fault; it lists all.
    """
    from_format, _ = recognise(source)
    images = folder_of_images(source)
    done = convert(Request(source, from_format, "ppocr", images, out, force=True))
    texts: dict[str, list[str]] = {"error": [], "warning": []}
    for finding in done.findings:
        message = f"{finding.message}; {finding.remedy}"
        texts[finding.severity].append(placed(message, finding.file, finding.line, None))
    if not done.files:
        raise DataError("\n".join(texts["error"]))
    return OwnLabels(images, done.files[0], tuple(texts["warning"]))


def _has_error(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _report_categories(reading: Reading, source: Path) -> None:
    """Say which classes were taken or left out.

    Raises:
        DataError: a class was asked for that no object has, or no object is left; nothing may be
            written then, as images would lose their texts.
    """
    choice, categories = reading.choice, reading.categories
    named = {str(category) for category in categories if category is not None}
    unknown = [name for name in (*choice.only, *choice.without) if name not in named]
    if unknown:
        known = f"its classes: {_counts(categories)}" if named else "leave the option out"
        near = nearest(unknown[0], named)
        hint = f"; did you mean {near!r}?" if near else ""
        names = ", ".join(map(repr, unknown))
        raise DataError(f"no object is of the class {names}{hint}; {known}", path=source)
    if categories and not any(map(choice.takes, categories)):
        raise DataError(
            f"--only and --without leave no object: {_counts(categories)}; name one to be kept",
            path=source,
        )
    if choice.only or choice.without:
        left_out = Counter({c: n for c, n in categories.items() if not choice.takes(c)})
        if left_out:
            message = f"left out by their class: {_counts(left_out)}"
            reading.warn("classes", message, "nothing, if they are no texts", source)
    elif len(categories) > 1 and _are_classes(reading):
        message = f"objects of all classes became texts: {_counts(categories)}"
        first = shlex.quote(_in_quotes(categories.most_common(1)[0][0] or sorted(named)[0]))
        remedy = f"--only {first} takes one class alone (or A,B), --without leaves some out"
        reading.warn("classes", message, remedy, source)


def _are_classes(reading: Reading) -> bool:
    """Return whether classes are such: named beside the texts, or repeated more than texts are."""
    total = reading.categories.total()
    return 2 * reading.said_classes < total or total >= 3 * len(reading.categories)


def _counts(categories: Counter[str | None]) -> str:
    listed = [f"{_in_quotes(c or '(no class)')} ({n})" for c, n in categories.most_common(_CLASSES)]
    more = len(categories) - len(listed)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def _in_quotes(category: str) -> str:
    """Return a class as --only takes it."""
    return f'"{category}"' if "," in category else category


def _look_for_unlabelled(reading: Reading, request: Request) -> None:
    """Report images of the folder without a label."""
    crops = [name for name in reading.images.crops if name not in reading.mentioned]
    if crops:
        reading.warn(
            "crops",
            f"{_count(crops, 'picture')} of single texts, for recognition (crop_img): left out",
            "nothing: they are pictures of text, no images without it",
            request.images,
        )
    names = [name for name in reading.images.names if name not in reading.mentioned]
    if request.negatives:
        reading.entries += [Entry(name, (), str(request.source)) for name in names]
    elif names and reading.mentioned:
        reading.warn(
            "no-label",
            f"{_count(names, 'image')} of the folder without a label: left out",
            "--negatives takes them as images without text, if that is what they are",
            request.images,
        )


def _writable(reading: Reading, writer: Writer, bar: ProgressBar) -> list[Entry]:
    """Return the entries that the writer can write; report the others."""
    writable = []
    entries = reading.entries
    for entry in bar(entries, len(entries), TITLE) if writer.needs_size else entries:
        size = None
        try:
            size = reading.images.size_px(entry.name) if writer.needs_size else None
            faults = list(writer.faults(entry))
        except Unusable as unreadable:
            faults = [unreadable]
        for fault in faults:
            reading.report(fault, entry.file, entry.line, f"image {entry.name}")
        if faults:
            reading.left_out.append(entry.name)
        else:
            writable.append(replace(entry, size_px=size))
    return writable


def _parts(
    entries: Sequence[Entry], request: Request, reading: Reading
) -> dict[str, Sequence[Entry]]:
    if request.split_ratio is None:
        return {"": entries}
    copies = [g for g in by_original(entry.name for entry in entries).values() if len(g) > 1]
    if copies:
        images = sum(map(len, copies))
        pictures = counted(len(copies), "picture")
        message = f"{counted(images, 'image')}: copies of {pictures} by their names (.rf.)"
        remedy = "nothing: the copies of one picture come into the same part"
        reading.warn("copies", message, remedy, request.source)
    train, val = split(entries, request.split_ratio, request.seed)
    return {"train": train, "val": val}


def split(
    entries: Sequence[Entry], ratio: float, seed: int
) -> tuple[Sequence[Entry], Sequence[Entry]]:
    """Split into two parts, whole images each, the first with ``ratio`` of them, in order.

    Copies of one picture (``data.copies``) stay together. Which image comes into which part
    follows from the names, the ratio and the seed alone, not from the order in which labels were
    read.

    Raises:
        DataError: one of the parts would be empty.
    """
    groups = list(by_original(sorted(entry.name for entry in entries)).values())
    wanted = round(len(entries) * ratio)
    chosen: set[str] = set()
    for i in np.random.default_rng(seed).permutation(len(groups)):
        if len(chosen) + len(groups[i]) / 2 <= wanted:
            chosen.update(groups[i])
    if not 0 < len(chosen) < len(entries):
        images = counted(len(entries), "image")
        originals = f" of {counted(len(groups), 'picture')}" if len(groups) < len(entries) else ""
        raise DataError(
            f"--split {ratio:g} of {images}{originals} leaves one part empty; "
            "give another ratio, or more images"
        )
    train = [entry for entry in entries if entry.name in chosen]
    return train, [entry for entry in entries if entry.name not in chosen]


def _blocked(files: Mapping[Path, bytes], writer: Writer, request: Request) -> list[Finding]:
    """Return what stands in the way of the files: an error, or others that look like them."""
    findings = []
    there = [str(path) for path in files if path.exists()]
    if there and not request.force:
        message = f"{_count(there, 'output file')} already there"
        remedy = "give --force to overwrite, or another --out"
        findings.append(Finding("output-exists", "error", message, remedy))
    stale = [str(path) for path in writer.stale(request.out, set(files))]
    if files and stale:
        message = f"{_count(stale, 'other label file')} in {request.out}"
        remedy = "remove them if they are of an earlier conversion: a reader takes all of them"
        findings.append(Finding("stale-output", "warning", message, remedy))
    return findings


def _findings(reading: Reading) -> list[Finding]:
    """Return all findings, but only one if no image at all was found."""
    findings = reading.findings
    missing = [finding for finding in findings if finding.rule == "image-missing"]
    if reading.mentioned or len(missing) <= _NAMED:
        return findings
    first = missing[0]
    none_of = f"none of {counted(len(missing), 'image')} is found"
    none = replace(first, message=f"{none_of}; {first.message}")
    return [none, *(finding for finding in findings if finding.rule != "image-missing")]


def _count(names: Sequence[str], what: str) -> str:
    """Return ``2 images (a.jpg, b.jpg)``."""
    more = ", ..." if len(names) > _NAMED else ""
    return f"{counted(len(names), what)} ({', '.join(names[:_NAMED])}{more})"
