"""PaddleOCR's label files: image path, delimiter, JSON list of texts; one image per line.

A file that was given as a label file and is none gets one message instead of one a line.
"""

from __future__ import annotations

import codecs
import errno
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ppocr_ft.data.image_paths import ImagePaths, find_images
from ppocr_ft.declaration import is_url
from ppocr_ft.errors import DataError
from ppocr_ft.limits import MOST_LABEL_FILE_BYTES, MOST_LINE_BYTES
from ppocr_ft.messages import counted
from ppocr_ft.transforms.labels import Texts, check_length, parse_texts

DETECTION_LABELS = "detection needs Label.txt: image path, tab, JSON list of texts with points"
_LISTED_FILES = 200
_FIRST_LINES = 20
_LOOKED_AT = 1000
"""So many characters of a line tell whether it is numbers."""
_NUMBERS = re.compile(r"\s*(\S+\s+)?-?\d+(\.\d+)?([,\s]+-?\d+(\.\d+)?){3,}")
"""A line of ICDAR, YOLO, DOTA or MSRA-TD500: four numbers or more, a class's name before them."""


def folder_message(folder: Path) -> str:
    """Return what to give instead of a folder: the label files in it."""
    files = [str(path) for path in islice(sorted(folder.rglob("Label.txt")), _LISTED_FILES + 1)]
    if not files:
        return "is a folder; name a label file in it (it holds no Label.txt)"
    if len(files) > _LISTED_FILES:
        command = f"ppocr-ft convert --from ppocr {folder} --out labels/"
        return f"is a folder of more than {_LISTED_FILES} Label.txt; make one of them: {command}"
    named = f"[{', '.join(files)}]"
    return f"is a folder; name the {counted(len(files), 'label file')} in it: {named}"


def other_kind(path: Path, lines: Sequence[bytes], delimiter: str) -> str | None:
    """Return what the file is if not a single line of it is a label line; None otherwise.

    ``lines`` are the file's, without its byte order mark.
    """
    if path.name == "Cache.cach":
        return "is PPOCRLabel's cache of boxes that nobody has confirmed; name Label.txt beside it"
    delimiter_bytes = delimiter.encode()
    is_binary = any(b"\0" in line for line in lines[:_FIRST_LINES])
    if is_binary and not _is_label_line(lines[0], delimiter_bytes):
        return f"is no text file; {DETECTION_LABELS}"
    if any(_is_label_line(line, delimiter_bytes) for line in lines):
        return None
    text = b"\n".join(lines).decode("utf-8", errors="replace").strip()
    if not text:
        return None
    convert = f"ppocr-ft convert {path} --images FOLDER --out labels/ converts"
    if text.startswith("<"):
        return f"is XML, one image's labels or a whole export; {convert} what it knows of it"
    if text[0] in "{[" and (kind := _json_kind(text)):
        return f"is {kind}, no label file; {convert} it"
    return _kind_of_lines(path, text.splitlines(), delimiter, convert)


def _is_label_line(line: bytes, delimiter: bytes) -> bool:
    """Return whether texts may begin on the line, be they wrongly written or delimited."""
    after = line.partition(delimiter)[2].lstrip()
    return after[:1] in (b"[", b"{") or (b"[{" in line and not line.lstrip().startswith(b"[{"))


def _json_kind(text: str) -> str | None:
    """Return what a JSON text is, by its keys if it isn't too large; None if it is none."""
    if len(text) > MOST_LINE_BYTES:
        return "a JSON file"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    first = value[0] if isinstance(value, list) and value else value
    keys = set(first) if isinstance(first, dict) else set()
    if {"images", "annotations"} <= keys:
        return "COCO's JSON"
    if "shapes" in keys:
        return "LabelMe's JSON of one image"
    if "annotations" in keys or "data" in keys:
        return "Label Studio's JSON"
    return "a JSON file"


