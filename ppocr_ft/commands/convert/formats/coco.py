"""COCO's detection JSON, COCO-Text's and TextOCR's: one file for many images.

After COCO's data format (cocodataset.org): lists ``images`` (``id``, ``file_name``, ``width``,
``height``), ``annotations`` (``image_id``, ``category_id``, ``bbox`` [x, y, width, height] in px,
``segmentation`` as polygons or run lengths, ``iscrowd``) and ``categories``. CVAT
(docs.cvat.ai/docs/manual/advanced/formats/format-coco) puts the angle of a turned box into
``attributes``: ``rotation``, in degrees clockwise around the centre of ``bbox``. And after
COCO-Text 1 and 2 (bgshih.github.io/cocotext): dicts ``imgs`` and ``anns`` by id, whose texts have a
flat ``polygon`` or ``mask``, ``utf8_string`` and ``legibility``; images whose ``set`` is test come
without annotations. TextOCR (textvqa.org/textocr) has flat ``points`` there, and ``.`` as the
text of what nobody can read.

What is written is COCO with COCO-Text's two keys; an ignored text is illegible there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ppocr_ft.commands.convert.formats.json_files import (
    JsonFile,
    category_names,
    expect,
    first_given,
    has,
    json_format,
    lowered,
    object_at,
    string_at,
)
from ppocr_ft.commands.convert.formats.reading import (
    TITLE,
    Draft,
    Entry,
    Writer,
    angle_key,
)
from ppocr_ft.commands.convert.formats.texts import (
    IGNORE_FLAGS,
    IGNORED,
    LabelText,
    Polygon,
    Unusable,
    any_polygon,
    any_set,
    area_px,
    bounds,
    degrees_of,
    make_text,
    plain,
    sized_box,
    turned,
)

_OUTLINES = ("segmentation", "mask", "polygon", "points")
_NO_OUTLINE: tuple[object, ...] = (None, "", [], {}, [[]])
_TRANSCRIPTIONS = ("utf8_string", "transcription", "text")
_LEGIBLE, _ILLEGIBLE, _TEXTOCR_ILLEGIBLE = "legible", "illegible", "."
_REMEDY = "export the file again"
_CATEGORY = {"id": 1, "name": "text", "supercategory": "text"}


@dataclass
class _Tables:
    """Images by id, the annotations of each, and the names of categories by id.

    ``is_textocr`` says that ``.`` is an illegible text.
    """

    images: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    is_textocr: bool = False


def _read_file(file: JsonFile) -> None:
    tables = _tables(file)
    for key, image in file.bar(tables.images.items(), len(tables.images), TITLE):
        draft = file.reading.draft(file.path, what=f"image {key} of {file.path}")
        _read_image(key, image, tables, draft)


def _tables(file: JsonFile) -> _Tables:
    label = file.label
    tables = _Tables(categories=category_names(label.get("categories")))
    if _is_coco(label):
        images, annotations = _with_ids(label["images"]), _with_ids(label["annotations"])
    else:
        images, annotations = list(label["imgs"].items()), list(label["anns"].items())
        tables.is_textocr = _is_textocr(label)
    for key, image in images:
        if key in tables.images:
            message = f"image {key} is there twice"
            again = Unusable("id-twice", message, "give each image its own id")
            file.reading.report(again, file.path)
        tables.images[key] = image
    for key, annotation in annotations:
        of = str(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if of is None:
            fault = Unusable("bad-structure", f"found {annotation!r:.60}", _REMEDY)
            file.reading.report(fault, file.path, part=f"annotation {key}")
        elif of not in tables.images:
            message = (
                f"is of image {annotation.get('image_id')!r:.40}, which is not among the images"
            )
            fault = Unusable("no-such-image", message, "remove it, or add its image")
            file.reading.report(fault, file.path, part=f"annotation {key}")
        else:
            tables.annotations.setdefault(of, []).append((key, annotation))
    return tables


def _is_coco(label: Any) -> bool:
    return has(label, images=list, annotations=list)


def _is_textocr(label: Any) -> bool:
    """Return whether a file has ``points``, and not COCO-Text's ``legibility``."""
    keys = [set(ann) for ann in label["anns"].values() if isinstance(ann, dict)]
    return any("points" in of for of in keys) and not any("legibility" in of for of in keys)


def _with_ids(records: list[Any]) -> list[tuple[str, Any]]:
    """Return the records by their own ids, by ``#3`` for a third one without."""
    return [
        (str(record["id"] if isinstance(record, dict) and "id" in record else f"#{i}"), record)
        for i, record in enumerate(records, start=1)
    ]


