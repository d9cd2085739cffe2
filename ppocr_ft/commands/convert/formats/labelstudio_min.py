"""Label Studio's JSON-MIN export, turned into the tasks of its JSON export.

A record has the task's data and, by the names of the labelling configuration's tags, lists of what
was annotated (labelstud.io/guide/export): shapes with their sizes, and transcriptions as plain
strings. Their order alone says to which shape a transcription belongs: Label Studio writes a
region's results one after the other.
"""

from __future__ import annotations

from typing import Any

from ppocr_ft.commands.convert.formats.reading import Draft
from ppocr_ft.commands.convert.formats.texts import IGNORE_MARKS, Unusable

SHAPE_OF_MIN = "shape"
"""The type of a shape, which JSON-MIN doesn't say."""
_SHAPE_KEYS = ("x", "y", "width", "height", "points", "rle", "radiusX", "vertices")
_OWN_KEYS = {
    "id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement",
}  # fmt: skip
_TEXT_TAGS = ("transcription", "text")


def is_min(record: object) -> bool:
    """Return whether a record is one of JSON-MIN."""
    return isinstance(record, dict) and "data" not in record and "annotation_id" in record


def as_task(record: dict[str, Any], draft: Draft, where: str) -> dict[str, Any]:
    """Return the task of a record; count one whose transcriptions can't be told apart.

    Raises:
        Unusable: such a record marks a text to ignore, so that it isn't known which.
    """
    shapes, have_order = _shapes(record)
    lines, tag = _lines(record)
    if lines and not (have_order and len(lines) == len(shapes)):
        _leave_lines(lines, len(shapes), draft, where)
        lines = []
    results = [
        {
            "id": f"#{number}",
            "type": SHAPE_OF_MIN,
            "value": shape,
            "original_width": shape.get("original_width"),
            "original_height": shape.get("original_height"),
            "image_rotation": shape.get("image_rotation"),
        }
        for number, shape in enumerate(shapes, start=1)
    ]
    results += [
        {"id": f"#{number}", "type": "textarea", "value": {"text": line}}
        for number, line in enumerate(lines, start=1)
    ]
    data = {key: value for key, value in record.items() if key not in _OWN_KEYS | {tag}}
    return {"data": data, "annotations": [{"result": results}]}


def _shapes(record: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Return each shape once, and whether in the regions' order.

    The tags for a shape and for its label repeat it; one that has all of them has their order.
    """
    lists = [
        [item for item in value if isinstance(item, dict) and place_of(item) and "text" not in item]
        for key, value in record.items()
        if key not in _OWN_KEYS and isinstance(value, list)
    ]
    shapes: dict[str, dict[str, Any]] = {}
    for items in sorted(lists, key=len, reverse=True):
        for item in items:
            place = place_of(item)
            shapes[place] = {**shapes.get(place, {}), **item}
    return list(shapes.values()), len(shapes) == max(map(len, lists), default=0)


def place_of(item: dict[str, Any]) -> str:
    """Return a shape's place in words, the same for all results of a region; "" if none."""
    return ", ".join(f"{key} {item[key]}" for key in _SHAPE_KEYS if key in item)


def _lines(record: dict[str, Any]) -> tuple[list[Any], str]:
    """Return the transcriptions and the tag that they stand under; none if there is no such tag."""
    for tag in _TEXT_TAGS:
        value = record.get(tag)
        if value:
            values = value if isinstance(value, list) else [value]
            return [item.get("text") if isinstance(item, dict) else item for item in values], tag
    return [], ""


def _leave_lines(lines: list[Any], shapes: int, draft: Draft, where: str) -> None:
    marks = [line for line in lines if isinstance(line, str) and line in IGNORE_MARKS]
    if marks:
        raise Unusable(
            "which-text",
            f"JSON-MIN doesn't say which of {shapes} shapes is {marks[0]!r}, to ignore: it has "
            f"{len(lines)} transcriptions, or no list of all shapes",
            "export the project as JSON",
        )
    draft.reading.tally(
        "which-text",
        "images have transcriptions of which JSON-MIN doesn't say the shape: none was taken",
        "nothing for a detector; export the project as JSON to keep them",
        where,
    )
