"""The texts of one image, read from a label's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError
from ppocr_ft.ops.polygons import FARTHEST_PX, TextPolygons

IGNORED = ("*", "###")
"""Transcriptions that mask a text out of loss and metric (PaddleOCR's DetLabelEncode)."""
LEAST_POINTS = 3
_SHOWN_FAULTS = 3


@dataclass(frozen=True)
class Texts:
    """``n`` texts: polygons in px, transcriptions, and (n,) whether each is ignored."""

    polygons: TextPolygons
    transcriptions: tuple[str, ...]
    ignored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.transcriptions)

    def select(self, chosen: NDArray[np.bool_]) -> Texts:
        """The texts where ``chosen`` (n,) is true."""
        kept = tuple(compress(self.transcriptions, chosen))
        return Texts(self.polygons.select(chosen), kept, self.ignored[chosen])

    def boxes(self) -> NDArray[np.float64]:
        """Bounding boxes (n, 4): left, top, right, bottom, px."""
        if len(self) == 0:
            return np.empty((0, 4))
        coords, starts = self.polygons.coords.astype(np.float64), self.polygons.starts[:-1]
        lowest, highest = (
            np.minimum.reduceat(coords, starts),
            np.maximum.reduceat(coords, starts),
        )
        return np.concatenate([lowest, highest], axis=1)


def parse_texts(label: str) -> Texts:
    """The JSON list ``[{"transcription": ..., "points": [[x, y], ...]}, ...]``; other keys pass.

    Raises:
        DataError: naming every text that can't be used (the first few, and how many more).
    """
    items = _items(label)
    faults = [f"text {i + 1} {fault}" for i, item in enumerate(items) for fault in _faults(item)]
    if faults:
        more = len(faults) - _SHOWN_FAULTS
        shown = "; ".join(faults[:_SHOWN_FAULTS])
        raise DataError(f"{shown}; and {more} more" if more > 0 else shown)
    polygons = TextPolygons.of([_points(item) for item in items])
    transcriptions = tuple(str(item["transcription"]) for item in items)
    return Texts(polygons, transcriptions, np.array([t in IGNORED for t in transcriptions], bool))


def _items(label: str) -> list[Any]:
    start = label.lstrip()[:1]
    if start not in ("[", "{"):
        found = repr(f"{label.strip():.40}") if label.strip() else "nothing"
        raise DataError(
            f"found {found} where the texts should be; expected a JSON list "
            '[{"transcription": "...", "points": [[x, y], ...]}, ...], [] for none'
        )
    try:
        items = json.loads(label)
    except json.JSONDecodeError as error:
        near = label[max(error.pos - 15, 0) : error.pos + 15]
        raise DataError(
            f"broken JSON: {error.msg}, character {error.pos + 1} of the label, near {near!r}"
        ) from None
    except RecursionError:
        raise DataError("broken JSON: nested too deeply") from None
    if not isinstance(items, list):
        raise DataError(f"found a JSON {type(items).__name__}; expected a list of texts")
    return items


def _faults(item: Any) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f'is {item!r:.40}; expected {{"transcription": ..., "points": ...}}'
        return
    for key in ("transcription", "points"):
        if key not in item:
            yield f"lacks {key!r}; it has {', '.join(map(repr, item)) or 'no key at all'}"
    if not isinstance(item.get("transcription", ""), (str, int, float)):
        yield f'has transcription {item["transcription"]!r:.40}; write "###" for a text to ignore'
    if "points" in item:
        yield from _point_faults(item)


def _point_faults(item: dict[str, Any]) -> Iterator[str]:
    try:
        points = _points(item)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0, np.float32)
    if points.ndim != 2 or points.shape[1] != 2:
        yield f"has points {item['points']!r:.60}; expected [[x, y], ...]"
    elif len(points) < LEAST_POINTS:
        yield f"has {len(points)} points; a polygon needs {LEAST_POINTS} or more"
    elif not (np.abs(points) <= FARTHEST_PX).all():  # NaN is not
        yield f"has a coordinate beyond {FARTHEST_PX:g} px: {item['points']!r:.60}"


def _points(item: dict[str, Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.array(item["points"], dtype=np.float32)
