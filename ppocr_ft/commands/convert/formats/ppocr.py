"""PaddleOCR's label files, as PPOCRLabel writes ``Label.txt``.

One line for each image: its path, a tab, and the JSON list of its texts, ``[]`` for none
(ppocr_ft.data.labels).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.reading import (
    TITLE,
    Draft,
    Entry,
    Format,
    Reading,
    Writer,
)
from ppocr_ft.commands.convert.formats.sources import SourceFile, is_label_file, source_files
from ppocr_ft.commands.convert.formats.texts import (
    IGNORED,
    LabelText,
    Unusable,
    as_transcription,
    plain,
)
from ppocr_ft.data.labels import LabelEntry, LabelFile, decode_line, read_label_file, split_line
from ppocr_ft.errors import DataError
from ppocr_ft.utils.progress import ProgressBar

_FILE_NAME = "Label.txt"
_NOTES = {
    "image-moved": (
        "images that are not where --images leads",
        "nothing, if these are the images that were labelled",
    ),
    "scored": (
        "transcriptions [text, score]: the text is taken",
        "nothing for a detector, which doesn't read it",
    ),
}
"""The notes on a label file that are given here, in short, and what to do."""
_KNOWN_KEYS = {"transcription", "points", "difficult"}


def _read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a label file, or all ``Label.txt`` of a folder, else all label files there.

    Raises:
        DataError: there is no such file.
    """
    files = _label_files(source)
    for path in files:
        label = read_label_file(path, reading.images.root)
        for kind in label.notes.keys() & _NOTES:
            what, remedy = _NOTES[kind]
            if len(files) > 1:
                reading.tally(kind, f"label files have {what}", remedy, label.notes[kind])
            else:
                reading.warn(kind, label.notes[kind], remedy)
        _read_file(path, label, reading, bar)
    if len(files) > 1:
        message = f"{len(files)} label files are read, from {files[0]} to {files[-1]}"
        reading.warn("label-files", message, "give a file itself to have it alone", source)


def _label_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    named = sorted(path for path in source.rglob(_FILE_NAME) if path.is_file())
    files = named or [path for path in source_files(source, ".txt") if is_label_file(path)]
    if not files:
        raise DataError(f"the folder holds no {_FILE_NAME} and no other label file", path=source)
    return files


def _read_file(path: Path, label: LabelFile, reading: Reading, bar: ProgressBar) -> None:
    for fault in label.faults:
        reading.report(_as_unusable(fault), path)
        reading.left_out.append(f"{path}:{fault.line}")
    lines = path.read_bytes().split(b"\n")
    for entry in bar(label.entries, len(label.entries), TITLE):
        items = _items(lines[entry.line - 1])
        for key in sorted({key for item in items for key in item} - _KNOWN_KEYS):
            what = f"images have texts with {key!r}, which is not written"
            where = f"{entry.label_file}:{entry.line}"
            reading.tally("other-key", what, "nothing, if it isn't needed", where)
        difficult = [bool(item.get("difficult")) for item in items]
        for image in entry.images:
            reading.finish(_draft(image, entry, difficult, reading))


def _as_unusable(fault: DataError) -> Unusable:
    if fault.message.startswith("the image "):
        remedy = "give the data_dir of the label file with --images, or remove the line"
        return Unusable("image-missing", fault.message, remedy, fault.line)
    return Unusable("bad-line", fault.message, "correct or remove the line", fault.line)


def _items(line: bytes) -> list[dict[str, Any]]:
    """Return the texts of a usable line with all their keys."""
    _, label = split_line(decode_line(line), "\t")
    items: list[dict[str, Any]] = json.loads(label)
    return items


def _draft(image: str, entry: LabelEntry, difficult: list[bool], reading: Reading) -> Draft:
    draft = reading.draft(Path(entry.label_file), entry.line)
    elsewhere = not image.startswith(str(reading.images.root) + os.sep)
    is_absolute = elsewhere and Path(image).is_absolute()
    draft.name = image if is_absolute else reading.images.name_of(image)
    with draft.part():
        if len(entry.images) > 1:
            draft.tally(
                "several-images",
                "images share a line with others: each got a label of its own",
                "nothing, if all of them are to be used",
            )
        for text in _texts(entry, difficult):
            draft.add(text)
    return draft


def _texts(entry: LabelEntry, difficult: list[bool]) -> Iterator[LabelText]:
    texts = entry.texts
    for i, transcription in enumerate(texts.transcriptions):
        # float32 as read: its shortest decimal, not the nearest float64's
        points = tuple((float(str(x)), float(str(y))) for x, y in texts.polygons[i])
        text = IGNORED if texts.ignored[i] else as_transcription(transcription)
        yield LabelText(points, text, difficult=difficult[i])


class PpocrWriter(Writer):
    """Writes ``Label.txt``, or ``train.txt`` and ``val.txt``."""

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        yield from super().faults(entry)
        broken = any(character in entry.name for character in "\t\n\r")
        if broken or entry.name != entry.name.strip() or entry.name.startswith("["):
            yield Unusable(
                "bad-name",
                "a label line can't hold its name: a tab, a line end, a blank at an end or a [ "
                "at the start",
                "rename the image",
            )

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        lines = (f"{entry.name}\t{_label(entry.texts)}\n" for entry in entries)
        return {f"{part}.txt" if part else _FILE_NAME: "".join(lines).encode("utf-8")}


def _label(texts: Sequence[LabelText]) -> str:
    items = [
        {"transcription": text.transcription, "points": [plain(point) for point in text.points]}
        for text in texts
    ]
    return json.dumps(items, ensure_ascii=False)


def _recognise(sample: SourceFile) -> str | None:
    label = sample.lines[0].partition("\t")[2] if sample.lines else ""
    is_list = label.lstrip().startswith("[")
    return "has lines of a path, a tab and a JSON list" if is_list else None


PPOCR = Format("ppocr", "PaddleOCR's and PPOCRLabel's Label.txt", _read, _recognise, PpocrWriter)
