"""Label Studio's JSON export, after its guide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.convert_samples import (
    HEIGHT_PX,
    SQUARE,
    WIDTH_PX,
    message,
    only,
    put_images,
    put_json,
    read,
    rules,
    texts,
)

RECTANGLE = {"x": 5.0, "y": 20.0, "width": 25.0, "height": 20.0, "rotation": 0}
POLYGON = {"points": [[5, 20], [30, 20], [30, 40], [5, 40]], "closed": True}
ORIGINAL = {"original_width": WIDTH_PX, "original_height": HEIGHT_PX, "image_rotation": 0}
UPLOAD = "/data/upload/3/0a1b2c3d-a.jpg"


def result(kind: str, value: dict[str, Any], region: str = "r1", **more: Any) -> dict[str, Any]:
    return {
        **ORIGINAL,
        "value": value,
        "id": region,
        "from_name": kind,
        "to_name": "image",
        "type": kind,
        "origin": "manual",
        **more,
    }


def said(text: Any, value: dict[str, Any] = RECTANGLE, region: str = "r1") -> dict[str, Any]:
    return result("textarea", {**value, "text": text}, region)


def task(
    *results: Any, number: int = 1, image: Any = "a.jpg", key: str = "image", **more: Any
) -> dict[str, Any]:
    done = [{"id": 10, "was_cancelled": False, "ground_truth": False, "result": list(results)}]
    return {"id": number, "data": {key: image}, "annotations": done, "predictions": [], **more}


REGIONS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "rectangle labels": (
        [result("rectanglelabels", {**RECTANGLE, "rectanglelabels": ["Text"]}), said(["STOP"])],
        "STOP",
    ),
    "the OCR template's three results": (
        [
            result("rectangle", RECTANGLE),
            result("labels", {**RECTANGLE, "labels": ["Text"]}),
            said(["STOP"]),
        ],
        "STOP",
    ),
    "text before the shape": ([said(["STOP"]), result("rectangle", RECTANGLE)], "STOP"),
    "text without the geometry": (
        [result("rectangle", RECTANGLE), result("textarea", {"text": ["STOP"]})],
        "STOP",
    ),
    "polygon": (
        [
            result("polygonlabels", {**POLYGON, "polygonlabels": ["Text"]}),
            said(["STOP"], POLYGON),
        ],
        "STOP",
    ),
    "two lines": ([result("rectangle", RECTANGLE), said(["one", "two"])], "one two"),
    "a string": ([result("rectangle", RECTANGLE), said("STOP")], "STOP"),
    "ignored": ([result("rectangle", RECTANGLE), said(["###"])], "###"),
    "size not said": (
        [{"value": RECTANGLE, "id": "r1", "type": "rectangle"}, said(["STOP"])],
        "STOP",
    ),
}


@pytest.mark.parametrize(("results", "transcription"), REGIONS.values(), ids=REGIONS)
def test_a_region(tmp_path: Path, results: list[dict[str, Any]], transcription: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "export.json", [task(*results)])
    assert only(read("labelstudio", tmp_path)) == [(transcription, SQUARE)]


def test_a_rotated_rectangle_turns_clockwise_around_its_left_top_corner(tmp_path: Path) -> None:
    """10 x 20 % of 200 x 100 px: a square of 20 px at (100, 50), turned by a quarter and 30."""
    put_images(tmp_path, "a.jpg")
    box = {"x": 50, "y": 50, "width": 10, "height": 20}
    quarter = [result("rectangle", {**box, "rotation": 90}), said(["a"])]
    thirty = [result("rectangle", {**box, "rotation": 30}, "r2"), said(["b"], region="r2")]
    put_json(tmp_path / "export.json", [task(*quarter, *thirty)])
    (_, turned), (_, tilted) = only(read("labelstudio", tmp_path))
    assert turned == ((100, 50), (100, 70), (80, 70), (80, 50))
    assert tilted == ((100, 50), (117.321, 60), (107.321, 77.321), (90, 67.321))


IMAGES = {
    "upload": (UPLOAD, "a.jpg"),
    "upload kept under its name": (UPLOAD, "sub/0a1b2c3d-a.jpg"),
    "folder": ("/data/local-files/?d=photos/a.jpg", "photos/a.jpg"),
    "deeper folder": ("/data/local-files/?d=project/photos/a.jpg", "photos/a.jpg"),
    "folder, quoted": ("/data/local-files/?d=my%20photos/a%2Bb.jpg", "my photos/a+b.jpg"),
    "folder of Windows": ("/data/local-files/?d=photos\\a.jpg", "photos/a.jpg"),
    "address": ("https://example.org/bucket/a.jpg?token=x", "a.jpg"),
    "bucket": ("s3://bucket/photos/a.jpg", "photos/a.jpg"),
    "plain": ("photos/a#1.jpg", "photos/a#1.jpg"),
}


@pytest.mark.parametrize(("url", "name"), IMAGES.values(), ids=IMAGES)
def test_where_images_are(tmp_path: Path, url: str, name: str) -> None:
    put_images(tmp_path / "images", name, "other/b.jpg")
    put_json(tmp_path / "export.json", [task(image=url, key="ocr")])
    reading = read("labelstudio", tmp_path / "export.json", tmp_path / "images")
    assert rules(reading) == []
    assert [entry.name for entry in reading.entries] == [name]


def test_the_prefix_is_only_taken_off_uploads(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "export.json", [task(image="photos/0a1b2c3d-a.jpg")])
    assert rules(read("labelstudio", tmp_path)) == ["image-missing"]


def test_a_file_name_alone_is_no_match_where_folders_differ(tmp_path: Path) -> None:
    put_images(tmp_path, "x/a.jpg")
    put_json(tmp_path / "export.json", [task(image="/data/local-files/?d=y/a.jpg")])
    reading = read("labelstudio", tmp_path)
    assert rules(reading) == ["image-missing"]
    assert "there is x/a.jpg" in message(reading)


BAD: dict[str, tuple[list[Any], str, str]] = {
    "ellipse": (
        [result("ellipselabels", {"x": 1, "y": 2, "radiusX": 3, "radiusY": 4, "rotation": 0})],
        "unsupported-shape",
        "'ellipselabels'",
    ),
    "brush": (
        [result("brushlabels", {"format": "rle", "rle": [1, 2]})],
        "unsupported-shape",
        "'brushlabels'",
    ),
    "key point": (
        [result("keypointlabels", {"x": 1, "y": 2, "width": 0.3})],
        "unsupported-shape",
        "'keypointlabels'",
    ),
    "two points": ([result("polygon", {"points": [[1, 2], [3, 4]]})], "few-points", "2 points"),
    "no width": ([result("rectangle", {**RECTANGLE, "width": 0})], "empty-box", "0 x 20 px"),
    "words": ([result("rectangle", {**RECTANGLE, "x": "5"})], "bad-points", "found ['5'"),
    "rotated image": (
        [{**result("rectangle", RECTANGLE), "image_rotation": 90}],
        "rotated-image",
        "90 degrees",
    ),
    "number as text": (
        [result("rectangle", RECTANGLE), said([5])],
        "bad-structure",
        "a line of a transcription",
    ),
}


@pytest.mark.parametrize(("results", "rule", "words"), BAD.values(), ids=BAD)
def test_a_bad_region_is_reported_by_task_and_id(
    tmp_path: Path, results: list[Any], rule: str, words: str
) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "export.json", [task(*results, number=7)])
    reading = read("labelstudio", tmp_path)
    assert rules(reading) == [rule]
    assert message(reading).startswith("task 7, region r1: ")
    assert words in message(reading)
    assert (reading.entries, reading.left_out) == ([], ["a.jpg"])


BAD_TASKS: dict[str, tuple[Any, str, str]] = {
    "JSON-MIN": ({"id": 1, "image": "a.jpg", "label": []}, "bad-structure", "not as JSON-MIN"),
    "no annotations": ({"id": 1, "data": {"image": "a.jpg"}}, "bad-structure", "'annotations'"),
    "no result": (
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 2}]},
        "bad-structure",
        "'result'",
    ),
    "no image": (task(image="some text"), "bad-structure", "names 0 images"),
    "two images": (
        {**task(), "data": {"left": "a.jpg", "right": "b.jpg"}},
        "bad-structure",
        "names 2 images",
    ),
    "a number": (5, "bad-structure", "found 5"),
    "another size": (
        task({**result("rectangle", RECTANGLE), "original_width": 400}),
        "size-differs",
        "400 x 100 px, but a.jpg has 200 x 100",
    ),
    "two annotators": (
        {**task(), "annotations": [{"id": 1, "result": []}, {"id": 2, "result": []}]},
        "several-annotations",
        "has 2 annotations",
    ),
    "no result list": (
        {**task(), "annotations": [{"id": 1, "result": ["x"]}]},
        "bad-structure",
        "a result",
    ),
}


@pytest.mark.parametrize(("bad", "rule", "words"), BAD_TASKS.values(), ids=BAD_TASKS)
def test_a_bad_task(tmp_path: Path, bad: Any, rule: str, words: str) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    put_json(tmp_path / "export.json", [bad, task(number=2, image="c.jpg")])
    reading = read("labelstudio", tmp_path)
    assert rules(reading) == [rule]
    assert words in message(reading)
    assert [entry.name for entry in reading.entries] == ["c.jpg"]


def test_which_annotation_counts(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    one = {"id": 1, "result": [result("rectangle", RECTANGLE), said(["one"])]}
    two = {"id": 2, "result": [result("rectangle", RECTANGLE), said(["two"])]}
    skipped = {**one, "was_cancelled": True}
    tasks = [
        task(image="a.jpg", annotations=[one, {**two, "ground_truth": True}]),
        task(image="b.jpg", annotations=[skipped, two]),
        task(image="c.jpg", annotations=[skipped], number=3),
        task(image="d.jpg", annotations=[], predictions=[one]),
    ]
    put_json(tmp_path / "export.json", tasks)
    reading = read("labelstudio", tmp_path)
    assert [texts(entry) for entry in reading.entries] == [[("two", SQUARE)], [("two", SQUARE)]]
    assert rules(reading) == []
    assert rules(reading, "warning") == ["not-annotated"]
    assert "2 tasks" in message(reading)
    assert "task 3" in message(reading)


def test_what_belongs_to_no_region_is_said(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    relation = {"type": "relation", "from_id": "r1", "to_id": "r2", "direction": "right"}
    choice = result("choices", {"choices": ["menu"]}, "c1")
    whole = result("textarea", {"text": ["the whole page"]}, "t1")
    put_json(tmp_path / "export.json", [task(relation, choice, whole)])
    reading = read("labelstudio", tmp_path)
    assert reading.entries[0].texts == ()
    assert rules(reading, "warning") == ["other-result"] * 3
    assert "'relation'" in message(reading)


def test_kinds_and_missing_transcriptions_are_said(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    regions = [
        result("rectanglelabels", {**RECTANGLE, "rectanglelabels": [label]}, label)
        for label in ("Text", "Logo")
    ]
    put_json(tmp_path / "export.json", [task(*regions)])
    reading = read("labelstudio", tmp_path)
    assert reading.categories == {"Text": 1, "Logo": 1}
    assert rules(reading, "warning") == ["no-transcription"]


def test_a_folder_of_single_tasks(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "1.json", task(image="a.jpg"))
    put_json(tmp_path / "2.json", task(image="b.jpg", number=2))
    assert [entry.name for entry in read("labelstudio", tmp_path).entries] == ["a.jpg", "b.jpg"]
