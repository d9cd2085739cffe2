"""One label line, read as far as it can be, with everything that keeps training from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.labels import decode_line, image_names, split_line
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.texts import (
    FaultKind,
    TextFault,
    Texts,
    parse_items,
    read_texts,
    text_faults,
)

BOM = "\ufeff"
RULE_OF: dict[FaultKind, str] = {
    "item": "text-item",
    "key": "text-key",
    "transcription": "text-transcription",
    "points": "points-format",
    "count": "points-few",
    "coordinate": "points-number",
}
_BETWEEN = " \t,;|:=\u3000"
"""What a wrong delimiter may be made of."""


@dataclass(frozen=True)
class Fault:
    """A rule that a line breaks, with its message."""

    rule: str
    message: str


@dataclass(frozen=True)
class ParsedLine:
    """What a line says, as far as it can be made out.

    ``name`` is what stands where the image path belongs, ``images`` the paths in it. ``items``
    are the label's elements, None where it is no JSON list; ``texts`` the usable ones among
    them, and ``numbers`` (n,) their places, from 1. Training takes a line without ``faults``.
    """

    name: str
    images: tuple[str, ...]
    items: list[Any] | None
    texts: Texts
    numbers: NDArray[np.int64]
    faults: tuple[Fault, ...]


def parse_line(raw: bytes, delimiter: str) -> ParsedLine:
    """The line without its end; never raises."""
    faults: list[Fault] = []
    line = _text(raw, faults)
    name, label = _halves(line, delimiter, faults)
    images = _images(name, faults)
    items = _items(label, faults)
    texts, numbers, bad = usable_texts(items or [])
    for rule in dict.fromkeys(RULE_OF[fault.kind] for fault in bad):
        said = [f"text {f.number} {f.message}" for f in bad if RULE_OF[f.kind] == rule]
        faults.append(Fault(rule, "; ".join(said)))
    return ParsedLine(name, images, items, texts, numbers, tuple(faults))


def usable_texts(items: list[Any]) -> tuple[Texts, NDArray[np.int64], list[TextFault]]:
    """The texts that training could use, their places from 1, and what is wrong with the rest."""
    every = np.arange(1, len(items) + 1)
    try:
        return read_texts(items), every, []
    except DataError:
        faults = text_faults(items)
    bad = {fault.number for fault in faults}
    numbers = np.array([number for number in every.tolist() if number not in bad], np.int64)
    return read_texts([items[number - 1] for number in numbers]), numbers, faults


def _text(raw: bytes, faults: list[Fault]) -> str:
    try:
        line = decode_line(raw)
    except DataError as fault:
        faults.append(Fault("label-encoding", fault.message))
        line = raw.decode("utf-8", errors="replace")
    if line.startswith(BOM):
        faults.append(Fault("label-bom", "a byte order mark stands before the image path"))
    return line.lstrip(BOM)


def _halves(line: str, delimiter: str, faults: list[Fault]) -> tuple[str, str | None]:
    """Image path and label; the label is None where it can't be told from the rest."""
    try:
        name, label = split_line(line, delimiter)
    except DataError as fault:
        if delimiter in line:
            faults.append(Fault("label-path", fault.message))
            return "", line.partition(delimiter)[2]
        faults.append(Fault("label-delimiter", fault.message))
        return _guessed_halves(line)
    if not label.lstrip().startswith(("[", "{")):
        guessed = _guessed_halves(line)
        if guessed[1] is not None:
            faults.append(Fault("label-delimiter", _splits_elsewhere(delimiter, guessed[1])))
            return guessed
    return name, label


def _splits_elsewhere(delimiter: str, label: str) -> str:
    return (
        f"the first delimiter {delimiter!r} does not stand before the JSON list, "
        f"which begins {label[:20]!r}"
    )


def _guessed_halves(line: str) -> tuple[str, str | None]:
    """As if the delimiter were whatever separates a path from the first JSON list."""
    start = line.find("[", 1)
    while start > 0:
        if line[start - 1] in _BETWEEN and _is_list(line[start:]):
            return line[:start].strip(_BETWEEN), line[start:]
        start = line.find("[", start + 1)
    return "", None


def _is_list(text: str) -> bool:
    try:
        parse_items(text)
    except DataError:
        return False
    return True


def _images(name: str, faults: list[Fault]) -> tuple[str, ...]:
    if not name:
        return ()
    try:
        return image_names(name)
    except DataError as fault:
        faults.append(Fault("label-path", fault.message))
    return ()


def _items(label: str | None, faults: list[Fault]) -> list[Any] | None:
    if label is None:
        return None  # the delimiter's fault
    try:
        return parse_items(label)
    except DataError as fault:
        faults.append(Fault("label-json", fault.message))
    return None
