"""Which texts count as words of a line: neighbours on one row, a space away, of one height."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppocr_ft.commands.check.data import Source
from ppocr_ft.commands.check.data.dataset import mixed_findings, shares_of_line
from ppocr_ft.commands.check.data.parsed_labels import Scan, scan_source

WIDTH, HEIGHT = 30, 10
Box = tuple[float, float, float, float]
"""Left, top, width, height."""


def row(gap: float, drop: float = 0, heights: tuple[float, ...] = (HEIGHT,) * 6) -> list[Box]:
    """Boxes that follow each other to the right, each lower than the last by ``drop``."""
    return [(i * (WIDTH + gap), i * drop, WIDTH, height) for i, height in enumerate(heights)]


def shares(tmp_path: Path, boxes: list[Box], words: list[str]) -> tuple[float, float] | None:
    return shares_of_line(scan_of(tmp_path, [(boxes, words)]), 0)


def scan_of(tmp_path: Path, images: list[tuple[list[Box], list[str]]]) -> Scan:
    """A label file with the boxes and words of each image."""
    lines = []
    for number, (boxes, words) in enumerate(images):
        texts = [
            {"transcription": word, "points": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]}
            for (x, y, w, h), word in zip(boxes, words, strict=True)
        ]
        lines.append(f"{number}.jpg\t{json.dumps(texts)}\n")
    (tmp_path / "label.txt").write_text("".join(lines), encoding="utf-8")
    return scan_source(Source(tmp_path / "label.txt", tmp_path), lambda items, *_: items)


@pytest.mark.parametrize(
    ("boxes", "close"),
    [
        pytest.param(row(5), 1.0, id="half a height apart"),
        pytest.param(row(-2), 1.0, id="overlapping a little"),
        pytest.param(row(7), 0.0, id="farther than a space"),
        pytest.param(row(-4), 0.0, id="overlapping a lot"),
        pytest.param(row(5, drop=4), 1.0, id="a slanted row"),
        pytest.param(row(5, drop=6), 0.0, id="a stair"),
        pytest.param(row(6), 0.0, id="as far as is too far"),
        pytest.param(row(-3), 0.0, id="overlapping by too much"),
        pytest.param(row(5, drop=5), 0.0, id="half of the height shared"),
        pytest.param(row(5, heights=(10, 15, 10, 15, 10, 15)), 0.0, id="half as high again"),
        pytest.param(row(5, drop=HEIGHT), 0.0, id="corner to corner"),
        pytest.param([(0, i * 15, WIDTH, HEIGHT) for i in range(6)], 0.0, id="a column"),
        pytest.param(row(5, heights=(10, 14, 10, 14, 10, 14)), 1.0, id="heights alike"),
        pytest.param(row(5, heights=(10, 16, 10, 16, 10, 16)), 0.0, id="headings beside text"),
        pytest.param(row(0.25, heights=(0.5,) * 6), 1.0, id="lower than a pixel"),
        pytest.param([*row(5)[:3], *((200 * i, 90, 30, 10) for i in range(3))], 0.5, id="half"),
    ],
)
def test_share_of_texts_with_a_close_neighbour(
    tmp_path: Path, boxes: list[Box], close: float
) -> None:
    assert shares(tmp_path, boxes, ["word"] * 6) == (close, 0.0)


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["姓名", "张三", "2016-07-29", "车辆类型", "小型汽车", "A1"], False),
        (["ชื่อ", "สมชาย", "12", "ที่อยู่", "ถนน", "A1"], False),
        (["なまえ", "a", "b", "c", "d", "e"], False),
        (["naïve", "Straße", "имя", "χρόνος", "a", "b"], True),
    ],
    ids=["Chinese form", "Thai", "one Japanese of six", "other letters"],
)
def test_images_in_scripts_without_spaces_do_not_count(
    tmp_path: Path, words: list[str], counts: bool
) -> None:
    assert (shares(tmp_path, row(5), words) is not None) == counts


def test_share_of_texts_with_a_space_inside(tmp_path: Path) -> None:
    words = ["two words", "one", " outer ", "three of them", "a", "b"]
    assert shares(tmp_path, row(20), words) == (0.0, 2 / 6)


BY_WORDS, BY_LINES = (row(5), ["word"] * 6), (row(20), ["a line of words"] * 6)


@pytest.mark.parametrize(
    ("by_words", "by_lines", "named"),
    [(2, 9, None), (3, 27, [1, 2, 3]), (3, 28, None), (6, 30, [1, 2, 3, 4, 5])],
)
def test_three_images_by_words_among_others_by_lines_are_said(
    tmp_path: Path, by_words: int, by_lines: int, named: list[int] | None
) -> None:
    """Three at least, and a tenth of all; five are named."""
    scan = scan_of(tmp_path, [BY_WORDS] * by_words + [BY_LINES] * by_lines)
    found = list(mixed_findings([scan]))
    assert [(one.rule, one.line) for one in found] == [("labels-mixed", 1)] * (named is not None)
    if named is not None:
        places = ", ".join(f"{scan.path}:{line}" for line in named)
        assert found[0].message == (
            f"{by_words} images are labelled by words and {by_lines} by lines; by words: {places}"
        )


def test_two_thousand_lines_are_looked_at(tmp_path: Path) -> None:
    """Of 4,000 every second one: those by words are in between."""
    scan = scan_of(tmp_path, [BY_LINES, BY_WORDS] * 2000)
    assert list(mixed_findings([scan])) == []


def scattered(texts: int, close: int) -> list[Box]:
    """Boxes in a column, of which so many, two at least, stand close together in a row instead."""
    column = [(500.0, 15.0 * i, WIDTH, HEIGHT) for i in range(texts - close)]
    return [*row(5, heights=(HEIGHT,) * close), *column]


@pytest.mark.parametrize(
    ("texts", "close", "spaced", "kind"),
    [
        (50, 20, 1, "words"),
        (50, 19, 1, None),
        (50, 20, 2, None),
        (20, 7, 3, "lines"),
        (20, 8, 3, None),
        (20, 7, 2, None),
    ],
)
def test_the_limits_of_images_by_words_and_by_lines(
    tmp_path: Path, texts: int, close: int, spaced: int, kind: str | None
) -> None:
    """By words: 40 % or more close, 2 % or fewer spaced. By lines: 35 % or fewer, 15 % or more."""
    words = ["a b"] * spaced + ["word"] * (texts - spaced)
    three = [(scattered(texts, close), words)] * 3
    other = {"words": BY_LINES, "lines": BY_WORDS, None: BY_WORDS}[kind]
    found = list(mixed_findings([scan_of(tmp_path, three + [other] * 4)]))
    assert [one.message.partition(";")[0] for one in found] == (
        [f"3 images are labelled by {kind} and 4 by {'lines' if kind == 'words' else 'words'}"]
        if kind
        else []
    )


@pytest.mark.parametrize(
    ("texts", "unspaced", "counts"),
    [(5, 0, True), (4, 0, False), (400, 0, True), (401, 0, False), (10, 1, True), (9, 1, False)],
)
def test_images_that_count(tmp_path: Path, texts: int, unspaced: int, counts: bool) -> None:
    """5 to 400 texts, a tenth of them in Chinese at most."""
    words = ["姓名"] * unspaced + ["word"] * (texts - unspaced)
    found = shares(tmp_path, row(20, heights=(HEIGHT,) * texts), words)
    assert (found is not None) == counts


def test_ignored_texts_do_not_count_and_few_say_nothing(tmp_path: Path) -> None:
    assert shares(tmp_path, row(5), ["word"] * 5 + ["###"]) == (1.0, 0.0)
    assert shares(tmp_path, row(5), ["word"] * 4 + ["###"] * 2) is None
