"""LabelMe's JSON files: one for each image.

After what LabelMe 3 to 5 write (github.com/wkentaro/labelme): ``imagePath`` seen from the file,
``imageWidth`` and ``imageHeight`` (null in older ones), and ``shapes`` with ``label``, ``points``
in px, ``shape_type`` (a polygon if an older file has none) and, from 5.2 on, ``description``.
A rectangle has two opposite corners, in any order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Format, Reading
from ppocr_ft.commands.convert.formats.recognition import Sample
from ppocr_ft.commands.convert.formats.sources import expect, read_json, source_files
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    make_text,
    polygon,
    rectangle,
)
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "save the file with LabelMe again"
_POLYGONS = ("polygon", "oriented_rectangle")


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a file or a folder of ``*.json``."""
    files = source_files(source, ".json")
    for path in bar(files, len(files), TITLE, "file"):
        draft = reading.draft(path)
        with draft.part():
            _read_file(read_json(path), draft)
        reading.finish(draft)


def _read_file(label: Any, draft: Draft) -> None:
    if not isinstance(label, dict) or not isinstance(label.get("shapes"), list):
        raise Unusable(
            "bad-structure",
            "there is no list 'shapes', so this is no file of LabelMe's",
            "give the folder of LabelMe's files alone",
        )
    with draft.part():
        _find_image(label, draft)
    for number, shape in enumerate(label["shapes"], start=1):
        with draft.part(f"shape {number}"):
            draft.add(_text(shape))


def _find_image(label: dict[str, Any], draft: Draft) -> None:
    path = label.get("imagePath")
    expect(path, str, "'imagePath'", _REMEDY)
    images = draft.reading.images
    posix = str(path).replace("\\", "/")
    draft.name = images.by_path([images.name_of(draft.file.parent / posix), posix])
    images.check_size(draft.name, label.get("imageWidth"), label.get("imageHeight"))


def _text(shape: Any) -> LabelText:
    expect(shape, dict, "a shape", _REMEDY)
    label = shape.get("label")
    expect(label, str, "'label'", _REMEDY)
    transcription = shape.get("description") or label
    return make_text(_points(shape), transcription, ignored=label in IGNORE_MARKS)


def _points(shape: dict[str, Any]) -> Polygon:
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in _POLYGONS:
        return polygon(points)
    if kind != "rectangle":
        raise Unusable(
            "unsupported-shape",
            f"is a {kind!r:.40}, {shape.get('label')!r:.40}; a text needs a polygon or a rectangle",
            "draw it as a polygon or a rectangle",
        )
    if not (isinstance(points, list) and len(points) == 2 and _are_points(points)):
        raise Unusable(
            "bad-points",
            f"found points {points!r:.60}; a rectangle has two corners [[x, y], [x, y]]",
            _REMEDY,
        )
    (left, right), (top, bottom) = (sorted(values) for values in zip(*points, strict=True))
    return rectangle(left, top, right, bottom)


def _are_points(points: list[Any]) -> bool:
    return all(isinstance(p, list) and len(p) == 2 and are_numbers(p) for p in points)


def _recognise(sample: Sample) -> str | None:
    label = sample.json
    is_labelme = isinstance(label, dict) and isinstance(label.get("shapes"), list)
    return "has a list 'shapes'" if is_labelme else None


FORMAT = Format(
    "labelme",
    "LabelMe's JSON, a file an image: polygons and rectangles",
    read,
    recognise=_recognise,
)
