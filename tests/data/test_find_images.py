"""Image files by names, folders and patterns, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.data.images import find_images
from ppocr_ft.errors import DataError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*patterns: Path | str) -> list[str]:
    return [Path(path).name for path in find_images([str(p) for p in patterns]).images]


def test_a_folder_with_its_subfolders(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/c.JPG", "a/d.gif", "e.avif", "f.heic", "g.jfif", ".hidden.png")
    assert found(tmp_path) == ["c.JPG", "d.gif", "b.png", "e.avif", "f.heic", "g.jfif"]
    assert find_images([str(tmp_path)]).notes == ()


def test_other_files_are_counted_and_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "1.pdf", "2.pdf", "3.PDF", "4.pdf", "Label.txt", "README")
    assert find_images([str(tmp_path), str(tmp_path)]).notes == (
        "left out, no images by their names: 4 .pdf (1.pdf, 2.pdf, 3.PDF, ...), 1 .txt (Label.txt),"
        " 1 without suffix (README)",
    )


def test_a_file_that_is_named_is_tried_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "page.scan", "a.png")
    assert found(tmp_path / "page.scan", tmp_path / "a.png", tmp_path) == ["page.scan", "a.png"]
    assert find_images([str(tmp_path / "page.scan"), str(tmp_path)]).notes == ()


@pytest.mark.parametrize("folder", ["--[1]-bids", "what?", "a*b", "plain"])
def test_a_folder_that_is_there_is_meant_by_its_very_name(folder: str, tmp_path: Path) -> None:
    touch(tmp_path, f"{folder}/x/1.png", f"{folder}/x/2.png", "--1-bids/x/9.png", "aab/x/9.png")
    assert found(tmp_path / folder / "x" / "*.png") == ["1.png", "2.png"]
    assert found(tmp_path / folder / "**" / "[2].png") == ["2.png"]
    assert found(tmp_path / folder) == ["1.png", "2.png"]


def test_brackets_are_a_pattern_where_no_such_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "scan1/1.png", "scan2/2.png", "scan3/3.png", "0.png", "note.txt")
    assert found(tmp_path / "scan[12]" / "*.png") == ["1.png", "2.png"]
    monkeypatch.chdir(tmp_path)
    assert found("scan[13]/*", "*.png") == ["1.png", "3.png", "0.png"]
    assert find_images(["*"]).notes == ("left out, no images by their names: 1 .txt (note.txt)",)


def test_an_empty_name_is_not_the_folder_that_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "0.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no image found by ''"):
        find_images([""])


def test_patterns_that_fit_nothing_are_all_named(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    patterns = [str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "missing.jpg")]
    with pytest.raises(DataError) as caught:
        find_images(patterns)
    assert all(repr(pattern) in str(caught.value) for pattern in patterns)
    assert "1 .txt (notes.txt)" in str(caught.value)
