"""The files of a source, and their content; what can't be read raises Unusable."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.texts import Unusable
from ppocr_ft.data import labels
from ppocr_ft.errors import DataError

JSON_SUFFIXES = (".json", ".jsonl")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_FIRST_BYTES = 4096
_LABEL_LINE = re.compile(rb"\t\s*\[\s*[\]{]")


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, read once for all formats.

    ``text`` is None where it can't be read, with signs in place of what isn't UTF-8; ``json`` is
    None where it is no JSON.
    """

    path: Path

    @cached_property
    def text(self) -> str | None:
        try:
            content = labels.read_bytes(self.path)
        except OSError:
            return None
        encoding = "utf-16" if content[:2] in _UTF16_MARKS else "utf-8-sig"
        return content.decode(encoding, errors="replace")

    @cached_property
    def lines(self) -> list[str]:
        """Its lines that aren't blank."""
        return [line.rstrip("\r") for line in (self.text or "").split("\n") if line.strip()]

    @cached_property
    def json(self) -> Any:
        if self.path.suffix.lower() not in JSON_SUFFIXES:
            return None
        try:
            return json.loads(self.text or "")
        except (ValueError, RecursionError):
            return None


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
    by_suffix: dict[str, list[Path]] = {}
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
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


def below(path: Path, source: Path, prefix: str = "") -> str:
    """Return the path of a label file below its source, without suffix and ``prefix``, as posix."""
    folder = source if source.is_dir() else source.parent
    return (path.parent.relative_to(folder) / path.stem.removeprefix(prefix)).as_posix()


def is_label_file(path: Path) -> bool:
    """Return whether the first line of a file is one of PaddleOCR's: a path, a tab, a list."""
    try:
        with path.open("rb") as file:
            return _LABEL_LINE.search(file.readline(_FIRST_BYTES)) is not None
    except OSError:
        return False


def read_bytes(path: Path) -> bytes:
    """Read a file."""
    try:
        return labels.read_bytes(path)
    except OSError as error:
        message = f"can't be read: {error.strerror}"
        raise Unusable("unreadable", message, "see to it that it can be read") from None


def read_text(path: Path) -> str:
    """Read a UTF-8 file without its byte order mark."""
    content = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    if content[:2] in _UTF16_MARKS:
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
    """Read a JSON file."""
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
