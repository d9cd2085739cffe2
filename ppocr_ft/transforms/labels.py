"""The texts of one image, read from a label's JSON, and the operator that does so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError
from ppocr_ft.limits import MOST_LINE_BYTES, MOST_POINTS, MOST_TEXTS
from ppocr_ft.messages import counted
from ppocr_ft.transforms.polygons import FARTHEST_PX, TextPolygons
from ppocr_ft.transforms.registry import register

IN_QUOTES = 'write the text in quotes, "###" for one to be ignored'
AS_JSON = "write it with json.dumps(texts, ensure_ascii=False)"
IGNORED = ("*", "###")
"""Transcriptions that mask a text out of loss and metric (PaddleOCR's DetLabelEncode)."""
LEAST_POINTS = 3
_SHOWN_FAULTS = 3
_SCORED = ([str, float], [str, int])
FaultKind = Literal["item", "key", "transcription", "points", "count", "large", "coordinate"]


class TooLargeError(DataError):
    """A label beyond what is read (ppocr_ft.limits)."""


@dataclass(frozen=True)
class TextFault:
    """The reason why text ``number`` (1, 2, ...) of a label can't be used, and its ``kind``."""

    number: int
    kind: FaultKind
    message: str


@dataclass(frozen=True, slots=True)
class Texts:
    """``n`` texts: polygons in px, transcriptions, and (n,) whether each is ignored.

    ``difficult`` is how many are marked so, ``scored`` how many had ``[text, score]`` for a
    transcription: both are learnt like any other text, as in PaddleOCR.
    """

    polygons: TextPolygons
    transcriptions: tuple[str, ...]
    ignored: NDArray[np.bool_]
    difficult: int = 0
    scored: int = 0

    def __len__(self) -> int:
        return len(self.transcriptions)

    def select(self, chosen: NDArray[np.bool_]) -> Texts:
        """Return the texts flagged in ``chosen`` (n,)."""
        kept = tuple(compress(self.transcriptions, chosen))
        return Texts(self.polygons.select(chosen), kept, self.ignored[chosen])

    def boxes(self) -> NDArray[np.float64]:
        """Return bounding boxes (n, 4): left, top, right, bottom, px."""
        if len(self) == 0:
            return np.empty((0, 4))
        coords, starts = self.polygons.coords.astype(np.float64), self.polygons.starts[:-1]
        corners = np.minimum.reduceat(coords, starts), np.maximum.reduceat(coords, starts)
        return np.concatenate(corners, axis=1)

    def fields(self) -> dict[str, Any]:
        """Return ``polys``, ``texts`` and ``ignore_tags`` as operators on dicts have them."""
        return {
            "polys": [self.polygons[i] for i in range(len(self))],
            "texts": list(self.transcriptions),
            "ignore_tags": self.ignored.copy(),
        }


def parse_texts(label: str) -> Texts:
    """Read the JSON list ``[{"transcription": ..., "points": [[x, y], ...]}, ...]``.

    Other keys are ignored.

    Raises:
        DataError: naming every text that can't be used (the first few, and how many more).
    """
    return read_texts(parse_items(label))


def read_texts(items: list[Any]) -> Texts:
    """Return the texts of ``parse_items``.

    Raises:
        DataError: naming every text that can't be used (the first few, and how many more).
    """
    try:
        polygons = _polygons([item["points"] for item in items])
        given = [item["transcription"] for item in items]
        transcriptions = tuple(map(_transcription, given))
    except (KeyError, TypeError, ValueError, OverflowError):
        faults = [f"text {fault.number} {fault.message}" for fault in text_faults(items)]
        more = len(faults) - _SHOWN_FAULTS
        first = "; ".join(faults[:_SHOWN_FAULTS])
        raise DataError(f"{first}; and {more} more" if more > 0 else first) from None
    return Texts(
        polygons,
        transcriptions,
        ignored=np.array([text in IGNORED for text in transcriptions], bool),
        difficult=sum(bool(item.get("difficult")) for item in items),
        scored=sum(isinstance(value, list) for value in given),
    )


def _polygons(lists: list[Any]) -> TextPolygons:
    """Return polygons of each text's points, all at once; ValueError (or numpy's) if one is bad."""
    counts = [len(points) for points in lists]
    if counts and not LEAST_POINTS <= min(counts) <= max(counts) <= MOST_POINTS:
        raise ValueError("too few points, or too many")
    starts = np.array([0, *accumulate(counts)], np.int64)
    points = [point for points in lists for point in points]
    coords = np.array(points or np.empty((0, 2)), np.float64)
    if coords.shape != (starts[-1], 2) or not _are_near(coords):
        raise ValueError("points that are no (x, y)")
    return TextPolygons(coords.astype(np.float32), starts)


def _transcription(value: Any) -> str:
    """Return the text of a string, a number, or a recogniser's result ``["text", 0.91]``."""
    if isinstance(value, list) and list(map(type, value)) in _SCORED:
        value = value[0]
    if not isinstance(value, (str, int, float)):
        raise TypeError(value)
    return str(value)


def _are_near(coords: NDArray[np.float64]) -> bool:
    return bool((np.abs(coords) <= FARTHEST_PX).all())  # NaN is not


def parse_items(label: str) -> list[Any]:
    """Return the JSON list of a label, with elements of any kind.

    Raises:
        TooLargeError: it is longer than MOST_LINE_BYTES, or has more than MOST_TEXTS.
        DataError: there is no such list.
    """
    check_length(len(label))
    start = label.lstrip()[:1]
    if start not in ("[", "{"):
        start_of_label = repr(f"{label.strip():.40}") if label.strip() else "nothing"
        raise DataError(
            f"found {start_of_label} where the texts should be; expected a JSON list "
            '[{"transcription": "...", "points": [[x, y], ...]}, ...], [] for none'
        )
    try:
        items = json.loads(label)
    except json.JSONDecodeError as error:
        near = label[max(error.pos - 15, 0) : error.pos + 15]
        python = label[error.pos :].startswith(("'", "True", "False", "None"))
        hint = f"; this is Python's way of writing: {AS_JSON}" if python else ""
        raise DataError(
            f"broken JSON: {error.msg}, character {error.pos + 1} of the label, near {near!r}{hint}"
        ) from None
    except (RecursionError, ValueError) as error:  # a number of thousands of digits is one
        raise DataError(f"broken JSON: {error}") from None
    if not isinstance(items, list):
        raise DataError(f"found a JSON {type(items).__name__}; expected a list of texts")
    if len(items) > MOST_TEXTS:
        has = f"has {len(items):,} texts; at most {MOST_TEXTS:,} of an image are read"
        raise TooLargeError(f"{has}: cut the image into parts")
    return items


def check_length(line_bytes: int) -> None:
    """Refuse a label line before it is decoded and parsed.

    Raises:
        TooLargeError: it is longer than MOST_LINE_BYTES.
    """
    if line_bytes > MOST_LINE_BYTES:
        raise TooLargeError(
            f"the line has {line_bytes:,} bytes; at most {MOST_LINE_BYTES:,} are read: write one "
            "image a line, with the outlines of its texts alone"
        )


def text_faults(items: list[Any]) -> list[TextFault]:
    """Return all reasons for which ``read_texts`` refuses the items; empty if it reads them."""
    return [
        TextFault(number, kind, message)
        for number, item in enumerate(items, start=1)
        for kind, message in _faults(item)
    ]


def _faults(item: Any) -> Iterator[tuple[FaultKind, str]]:
    if not isinstance(item, dict):
        yield "item", f'is {item!r:.40}; expected {{"transcription": ..., "points": ...}}'
        return
    for key in ("transcription", "points"):
        if key not in item:
            has = ", ".join(map(repr, item)) or "no key at all"
            yield "key", f"lacks {key!r}; it has {has}"
    try:
        _transcription(item.get("transcription", ""))
    except TypeError:
        transcription = json.dumps(item["transcription"], ensure_ascii=False)
        yield "transcription", f"has transcription {transcription:.40}; {IN_QUOTES}"
    if "points" in item:
        yield from _point_faults(item)


def _point_faults(item: dict[str, Any]) -> Iterator[tuple[FaultKind, str]]:
    try:
        points = np.array(item["points"], np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2:
        yield "points", f"has points {item['points']!r:.60}; expected [[x, y], ...]"
    elif len(points) < LEAST_POINTS:
        few = f"has {counted(len(points), 'point')}; a polygon needs {LEAST_POINTS} or more"
        yield "count", few
    elif len(points) > MOST_POINTS:
        many = f"has {len(points):,} points; a polygon may have {MOST_POINTS:,}: draw it simpler"
        yield "large", many
    elif not _are_near(points):
        far = f"has a coordinate beyond {FARTHEST_PX:g} px: {item['points']!r:.60}"
        yield "coordinate", far


@register
class DetLabelEncode:
    """Turn a label line's JSON into polygons, texts and ignore flags.

    Unlike PaddleOCR's operator it takes images without text, which are samples like any other.
    PaddleOCR fills polygons of fewer points up by repeating their last one; here each keeps its
    own number.
    """

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Add ``polys`` (n of (k, 2) float32), ``texts`` (n) and ``ignore_tags`` (n,) bool.

        Reads ``label``: the JSON of a label line, or the Texts that it was read into.

        Raises:
            DataError: the JSON can't be used, naming ``img_path`` if it is given.
        """
        texts = data["label"]
        if not isinstance(texts, Texts):
            try:
                texts = parse_texts(texts)
            except DataError as fault:
                raise DataError(fault.message, path=data.get("img_path")) from None
        data["polys"] = [texts.polygons[i].copy() for i in range(len(texts))]
        data["texts"] = list(texts.transcriptions)
        data["ignore_tags"] = texts.ignored.copy()
        return data