def _kind_of_lines(path: Path, lines: list[str], delimiter: str, convert: str) -> str | None:
    lines = [line for line in lines if line.strip()]
    labels = [line.partition(delimiter)[2].strip() for line in lines]
    if path.name == "fileState.txt" or (len(lines) > 1 and set(labels) <= {"0", "1"}):
        return "is PPOCRLabel's list of the images that were looked at; name Label.txt beside it"
    if all(_NUMBERS.match(line[:_LOOKED_AT]) for line in lines):
        return f"has the texts of one image, numbers line by line; {convert} a folder of such files"
    if len(lines) < 2:
        return None  # the line's own message says more
    if all(labels):
        beside = path.with_name("Label.txt")
        there = f" ({beside} is there)" if beside.is_file() else ""
        text = f"one text an image, such as {labels[0]!r:.40}"
        return f"these are recognition labels, {text}; {DETECTION_LABELS}{there}"
    if not any(delimiter in line for line in lines):
        return f"has no label line, its first is {lines[0].strip()!r:.40}; {DETECTION_LABELS}"
    return None


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """One line of a label file: its image, the texts on it, and its place in the file.

    ``images`` holds several paths if the line gives PaddleOCR's list ``["a.jpg", "b.jpg"]``:
    pictures that all fit the texts, of which one is drawn.
    """

    images: tuple[str, ...]
    texts: Texts
    label_file: str
    line: int


@dataclass(frozen=True)
class LabelFile:
    """A label file's usable lines, and a DataError (with file and line) for each other one.

    ``notes`` are what a user should know of the whole file, by kind: see ``notes_on``.
    """

    path: str
    entries: tuple[LabelEntry, ...]
    faults: tuple[DataError, ...]
    notes: Mapping[str, str] = field(default_factory=dict)


def read_label_file(
    path: str | Path, data_dir: str | Path, delimiter: str = "\t", *, check_images: bool = True
) -> LabelFile:
    """Read every line; skip blank lines and accept a byte order mark and Windows line ends.

    Images are found by the rule of ``data.image_paths``. Without ``check_images`` a path is
    ``data_dir`` joined with the label's, whether a file is there or not.

    Raises:
        DataError: the file itself can't be read, or is no label file.
    """
    lines = _content_lines(Path(path), delimiter)
    parsed, faults = [], []
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            name, label = split_line(decode_line(raw), delimiter)
            parsed.append((number, image_names(name), parse_texts(label)))
        except DataError as fault:
            faults.append(DataError(fault.message, path=path, line=number))
    names = [image for _, images, _ in parsed for image in images]
    if check_images:
        places = find_images(names, data_dir, path)
    else:
        places = ImagePaths.unseen(names, data_dir)
    entries = []
    for number, images, texts in parsed:
        try:
            paths = tuple(map(places.path, images))
        except DataError as fault:
            faults.append(DataError(fault.message, path=path, line=number))
        else:
            entries.append(LabelEntry(paths, texts, os.fspath(path), number))
    in_order = sorted(faults, key=lambda fault: fault.line or 0)
    every = [entry.texts for entry in entries]
    notes = notes_on(
        path,
        places,
        sum(map(len, every)),
        sum(texts.difficult for texts in every),
        sum(texts.scored for texts in every),
    )
    if check_images and in_order and not entries and not Path(data_dir).is_dir():
        what = f"no line can be used: the folder {data_dir} is not there; correct data_dir"
        in_order = [DataError(what, path=path)]
    return LabelFile(os.fspath(path), tuple(entries), tuple(in_order), notes)


