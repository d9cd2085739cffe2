"""The files of a source, and their content."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.commands.convert.formats.reading import Entry, Reading
from ppocr_ft.commands.convert.formats.recognition import UTF16_MARKS
from ppocr_ft.commands.convert.formats.texts import Unusable
from ppocr_ft.data.copies import by_original
from ppocr_ft.errors import DataError
from ppocr_ft.messages import counted

_PPOCR_NAMES = frozenset({"fileState.txt", "rec_gt.txt"})
_FIRST_BYTES = 4096
_LABEL_LINE = re.compile(rb"\t\s*\[\s*[\]{]")


def source_files(source: Path, *suffixes: str) -> list[Path]:
    """Return the file itself, or a folder's files at any depth, in order.

    They are the files of the first of ``suffixes`` that there is.

    Raises:
        DataError: there is none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError("there is no such file or folder", path=source)
    files = sorted(path for path in source.rglob("*") if path.is_file())
    by_suffix: dict[str, list[Path]] = {}
    for path in files:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    for suffix in suffixes:
        if suffix in by_suffix:
            return by_suffix[suffix]
    others = [f"{len(paths)} {suffix or 'without suffix'}" for suffix, paths in by_suffix.items()]
    raise DataError(
        f"the folder holds no {' or '.join(suffixes)} file, but {', '.join(others) or 'nothing'}; "
        "give the folder of the labels, or leave --from out to have their format recognised",
        path=source,
    )


def text_files(source: Path, suffixes: Sequence[str], reading: Reading) -> list[Path]:
    """Return ``source_files`` without PaddleOCR's own files in a folder; report these.

    An earlier conversion may have written them among the labels.
    """
    files = source_files(source, *suffixes)
    if not source.is_dir():
        return files
    others = [path for path in files if path.name in _PPOCR_NAMES or is_label_file(path)]
    for path in others:
        reading.tally(
            "other-file",
            "files are PaddleOCR's or PPOCRLabel's own: not read",
            "give a file itself to have it read",
            str(path),
        )
    return [path for path in files if path not in set(others)]


def is_label_file(path: Path) -> bool:
    """Return whether the first line of a file is one of PaddleOCR's: a path, a tab, a list."""
    try:
        with path.open("rb") as file:
            return _LABEL_LINE.search(file.readline(_FIRST_BYTES)) is not None
    except OSError:
        return False


def named(files: Sequence[Path], prefix: str, reading: Reading) -> list[Path]:
    """Return the files whose names begin with ``prefix``, if there are any; report the others."""
    chosen = [path for path in files if path.name.startswith(prefix)]
    if not chosen:
        return list(files)
    for path in files:
        if not path.name.startswith(prefix):
            reading.tally(
                "other-file",
                f"files without {prefix!r} before their names were not read",
                "give a file itself to have it read",
                str(path),
            )
    return chosen


def read_text(path: Path) -> str:
    """Read a UTF-8 file without its byte order mark.

    Raises:
        Unusable: it can't be read, or is in another encoding.
    """
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise Unusable(
            "unreadable", f"can't be read: {error.strerror}", "see to it that it can be read"
        ) from None
    if content[:2] in UTF16_MARKS:
        raise Unusable("not-utf8", "the file is UTF-16", "save it as UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unusable(
            "not-utf8",
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
            content.count(b"\n", 0, error.start) + 1,
        ) from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        Unusable: it is no JSON file, or one that would be read in part.
    """
    text = read_text(path)
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        several = "give one JSON document a file, not one a line"
        raise Unusable(
            "broken-json",
            f"broken JSON: {error.msg}, column {error.colno}",
            several if error.msg == "Extra data" else "export the file again",
            error.lineno,
        ) from None
    except (RecursionError, ValueError) as error:
        raise Unusable("broken-json", f"broken JSON: {error}", "export the file again") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object none of whose keys stands there twice with different values."""
    last = dict(pairs)
    if len(last) < len(pairs):
        for key, value in pairs:
            if value != last[key]:
                raise Unusable(
                    "key-twice",
                    f"an object has the key {key!r:.40} twice, so only the last would be read",
                    "keep one of them, or join them",
                )
    return last


def expect(value: object, kind: type | tuple[type, ...], what: str, remedy: str) -> None:
    """Check the type of a value.

    Raises:
        Unusable: ``value`` is of another kind.
    """
    if not isinstance(value, kind):
        raise Unusable("bad-structure", f"found {value!r:.60} as {what}", remedy)


def below(path: Path, source: Path, prefix: str) -> str:
    """Return the path of a label file below its source, without suffix and ``prefix``, as posix."""
    folder = source if source.is_dir() else source.parent
    stem = path.stem.removeprefix(prefix)
    return (path.parent.relative_to(folder) / stem).as_posix()


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
