"""LSVT's and ArT's JSON, and UFO's."""

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

POINTS = [list(point) for point in SQUARE]
CURVE = [[1, 10], [50, 2], [99, 10], [99, 30], [50, 22], [1, 30]]


def word(said: Any = "STOP", points: Any = POINTS, **more: Any) -> dict[str, Any]:
    return {"transcription": said, "points": points, "illegibility": False, **more}


def test_images_are_found_by_their_names_without_suffix(tmp_path: Path) -> None:
    put_images(tmp_path / "train_full_images_0", "gt_0.jpg", "gt_1.png", "gt_10.jpg")
    label = {
        "gt_0": [word("一站式购物中心"), word("###", illegibility=True)],
        "gt_1": [word("bent", CURVE, language="Latin"), word("seen", illegibility=True)],
        "gt_10": [],
    }
    path = put_json(tmp_path / "train_full_labels.json", label)
    reading = read("lsvt", path, tmp_path)
    assert reading.findings == []
    assert {entry.name: texts(entry) for entry in reading.entries} == {
        "train_full_images_0/gt_0.jpg": [("一站式购物中心", SQUARE), ("###", SQUARE)],
        "train_full_images_0/gt_1.png": [
            ("bent", tuple(tuple(map(float, point)) for point in CURVE)),
            ("###", SQUARE),
        ],
        "train_full_images_0/gt_10.jpg": [],
    }


def test_ufo(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    words = {"0001": word(language="ko"), "0002": word(None, illegibility=True)}
    image = {"words": words, "img_w": 200, "img_h": 100, "tags": []}
    put_json(tmp_path / "train.json", {"images": {"a.jpg": image}, "version": "x"})
    assert only(read("lsvt", tmp_path)) == [("STOP", SQUARE), ("###", SQUARE)]


BAD: dict[str, tuple[Any, str, str]] = {
    "no points": (word(points=None), "bad-points", "gt_1, text 1: found points None"),
    "two points": (word(points=POINTS[:2]), "few-points", "gt_1, text 1: has 2 points"),
    "number as text": (word(5), "bad-transcription", "gt_1, text 1: found 5"),
    "no object": ("STOP", "bad-structure", "gt_1, text 1: found 'STOP' as a text"),
}


@pytest.mark.parametrize(("bad", "rule", "said"), BAD.values(), ids=BAD)
def test_a_bad_text_is_reported_by_image_and_number(
    tmp_path: Path, bad: Any, rule: str, said: str
) -> None:
    put_images(tmp_path, "gt_0.jpg", "gt_1.jpg")
    put_json(tmp_path / "l.json", {"gt_0": [word()], "gt_1": [bad]})
    reading = read("lsvt", tmp_path)
    assert rules(reading) == [rule]
    assert message(reading).startswith(said)
    assert [entry.name for entry in reading.entries] == ["gt_0.jpg"]
    assert reading.left_out == ["gt_1.jpg"]


def test_bad_images_are_all_reported(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    sized = {"words": {}, "img_w": 400, "img_h": 100}
    put_json(tmp_path / "1.json", {"gt_0": [word()], "gt_1": 5})
    put_json(tmp_path / "2.json", {"images": {"a.jpg": sized, "b.jpg": {"words": {"1": word()}}}})
    reading = read("lsvt", tmp_path)
    assert rules(reading) == ["image-missing", "bad-structure", "size-differs", "image-missing"]
    assert "no image gt_0 " in message(reading)
    assert "400 x 100 px" in message(reading, 2)
