"""Images held out for validation: whole groups of like ones, the same whatever the order."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest

from ppocr_ft.data.held_out import alike, by_original, held_out, label_lines, original_of
from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.errors import DataError
from tests.support.pictures import noise, text


def entries(folder: Path, names: Sequence[str], texts: int = 1) -> list[LabelEntry]:
    """A line per image; ``texts`` on each that doesn't begin with "empty"."""
    lines = [
        f"{name}\t{json.dumps([] if name.startswith('empty') else [text('a', 5, 5)] * texts)}\n"
        for name in names
    ]
    (folder / "labels.txt").write_text("".join(lines), encoding="utf-8")
    return list(read_label_file(folder / "labels.txt", folder).entries)


def different(folder: Path, names: Sequence[str]) -> list[LabelEntry]:
    for seed, name in enumerate(names):
        cv2.imwrite(str(folder / name), noise(seed))
    return entries(folder, names)


def names_of(found: frozenset[tuple[str, int]], lines: Sequence[LabelEntry]) -> set[str]:
    return {Path(e.images[0]).name for e in lines if (e.label_file, e.line) in found}


@pytest.mark.parametrize(
    ("ratio", "held"), [(0.1, 4), (0.25, 10), (0.5, 20), (0.9, 36), (0.001, 1), (0.999, 39)]
)
def test_the_share_is_the_ratio_and_neither_side_is_empty(
    tmp_path: Path, ratio: float, held: int
) -> None:
    lines = different(tmp_path, [f"{i}.png" for i in range(40)])
    assert len(held_out(lines, tmp_path, ratio)) == held


def test_images_without_text_are_divided_as_the_others(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(20)] + [f"empty{i}.png" for i in range(10)]
    lines = different(tmp_path, names)
    found = names_of(held_out(lines, tmp_path, 0.2), lines)
    assert sum(name.startswith("empty") for name in found) == 2
    assert len(found) == 6


def test_the_same_images_in_any_order_and_place(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(30)]
    lines = different(tmp_path, names)
    wanted = names_of(held_out(lines, tmp_path, 0.2), lines)
    assert wanted not in ({f"{i}.png" for i in range(6)}, {f"{i}.png" for i in range(24, 30)})
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in names:
        (tmp_path / name).rename(moved / name)
    random.Random(3).shuffle(names)
    lines = entries(moved, names)
    assert names_of(held_out(lines, moved, 0.2), lines) == wanted


def test_what_shows_the_same_is_in_one_group(tmp_path: Path) -> None:
    for name, seed in {"a.png": 1, "b.png": 2, "c.png": 3, "d.png": 4}.items():
        cv2.imwrite(str(tmp_path / name), noise(seed))
    (tmp_path / "copy of a.png").write_bytes((tmp_path / "a.png").read_bytes())
    cv2.imwrite(str(tmp_path / "a small.jpg"), noise(1, (120, 90)))
    cv2.imwrite(str(tmp_path / "page_png.rf.0a1Bcdef.jpg"), noise(5))
    cv2.imwrite(str(tmp_path / "page_png.rf.9z8yxwvu.jpg"), noise(6)[::-1])
    cv2.imwrite(str(tmp_path / "other_png.rf.9z8yxwvu.jpg"), noise(7))
    names = [
        "b.png", "page_png.rf.9z8yxwvu.jpg", "a small.jpg", "a.png", "c.png",
        "page_png.rf.0a1Bcdef.jpg", "copy of a.png", "other_png.rf.9z8yxwvu.jpg",
        '["c.png", "d.png"]', "d.png",
    ]  # fmt: skip
    lines = entries(tmp_path, names)
    assert alike(lines) == [[0], [1, 5], [2, 3, 6], [4, 8, 9], [7]]


def test_a_group_stays_whole(tmp_path: Path) -> None:
    """Two pictures, four copies of each: half of the lines is a group, a tenth the smallest."""
    for i in range(8):
        cv2.imwrite(str(tmp_path / f"{i}.jpg"), noise(i % 2), [cv2.IMWRITE_JPEG_QUALITY, 60 + i])
    lines = entries(tmp_path, [f"{i}.jpg" for i in range(8)])
    for ratio in (0.1, 0.5, 0.9):
        found = names_of(held_out(lines, tmp_path, ratio), lines)
        assert found in ({f"{i}.jpg" for i in range(0, 8, 2)}, {f"{i}.jpg" for i in range(1, 8, 2)})


def test_images_that_can_t_be_read_are_compared_by_name_and_content(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no image")
    (tmp_path / "c.png").write_bytes(b"nor this")
    assert alike(entries(tmp_path, ["a.png", "b.png", "c.png"])) == [[0, 1], [2]]


@pytest.mark.parametrize("names", [["a.png", "copy.png"], ["a.png", "empty.png"]])
def test_one_picture_with_text_can_t_be_divided(tmp_path: Path, names: list[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), noise(1))
    cv2.imwrite(str(tmp_path / "copy.png"), noise(1))
    cv2.imwrite(str(tmp_path / "empty.png"), noise(2))
    with pytest.raises(DataError, match=r"Global\.val_ratio: can't hold images out for Eval: of 2"):
        held_out(entries(tmp_path, names), tmp_path, 0.5)


def test_both_label_files_together_are_the_old_one(tmp_path: Path) -> None:
    lines = different(tmp_path, [f"{i}.png" for i in range(10)])
    file = tmp_path / "labels.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n") + b"\r\nbad line")
    found = held_out(lines, tmp_path, 0.3)
    kept, held = label_lines([str(file)], found)
    assert held.count(b"\n") == 3
    assert kept.count(b"\n") == 8  # the bad line stays
    assert {line.split(b"\t")[0].decode() for line in held.splitlines()} == names_of(found, lines)
    assert not set(held.splitlines()) & set(kept.splitlines())


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
