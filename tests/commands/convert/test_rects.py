"""ReCTS' JSON files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.convert_samples import (
    SQUARE,
    flat,
    message,
    places,
    put_images,
    put_json,
    read,
    rules,
    texts,
)


def text(said: str, points: Any = None, ignore: Any = 0) -> dict[str, Any]:
    return {"transcription": said, "points": points or flat(SQUARE), "ignore": ignore}


def test_lines_are_read_and_characters_counted(tmp_path: Path) -> None:
    put_images(tmp_path / "img", "train_000001.jpg", "train_000002.jpg")
    lines = [text("HOKI"), text("###", ignore=1), text("smudged", ignore=1)]
    label = {"chars": [text("H"), text("O")], "lines": lines}
    put_json(tmp_path / "gt" / "train_000001.json", label)
    put_json(tmp_path / "gt" / "train_000002.json", {"chars": [], "lines": []})
    reading = read("rects", tmp_path / "gt", tmp_path / "img")
    first, second = reading.entries
    assert (first.name, second.name) == ("train_000001.jpg", "train_000002.jpg")
    assert texts(first) == [("HOKI", SQUARE), ("###", SQUARE), ("###", SQUARE)]
    assert second.texts == ()
    assert [(f.rule, f.severity) for f in reading.findings] == [("chars", "warning")]
    assert message(reading).startswith("1 file has single characters")


def test_faults_name_the_line(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(tmp_path / "a.json", {"chars": [], "lines": [text("x"), text("y", [1, 2, 3])]})
    put_json(tmp_path / "b.json", {"chars": [], "lines": [text("x", [1, 2, 3, 4])]})
    put_json(tmp_path / "c.json", {"chars": [], "lines": ["x"]})
    reading = read("rects", tmp_path)
    assert places(reading, tmp_path) == [
        ("a.json", None, "bad-points"),
        ("b.json", None, "few-points"),
        ("c.json", None, "image-missing"),
        ("c.json", None, "bad-structure"),
    ]
    assert message(reading).startswith("line 2: ")
    assert rules(reading, "warning") == []