def notes_on(
    path: str | Path, places: ImagePaths, texts: int, difficult: int, scored: int
) -> dict[str, str]:
    """Return what is to be said of a label file as a whole, a line for each kind.

    ``image-moved``: images that are not where ``data_dir`` leads, ``image-beside``: all of them
    where PPOCRLabel has them; ``difficult``: texts marked so;
    ``scored``: transcriptions ``[text, score]``.
    """
    of = f"of {counted(texts, 'text')}"
    notes = {"image-beside" if places.all_beside else "image-moved": places.note}
    if difficult:
        notes["difficult"] = f"{difficult:,} {of} marked difficult: learnt as PaddleOCR does"
    if scored:
        notes["scored"] = f"{scored:,} {of} with a transcription [text, score]: the text is taken"
    return {kind: f"{path}: {text}" for kind, text in notes.items() if text}


def _content_lines(path: Path, delimiter: str) -> list[bytes]:
    """Return the lines of a label file without its byte order mark."""
    if path.is_dir():
        raise DataError(folder_message(path), path=path)
    try:
        content = read_bytes(path)
    except OSError as error:
        raise DataError(f"the label file can't be read: {error.strerror}", path=path) from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("the label file is UTF-16; save it as UTF-8", path=path)
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    other = other_kind(path, lines, delimiter)
    if other:
        raise DataError(other, path=path)
    return lines


def read_bytes(path: Path) -> bytes:
    """Return a label file's content.

    Raises:
        OSError: it can't be read, or has more than MOST_LABEL_FILE_BYTES.
    """
    size = path.stat().st_size
    if size > MOST_LABEL_FILE_BYTES:
        has = f"it has {size:,} bytes, and at most {MOST_LABEL_FILE_BYTES:,} are read"
        raise OSError(errno.EFBIG, f"{has}; divide it into several")
    return path.read_bytes()


def decode_line(raw: bytes) -> str:
    """Decode the line's text.

    Raises:
        DataError: it is too long (TooLargeError), or not UTF-8.
    """
    check_length(len(raw))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = raw[error.start]
        raise DataError(f"byte 0x{bad:02x} is not UTF-8; save the label file as UTF-8") from None


def split_line(line: str, delimiter: str) -> tuple[str, str]:
    """Split a line at the delimiter into image path and label, without further columns.

    Raises:
        DataError: there is no delimiter, or nothing before it.
    """
    name, separator, label = line.partition(delimiter)
    if not separator:
        message = f"there is no delimiter {delimiter!r}; expected image path, delimiter, JSON list"
        path_end = line.find("[", 1)
        if path_end > 0 and not line[path_end - 1].isalnum():
            message += f" (before the JSON stands {line[path_end - 1]!r}: is that the delimiter?)"
        raise DataError(message)
    if not name.strip():
        raise DataError(f"there is no image path before the delimiter {delimiter!r}")
    return name.strip(), _first_column(label, delimiter)


def _first_column(label: str, delimiter: str) -> str:
    """Return the label without further columns, which PaddleOCR ignores."""
    first, separator, _ = label.partition(delimiter)
    if not separator or not first.rstrip().endswith("]"):
        return label
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return label
    return first


def image_names(name: str) -> tuple[str, ...]:
    """Return the path, or the paths of PaddleOCR's list ``["a.jpg", "b.jpg"]``.

    Raises:
        DataError: a list of something else, or a URL, which PaddleOCR 3.7 downloads.
    """
    names = [name]
    if name.startswith("["):
        with suppress(json.JSONDecodeError):
            names = json.loads(name)
    if not names or not all(isinstance(one, str) and one for one in names):
        raise DataError(f'found {name:.60}; expected a list of image paths ["a.jpg", "b.jpg"]')
    for one in filter(is_url, names):
        raise DataError(
            f"the image is the URL {one:.60}; images are read from this machine: download it and "
            "name the file"
        )
    return tuple(names)


def read_label_files(
    paths: Sequence[str | Path], data_dir: str | Path, delimiter: str = "\t"
) -> list[LabelFile]:
    """Read each file; one that can't be read at all has no entries and its error as a fault."""
    files = []
    for path in paths:
        try:
            files.append(read_label_file(path, data_dir, delimiter))
        except DataError as fault:
            files.append(LabelFile(os.fspath(path), (), (fault,)))
    return files
