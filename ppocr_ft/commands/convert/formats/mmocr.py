"""MMOCR 1.x's label files of text detection: one JSON for many images.

After its guide (mmocr.readthedocs.io, "Dataset Preparation"): ``metainfo``, and ``data_list`` of
images with ``img_path``, ``width``, ``height`` and ``instances``, which have ``polygon``
[x1, y1, ...] or ``bbox`` [left, top, right, bottom], ``ignore``, ``bbox_label`` and, for spotting,
``text``. MMOCR 0.x's ``instances_*.json`` are COCO's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ppocr_ft.commands.convert.formats.json_forms import (
    ImageForm,
    JsonFile,
    has,
    is_set,
    json_format,
    numbered,
    read_images,
)
from ppocr_ft.commands.convert.formats.outlines import (
    any_polygon,
    edges_box,
    tally_angles,
    tally_coordinates,
)
from ppocr_ft.commands.convert.formats.reading import Draft, Reading
from ppocr_ft.commands.convert.formats.sources import expect
from ppocr_ft.commands.convert.formats.texts import LabelText, Polygon, Unusable, make_text
from ppocr_ft.utils.progress import ProgressBar

_REMEDY = "prepare the file again"


def _read_file(file: JsonFile, reading: Reading, bar: ProgressBar) -> None:
    metainfo = file.label.get("metainfo")
    metainfo = metainfo if isinstance(metainfo, dict) else {}
    if metainfo.get("task_name") == "textrecog":
        raise Unusable(
            "recognition-labels",
            "its 'metainfo' says 'textrecog': labels of recognition have no outlines",
            "give the file of the task textdet or textspotting",
        )
    names = _categories(metainfo.get("category"))

    def category(instance: dict[str, Any], draft: Draft) -> str | None:
        return names.get(str(instance.get("bbox_label")))

    images = numbered(file.label["data_list"], "image")
    read_images(images, replace(_FORM, category=category), file, reading, bar)


def _categories(records: object) -> dict[str, str]:
    named = [r for r in records if isinstance(r, dict)] if isinstance(records, list) else []
    return {str(record.get("id")): str(record.get("name")) for record in named}


def _image(item: dict[str, Any], draft: Draft) -> str:
    path = item.get("img_path")
    expect(path, str, "'img_path'", _REMEDY)
    return draft.reading.images.by_path([str(path)])


def _instances(item: dict[str, Any], draft: Draft) -> list[tuple[str, Any]]:
    return numbered(item.get("instances"), "instance")


def _text(instance: dict[str, Any], draft: Draft, where: str) -> LabelText:
    points = _outline(instance, draft, where)
    return make_text(points, instance.get("text"), ignored=is_set(instance.get("ignore")))


def _outline(instance: dict[str, Any], draft: Draft, where: str) -> Polygon:
    if instance.get("polygon"):
        return any_polygon(instance["polygon"])
    box = edges_box(instance.get("bbox"), "bbox")
    tally_coordinates(draft, instance, ("bbox",), where)
    tally_angles(draft, [instance], where)
    return box


_FORM = ImageForm(_image, _instances, _text)
FORMAT = json_format(
    "mmocr",
    "MMOCR 1.x's JSON of text detection",
    {"a list 'data_list'": lambda label: has(label, data_list=list)},
    _read_file,
)
