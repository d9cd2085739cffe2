"""What a file is that was given as a label file and is none: one message instead of one a line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from ppocr_ft.messages import counted

DETECTION_LABELS = "detection needs Label.txt: image path, tab, JSON list of texts with points"
_LISTED_FILES = 200
_FIRST_LINES = 20
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
    """Return what a JSON text is, by its keys; None if it is none."""
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
    if all(map(_NUMBERS.match, lines)):
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
