"""Copies of one picture, known by their names."""

from __future__ import annotations

import pytest

from ppocr_ft.data.held_out import by_original, original_of

HASH = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
NAMES = {
    f"train/photo_1_jpg.rf.{HASH}.jpg": "photo_1_jpg",
    f"valid\\photo_1_jpg.rf.{HASH}.png": "photo_1_jpg",
    "a.rf.AbCdEf123456.jpg": "a",
    "train/photo_1.jpg": "train/photo_1.jpg",
    "a.rf.jpg": "a.rf.jpg",
    ".rf.12345678.jpg": ".rf.12345678.jpg",
}


@pytest.mark.parametrize(("name", "original"), NAMES.items())
def test_the_original_of_a_name(name: str, original: str) -> None:
    assert original_of(name) == original


def test_groups_are_in_the_order_of_their_names() -> None:
    names = ["b.rf.00000001.jpg", "a.jpg", "c/b.rf.00000002.jpg"]
    assert list(by_original(names).values()) == [[names[0], names[2]], ["a.jpg"]]
