"""JSON of the VGG Image Annotator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.convert_samples import (
    SQUARE,
    message,
    only,
    put_images,
    put_json,
    read,
    rules,
    texts,
)

POLYGON = {"name": "polygon", "all_points_x": [10, 60, 60, 10], "all_points_y": [20, 20, 40, 40]}
RECT = {"name": "rect", "x": 10, "y": 20, "width": 50, "height": 20}


def region(shape: Any, **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def via(*regions: Any, name: str = "a.jpg") -> dict[str, Any]:
    image = {"filename": name, "size": 4321, "regions": list(regions), "file_attributes": {}}
    return {f"{name}4321": image}


def test_annotations_and_projects_and_version_1(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    regions = [region(POLYGON, text="STOP"), region(RECT, transcription="###")]
    old = {"c": {**via(name="c.jpg")["c.jpg4321"], "regions": {"0": regions[0], "1": regions[1]}}}
    put_json(tmp_path / "1.json", via(*regions))
    put_json(tmp_path / "2.json", {"_via_img_metadata": via(*regions, name="b.jpg")})
    put_json(tmp_path / "3.json", old)
    reading = read("via", tmp_path)
    assert reading.findings == []
    assert [entry.name for entry in reading.entries] == ["a.jpg", "b.jpg", "c.jpg"]
    expected = [("STOP", SQUARE), ("###", SQUARE)]
    assert [texts(entry) for entry in reading.entries] == [expected] * 3


def test_no_regions_are_an_image_without_text(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "1.json", via())
    assert only(read("via", tmp_path)) == []


def test_attributes_are_classes_or_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    regions = [region(RECT, Type="plate", angle="30"), region(POLYGON, type="car", angle="30")]
    put_json(tmp_path / "1.json", via(*regions))
    reading = read("via", tmp_path)
    assert reading.categories == {"plate": 1, "car": 1}
    assert rules(reading, "warning") == ["angle-not-read", "attributes", "no-transcription"]
    assert message(reading, 1).startswith("2 regions have the attributes 'angle', 'type'")


def test_flags(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    regions = [region(RECT, text="x", illegible="1"), region(RECT, text="y", Difficult=True)]
    put_json(tmp_path / "1.json", via(*regions))
    reading = read("via", tmp_path)
    assert rules(reading, "warning") == ["difficult"]
    assert texts(reading.entries[0]) == [("###", SQUARE), ("y", SQUARE)]


def test_a_single_attribute_is_the_class_whatever_its_name(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    regions = [region(RECT, Vehicle="auto"), region(RECT, Vehicle="bus", Text="B 1")]
    put_json(tmp_path / "1.json", via(*regions))
    reading = read("via", tmp_path)
    assert reading.categories == {"auto": 1, "bus": 1}
    assert texts(reading.entries[0]) == [("text", SQUARE), ("B 1", SQUARE)]


BAD: dict[str, tuple[Any, str, str]] = {
    "circle": (region({"name": "circle", "cx": 1, "cy": 2, "r": 3}), "unsupported-shape", "circle"),
    "ellipse": (region({"name": "ellipse", "theta": 1}), "unsupported-shape", "'ellipse'"),
    "polyline": (region({**POLYGON, "name": "polyline"}), "unsupported-shape", "'polyline'"),
    "more x than y": (region({**POLYGON, "all_points_y": [1]}), "bad-points", "same length"),
    "no width": (region({**RECT, "width": None}), "bad-points", "[10, 20, None, 20]"),
    "no area": (region({**RECT, "width": 0}), "empty-box", "no area"),
    "no shape": (region(None), "bad-structure", "'shape_attributes'"),
    "number as text": (region(RECT, text=5), "bad-transcription", "found 5"),
    "no object": ("x", "bad-structure", "found 'x' as a text"),
}


@pytest.mark.parametrize(("bad", "rule", "said"), BAD.values(), ids=BAD)
def test_a_bad_region_is_reported_by_image_and_number(
    tmp_path: Path, bad: Any, rule: str, said: str
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    good = region(RECT, text="x")
    put_json(tmp_path / "1.json", {**via(good, bad), **via(good, name="b.jpg")})
    reading = read("via", tmp_path)
    assert rules(reading) == [rule]
    assert message(reading).startswith("image a.jpg4321, region 2: ")
    assert said in message(reading)
    assert [entry.name for entry in reading.entries] == ["b.jpg"]
