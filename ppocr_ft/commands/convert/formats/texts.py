"""One text of a label: its polygon and its transcription, checked.

Whatever is no such thing raises Unusable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ppocr_ft.limits import MOST_POINTS
from ppocr_ft.messages import counted
from ppocr_ft.transforms.labels import LEAST_POINTS
from ppocr_ft.transforms.polygons import FARTHEST_PX

Point = tuple[float, float]
Polygon = tuple[Point, ...]

IGNORED = "###"
"""What PaddleOCR reads as a text to leave out of loss and metric."""
IGNORE_MARKS = frozenset({"###", "#", "*"})
"""What the formats write for such a text."""
IGNORE_FLAGS = ("ignore", "ignored", "illegible", "illegibility", "unreadable", "dontcare")
"""Names under which tools and users mark a text to ignore."""
_PLACEHOLDER = "text"
"""Stands for a transcription that the source doesn't give; a detector doesn't read it."""
_DRAW_AGAIN = "draw the text's outline again"


class Unusable(Exception):  # noqa: N818 - it names a part of a label
    """A part of a label that can't be converted: rule, message and remedy.

    ``line`` is the 1-based line of its file if only the reader of the line knows it.
    """

    def __init__(self, rule: str, message: str, remedy: str, line: int | None = None) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.remedy = remedy
        self.line = line


@dataclass(frozen=True)
class LabelText:
    """A text: its polygon in px and its transcription, ``###`` for one to ignore.

    ``placeholder`` says that the source gave no transcription. ``category`` is the object's class
    in the source, such as ``plate``, None where it gives none; ``difficult`` is its flag.
    """

    points: Polygon
    transcription: str
    placeholder: bool = False
    category: str | None = None
    difficult: bool = False


def make_text(
    points: Polygon,
    transcription: object = None,
    *,
    ignored: bool = False,
    category: str | None = None,
    difficult: bool = False,
) -> LabelText:
    """Make a text for PaddleOCR; ``None`` is a transcription that is not given."""
    if ignored:
        text = IGNORED
    elif transcription is None:
        text = _PLACEHOLDER
    else:
        text = as_transcription(transcription)
        text = IGNORED if text in IGNORE_MARKS else text
    placeholder = transcription is None and not ignored
    return LabelText(points, text, placeholder, category, difficult)


def as_transcription(value: object) -> str:
    """Return a string that can be written as UTF-8."""
    if not isinstance(value, str):
        raise Unusable(
            "bad-transcription",
            f"found {value!r:.60} as the transcription; expected a string",
            "write the text in quotes, '###' for a text to ignore",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unusable(
            "bad-transcription",
            f"the transcription {value!r:.60} has half a character at {error.start + 1}",
            "write the character itself, or both halves of its escape",
        ) from None
    return value


def any_set(places: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> bool:
    """Return whether one of the flags is set in one of the places."""
    return any(is_set(place.get(key)) for place in places for key in keys)


def is_set(flag: object) -> bool:
    """Return whether a flag is set, in the ways in which tools write it."""
    return flag in (1, True, "1", "true", "True")


def are_numbers(values: Sequence[object]) -> bool:
    """Return whether each is a finite number that can be a coordinate."""
    return all(
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) <= FARTHEST_PX  # NaN is not
        for value in values
    )


def are_points(points: object) -> bool:
    """Return whether it is a list of pairs of numbers."""
    return isinstance(points, (list, tuple)) and all(
        isinstance(point, (list, tuple)) and len(point) == 2 and are_numbers(point)
        for point in points
    )


def polygon(points: Any) -> Polygon:
    """Return a polygon from ``[[x, y], ...]``: three points or more."""
    if not are_points(points):
        message = f"found points {points!r:.60}; expected [[x, y], ...] in px"
        raise Unusable("bad-points", message, _DRAW_AGAIN)
    if len(points) < LEAST_POINTS:
        message = f"has {counted(len(points), 'point')}; a polygon needs {LEAST_POINTS} or more"
        raise Unusable("few-points", message, _DRAW_AGAIN)
    if len(points) > MOST_POINTS:
        message = f"has {len(points):,} points; a polygon may have {MOST_POINTS:,}"
        raise Unusable("many-points", message, "draw it simpler")
    return tuple((float(x), float(y)) for x, y in points)


def flat_polygon(values: object) -> Polygon:
    """Return a polygon from ``[x1, y1, x2, y2, ...]``: three points or more."""
    if not isinstance(values, (list, tuple)) or len(values) % 2:
        raise Unusable(
            "bad-points",
            f"found points {values!r:.60}; expected an even number of values x1, y1, x2, y2, ...",
            _DRAW_AGAIN,
        )
    return polygon(list(zip(values[::2], values[1::2], strict=True)))


def any_polygon(points: object) -> Polygon:
    """Return a polygon from ``[[x, y], ...]`` or ``[x1, y1, x2, y2, ...]``."""
    is_flat = isinstance(points, list) and bool(points) and not isinstance(points[0], list)
    return flat_polygon(points) if is_flat else polygon(points)


def rectangle(left: Any, top: Any, right: Any, bottom: Any) -> Polygon:
    """Return a rectangle's corners, clockwise from the top left; it must have an area."""
    corners = polygon([(left, top), (right, top), (right, bottom), (left, bottom)])
    if left >= right or top >= bottom:
        raise Unusable(
            "empty-box",
            f"the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) has no area",
            "remove the box, or draw it again",
        )
    return corners


