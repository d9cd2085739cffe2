"""FUNSD's and XFUND's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.convert.cli import main
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Reading, TextChoice
from ppocr_ft.utils.progress import no_progress
from tests.support.convert_samples import (
    SQUARE,
    message,
    only,
    put_images,
    put_json,
    read,
    rectangle,
    rules,
)

BLOCK = {
    "id": 0,
    "text": "Registration No.",
    "box": [10, 20, 60, 40],
    "linking": [[0, 1]],
    "label": "question",
    "words": [
        {"text": "Registration", "box": [10, 20, 50, 40]},
        {"text": "", "box": [52, 20, 60, 40]},
    ],
}
BARE = {"id": 1, "text": "533", "box": [70, 20, 90, 40], "words": [], "label": "answer"}
WORDS = [
    ("Registration", rectangle(10, 20, 50, 40)),
    ("###", rectangle(52, 20, 60, 40)),
    ("533", rectangle(70, 20, 90, 40)),
]
BLOCKS = [("Registration No.", SQUARE), ("533", rectangle(70, 20, 90, 40))]
LEVELS: dict[str, tuple[str, str | None, list[Any]]] = {
    "FUNSD": ("funsd", None, WORDS),
    "FUNSD, words": ("funsd", "words", WORDS),
    "FUNSD, blocks": ("funsd", "blocks", BLOCKS),
    "XFUND": ("xfund", None, BLOCKS),
    "XFUND, words": ("xfund", "words", WORDS),
}


def label(form: str, *blocks: Any, **image: Any) -> dict[str, Any]:
    if form == "funsd":
        return {"form": list(blocks)}
    img = {"fname": "a.png", "width": 200, "height": 100, **image}
    return {"lang": "zh", "documents": [{"id": "a", "document": list(blocks), "img": img}]}


@pytest.mark.parametrize(("form", "level", "expected"), LEVELS.values(), ids=LEVELS)
def test_levels(tmp_path: Path, form: str, level: str | None, expected: list[Any]) -> None:
    put_images(tmp_path / "images", "a.png")
    put_json(tmp_path / "annotations" / "a.json", label(form, BLOCK, BARE))
    reading = Reading(ImageFolder(tmp_path / "images"), TextChoice(level=level))
    FORMATS["funsd"].read(tmp_path / "annotations", reading, no_progress)
    assert only(reading) == expected


def test_faults_name_block_and_word(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    bad_word = {**BLOCK, "words": [{"text": "x", "box": [1, 2]}]}
    put_json(tmp_path / "a.json", label("funsd", bad_word, "x"))
    put_json(tmp_path / "b.json", label("xfund", fname="b.png"))
    put_json(tmp_path / "c.json", {"documents": [5, {"document": [BLOCK]}]})
    reading = read("funsd", tmp_path)
    assert rules(reading) == [
        "bad-points",
        "bad-structure",
        "image-missing",
        "bad-structure",
        "bad-structure",
    ]
    assert message(reading).startswith("block 1, word 1: found [1, 2] as 'box'; expected [left")
    assert message(reading, 4).startswith("document 2: found None as 'fname' of 'img'")


def test_geometry_beside_a_box_is_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    turned = {**BARE, "angle": 5, "quad": [[1, 2], [3, 4], [5, 6]], "linking": [[0, 1]] * 4}
    put_json(tmp_path / "a.json", label("funsd", turned))
    assert rules(read("funsd", tmp_path), "warning") == ["coordinates-not-read", "angle-not-read"]


def test_a_level_that_a_format_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_images(tmp_path, "a.png")
    put_json(tmp_path / "a.json", label("funsd", BLOCK))
    assert main(["--level", "lines", str(tmp_path)]) == 2
    words = "--level lines: funsd has words and blocks; leave the option out"
    assert words in capsys.readouterr().err
    assert main(["--level", "blocks", str(tmp_path)]) == 0
    assert "Registration No." in (tmp_path / "Label.txt").read_text("utf-8")
