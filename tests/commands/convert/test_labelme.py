"""LabelMe's JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as PilImage

from ppocr_ft.commands.convert.cli import main
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Reading, TextChoice
from ppocr_ft.utils.progress import no_progress
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

BACKWARDS = SQUARE[2:] + SQUARE[:2]

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
    "rectangle of four corners, X-AnyLabeling's": (
        shape("text", description="STOP", shape_type="rectangle", score=0.98, kie_linking=[]),
        "STOP",
    ),
    "rotation": (
        shape("text", description="STOP", shape_type="rotation", direction=0.2, difficult=False),
        "STOP",
    ),
    "quadrilateral": (shape(shape_type="quadrilateral", attributes={"angle": 30}), "STOP"),
    "not difficult, in words": (shape(difficult="false"), "STOP"),
    "AnyLabeling's text": (shape("text", text="STOP"), "STOP"),
    "description before text": (shape("text", description="STOP", text="GO"), "STOP"),
    "empty description": (shape("STOP", description="", text=""), "STOP"),
    "rectangle without an angle": (
        shape(points=[[10, 20], [60, 40]], shape_type="rectangle", direction=0, rotation=0.0),
        "STOP",
    ),
    "ignored": (shape("###"), "###"),
    "ignored by a flag": (shape("STOP", flags={"Illegible": True, "bold": False}), "###"),
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
    "three corners": (
        shape(points=POINTS[:3], shape_type="rectangle"), "bad-points", "two or four corners"
    ),
    "four corners in a line": (
        shape(points=[[5, y] for y in range(4)], shape_type="rectangle"), "empty-box", "no area"
    ),
    "no area": (shape(points=[[5, 5], [5, 9]], shape_type="rectangle"), "empty-box", "no area"),
    "no points": (shape(points=None), "bad-points", "found points None"),
    "no label": ({"points": POINTS}, "bad-structure", "'label'"),
    "no shape": ("STOP", "bad-structure", "found 'STOP' as a text"),
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


def test_four_corners_that_are_no_rectangle_are_taken_as_they_are(tmp_path: Path) -> None:
    """Written by X-AnyLabeling when a corner was moved alone; the order of corners is kept too."""
    skewed = [[10, 20], [60, 25], [58, 45], [12, 40]]
    put_images(tmp_path, "a.jpg")
    shapes = [shape(points=points, shape_type="rectangle") for points in (skewed, BACKWARDS)]
    put_json(tmp_path / "a.json", labelme(*shapes))
    expected = tuple((float(x), float(y)) for x, y in skewed)
    assert only(read("labelme", tmp_path)) == [("STOP", expected), ("STOP", BACKWARDS)]


def test_difficult_ones_and_angles_of_two_corners_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    two = {"points": [[10, 20], [60, 40]], "shape_type": "rectangle"}
    shapes = [
        shape(difficult=True),
        shape(difficult="true"),
        shape(direction=0.2, **two),
        shape(attributes={"rotation": "30"}, **two),
    ]
    put_json(tmp_path / "a.json", labelme(*shapes))
    reading = read("labelme", tmp_path)
    assert rules(reading, "warning") == ["difficult", "angle-not-read", "angle-not-read"]
    assert message(reading).startswith("2 texts are marked difficult")
    assert "'direction'" in message(reading, 1)
    assert len(reading.entries[0].texts) == 4


REPEATED = [shape("plate") for _ in range(4)] + [shape("car"), shape("car")]
CLASSES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "texts": ([shape("STOP"), shape("GO"), shape("the"), shape("the")], False),
    "classes beside the texts": (
        [shape("plate", description="B 1"), shape("sign", description="STOP")],
        True,
    ),
    "repeated as classes are": (REPEATED, True),
    "one class": (REPEATED[:4], False),
    "ignored": ([shape("###"), shape("STOP")], False),
}


@pytest.mark.parametrize(("shapes", "said"), CLASSES.values(), ids=CLASSES)
def test_labels_that_are_classes_are_said(
    tmp_path: Path, shapes: list[Any], said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "a.json", labelme(*shapes))
    assert main([str(tmp_path)]) == 0
    assert ("objects of all classes became texts" in capsys.readouterr().err) is said


def test_flags_that_are_not_read_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    shapes = [shape(flags={"blurred": True, "difficult": True}), shape(flags={"blurred": True})]
    put_json(tmp_path / "a.json", labelme(*shapes))
    reading = read("labelme", tmp_path)
    assert rules(reading, "warning") == ["flag", "difficult"]
    assert message(reading).startswith("2 shapes have the flag 'blurred', which is not read")


def test_labels_are_classes_where_classes_are_chosen(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    circle = shape("sun", points=POINTS[:2], shape_type="circle")
    put_json(tmp_path / "a.json", labelme(shape("plate"), shape("car"), circle))
    reading = Reading(ImageFolder(tmp_path), TextChoice(only=("plate",)))
    FORMATS["labelme"].read(tmp_path, reading, no_progress)
    assert only(reading) == [("plate", SQUARE)]


def test_all_faults_of_all_files(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.json", labelme("x", shape(points=[]), imagePath="A.JPG"))
    put_json(tmp_path / "b.json", {"pictures": []})
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


def test_an_empty_label_is_no_class(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    circle = {"shape_type": "circle"}
    put_json(tmp_path / "a.json", labelme(shape(""), shape("###"), shape("x"), shape("", **circle)))
    assert read("labelme", tmp_path).categories == {None: 3, "x": 1}
