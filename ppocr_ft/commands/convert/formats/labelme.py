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

from ppocr_ft.commands.convert.formats.json_files import (
    ImageForm,
    JsonFile,
    has,
    json_format,
    lowered,
    object_at,
    read_image,
    string_at,
)
from ppocr_ft.commands.convert.formats.reading import Draft
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_FLAGS,
    IGNORE_MARKS,
    LabelText,
    Polygon,
    Unusable,
    any_set,
    are_points,
    area_px,
    is_set,
    make_text,
    polygon,
    rectangle,
)

_REMEDY = "save the file with its tool again"
_POLYGONS = ("polygon", "oriented_rectangle", "rotation", "quadrilateral")


class _LabelMe(ImageForm):
    size = ("imageWidth", "imageHeight")
    list_of_texts = ("shapes", "shape")

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_neighbour(draft.file, string_at(item, "imagePath", _REMEDY))

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        label = string_at(record, "label", _REMEDY)
        flags = object_at(record, "flags")
        for name in sorted(flags):
            if is_set(flags[name]) and name.lower() not in (*IGNORE_FLAGS, "difficult"):
                what = f"shapes have the flag {name!r:.40}, which is not read"
                draft.tally("flag", what, f"read are {', '.join(IGNORE_FLAGS)}")
        flags = lowered(flags)
        transcription = next(
            (record[key] for key in ("description", "text") if record.get(key)), label
        )
        return make_text(
            _outline(record, draft),
            transcription,
            ignored=label in IGNORE_MARKS or any_set([flags], IGNORE_FLAGS),
            difficult=any_set([record, flags], ("difficult",)),
        )

    def category(self, record: dict[str, Any]) -> str | None:
        label = record.get("label")
        return label if isinstance(label, str) and label not in IGNORE_MARKS else None


def _outline(shape: dict[str, Any], draft: Draft) -> Polygon:
    kind, points = shape.get("shape_type") or "polygon", shape.get("points")
    if kind in _POLYGONS:
        return polygon(points)
    if kind != "rectangle":
        raise Unusable(
            "unsupported-shape",
            f"is a {kind!r:.40}, {shape.get('label')!r:.40}; a text needs a polygon or a rectangle",
            "draw it as a polygon or a rectangle",
        )
    if not (isinstance(points, list) and len(points) in (2, 4) and are_points(points)):
        raise Unusable(
            "bad-points",
            f"found points {points!r:.60}; a rectangle has two or four corners [[x, y], ...]",
            "draw it again",
        )
    if len(points) == 4:
        if not area_px(corners := polygon(points)):
            raise Unusable("empty-box", "the rectangle has no area", "remove it, or draw it again")
        return corners
    draft.tally_angles(shape, shape.get("attributes"))
    (left, right), (top, bottom) = (sorted(values) for values in zip(*points, strict=True))
    return rectangle(left, top, right, bottom)


def _read_file(file: JsonFile) -> None:
    read_image(file.label, _LabelMe(), file.reading.draft(file.path))


LABELME = json_format(
    "labelme",
    "JSON of LabelMe, AnyLabeling, X-AnyLabeling, a file an image: polygons and rectangles",
    {"a list 'shapes'": lambda label: has(label, shapes=list)},
    _read_file,
)
