"""MMOCR's JSON of text detection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.convert_samples import (
    HEIGHT_PX,
    SQUARE,
    WIDTH_PX,
    flat,
    message,
    only,
    put_images,
    put_json,
    read,
    rules,
)

BOX = [10, 20, 60, 40]  # left, top, right, bottom
METAINFO = {
    "dataset_type": "TextDetDataset",
    "task_name": "textdet",
    "category": [{"id": 0, "name": "text"}, {"id": 1, "name": "logo"}],
}


def instance(**more: Any) -> dict[str, Any]:
    return {"bbox": BOX, "bbox_label": 0, "ignore": False, **more}


def mmocr(*instances: Any, **more: Any) -> dict[str, Any]:
    image = {"img_path": "a.jpg", "width": WIDTH_PX, "height": HEIGHT_PX, "seg_map": "gt_a.txt"}
    return {"metainfo": METAINFO, "data_list": [{**image, "instances": list(instances), **more}]}


INSTANCES: dict[str, tuple[dict[str, Any], str]] = {
    "polygon goes before the box": (
        instance(bbox=[0, 0, 9, 9], polygon=flat(SQUARE), text="STOP"),
        "STOP",
    ),
    "edges": (instance(text="STOP"), "STOP"),
    "ignored": (instance(text="STOP", ignore=True), "###"),
}


@pytest.mark.parametrize(("one", "said"), INSTANCES.values(), ids=INSTANCES)
def test_an_instance(tmp_path: Path, one: dict[str, Any], said: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "l.json", mmocr(one))
    assert only(read("mmocr", tmp_path)) == [(said, SQUARE)]


def test_classes_and_what_is_not_read_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    both = instance(bbox_label=1, text="x", angle=30, poly=flat(SQUARE))
    put_json(tmp_path / "l.json", mmocr(instance(), both))
    reading = read("mmocr", tmp_path)
    assert reading.categories == {"text": 1, "logo": 1}
    assert sorted(rules(reading, "warning")) == [
        "angle-not-read",
        "coordinates-not-read",
        "no-transcription",
    ]


def test_faults_name_image_and_instance(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    label = mmocr(instance(bbox=[1, 2, 3]), instance(bbox=[60, 20, 10, 40]), "x")
    label["data_list"] += [{"img_path": "b.jpg", "instances": []}, {"img_path": 5}, 7]
    put_json(tmp_path / "l.json", label)
    reading = read("mmocr", tmp_path)
    assert rules(reading) == [
        "bad-points",
        "empty-box",
        "bad-structure",
        "image-missing",
        "bad-structure",
        "bad-structure",
        "bad-structure",
    ]
    assert message(reading).startswith(
        "image 1, instance 1: found [1, 2, 3] as 'bbox'; expected [l"
    )
    assert "image 3: found None as the instances" in message(reading, 5)


def test_labels_of_recognition_are_refused_once(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    images = [{"img_path": "a.jpg", "instances": [{"text": "x"}]}] * 3
    label = {"metainfo": {"task_name": "textrecog"}, "data_list": images}
    put_json(tmp_path / "l.json", label)
    reading = read("mmocr", tmp_path)
    assert rules(reading) == ["recognition-labels"]
    assert reading.left_out == [str(tmp_path / "l.json")]
