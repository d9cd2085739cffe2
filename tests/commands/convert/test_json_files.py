"""JSON labels are told apart, and refused by the name of what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.sources import SourceFile
from ppocr_ft.commands.convert.recognition import recognise
from ppocr_ft.errors import DataError
from tests.support.convert_samples import message, put_json, read, rules

FILES: dict[str, tuple[str, Any]] = {
    "COCO": ("coco", {"images": [], "annotations": []}),
    "COCO-Text": ("coco", {"imgs": {}, "anns": {}}),
    "LabelMe": ("labelme", {"shapes": [], "imagePath": "a.jpg"}),
    "Label Studio": ("labelstudio", [{"id": 1, "data": {"image": "a.jpg"}}]),
    "one task": ("labelstudio", {"id": 1, "data": {"image": "a.jpg"}, "annotations": []}),
    "LSVT": ("lsvt", {"gt_0": [{"transcription": "a", "points": [], "illegibility": True}]}),
    "UFO": ("lsvt", {"images": {"a.jpg": {"words": {}}}}),
    "ReCTS": ("rects", {"chars": [], "lines": [{"transcription": "a", "points": [], "ignore": 0}]}),
    "MMOCR": ("mmocr", {"metainfo": {}, "data_list": []}),
    "HierText": ("hiertext", {"info": {}, "annotations": [{"image_id": "a", "paragraphs": []}]}),
    "FUNSD": ("funsd", {"form": []}),
    "XFUND": ("funsd", {"lang": "zh", "documents": []}),
    "VIA": ("via", {"a.jpg12": {"filename": "a.jpg", "regions": []}}),
    "VIA's project": ("via", {"_via_settings": {}, "_via_img_metadata": {}}),
    "JSON-MIN": ("labelstudio", [{"image": "a.jpg", "id": 1, "annotation_id": 3}]),
}
JSON_FORMATS = sorted({name for name, _ in FILES.values()})


@pytest.mark.parametrize(("name", "label"), FILES.values(), ids=FILES)
def test_a_file_is_of_one_format_and_others_name_it(tmp_path: Path, name: str, label: Any) -> None:
    path = put_json(tmp_path / "l.json", label)
    reasons = {form: FORMATS[form].recognise(SourceFile(path)) for form in FORMATS}
    assert {form for form, reason in reasons.items() if reason} == {name}
    for other in set(JSON_FORMATS) - {name}:
        reading = read(other, path)
        assert rules(reading) == ["other-format"]
        words = str(reasons[name]).removeprefix("has ")
        assert message(reading) == (
            f"is no file of {other}, but of {name}: it has {words}; read it with --from {name}"
        )
        assert reading.left_out == [str(path)]


UNKNOWN: dict[str, tuple[Any, str]] = {
    "keys": ({"pictures": [], "boxes": {}}, "found an object with the keys 'pictures', 'boxes'"),
    "many keys": (dict.fromkeys("abcdefghij"), "'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more"),
    "a list": ([{"file": 1}, 2], "a list of 2, the first being an object with the key 'file'"),
    "one table": ({"images": []}, "the key 'images'"),
    "tables of another kind": ({"imgs": [], "anns": []}, "the keys 'imgs', 'anns'"),
    "nothing": ({}, "found {}"),
    "a number": (5, "found 5"),
}


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize(("label", "found"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_form_is_described_and_the_known_are_listed(
    tmp_path: Path, name: str, label: Any, found: str
) -> None:
    reading = read(name, put_json(tmp_path / "l.json", label))
    assert rules(reading) == ["bad-structure"]
    assert found in message(reading)
    assert "coco (lists 'images' and 'annotations', or objects 'imgs' and 'anns')" in message(
        reading
    )
    assert all(form in message(reading) for form in JSON_FORMATS)


def test_an_unknown_form_is_described_without_a_format_too(tmp_path: Path) -> None:
    put_json(tmp_path / "l.json", {"pictures": [], "boxes": {}})
    with pytest.raises(DataError) as refused:
        recognise(tmp_path)
    assert "l.json: is of no known form of JSON labels" in str(refused.value)
    assert "the keys 'pictures', 'boxes'; give one of the known forms: coco (" in str(refused.value)


def test_each_format_has_its_row_and_its_paragraph_in_the_document() -> None:
    document = (Path(__file__).parents[3] / "docs" / "label_formats.md").read_text("utf-8")
    read_part = document.partition("## What is read")[2].partition("\n## ")[0]
    table, _, paragraphs = read_part.partition("\n\n**")
    assert [name for name in FORMATS if f"`{name}`" not in table] == []
    assert [name for name in FORMATS if f"**{name}" not in f"**{paragraphs}"] == []
