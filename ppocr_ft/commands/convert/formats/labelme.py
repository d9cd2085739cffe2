"""JSON files of LabelMe, AnyLabeling and X-AnyLabeling: one for each image.

After what LabelMe 3 to 5 write (github.com/wkentaro/labelme): ``imagePath`` seen from the file,
``imageWidth`` and ``imageHeight`` (null in older ones), and ``shapes`` with ``label``, ``points``
in px, ``shape_type`` (a polygon if an older file has none) and, from 5.2 on, ``description``.
A rectangle has two opposite corners, in any order. X-AnyLabeling (github.com/CVHub520) adds
rectangles of four corners, ``rotation`` and ``quadrilateral``, which have four corners too (the
``direction`` beside them is their angle once more), and ``difficult``; AnyLabeling adds ``text``.
"""

from __future__ import annotations

from typing import Any

from ppocr_ft.commands.convert.formats.json_forms import (
    IGNORE_FLAGS,
    ImageForm,
    JsonFile,
    any_set,
    has,
    is_set,
    json_format,
    numbered,
    read_image,
)
from ppocr_ft.commands.convert.formats.outlines import tally_angles
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.sources import expect
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    area_px,
    make_text,
    polygon,
    rectangle,
)
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "save the file with its tool again"
_POLYGONS = ("polygon", "oriented_rectangle", "rotation", "quadrilateral")


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    read_image(file.label, _FORM, reading.draft(file.path))


def _image(label: dict[str, Any], draft: Draft) -> str:
    path = label.get("imagePath")
    expect(path, str, "'imagePath'", _REMEDY)
    images = draft.reading.images
    posix = str(path).replace("\\", "/")
    return images.by_path([images.name_of(draft.file.parent / posix), posix])


def _shapes(label: dict[str, Any], draft: Draft) -> list[tuple[str, Any]]:
    return numbered(label["shapes"], "shape")


def _text(shape: dict[str, Any], draft: Draft, where: str) -> LabelText:
    label = shape.get("label")
    expect(label, str, "'label'", _REMEDY)
    flags = _flags(shape, draft, where)
    return make_text(
        _points(shape, draft, where),
        _said(shape) or label,
        ignored=label in IGNORE_MARKS or any_set([flags], IGNORE_FLAGS),
        difficult=any_set([shape, flags], ("difficult",)),
    )


def _flags(shape: dict[str, Any], draft: Draft, where: str) -> dict[str, Any]:
    """Return the user's flags by their names in small letters; count those that aren't read."""
    flags = shape.get("flags")
    flags = flags if isinstance(flags, dict) else {}
    for name in sorted(flags):
        if is_set(flags[name]) and name.lower() not in (*IGNORE_FLAGS, "difficult"):
            what = f"shapes have the flag {name!r:.40}, which is not read"
            draft.reading.tally("flag", what, f"read are {', '.join(IGNORE_FLAGS)}", where)
    return {name.lower(): value for name, value in flags.items()}


def _said(shape: dict[str, Any]) -> object:
    return next((shape[key] for key in ("description", "text") if shape.get(key)), None)


def _category(shape: dict[str, Any], draft: Draft) -> str | None:
    label = shape.get("label")
    return label if isinstance(label, str) and label not in IGNORE_MARKS else None


def _points(shape: dict[str, Any], draft: Draft, where: str) -> Polygon:
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in _POLYGONS:
        return polygon(points)
    if kind != "rectangle":
        raise Unusable(
            "unsupported-shape",
            f"is a {kind!r:.40}, {shape.get('label')!r:.40}; a text needs a polygon or a rectangle",
            "draw it as a polygon or a rectangle",
        )
    if not (isinstance(points, list) and len(points) in (2, 4) and _are_points(points)):
        raise Unusable(
            "bad-points",
            f"found points {points!r:.60}; a rectangle has two or four corners [[x, y], ...]",
            "draw it again",
        )
    if len(points) == 4:
        if not area_px(corners := polygon(points)):
            raise Unusable("empty-box", "the rectangle has no area", "remove it, or draw it again")
        return corners
    tally_angles(draft, [shape, shape.get("attributes")], where)
    (left, right), (top, bottom) = (sorted(values) for values in zip(*points, strict=True))
    return rectangle(left, top, right, bottom)


def _are_points(points: list[Any]) -> bool:
    return all(isinstance(p, list) and len(p) == 2 and are_numbers(p) for p in points)


_FORM = ImageForm(_image, _shapes, _text, ("imageWidth", "imageHeight"), _category)
FORMAT = json_format(
    "labelme",
    "JSON of LabelMe, AnyLabeling, X-AnyLabeling, a file an image: polygons and rectangles",
    {"a list 'shapes'": lambda label: has(label, shapes=list)},
    _read_file,
)
