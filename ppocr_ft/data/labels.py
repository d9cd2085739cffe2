"""PaddleOCR's label files: image path, delimiter, JSON list of texts; one image per line."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.errors import DataError
from ppocr_ft.transforms.labels import Texts, parse_texts

_WIDE_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
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
    """A label file's usable lines, and a DataError (with file and line) for each other one."""

    path: str
    entries: tuple[LabelEntry, ...]
    faults: tuple[DataError, ...]


def read_label_file(
    path: str | Path, data_dir: str | Path, delimiter: str = "\t", *, check_images: bool = True
) -> LabelFile:
    """Read every line; skip blank lines and accept a byte order mark and Windows line ends.

    A relative image path starts from ``data_dir``. With ``check_images`` a missing image is a
    fault now, not only when it is decoded.

    Raises:
        DataError: the file itself can't be read.
    """
    lines = _read_bytes(Path(path)).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    entries, faults = [], []
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            images, texts = _parse_line(raw, delimiter)
            paths = tuple(locate_image(image, data_dir, check_images) for image in images)
        except DataError as fault:
            faults.append(DataError(fault.message, path=path, line=number))
        else:
            entries.append(LabelEntry(paths, texts, os.fspath(path), number))
    return LabelFile(os.fspath(path), tuple(entries), tuple(faults))


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"the label file can't be read: {error.strerror}", path=path) from None
    wide = _WIDE_ENCODINGS.get(content[:2])
    if wide:
        raise DataError(f"the label file is {wide}; save it as UTF-8", path=path)
    return content


def _parse_line(raw: bytes, delimiter: str) -> tuple[tuple[str, ...], Texts]:
    name, label = split_line(decode_line(raw), delimiter)
    return image_names(name), parse_texts(label)


def decode_line(raw: bytes) -> str:
    """Decode the line's text.

    Raises:
        DataError: it is not UTF-8.
    """
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
        raise DataError(_no_delimiter(line, delimiter))
    if not name.strip():
        raise DataError(f"there is no image path before the delimiter {delimiter!r}")
    return name.strip(), _first_column(label, delimiter)


def _first_column(label: str, delimiter: str) -> str:
    """Return the label without further columns, which PaddleOCR ignores."""
    first, separator, _ = label.partition(delimiter)
    return first if separator and first.rstrip().endswith("]") and _is_json(first) else label


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_delimiter(line: str, delimiter: str) -> str:
    message = f"there is no delimiter {delimiter!r}; expected image path, delimiter, JSON list"
    path_end = line.find("[", 1)
    if path_end > 0 and not line[path_end - 1].isalnum():
        message += f" (before the JSON stands {line[path_end - 1]!r}: is that the delimiter?)"
    return message


def image_names(name: str) -> tuple[str, ...]:
    """Return the path, or the paths of PaddleOCR's list ``["a.jpg", "b.jpg"]``.

    Raises:
        DataError: a list of something else.
    """
    if not name.startswith("["):
        return (name,)
    try:
        names = json.loads(name)
    except json.JSONDecodeError:
        return (name,)
    if not names or not all(isinstance(one, str) and one for one in names):
        raise DataError(f'found {name:.60}; expected a list of image paths ["a.jpg", "b.jpg"]')
    return tuple(names)


def locate_image(image: str, data_dir: str | Path, check: bool = True) -> str:
    """Return the image's path below ``data_dir``, with forward slashes if only they lead to it.

    Raises:
        DataError: with ``check``, the file is missing.
    """
    path = os.path.join(data_dir, image)  # noqa: PTH118 - a Path an image costs memory
    if not check or os.path.isfile(path):  # noqa: PTH113
        return path
    posix = path.replace("\\", "/")
    if posix != path and os.path.isfile(posix):  # noqa: PTH113
        return posix
    what = "is a folder" if os.path.isdir(path) else "is not there"  # noqa: PTH112
    raise DataError(f"the image {path} {what}{_moved_hint(image, data_dir)}")


def _moved_hint(image: str, data_dir: str | Path) -> str:
    """Return a hint if the image exists relative to another folder than data_dir.

    PPOCRLabel's paths begin with the folder's own name, a common reason for a wrong data_dir.
    """
    parent = Path(data_dir).absolute().parent
    if (parent / image).is_file():
        return f"; with data_dir {parent} it would be"
    if (Path(data_dir) / Path(image).name).is_file():
        return f"; there is {Path(data_dir) / Path(image).name}"
    return ""


def read_label_files(
    paths: Sequence[str | Path],
    data_dir: str | Path,
    delimiter: str = "\t",
    *,
    check_images: bool = True,
) -> list[LabelFile]:
    """Read each file; one that can't be read at all has no entries and its error as a fault."""
    files = []
    for path in paths:
        try:
            file = read_label_file(path, data_dir, delimiter, check_images=check_images)
        except DataError as fault:
            file = LabelFile(os.fspath(path), (), (fault,))
        files.append(file)
    return files
