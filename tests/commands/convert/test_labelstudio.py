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


# 20 px square at (100, 50), turned around that corner by hand: cos 30 = 0.866025, cos 60 = 0.5
ROTATIONS: dict[str, tuple[Any, Any]] = {
    "none": (None, ((100, 50), (120, 50), (120, 70), (100, 70))),
    "whole turn": (360, ((100, 50), (120, 50), (120, 70), (100, 70))),
    "backwards": (-90, ((100, 50), (100, 30), (120, 30), (120, 50))),
    "nearly a turn": (330, ((100, 50), (117.321, 40), (127.321, 57.321), (110, 67.321))),
    "more than a turn": (450.0, ((100, 50), (100, 70), (80, 70), (80, 50))),
}


@pytest.mark.parametrize(("degrees", "points"), ROTATIONS.values(), ids=ROTATIONS)
def test_rotations(tmp_path: Path, degrees: Any, points: Any) -> None:
    put_images(tmp_path, "a.jpg")
    box = {"x": 50, "y": 50, "width": 10, "height": 20, "rotation": degrees}
    put_json(tmp_path / "1.json", [task(result("rectangle", box), said(["a"]))])
    put_json(
        tmp_path / "2.json", [minimal({**box, **ORIGINAL}, transcription=["a"], image="b.jpg")]
    )
    put_images(tmp_path, "b.jpg")
    reading = read("labelstudio", tmp_path)
    assert reading.findings == []
    assert [texts(entry) for entry in reading.entries] == [[("a", points)]] * 2


def test_an_angle_beside_the_value_is_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    turned = result("rectangle", {**RECTANGLE, "rotation": 0}, rotation=30)
    put_json(tmp_path / "export.json", [task(turned, said(["a"]))])
    reading = read("labelstudio", tmp_path)
    assert rules(reading, "warning") == ["angle-not-read"]
    assert texts(reading.entries[0]) == [("a", SQUARE)]


def minimal(*shapes: Any, number: int = 1, image: str = "a.jpg", **more: Any) -> dict[str, Any]:
    """A record of JSON-MIN."""
    own = {"annotator": 1, "annotation_id": 7, "created_at": "2026-01-01T00:00:00Z", "lead_time": 9}
    return {"ocr": image, "id": number, "bbox": list(shapes), **more, **own}


BOX = {**RECTANGLE, **ORIGINAL}
LABELLED = {**BOX, "rectanglelabels": ["Text"]}
LOWER = {**BOX, "y": 60.0}
LOW = tuple((x, y + 40) for x, y in SQUARE)
RECORDS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "one": (minimal(LABELLED, transcription="STOP"), [("STOP", SQUARE)]),
    "two": (minimal(BOX, LOWER, transcription=["a", "b"]), [("a", SQUARE), ("b", LOW)]),
    "shape and label repeated": (
        minimal(BOX, LOWER, label=[LABELLED, LOWER], transcription=["a", "###"]),
        [("a", SQUARE), ("###", LOW)],
    ),
    "two tags of shapes, the labels' order": (
        minimal(LOWER, poly=[{**POLYGON, **ORIGINAL}], label=[{**POLYGON, **ORIGINAL}, LOWER],
                transcription=["a", "b"]),
        [("a", SQUARE), ("b", LOW)],
    ),
    "two lines of a region, which come with its place": (
        minimal(BOX, LOWER, transcription=["a", {**LOWER, "text": ["b", "c"]}]),
        [("a", SQUARE), ("b c", LOW)],
    ),
    "nothing drawn": ({k: v for k, v in minimal().items() if k != "bbox"}, []),
}  # fmt: skip


@pytest.mark.parametrize(("record", "expected"), RECORDS.values(), ids=RECORDS)
def test_json_min(tmp_path: Path, record: dict[str, Any], expected: list[Any]) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "export.json", [record])
    assert only(read("labelstudio", tmp_path)) == expected


