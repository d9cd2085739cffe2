"""Outlines as JSON labels give them: boxes, turned boxes, lists of points; and what is not read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ppocr_ft.commands.convert.formats.reading import Draft
from ppocr_ft.commands.convert.formats.texts import (
    Polygon,
    Unusable,
    are_numbers,
    flat_polygon,
    polygon,
    rectangle,
)

_ANGLES = ("rotation", "angle", "rotate", "theta", "direction", "rotation_angle", "skew")
_REMEDY = "draw the text's outline again"


def sized_box(values: object, key: str) -> Polygon:
    """Return the corners of ``[left, top, width, height]``, clockwise from the left top.

    ``key`` names the value in a message.

    Raises:
        Unusable: it is something else, or has no area.
    """
    left, top, width, height = _four(values, key, "[x, y, width, height]")
    return rectangle(left, top, left + width, top + height)


def edges_box(values: object, key: str) -> Polygon:
    """Return the corners of ``[left, top, right, bottom]``, clockwise from the left top.

    ``key`` names the value in a message.

    Raises:
        Unusable: it is something else, or has no area.
    """
    return rectangle(*_four(values, key, "[left, top, right, bottom]"))


def _four(values: object, key: str, form: str) -> list[float]:
    if isinstance(values, list) and len(values) == 4 and are_numbers(values):
        return values
    raise Unusable("bad-points", f"found {values!r:.60} as {key!r}; expected {form}", _REMEDY)


def any_polygon(points: object) -> Polygon:
    """Return a polygon from ``[[x, y], ...]`` or ``[x1, y1, x2, y2, ...]``.

    Raises:
        Unusable: it is neither, or has fewer than three points.
    """
    is_flat = isinstance(points, list) and bool(points) and not isinstance(points[0], list)
    return flat_polygon(points) if is_flat else polygon(points)


def degrees_of(value: object) -> float:
    """Return an angle that is a number or one in quotes; 0 for anything else and whole turns."""
    try:
        number = float(value) if isinstance(value, (int, float, str)) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return math.fmod(number, 360) if math.isfinite(number) else 0.0


def tally_angles(draft: Draft, records: Iterable[object], where: str) -> None:
    """Count a box beside which the records have an angle that its format doesn't define."""
    key = _angle_key(records)
    if key:
        draft.reading.tally(
            "angle-not-read",
            f"texts have an angle {key!r} of unknown meaning: written without a turn",
            "export polygons; a box that lies beside its text teaches wrong pixels",
            where,
        )


def tally_turned_image(draft: Draft, image: Mapping[str, Any], where: str) -> None:
    """Count an image that its tool showed turned."""
    key = _angle_key([image])
    if key:
        draft.reading.tally(
            "image-turned",
            f"images have an angle {key!r}: their coordinates were taken as those of the file",
            "look at the result; if it is turned, turn the image files and export again",
            where,
        )


def _angle_key(records: Iterable[object]) -> str | None:
    angles = (
        key
        for record in records
        if isinstance(record, dict)
        for key, value in record.items()
        if key.lower() in _ANGLES and not isinstance(value, bool) and degrees_of(value)
    )
    return next(angles, None)


def tally_coordinates(
    draft: Draft, record: Mapping[str, Any], read: Iterable[str], where: str
) -> None:
    """Count a text whose box was read though it has a list of coordinates under another key."""
    for key in sorted(set(record) - set(read)):
        if _are_coordinates(record[key]):
            draft.reading.tally(
                "coordinates-not-read",
                f"texts were taken by their box: {key!r}, another list of coordinates, is not read",
                "rename the key to that of the format's outline, if it is the outline",
                where,
            )


def _are_coordinates(value: object) -> bool:
    """Return whether it holds three points or more: numbers, lists of them, or x and y."""
    leaves = list(_leaves(value)) if isinstance(value, list) else []
    return len(leaves) >= 6 and len(leaves) % 2 == 0 and are_numbers(leaves)


def _leaves(value: object) -> Iterable[object]:
    if isinstance(value, dict) and {"x", "y"} <= value.keys():
        value = [value["x"], value["y"]]
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value