def _read_image(key: str, image: Any, tables: _Tables, draft: Draft) -> None:
    annotations = tables.annotations.get(key, [])
    with draft.part(f"image {key}"):
        expect(image, dict, "an image", _REMEDY)
        draft.name = draft.images.by_path([string_at(image, "file_name", _REMEDY)])
        if not annotations and image.get("set") == "test":
            what = "images of COCO-Text's test set have no public annotations: left out"
            draft.leave_out("not-annotated", what, "nothing")
            return
        draft.set_image(draft.name, image.get("width"), image.get("height"))
        turn = angle_key(image)
        if turn:
            draft.tally(
                "image-turned",
                f"images have an angle {turn!r}: their coordinates were taken as those of the file",
                "look at the result; if it is turned, turn the image files and export again",
            )
    for number, annotation in annotations:
        category = tables.categories.get(str(annotation.get("category_id")))
        if draft.takes(category):
            with draft.part(f"annotation {number} (image {key})"):
                text = _text(annotation, tables.is_textocr, _outline(annotation, draft))
                draft.add(replace(text, category=category))
    draft.reading.finish(draft)


def _text(annotation: dict[str, Any], is_textocr: bool, points: Polygon) -> LabelText:
    places = (annotation, _attributes(annotation))
    legibility = first_given(places, ("legibility",))
    transcription = first_given(places, _TRANSCRIPTIONS)
    ignored = (
        legibility == _ILLEGIBLE
        or any_set(places, ("iscrowd", *IGNORE_FLAGS))
        or (is_textocr and transcription == _TEXTOCR_ILLEGIBLE)
    )
    if legibility == _LEGIBLE and transcription == "#" and not ignored:  # no mark: the text is this
        return LabelText(points, transcription)
    difficult = any_set(places, ("difficult",))
    return make_text(points, transcription, ignored=ignored, difficult=difficult)


def _attributes(annotation: dict[str, Any]) -> dict[str, Any]:
    return lowered(object_at(annotation, "attributes"))


def _outline(annotation: dict[str, Any], draft: Draft) -> Polygon:
    """Return the polygon, or else the box, turned as CVAT says."""
    for key in _OUTLINES:
        if annotation.get(key) not in _NO_OUTLINE:
            return _one_polygon(annotation[key])
    box = sized_box(annotation.get("bbox"), "bbox")
    draft.tally_coordinates(annotation, "bbox")
    attributes = _attributes(annotation)
    degrees = degrees_of(attributes.get("rotation"))
    if degrees:
        return turned(box, degrees)
    draft.tally_angles(annotation, attributes)
    return box


def _one_polygon(outline: Any) -> Polygon:
    if isinstance(outline, (dict, str)):
        raise Unusable(
            "run-lengths",
            "the outline is a mask in run lengths (RLE), not a polygon",
            "export polygons",
        )
    is_nested = isinstance(outline, list) and isinstance(outline[0], list)
    if is_nested and any(not isinstance(part, list) or len(part) != 2 for part in outline):
        if len(outline) > 1:
            raise Unusable(
                "several-polygons",
                f"the outline has {len(outline)} polygons; a text has one",
                "draw one polygon around the text, or one text for each",
            )
        outline = outline[0]
    return any_polygon(outline)


class CocoWriter(Writer):
    """Writes ``annotations.json``, or ``train.json`` and ``val.json``."""

    needs_size = True

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, entry in enumerate(entries, start=1):
            width, height = entry.size_px or (0, 0)
            size = {"width": width, "height": height}
            images.append({"id": number, "file_name": entry.name, **size})
            for text in entry.texts:
                annotations.append(_annotation_record(len(annotations) + 1, number, text))
        label = {
            "info": {"description": "texts, written by ppocr_ft"},
            "licenses": [],
            "categories": [_CATEGORY],
            "images": images,
            "annotations": annotations,
        }
        content = json.dumps(label, ensure_ascii=False, indent=1)
        return {f"{part or 'annotations'}.json": content.encode("utf-8")}


def _annotation_record(number: int, image_id: int, text: LabelText) -> dict[str, Any]:
    left, top, right, bottom = bounds(text.points)
    ignored = text.transcription == IGNORED
    return {
        "id": number,
        "image_id": image_id,
        "category_id": _CATEGORY["id"],
        "segmentation": [plain(value for point in text.points for value in point)],
        "bbox": plain([left, top, right - left, bottom - top]),
        "area": plain([area_px(text.points)])[0],
        "iscrowd": 0,
        "ignore": int(ignored),
        "utf8_string": text.transcription,
        "legibility": _ILLEGIBLE if ignored else _LEGIBLE,
    }


COCO = json_format(
    "coco",
    "COCO's detection JSON, with CVAT's angles; COCO-Text's and TextOCR's",
    {
        "lists 'images' and 'annotations'": _is_coco,
        "objects 'imgs' and 'anns'": lambda label: has(label, imgs=dict, anns=dict),
    },
    _read_file,
    CocoWriter,
)
