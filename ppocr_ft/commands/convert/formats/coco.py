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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.json_forms import (
    IGNORE_FLAGS,
    JsonFile,
    any_set,
    first_given,
    has,
    json_format,
)
from ppocr_ft.commands.convert.formats.outlines import (
    any_polygon,
    degrees_of,
    sized_box,
    tally_angles,
    tally_coordinates,
    tally_turned_image,
)
from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Entry, Reading
from ppocr_ft.commands.convert.formats.sources import expect
from ppocr_ft.commands.convert.formats.texts import (
    IGNORED,
    LabelText,
    Polygon,
    Unusable,
    area_px,
    bounds,
    make_text,
    plain,
    turned,
)
from ppocr_ft.utils.progress import ProgressBar

_OUTLINES = ("segmentation", "mask", "polygon", "points")
_NO_OUTLINE: tuple[object, ...] = (None, "", [], {}, [[]])
_TRANSCRIPTIONS = ("utf8_string", "transcription", "text")
_LEGIBLE, _ILLEGIBLE = "legible", "illegible"
_TEXTOCR_ILLEGIBLE = "."
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


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    tables = _tables(file.label, file.path, reading)
    for key, image in bar(tables.images.items(), len(tables.images), TITLE):
        draft = reading.draft(file.path, what=f"image {key} of {file.path}")
        _read_image(key, image, tables, draft)


def _tables(label: Any, path: Path, reading: Reading) -> _Tables:
    tables = _Tables(categories=_categories(label))
    if _is_coco(label):
        images, annotations = _with_ids(label["images"]), _with_ids(label["annotations"])
    else:
        images, annotations = list(label["imgs"].items()), list(label["anns"].items())
        tables.is_textocr = _is_textocr(label)
    for key, image in images:
        if key in tables.images:
            again = Unusable(
                "id-twice", f"image {key} is there twice", "give each image its own id"
            )
            reading.report(again, path)
        tables.images[key] = image
    for key, annotation in annotations:
        of = str(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if of not in tables.images:
            reading.report(_no_image(annotation), path, part=f"annotation {key}")
        else:
            tables.annotations.setdefault(str(of), []).append((key, annotation))
    return tables


def _is_coco(label: Any) -> bool:
    return has(label, images=list, annotations=list)


def _is_coco_text(label: Any) -> bool:
    return has(label, imgs=dict, anns=dict)


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


def _no_image(annotation: Any) -> Unusable:
    if not isinstance(annotation, dict):
        return Unusable("bad-structure", f"found {annotation!r:.60}", _REMEDY)
    return Unusable(
        "no-such-image",
        f"is of image {annotation.get('image_id')!r:.40}, which is not among the images",
        "remove it, or add its image",
    )


def _categories(label: dict[str, Any]) -> dict[str, str]:
    categories = label.get("categories")
    records = [r for r in categories if isinstance(r, dict)] if isinstance(categories, list) else []
    return {str(record.get("id")): str(record.get("name")) for record in records}


def _read_image(key: str, image: Any, tables: _Tables, draft: Draft) -> None:
    annotations = tables.annotations.get(key, [])
    with draft.part(f"image {key}"):
        expect(image, dict, "an image", _REMEDY)
        expect(image.get("file_name"), str, "'file_name'", _REMEDY)
        images = draft.reading.images
        draft.name = images.by_path([image["file_name"]])
        if not annotations and image.get("set") == "test":
            _leave_unannotated(draft)
            return
        images.check_size(draft.name, image.get("width"), image.get("height"))
        tally_turned_image(draft, image, f"{draft.file}, image {key}")
    for number, annotation in annotations:
        category = tables.categories.get(str(annotation.get("category_id")))
        if draft.leaves_out(category):
            continue
        where = f"{draft.file}, annotation {number}"
        with draft.part(f"annotation {number} (image {key})", category=category):
            text = _text(annotation, tables.is_textocr, _outline(annotation, draft, where))
            draft.add(replace(text, category=category), where)
    draft.reading.finish(draft)


def _leave_unannotated(draft: Draft) -> None:
    name = str(draft.name)
    draft.reading.mentioned.add(name)
    draft.reading.tally(
        "not-annotated",
        "images of COCO-Text's test set have no public annotations: left out",
        "nothing",
        name,
    )


def _text(annotation: dict[str, Any], is_textocr: bool, points: Polygon) -> LabelText:
    places = _places(annotation)
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


def _places(annotation: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return where its properties may stand: itself and ``attributes``, in small letters."""
    attributes = annotation.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    return annotation, {name.lower(): value for name, value in attributes.items()}


def _outline(annotation: dict[str, Any], draft: Draft, where: str) -> Polygon:
    """Return the polygon, or else the box, turned as CVAT says."""
    for key in _OUTLINES:
        if annotation.get(key) not in _NO_OUTLINE:
            return _one_polygon(annotation[key])
    box = sized_box(annotation.get("bbox"), "bbox")
    tally_coordinates(draft, annotation, ("bbox",), where)
    _, attributes = _places(annotation)
    degrees = degrees_of(attributes.get("rotation"))
    if degrees:
        return turned(box, degrees)
    tally_angles(draft, (annotation, attributes), where)
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


class CocoWriter:
    """Writes ``annotations.json``, or ``train.json`` and ``val.json``."""

    needs_size = True

    def faults(self, entry: Entry) -> Iterator[Unusable]:
        """Yield why the entry can't be written: a file name that is no text."""
        try:
            entry.name.encode("utf-8")
        except UnicodeEncodeError:
            yield Unusable("bad-name", "its name is not UTF-8", "rename the image")

    def files(self, entries: Sequence[Entry], part: str) -> dict[str, bytes]:
        """Return the content of the one file, by its name."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image_id, entry in enumerate(entries, start=1):
            images.append(_image_record(image_id, entry))
            for text in entry.texts:
                annotations.append(_annotation_record(len(annotations) + 1, image_id, text))
        label = {
            "info": {"description": "texts, written by ppocr_ft"},
            "licenses": [],
            "categories": [_CATEGORY],
            "images": images,
            "annotations": annotations,
        }
        content = json.dumps(label, ensure_ascii=False, indent=1)
        return {f"{part or 'annotations'}.json": content.encode("utf-8")}

    def stale(self, folder: Path, written: set[Path]) -> list[Path]:
        """Return no file: each file is read alone."""
        return []


def _image_record(image_id: int, entry: Entry) -> dict[str, Any]:
    width, height = entry.size_px or (0, 0)
    return {"id": image_id, "file_name": entry.name, "width": width, "height": height}


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


FORMAT = json_format(
    "coco",
    "COCO's detection JSON, with CVAT's angles; COCO-Text's and TextOCR's",
    {
        "lists 'images' and 'annotations'": _is_coco,
        "objects 'imgs' and 'anns'": _is_coco_text,
    },
    _read_file,
    CocoWriter,
)
