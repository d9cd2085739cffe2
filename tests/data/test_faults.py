"""Data sets without a text that counts, and those that mostly ignore theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.data.faults import TextCounts, check_text, mostly_ignored, text_counts
from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.errors import DataError
from tests.support.pictures import text, write_set

READ, HASHES, STAR, BLANK = (text(words, 10, 10) for words in ("a", "###", "*", ""))


def entries(folder: Path, *images: list[object]) -> list[LabelEntry]:
    labels = write_set(folder, {f"{i}.png": texts for i, texts in enumerate(images)})  # type: ignore[misc]
    return list(read_label_file(labels, folder).entries)


@pytest.mark.parametrize(
    "images", [([HASHES, STAR], [HASHES]), ([], []), ([], [STAR])], ids=["ignored", "none", "both"]
)
def test_no_text_that_counts_is_an_error_with_the_numbers(
    tmp_path: Path, images: list[list[object]]
) -> None:
    first, second = entries(tmp_path / "a", *images), entries(tmp_path / "b", [STAR])
    texts = sum(map(len, images))
    with pytest.raises(DataError) as caught:
        check_text("Eval", [*first, *second])
    words = str(caught.value)
    assert words.startswith("Eval.dataset.label_file_list: no text of Eval counts")
    number = "1 text" if texts == 1 else f"{texts} texts"
    assert f"a/label.txt: 2 images with {number}, {texts} of them ignored" in words
    assert "b/label.txt: 1 image with 1 text, 1 of them ignored" in words


@pytest.mark.parametrize("counts", [READ, BLANK], ids=["read", "blank"])
def test_one_text_beside_images_without_any_suffices(
    tmp_path: Path, counts: dict[str, object]
) -> None:
    """PaddleOCR's detectors learn a text of an empty transcription as any other."""
    check_text("Train", entries(tmp_path, [], [HASHES], [counts]))


def test_the_texts_of_each_file_are_counted(tmp_path: Path) -> None:
    first, second = entries(tmp_path / "a", [READ, STAR], []), entries(tmp_path / "b", [READ])
    found = [(of.lines, of.texts, of.ignored) for of in text_counts([*first, *second])]
    assert found == [(2, 2, 1), (1, 1, 0)]


@pytest.mark.parametrize(
    ("texts", "ignored", "share"),
    [(100, 90, ""), (100, 91, "91 %"), (3000, 2999, "99.9 %"), (10, 10, ""), (0, 0, "")],
)
def test_nearly_all_ignored_is_said_with_the_share(texts: int, ignored: int, share: str) -> None:
    words = mostly_ignored("Train", [TextCounts("l.txt", 5, texts, ignored)])
    assert (share in words) if share else words == ""
