"""JSON of the VGG Image Annotator (VIA) 1 and 2: one file for many images.

After its documentation (robots.ox.ac.uk/~vgg/software/via): annotations by a key of name and size,
or a project that has them as ``_via_img_metadata``; each with ``filename`` and ``regions``, a list
(an object in VIA 1) of ``shape_attributes`` (``name``: polygon with ``all_points_x`` and
``all_points_y``, rect with ``x``, ``y``, ``width``, ``height``, ...) and ``region_attributes``,
whose names are the user's.
"""

from __future__ import annotations

from typing import Any

from ppocr_ft.commands.convert.formats.json_files import (
    ImageForm,
    JsonFile,
    expect,
    first_given,
    has,
    json_format,
    lowered,
    numbered,
    object_at,
    read_images,
    string_at,
)
from ppocr_ft.commands.convert.formats.reading import Draft
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_FLAGS,
    LabelText,
    Polygon,
    Unusable,
    any_set,
    make_text,
    polygon,
    sized_box,
)

_REMEDY = "export the annotations again"
_TRANSCRIPTIONS = ("transcription", "text", "utf8_string")
_CLASSES = ("class", "category", "type", "label", "name")


class _Via(ImageForm):
    list_of_texts = ("regions", "region")

    def image(self, item: dict[str, Any], draft: Draft) -> str:
        return draft.images.by_path([string_at(item, "filename", _REMEDY)])

    def text(self, record: dict[str, Any], draft: Draft) -> LabelText:
        attributes = _attributes(record)
        transcription = first_given([attributes], _TRANSCRIPTIONS)
        shape = record.get("shape_attributes")
        points = _outline(shape)
        if isinstance(shape, dict) and shape.get("name") == "rect":
            draft.tally_angles(shape, attributes)
        if attributes and transcription is None:
            names = ", ".join(repr(name)[:40] for name in sorted(attributes))
            draft.tally(
                "attributes",
                f"regions have the attributes {names}, none of which is a transcription",
                f"a transcription is read from one of {', '.join(_TRANSCRIPTIONS)}",
            )
        ignored = any_set([attributes], IGNORE_FLAGS)
        difficult = any_set([attributes], ("difficult",))
        return make_text(points, transcription, ignored=ignored, difficult=difficult)

    def category(self, record: dict[str, Any]) -> str | None:
        """Return the attribute of such a name, or the only one that is no transcription."""
        others = (*_TRANSCRIPTIONS, *IGNORE_FLAGS, "difficult")
        attributes = {k: v for k, v in _attributes(record).items() if k not in others}
        named = first_given([attributes], _CLASSES if len(attributes) > 1 else [*attributes])
        return named if isinstance(named, str) else None


def _attributes(region: dict[str, Any]) -> dict[str, Any]:
    return lowered(object_at(region, "region_attributes"))


def _outline(shape: Any) -> Polygon:
    expect(shape, dict, "'shape_attributes'", _REMEDY)
    kind = shape.get("name")
    if kind == "rect":
        return sized_box([shape.get(key) for key in ("x", "y", "width", "height")], "rect")
    if kind != "polygon":
        raise Unusable(
            "unsupported-shape",
            f"is a {kind!r:.40}; a text needs a polygon or a rect",
            "draw it as a polygon or a rect",
        )
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not (isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys)):
        raise Unusable(
            "bad-points",
            f"found {xs!r:.40} and {ys!r:.40} as 'all_points_x' and 'all_points_y'; expected "
            "two lists of the same length",
            "draw it again",
        )
    return polygon(list(zip(xs, ys, strict=True)))


def _is_project(label: Any) -> bool:
    return has(label, _via_img_metadata=dict)


def _are_annotations(label: Any) -> bool:
    return isinstance(label, dict) and any(
        has(image, filename=str) and "regions" in image for image in label.values()
    )


def _read_file(file: JsonFile) -> None:
    images = file.label["_via_img_metadata"] if _is_project(file.label) else file.label
    read_images(numbered(images, "image"), _Via(), file)


VIA = json_format(
    "via",
    "JSON of the VGG Image Annotator 1 and 2: polygons and rects",
    {
        "an object '_via_img_metadata'": _is_project,
        "images with 'filename' and 'regions'": _are_annotations,
    },
    _read_file,
)