def test_json_min_with_other_numbers_of_texts_than_shapes(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    fewer = minimal(BOX, LOWER, transcription="a")
    marked = minimal(BOX, LOWER, transcription=["###"], number=2, image="b.jpg")
    put_json(tmp_path / "export.json", [fewer, marked])
    reading = read("labelstudio", tmp_path)
    assert rules(reading) == ["which-text"]
    assert "task 2: JSON-MIN doesn't say which of 2 shapes is '###'" in message(reading)
    assert rules(reading, "warning") == ["which-text", "no-transcription"]
    assert [texts(entry) for entry in reading.entries] == [[("text", SQUARE), ("text", LOW)]]


def test_json_min_with_shapes_of_two_tags_has_no_order(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    record = minimal(BOX, poly=[{**POLYGON, "points": [[1, 2], [3, 2], [3, 4]]}])
    put_json(tmp_path / "export.json", [{**record, "transcription": ["a", "b"]}])
    reading = read("labelstudio", tmp_path)
    assert rules(reading, "warning") == ["which-text", "no-transcription"]
    assert [text.transcription for text in reading.entries[0].texts] == ["text", "text"]


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_results_without_ids_are_regions_by_their_places(
    tmp_path: Path, missing: dict[str, Any]
) -> None:
    """As programs write them that prepare tasks for the tool."""
    put_images(tmp_path, "a.jpg")
    lower = {**RECTANGLE, "y": 60.0}
    made = [
        result("rectangle", RECTANGLE), said(["a"]),
        result("rectangle", lower), said(["b"], lower),
    ]  # fmt: skip
    bare = [{key: value for key, value in one.items() if key != "id"} | missing for one in made]
    put_json(tmp_path / "export.json", [task(*bare)])
    assert only(read("labelstudio", tmp_path)) == [("a", SQUARE), ("b", LOW)]


IMAGES = {
    "address without suffix": ("https://example.org/bucket/photos/a?size=full", "photos/a.png"),
    "path without suffix": ("/data/upload/a", "a.jpg"),
    "name in the query": ("https://example.org/show?id=3&file=photos%2Fa.jpg", "photos/a.jpg"),
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
    "no width": ([result("rectangle", {**RECTANGLE, "width": 0})], "empty-box", "no area"),
    "words": ([result("rectangle", {**RECTANGLE, "x": "5"})], "bad-points", "found ['5'"),
    "an angle in words": (
        [result("rectangle", {**RECTANGLE, "rotation": "left"})],
        "bad-points",
        "'left' as rotation",
    ),
    "rotated image": (
        [{**result("rectangle", RECTANGLE), "image_rotation": 90}],
        "rotated-image",
        "90 degrees",
    ),
    "two shapes under one id": (
        [result("rectangle", RECTANGLE), result("rectangle", {**RECTANGLE, "y": 60.0})],
        "several-shapes",
        "several shapes under one id",
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
    "no data": ({"id": 1, "image": "a.jpg", "label": []}, "bad-structure", "as JSON or JSON-MIN"),
    "annotations of another kind": (
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": {}},
        "bad-structure",
        "'annotations'",
    ),
    "no result": (
        {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"id": 2}]},
        "bad-structure",
        "'result'",
    ),
    "no image": (task(image="some text", key="caption"), "bad-structure", "names no images"),
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
        {"id": 5, "data": {"image": "d.jpg"}, "predictions": [one]},
        {"id": 6, "data": {"image": "d.jpg"}, "annotations": None},
    ]
    put_json(tmp_path / "export.json", tasks)
    reading = read("labelstudio", tmp_path)
    assert [texts(entry) for entry in reading.entries] == [[("two", SQUARE)], [("two", SQUARE)]]
    assert rules(reading) == []
    assert rules(reading, "warning") == ["not-annotated"] * 2
    assert message(reading).startswith("2 tasks have no finished annotation: left out")
    assert "task 3" in message(reading)
    assert message(reading, 1).startswith("2 tasks have predictions but no finished annotation")


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


def test_what_else_belongs_to_a_region_is_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    choice = result("choices", {**RECTANGLE, "choices": ["unreadable"]})
    region = [result("rectangle", RECTANGLE), said(["a"]), choice]
    put_json(tmp_path / "export.json", [task(*region)])
    reading = read("labelstudio", tmp_path)
    assert texts(reading.entries[0]) == [("a", SQUARE)]
    assert message(reading).startswith("1 result of type 'choices' of regions is not converted")


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