def sized_box(values: object, key: str) -> Polygon:
    """Return the rectangle of ``[left, top, width, height]``; ``key`` names it in a message."""
    left, top, width, height = _four(values, key, "[x, y, width, height]")
    return rectangle(left, top, left + width, top + height)


def edges_box(values: object, key: str) -> Polygon:
    """Return the rectangle of ``[left, top, right, bottom]``; ``key`` names it in a message."""
    return rectangle(*_four(values, key, "[left, top, right, bottom]"))


def _four(values: object, key: str, form: str) -> list[float]:
    if isinstance(values, list) and len(values) == 4 and are_numbers(values):
        return values
    raise Unusable("bad-points", f"found {values!r:.60} as {key!r}; expected {form}", _DRAW_AGAIN)


def turned_box(
    centre_x: float, centre_y: float, width: float, height: float, turn: float
) -> Polygon:
    """Return the corners of a box turned about its centre by ``turn`` radians, as ``turned``."""
    x, y = width / 2, height / 2
    box = rectangle(centre_x - x, centre_y - y, centre_x + x, centre_y + y)
    return turned(box, math.degrees(turn))


def turned(points: Polygon, degrees: float, pivot: Point | None = None) -> Polygon:
    """Turn a polygon clockwise on the screen, as y points down.

    ``pivot`` is the centre of its bounds if not given. Coordinates are rounded to a thousandth of
    a pixel, which is less than what angles and percentages say.
    """
    if not math.isfinite(degrees):
        raise Unusable("bad-points", f"found {degrees} as an angle", _DRAW_AGAIN)
    left, top, right, bottom = bounds(points)
    x, y = pivot or ((left + right) / 2, (top + bottom) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(a - x, b - y) for a, b in points]
    return tuple(
        (round(x + a * cos - b * sin, 3), round(y + a * sin + b * cos, 3)) for a, b in offsets
    )


def degrees_of(value: object) -> float:
    """Return an angle that is a number or one in quotes; 0 for anything else and whole turns."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return math.fmod(number, 360) if math.isfinite(number) else 0.0


def area_px(points: Polygon) -> float:
    """Return the area by the shoelace formula, for both orientations of the points."""
    closed = [*points, points[0]]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(closed))) / 2


def bounds(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def plain(values: Iterable[float]) -> list[float]:
    """Return the numbers as they are written: whole ones without a point."""
    return [int(value) if value.is_integer() else value for value in map(float, values)]
