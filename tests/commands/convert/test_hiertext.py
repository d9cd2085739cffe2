"""HierText's JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Reading, TextChoice
from ppocr_ft.commands.convert.formats.recognition import recognise
from ppocr_ft.utils.progress import no_progress
from tests.support.convert_samples import (
    SQUARE,
    Points,
    message,
    only,
    put_images,
    put_json,
    read,
    rectangle,
    rules,
)

LEFT, RIGHT = rectangle(10, 20, 30, 40), rectangle(35, 20, 60, 40)
LOST = rectangle(100, 50, 180, 90)


def part(points: Points, said: str | None = None, **more: Any) -> dict[str, Any]:
    text = {} if said is None else {"text": said, "handwritten": False, "vertical": False}
    return {"vertices": [list(point) for point in points], "legible": True, **text, **more}


def hiertext(*paragraphs: Any, image: str = "0a1b", **more: Any) -> dict[str, Any]:
    size = {"image_width": 200, "image_height": 100}
    annotation = {"image_id": image, **size, "paragraphs": list(paragraphs), **more}
    return {"info": {"date": "2022"}, "annotations": [annotation]}


WORDS = [part(LEFT, "two"), part(RIGHT, "", legible=False)]
PARAGRAPHS = [
    part(SQUARE, lines=[part(SQUARE, "two", words=WORDS, legible=False)]),
    part(SQUARE, lines=[part(SQUARE, "one line", words=[part(LEFT, "one"), part(RIGHT, "line")])]),
    part(LOST, lines=[]),
]
LEVELS: dict[str, tuple[str | None, list[Any]]] = {
    "lines, if nothing is said": (None, [("###", SQUARE), ("one line", SQUARE), ("###", LOST)]),
    "lines": ("lines", [("###", SQUARE), ("one line", SQUARE), ("###", LOST)]),
    "words": (
        "words",
        [("two", LEFT), ("###", RIGHT), ("one", LEFT), ("line", RIGHT), ("###", LOST)],
    ),
}


@pytest.mark.parametrize(("level", "expected"), LEVELS.values(), ids=LEVELS)
def test_levels(tmp_path: Path, level: str | None, expected: list[Any]) -> None:
    """A line with an illegible word is illegible; a paragraph without lines is ignored whole."""
    put_images(tmp_path, "0a1b.jpg")
    path = put_json(tmp_path / "train.jsonl", hiertext(*PARAGRAPHS))
    reading = Reading(ImageFolder(tmp_path), TextChoice(level=level))
    FORMATS["hiertext"].read(tmp_path, reading, no_progress)
    assert only(reading) == expected
    name, reason = recognise(tmp_path, FORMATS)
    assert (name, reason) == ("hiertext", f"{path} has 'annotations' with 'paragraphs'")


def test_a_line_without_words_is_ignored_where_words_are_asked_for(tmp_path: Path) -> None:
    put_images(tmp_path, "0a1b.jpg")
    paragraph = part(SQUARE, lines=[part(SQUARE, "one", words=[])])
    path = put_json(tmp_path / "train.json", hiertext(paragraph))
    reading = Reading(ImageFolder(tmp_path), TextChoice(level="words"))
    FORMATS["hiertext"].read(path, reading, no_progress)
    assert only(reading) == [("###", SQUARE)]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no image": (hiertext(image="gone"), "image-missing", "image 1: no image gone "),
    "another size": (hiertext(image_width=9), "size-differs", "image 1: the label is of"),
    "no lines": (hiertext(part(SQUARE)), "bad-structure", "'lines' of paragraph 1"),
    "no object": (hiertext("x"), "bad-structure", "image 1: found 'x' as paragraph 1"),
    "no vertices": (
        hiertext({"lines": [{"text": "x"}]}),
        "bad-points",
        "image 1, paragraph 1, line 1: found points None",
    ),
}


@pytest.mark.parametrize(("label", "rule", "said"), BAD.values(), ids=BAD)
def test_faults_name_the_place(tmp_path: Path, label: Any, rule: str, said: str) -> None:
    put_images(tmp_path, "0a1b.jpg")
    put_json(tmp_path / "l.json", label)
    reading = read("hiertext", tmp_path)
    assert rules(reading) == [rule]
    assert said in message(reading)
    assert reading.entries == []
