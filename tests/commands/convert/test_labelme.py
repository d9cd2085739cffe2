"""LabelMe's JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from tests.support.convert_samples import (
    HEIGHT_PX,
    SQUARE,
    WIDTH_PX,
    message,
    only,
    places,
    put_images,
    put_json,
    put_text,
    read,
    rules,
)

POINTS = [list(point) for point in SQUARE]


def shape(label: str = "STOP", points: Any = POINTS, **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
        **more,
    }


def labelme(*shapes: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "a.jpg",
        "imageData": None,
        "imageHeight": HEIGHT_PX,
        "imageWidth": WIDTH_PX,
        **more,
    }


OLD = {"label": "STOP", "points": POINTS, "line_color": None, "fill_color": None}

SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "polygon": (shape(), "STOP"),
    "of LabelMe 3, without a type": (OLD, "STOP"),
    "rectangle": (shape(points=[[10, 20], [60, 40]], shape_type="rectangle"), "STOP"),
    "rectangle drawn backwards": (
        shape(points=[[60, 20], [10, 40]], shape_type="rectangle"),
        "STOP",
    ),
    "oriented rectangle": (shape(shape_type="oriented_rectangle"), "STOP"),
    "class as label, text as description": (shape("text", description="STOP"), "STOP"),
    "ignored": (shape("###"), "###"),
    "ignored in the description": (shape("text", description="*"), "###"),
    "ignored with a remark": (shape("#", description="smudged"), "###"),
}


@pytest.mark.parametrize(("one", "said"), SHAPES.values(), ids=SHAPES)
def test_a_shape(tmp_path: Path, one: dict[str, Any], said: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "a.json", labelme(one))
    assert only(read("labelme", tmp_path)) == [(said, SQUARE)]


BAD: dict[str, tuple[Any, str, str]] = {
    "circle": (shape(points=POINTS[:2], shape_type="circle"), "unsupported-shape", "'circle'"),
    "line": (shape(points=POINTS[:2], shape_type="line"), "unsupported-shape", "'line'"),
    "strip": (shape(shape_type="linestrip"), "unsupported-shape", "'linestrip'"),
    "point": (shape(points=[[1, 2]], shape_type="point"), "unsupported-shape", "'point'"),
    "mask": (shape(shape_type="mask", mask="iVBOR"), "unsupported-shape", "'mask'"),
    "two points": (shape(points=POINTS[:2]), "few-points", "has 2 points"),
    "four corners": (shape(shape_type="rectangle"), "bad-points", "two corners"),
    "no area": (shape(points=[[5, 5], [5, 9]], shape_type="rectangle"), "empty-box", "no area"),
    "no points": (shape(points=None), "bad-points", "found points None"),
    "no label": ({"points": POINTS}, "bad-structure", "'label'"),
    "no shape": ("STOP", "bad-structure", "a shape"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "rule", "said"), BAD.values(), ids=BAD)
def test_a_bad_shape_is_reported_with_its_number(
    tmp_path: Path, one: Any, rule: str, said: str
) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "a.json", labelme(shape(), one))
    reading = read("labelme", tmp_path)
    assert places(reading, tmp_path) == [("a.json", None, rule)]
    assert message(reading).startswith("shape 2: ")
    assert said in message(reading)
    assert (reading.entries, reading.left_out) == ([], ["a.jpg"])


def test_all_faults_of_all_files(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.json", labelme("x", shape(points=[]), imagePath="A.JPG"))
    put_json(tmp_path / "b.json", {"images": []})
    put_json(tmp_path / "c.json", labelme(imagePath="b.jpg", imageWidth=400))
    put_text(tmp_path / "d.json", b'{"shapes": "\xff"}')
    put_json(tmp_path / "e.json", labelme(imagePath=None))
    reading = read("labelme", tmp_path)
    assert places(reading, tmp_path) == [
        ("a.json", None, "image-missing"),
        ("a.json", None, "bad-structure"),
        ("a.json", None, "few-points"),
        ("b.json", None, "bad-structure"),
        ("c.json", None, "size-differs"),
        ("d.json", 1, "not-utf8"),
        ("e.json", None, "bad-structure"),
    ]
    assert "there is a.jpg" in message(reading)


def test_no_shapes_are_an_image_without_text(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "a.json", labelme())
    assert only(read("labelme", tmp_path)) == []


def test_images_beside_the_labels_and_in_other_folders(tmp_path: Path) -> None:
    put_images(tmp_path / "img", "a.jpg", "x/b.jpg", "c.jpg")
    put_json(tmp_path / "ann" / "a.json", labelme(shape(), imagePath="..\\img\\a.jpg"))
    put_json(tmp_path / "ann" / "x" / "b.json", labelme(shape(), imagePath="../../img/x/b.jpg"))
    put_json(tmp_path / "ann" / "c.json", labelme(shape(), imagePath="c.jpg"))
    reading = read("labelme", tmp_path / "ann", tmp_path / "img")
    assert rules(reading) == []
    assert [entry.name for entry in reading.entries] == ["a.jpg", "c.jpg", "x/b.jpg"]


def test_an_image_outside_the_folder_is_named_by_the_way_there(tmp_path: Path) -> None:
    put_images(tmp_path / "img", "a.jpg")
    put_json(tmp_path / "ann" / "a.json", labelme(shape(), imagePath="../img/a.jpg"))
    reading = read("labelme", tmp_path / "ann")
    assert [entry.name for entry in reading.entries] == ["../img/a.jpg"]


def test_two_labels_of_one_image(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "a.json", labelme(shape("one")))
    put_json(tmp_path / "b.json", labelme(shape("two")))
    reading = read("labelme", tmp_path)
    assert places(reading, tmp_path) == [("b.json", None, "image-twice")]
    assert [t.transcription for e in reading.entries for t in e.texts] == ["one"]


def test_size_is_that_after_the_exif_rotation(tmp_path: Path) -> None:
    picture = PilImage.fromarray(np.zeros((WIDTH_PX, HEIGHT_PX, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert cv2.imread(str(tmp_path / "a.jpg")).shape[:2] == (HEIGHT_PX, WIDTH_PX)
    put_json(tmp_path / "a.json", labelme(shape()))
    assert only(read("labelme", tmp_path)) == [("STOP", SQUARE)]


def test_a_damaged_image(tmp_path: Path) -> None:
    put_text(tmp_path / "a.jpg", "no image")
    put_json(tmp_path / "a.json", labelme(shape()))
    assert rules(read("labelme", tmp_path)) == ["image-unreadable"]
