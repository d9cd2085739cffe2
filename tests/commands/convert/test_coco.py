"""COCO's detection JSON and COCO-Text's, after their published forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.coco import CocoWriter
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Entry, Reading, TextChoice
from ppocr_ft.commands.convert.formats.texts import LabelText
from ppocr_ft.utils.progress import no_progress
from tests.support.convert_samples import (
    HEIGHT_PX,
    SQUARE,
    WIDTH_PX,
    flat,
    message,
    only,
    put_images,
    put_json,
    put_text,
    read,
    rectangle,
    rules,
    texts,
)

BOX = {"bbox": [10, 20, 50, 20]}
OUTLINE = flat(SQUARE)
CURVE = ((0.5, 1), (5, 0), (9, 1), (9, 4), (5, 3), (0, 4))


def image(number: int = 1, name: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": WIDTH_PX, "height": HEIGHT_PX, **more}


def annotation(number: int = 1, of: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": of, "category_id": 1, "iscrowd": 0, "area": 1000, **more}


def coco(images: list[Any], annotations: list[Any], **more: Any) -> dict[str, Any]:
    categories = [{"id": 1, "name": "text"}, {"id": 2, "name": "logo"}]
    return {"images": images, "annotations": annotations, "categories": categories, **more}


TEXTS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "polygon": ({**BOX, "segmentation": [OUTLINE], "utf8_string": "STOP"}, "STOP", SQUARE),
    "many points": ({**BOX, "segmentation": [flat(CURVE)], "text": "bent"}, "bent", CURVE),
    "box alone": ({**BOX, "transcription": "STOP"}, "STOP", rectangle(10, 20, 60, 40)),
    "one empty polygon": ({**BOX, "segmentation": [[]], "text": "a"}, "a", SQUARE),
    "attributes as their user wrote them": (
        {**BOX, "attributes": {"Transcription": "a", "Ignore": False}},
        "a",
        SQUARE,
    ),
    "an attribute that ignores": (
        {**BOX, "attributes": {"text": "a", "ignore": True}},
        "###",
        SQUARE,
    ),
    "empty polygons": ({**BOX, "segmentation": [], "text": "a"}, "a", SQUARE),
    "attribute, as CVAT writes": ({**BOX, "attributes": {"text": "a"}}, "a", SQUARE),
    "flat mask, COCO-Text 2": ({**BOX, "mask": OUTLINE, "utf8_string": "a"}, "a", SQUARE),
    "illegible": ({**BOX, "utf8_string": "", "legibility": "illegible"}, "###", SQUARE),
    "crowd": ({"segmentation": [OUTLINE], "text": "ab", "iscrowd": 1}, "###", SQUARE),
    "mark": ({**BOX, "text": "#"}, "###", SQUARE),
    "the text # itself": ({**BOX, "text": "#", "legibility": "legible"}, "#", SQUARE),
    "flat points, as TextOCR has them": ({"points": OUTLINE, "text": "a"}, "a", SQUARE),
    "points of a polygon without nesting": (
        {**BOX, "segmentation": [list(point) for point in CURVE], "text": "bent"},
        "bent",
        CURVE,
    ),
    "legible *, which PaddleOCR ignores": (
        {**BOX, "text": "*", "legibility": "legible"},
        "###",
        SQUARE,
    ),
}


@pytest.mark.parametrize(("more", "said", "points"), TEXTS.values(), ids=TEXTS)
def test_an_annotation(tmp_path: Path, more: dict[str, Any], said: str, points: Any) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "l.json", coco([image()], [annotation(**{**annotation(), **more})]))
    assert only(read("coco", tmp_path)) == [(said, points)]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "run lengths": (
        {**BOX, "segmentation": {"counts": [1, 2], "size": [9, 9]}},
        "run-lengths",
        "RLE",
    ),
    "run lengths of a crowd": (
        {**BOX, "iscrowd": 1, "segmentation": {"counts": "WRQR", "size": [9, 9]}},
        "run-lengths",
        "RLE",
    ),
    "two polygons": ({**BOX, "segmentation": [OUTLINE, OUTLINE]}, "several-polygons", "2 polygons"),
    "odd": ({**BOX, "segmentation": [OUTLINE[:-1]]}, "bad-points", "even number"),
    "two points": ({**BOX, "segmentation": [OUTLINE[:4]]}, "few-points", "has 2 points"),
    "words": ({**BOX, "segmentation": [["a"] * 6]}, "bad-points", "[[x, y]"),
    "truth": ({**BOX, "segmentation": [[True] * 6]}, "bad-points", "[[x, y]"),
    "far away": ({**BOX, "segmentation": [[10**400, *OUTLINE[1:]]]}, "bad-points", "[[x, y]"),
    "no geometry": ({}, "bad-points", "found None as 'bbox'"),
    "short box": ({"bbox": [1, 2, 3]}, "bad-points", "[x, y, width, height]"),
    "no width": ({"bbox": [1, 2, 0, 3]}, "empty-box", "no area"),
    "number as text": ({**BOX, "text": 12}, "bad-transcription", "found 12"),
    "half a character": ({**BOX, "text": "a\ud83d"}, "bad-transcription", "half a character at 2"),
}


@pytest.mark.parametrize(("more", "rule", "said"), BAD.values(), ids=BAD)
def test_a_bad_annotation_is_reported_by_its_id(
    tmp_path: Path, more: dict[str, Any], rule: str, said: str
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    bad = {**annotation(7), **more}
    label = coco([image(), image(2, "b.jpg")], [bad, annotation(8, 2, **BOX, text="x")])
    put_text(tmp_path / "l.json", json.dumps(label))
    reading = read("coco", tmp_path)
    assert rules(reading) == [rule]
    assert message(reading).startswith("annotation 7 (image 1): ")
    assert said in message(reading)
    assert [entry.name for entry in reading.entries] == ["b.jpg"]
    assert reading.left_out == ["a.jpg"]


def test_infinite_numbers_are_no_coordinates(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    bad = annotation(segmentation=[[float("nan"), *OUTLINE[1:]]], bbox=[1, 2, float("inf"), 3])
    put_text(tmp_path / "l.json", json.dumps(coco([image()], [bad])))
    assert rules(read("coco", tmp_path)) == ["bad-points"]


def test_coco_text(tmp_path: Path) -> None:
    """Version 1's flat polygons, version 2's masks, images without text, the bare test set."""
    put_images(tmp_path / "train2014", "1.jpg", "2.jpg", "3.jpg")
    box = {"bbox": [10.0, 20.0, 50.0, 20.0], "area": 1000, "class": "machine printed"}
    images = {str(n): image(n, f"{n}.jpg", set="test" if n == 3 else "train") for n in (1, 2, 3)}
    anns = {
        "11": {**box, "id": 11, "image_id": 1, "polygon": OUTLINE, "legibility": "illegible"},
        "12": {
            **box, "id": 12, "image_id": 1, "mask": flat(CURVE), "legibility": "legible",
            "utf8_string": "bent", "language": "english",
        },
    }  # fmt: skip
    label = {"imgs": images, "anns": anns, "imgToAnns": {"1": [11, 12]}, "cats": {}, "info": {}}
    reading = read("coco", put_json(tmp_path / "COCO_Text.json", label), tmp_path)
    assert rules(reading) == []
    assert [entry.name for entry in reading.entries] == ["train2014/1.jpg", "train2014/2.jpg"]
    assert texts(reading.entries[0]) == [("###", SQUARE), ("bent", CURVE)]
    assert reading.entries[1].texts == ()
    assert rules(reading, "warning") == ["not-annotated"]
    assert "train2014/3.jpg" in reading.mentioned


# CVAT's box of 200 x 40 px at (100, 100): turned by hand around (200, 120) with cos and sin of 30
# degrees (0.866025, 0.5) and of 15 (0.965926, 0.258819)
UPRIGHT = rectangle(100, 100, 300, 140)
THIRTY = ((123.397, 52.679), (296.603, 152.679), (276.603, 187.321), (103.397, 87.321))
BACK_15 = ((98.231, 126.563), (291.416, 74.8), (301.769, 113.437), (108.584, 165.2))
DRAWN = [100, 90, 300, 90, 300, 150, 100, 150]
TURNS: dict[str, tuple[dict[str, Any], Any]] = {
    "upright": ({"attributes": {"rotation": 0.0}}, UPRIGHT),
    "whole turn": ({"attributes": {"rotation": 360}}, UPRIGHT),
    "none": ({"attributes": {"rotation": None, "occluded": False}}, UPRIGHT),
    "30 degrees": ({"attributes": {"rotation": 30.0}}, THIRTY),
    "in quotes": ({"attributes": {"rotation": "30.0"}}, THIRTY),
    "more than a turn": ({"attributes": {"rotation": 390}}, THIRTY),
    "345 degrees, the other way": ({"attributes": {"rotation": 345.0}}, BACK_15),
    "negative": ({"attributes": {"rotation": -15}}, BACK_15),
    "a polygon is turned already": (
        {"attributes": {"rotation": 30.0}, "segmentation": [DRAWN]},
        rectangle(100, 90, 300, 150),
    ),
}


@pytest.mark.parametrize(("more", "points"), TURNS.values(), ids=TURNS)
def test_boxes_that_cvat_turned(tmp_path: Path, more: dict[str, Any], points: Any) -> None:
    put_images(tmp_path, "a.jpg", width=640, height=480)
    turned = annotation(bbox=[100.0, 100.0, 200.0, 40.0], text="x", **{"segmentation": [], **more})
    label = coco([{**image(), "width": 640, "height": 480}], [turned])
    put_json(tmp_path / "l.json", label)
    assert only(read("coco", tmp_path)) == [("x", points)]


UNREAD: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "the annotation's own angle": ({"rotation": 30}, {}, "angle-not-read", "'rotation'"),
    "angle": ({"angle": -0.5}, {}, "angle-not-read", "'angle'"),
    "an attribute": ({"attributes": {"Theta": "12.5"}}, {}, "angle-not-read", "'theta'"),
    "LabelBee's image": ({}, {"rotate": 90}, "image-turned", "'rotate'"),
    "flat list": ({"poly": OUTLINE}, {}, "coordinates-not-read", "'poly'"),
    "pairs": ({"quad": [list(p) for p in SQUARE]}, {}, "coordinates-not-read", "'quad'"),
    "x and y": (
        {"vertices": [{"x": x, "y": y} for x, y in SQUARE]},
        {},
        "coordinates-not-read",
        "'vertices'",
    ),
}


@pytest.mark.parametrize(("more", "of_image", "rule", "key"), UNREAD.values(), ids=UNREAD)
def test_geometry_beside_a_box_is_said_with_its_number(
    tmp_path: Path, more: dict[str, Any], of_image: dict[str, Any], rule: str, key: str
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    images = [image(1, **of_image), image(2, "b.jpg", **of_image)]
    annotations = [annotation(n, n, **BOX, text="x", **more) for n in (1, 2)]
    put_json(tmp_path / "l.json", coco(images, annotations))
    reading = read("coco", tmp_path)
    assert [(finding.rule, finding.severity) for finding in reading.findings] == [(rule, "warning")]
    assert message(reading).startswith("2 ")
    assert key in message(reading)
    assert [texts(entry) for entry in reading.entries] == [[("x", SQUARE)]] * 2


NO_ANGLES: dict[str, dict[str, Any]] = {
    "zero": {"rotation": 0, "angle": "0.0"},
    "flag": {"rotate": True},
    "words": {"direction": "left", "rotation": None},
    "few numbers": {
        "area": 12,
        "size": [3, 4],
        "color": [255, 255, 255],
        "tags": ["a"] * 8,
        "odd": [1] * 7,
    },
}


@pytest.mark.parametrize("more", NO_ANGLES.values(), ids=NO_ANGLES)
def test_what_is_no_geometry_is_not_spoken_of(tmp_path: Path, more: dict[str, Any]) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "l.json", coco([image(**more)], [annotation(**BOX, text="x", **more)]))
    assert only(read("coco", tmp_path)) == [("x", SQUARE)] or "area" in more


def test_only_the_chosen_classes_are_spoken_of_but_images_always_are(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    logo = {"category_id": 2, "angle": 30, "poly": OUTLINE, "bbox": [1, 2, 0, 0]}
    annotations = [annotation(1, **BOX, text="x"), {**annotation(2), **logo}]
    put_json(tmp_path / "l.json", coco([image(), image(2, "gone.jpg")], annotations))
    reading = Reading(ImageFolder(tmp_path), TextChoice(only=("text",)))
    FORMATS["coco"].read(tmp_path, reading, no_progress)
    assert [finding.rule for finding in reading.findings] == ["image-missing"]
    assert reading.categories == {"text": 1, "logo": 1}
    assert [texts(entry) for entry in reading.entries] == [[("x", SQUARE)]]


@pytest.mark.parametrize("size", [(0, 0), (-1, -1), (200.0, 100.0), (None, None), ("", "")])
def test_sizes_that_are_none_or_floats(tmp_path: Path, size: tuple[Any, Any]) -> None:
    put_images(tmp_path, "a.jpg")
    label = coco([image(1, width=size[0], height=size[1])], [annotation(**BOX, text="x")])
    put_json(tmp_path / "l.json", label)
    assert only(read("coco", tmp_path)) == [("x", SQUARE)]


def test_textocr(tmp_path: Path) -> None:
    """Flat points go before the box, and "." stands for what nobody can read."""
    put_images(tmp_path / "train", "0123.jpg")
    box = {"image_id": "0123", "bbox": [0.0, 0.0, 199.0, 99.0], "area": 1000.0}
    anns = {
        "0123_1": {**box, "id": "0123_1", "utf8_string": "bent", "points": flat(CURVE)},
        "0123_2": {**box, "id": "0123_2", "utf8_string": ".", "points": OUTLINE},
    }
    images = {"0123": {**image(), "id": "0123", "file_name": "train/0123.jpg", "set": "train"}}
    label = {"imgs": images, "anns": anns, "imgToAnns": {"0123": ["0123_1", "0123_2"]}, "info": {}}
    put_json(tmp_path / "TextOCR.json", label)
    assert only(read("coco", tmp_path)) == [("bent", CURVE), ("###", SQUARE)]


def test_a_dot_is_a_text_where_legibility_is_said(tmp_path: Path) -> None:
    put_images(tmp_path, "1.jpg")
    ann = {"image_id": 1, "polygon": OUTLINE, "utf8_string": ".", "legibility": "legible"}
    put_json(tmp_path / "l.json", {"imgs": {"1": image(1, "1.jpg")}, "anns": {"7": ann}})
    assert only(read("coco", tmp_path)) == [(".", SQUARE)]


def test_difficult_ones_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    flags: list[dict[str, Any]] = [
        {"difficult": 1},
        {"attributes": {"difficult": True}},
        {"difficult": 0},
    ]
    annotations = [annotation(n, **BOX, text="x", **more) for n, more in enumerate(flags)]
    put_json(tmp_path / "l.json", coco([image()], annotations))
    reading = read("coco", tmp_path)
    assert rules(reading, "warning") == ["difficult"]
    assert message(reading).startswith("2 texts are marked difficult")


def test_faults_of_the_tables_are_all_listed(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "c.jpg")
    put_images(tmp_path, "small.jpg", width=50, height=50)
    images = [image(), image(2, "gone.jpg"), {"id": 3}, image(4, "small.jpg"), image(5), "six"]
    annotations = [annotation(1, 9, **BOX), "no dict", annotation(3, 1, **BOX, text="x")]
    put_json(tmp_path / "l.json", coco(images, annotations))
    reading = read("coco", tmp_path)
    assert rules(reading) == [
        "no-such-image",
        "bad-structure",
        "image-missing",
        "bad-structure",
        "size-differs",
        "image-twice",
        "bad-structure",
    ]
    assert [entry.name for entry in reading.entries] == ["a.jpg"]
    assert "200 x 100 px, but small.jpg has 50 x 50 px" in message(reading, 4)


def test_the_same_id_twice(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "l.json", coco([image(), image(1, "b.jpg")], []))
    assert rules(read("coco", tmp_path)) == ["id-twice"]


def test_broken_json_is_reported_with_its_line(tmp_path: Path) -> None:
    put_text(tmp_path / "l.json", '{"images": [],\n "annotations": [}')
    [finding] = read("coco", tmp_path).findings
    assert (finding.rule, finding.line) == ("broken-json", 2)


def test_a_key_twice_would_be_read_in_part(tmp_path: Path) -> None:
    put_text(tmp_path / "l.json", '{"imgs": {"1": {}, "1": {"a": 2}}, "anns": {}, "anns": {}}')
    reading = read("coco", tmp_path)
    assert rules(reading) == ["key-twice"]
    assert "the key '1' twice" in message(reading)


def test_one_document_a_line_is_said(tmp_path: Path) -> None:
    put_text(tmp_path / "l.json", '{"images": []}\n{"images": []}\n')
    [finding] = read("coco", tmp_path).findings
    assert (finding.rule, finding.line) == ("broken-json", 2)
    assert "one JSON document a file" in finding.remedy


def test_json_too_deep_to_read(tmp_path: Path) -> None:
    put_text(tmp_path / "l.json", "[" * 200_000)
    assert rules(read("coco", tmp_path)) == ["broken-json"]


def test_categories_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    two = [annotation(1, **BOX, text="x"), {**annotation(2, **BOX, text="y"), "category_id": 2}]
    put_json(tmp_path / "l.json", coco([image()], two))
    reading = read("coco", tmp_path)
    assert reading.categories == {"text": 1, "logo": 1}


def test_what_is_written() -> None:
    said = (LabelText(CURVE, "bent, 弯"), LabelText(SQUARE, "###"))
    entries = [Entry("sub/a.jpg", said, "f", 1, (200, 100)), Entry("b.png", (), "f", 2, (9, 8))]
    [(name, content)] = CocoWriter().files(entries, "train").items()
    label = json.loads(content)
    assert name == "train.json"
    assert label["images"] == [
        {"id": 1, "file_name": "sub/a.jpg", "width": 200, "height": 100},
        {"id": 2, "file_name": "b.png", "width": 9, "height": 8},
    ]
    bent, ignored = label["annotations"]
    assert bent["segmentation"] == [[0.5, 1, 5, 0, 9, 1, 9, 4, 5, 3, 0, 4]]
    assert bent["bbox"] == [0, 0, 9, 4]
    assert bent["area"] == 26  # 31.5 above the lower edges, less 5.5 above the upper ones
    assert (bent["image_id"], bent["utf8_string"], bent["iscrowd"]) == (1, "bent, 弯", 0)
    assert (ignored["legibility"], ignored["ignore"], ignored["area"]) == ("illegible", 1, 1000)
    assert ignored["bbox"] == [10, 20, 50, 20]  # x, y, width, height
    assert [category["name"] for category in label["categories"]] == ["text"]
