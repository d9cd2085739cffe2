"""COCO's detection JSON and COCO-Text's: one file for many images.

After COCO's data format (cocodataset.org): lists ``images`` (``id``, ``file_name``, ``width``,
``height``), ``annotations`` (``image_id``, ``category_id``, ``bbox`` [x, y, width, height] in px,
``segmentation`` as polygons or run lengths, ``iscrowd``) and ``categories``. And after COCO-Text
1 and 2 (bgshih.github.io/cocotext): dicts ``imgs`` and ``anns`` by id, whose texts have a flat
``polygon`` or ``mask``, ``utf8_string`` and ``legibility``; images whose ``set`` is test come
without annotations.

What is written is COCO with COCO-Text's two keys; an ignored text is illegible there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.convert.formats.reading import TITLE, Draft, Entry, Format, Reading
from ppocr_ft.commands.convert.formats.recognition import Sample
from ppocr_ft.commands.convert.formats.sources import expect, read_json, source_files
from ppocr_ft.commands.convert.formats.texts import (
    IGNORED,
    LabelText,
    Polygon,
    Unusable,
    are_numbers,
    area_px,
    bounds,
    flat_polygon,
    make_text,
    plain,
    rectangle,
)
from ppocr_ft.utils.progress import ProgressBar

_OUTLINES = ("segmentation", "mask", "polygon")
_TRANSCRIPTIONS = ("utf8_string", "transcription", "text")
_LEGIBLE, _ILLEGIBLE = "legible", "illegible"
_REMEDY = "export the file again"
_CATEGORY = {"id": 1, "name": "text", "supercategory": "text"}


@dataclass
class _Tables:
    """Images by id, the annotations of each, and the names of categories by id."""

    images: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, list[tuple[str, Any]]] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)


def read(source: Path, reading: Reading, bar: ProgressBar) -> None:
    """Read a JSON file, or all of a folder."""
    for path in source_files(source, ".json"):
        try:
            tables = _tables(read_json(path), path, reading)
        except Unusable as fault:
            reading.report(fault, path)
            continue
        for key, image in bar(tables.images.items(), len(tables.images), TITLE):
            draft = reading.draft(path, what=f"image {key} of {path}")
            _read_image(key, image, tables, draft)


def _tables(label: Any, path: Path, reading: Reading) -> _Tables:
    images, annotations = _lists(label)
    tables = _Tables(categories=_categories(label))
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


def _lists(label: Any) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return images and annotations, each with its id."""
    if isinstance(label, dict):
        images, annotations = label.get("images"), label.get("annotations")
        if isinstance(images, list) and isinstance(annotations, list):
            return _with_ids(images), _with_ids(annotations)
        images, annotations = label.get("imgs"), label.get("anns")
        if isinstance(images, dict) and isinstance(annotations, dict):
            return list(images.items()), list(annotations.items())
    raise Unusable(
        "bad-structure",
        "there are neither lists 'images' and 'annotations' (COCO) nor dicts 'imgs' and 'anns' "
        "(COCO-Text)",
        "give a file of COCO's detection format",
    )


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
    for number, annotation in annotations:
        category = tables.categories.get(str(annotation.get("category_id")))
        with draft.part(f"annotation {number} (image {key})", category=category):
            text = replace(_text(annotation), category=category)
            draft.add(text, f"{draft.file}, annotation {number}")
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


def _text(annotation: dict[str, Any]) -> LabelText:
    legibility = annotation.get("legibility")
    ignored = (
        legibility == _ILLEGIBLE
        or _is_set(annotation.get("iscrowd"))
        or _is_set(annotation.get("ignore"))
    )
    points, transcription = _outline(annotation), _transcription(annotation)
    if legibility == _LEGIBLE and transcription == "#" and not ignored:  # no mark: the text is this
        return LabelText(points, transcription)
    return make_text(points, transcription, ignored=ignored)


def _is_set(flag: object) -> bool:
    return flag in (1, True, "1")


def _transcription(annotation: dict[str, Any]) -> object:
    attributes = annotation.get("attributes")
    for place in (annotation, attributes if isinstance(attributes, dict) else {}):
        for key in _TRANSCRIPTIONS:
            if place.get(key) is not None:
                return place[key]
    return None


def _outline(annotation: dict[str, Any]) -> Polygon:
    for key in _OUTLINES:
        outline = annotation.get(key)
        if outline:
            return _one_polygon(outline)
    box = annotation.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and are_numbers(box)):
        raise Unusable(
            "bad-points",
            f"has no polygon, and found {box!r:.60} as 'bbox'; expected [x, y, width, height]",
            "draw the text's outline again",
        )
    x, y, width, height = box
    return rectangle(x, y, x + width, y + height)


def _one_polygon(outline: Any) -> Polygon:
    if isinstance(outline, (dict, str)):
        raise Unusable(
            "run-lengths",
            "the outline is a mask in run lengths (RLE), not a polygon",
            "export polygons",
        )
    if isinstance(outline, list) and outline and isinstance(outline[0], list):
        if len(outline) > 1:
            raise Unusable(
                "several-polygons",
                f"the outline has {len(outline)} polygons; a text has one",
                "draw one polygon around the text, or one text for each",
            )
        outline = outline[0]
    return flat_polygon(outline)


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


def _recognise(sample: Sample) -> str | None:
    label = sample.json
    if not isinstance(label, dict):
        return None
    for names, kind in ((("images", "annotations"), list), (("imgs", "anns"), dict)):
        if all(isinstance(label.get(name), kind) for name in names):
            return f"has {kind.__name__}s {names[0]!r} and {names[1]!r}"
    return None


FORMAT = Format("coco", "COCO's detection JSON, COCO-Text's", read, CocoWriter, _recognise)
