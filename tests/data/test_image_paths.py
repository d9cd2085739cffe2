"""Where images of label files are found: each way of the rule, and that nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.data import image_paths
from ppocr_ft.data.image_paths import AmbiguousImageError, ImagePaths, find_images
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.errors import DataError


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"any")


def find(root: Path, *names: str, data_dir: str = "set", labels: str = "labels.txt") -> ImagePaths:
    return find_images(names, root / data_dir, root / labels)


def found(root: Path, places: ImagePaths) -> list[str]:
    return [Path(path).relative_to(root).as_posix() for path in places.paths.values()]


# what | files | data_dir | label file | path in the label | the image
WAYS = [
    ("as PaddleOCR", "set/a.png", "set", "l.txt", "a.png", "set/a.png"),
    ("data_dir goes first", "set/a.png own/a.png", "set", "own/l.txt", "a.png", "set/a.png"),
    ("backslashes", "set/in/a.png", "set", "l.txt", "in\\a.png", "set/in/a.png"),
    ("beside the label file", "own/a.png set/b.png", "set", "own/l.txt", "a.png", "own/a.png"),
    ("PPOCRLabel's", "set/a.png", "set", "set/Label.txt", "set/a.png", "set/a.png"),
    ("own folder before its parent", "o/o/a.png o/a.png", "x", "o/l.txt", "o/a.png", "o/o/a.png"),
    ("absolute", "det/train/a.png", "det", "det/l.txt", "/home/me/det/train/a.png", ""),
    ("Windows", "det/train/a.png", "det", "l.txt", r"C:\Users\me\det\train\a.png", ""),
    ("Windows with slashes", "det/train/a.png", "det", "l.txt", "D:/det/train/a.png", ""),
    ("a share of Windows", "det/train/a.png", "det", "l.txt", r"\\host\det\train\a.png", ""),
    ("a folder above is missing", "set/train/a.png", "set", "l.txt", "imgs/train/a.png", ""),
    ("a folder below is missing", "set/deep/imgs/a.png", "set", "l.txt", "imgs/a.png", ""),
    ("a name alone", "set/deep/imgs/a.png", "set", "l.txt", "a.png", ""),
    ("dots", "set/deep/imgs/a.png", "set", "l.txt", "./../imgs/a.png", ""),
    ("a renamed folder", "set/new/a.png", "set", "l.txt", "old/a.png", ""),
    ("the label file's folder renamed", "new/a.png", "new", "new/l.txt", "old/a.png", ""),
    ("below the label file's folder", "own/x/a.png", "no", "own/l.txt", "/me/x/a.png", ""),
    ("the longest end", "set/x/a.png set/y/a.png", "set", "l.txt", "/me/y/a.png", "set/y/a.png"),
    ("the longest, by data_dir's name", "set/x/a.png set/old/x/a.png", "set", "l.txt",
     "/me/set/x/a.png", "set/x/a.png"),
    ("accents set apart, as macOS does", "set/cafe\u0301.png", "set", "l.txt", "caf\u00e9.png", ""),
    ("of equal ones that beside the label file", "set/n1/a.png set/n2/a.png", "set",
     "set/n2/Label.txt", "old/a.png", "set/n2/a.png"),
]  # fmt: skip


@pytest.mark.parametrize("row", WAYS, ids=[row[0] for row in WAYS])
def test_the_ways_to_an_image(row: tuple[str, ...], tmp_path: Path) -> None:
    _, files, data_dir, labels, name, expected = row
    make(tmp_path, *files.split())
    places = find(tmp_path, name, data_dir=data_dir, labels=labels)
    assert not places.faults
    assert found(tmp_path, places) == [expected or files.split()[0]]


def test_how_many_were_found_by_what_is_said_in_one_line(tmp_path: Path) -> None:
    make(tmp_path, "set/a.png", "set/train/b.png", "set/train/c.png", "own/d.png")
    names = ["a.png", r"C:\set\train\b.png", r"C:\set\train\c.png", "d.png"]
    places = find(tmp_path, *names, labels="own/l.txt")
    own, by_end = tmp_path / "own" / "d.png", tmp_path / "set" / "train" / "b.png"
    assert places.note == (
        f"1 of 4 images found beside the label file: d.png is {own}; "
        rf"2 of 4 images found by the end of their path: C:\set\train\b.png is {by_end}"
    )
    assert find(tmp_path, "a.png").note == ""


def fault(places: ImagePaths, name: str) -> DataError:
    with pytest.raises(DataError) as caught:
        places.path(name)
    return caught.value


def test_two_candidates_are_a_fault_that_names_both(tmp_path: Path) -> None:
    make(tmp_path, "set/x/imgs/a.png", "set/y/imgs/a.png", "set/z/imgs/a.png")
    places = find(tmp_path, "/home/me/imgs/a.png")
    error = fault(places, "/home/me/imgs/a.png")
    assert isinstance(error, AmbiguousImageError)
    x, y = (tmp_path / "set" / letter / "imgs" / "a.png" for letter in "xy")
    assert f"{x} and {y} (and 1 more) fit its path equally well" in error.message


def test_a_copy_nearer_to_the_root_is_no_better_than_one_below(tmp_path: Path) -> None:
    make(tmp_path, "set/imgs/a.png", "set/backup/imgs/a.png")
    assert isinstance(
        fault(find(tmp_path, "C:/me/imgs/a.png"), "C:/me/imgs/a.png"), AmbiguousImageError
    )


def test_missing_images_of_a_folder_that_is_there_are_not_taken_from_another(
    tmp_path: Path,
) -> None:
    """The validation images may have the names of training images that are not there."""
    make(tmp_path, "set/train/1.png", "set/val/2.png")
    places = find(tmp_path, "train/1.png", "train/2.png")
    assert found(tmp_path, places) == ["set/train/1.png"]
    assert fault(places, "train/2.png").message == (
        f"the image train/2.png is not there; {tmp_path / 'set/val/2.png'} has its name, but "
        "another folder"
    )


# what | files | names | those that are found
RENAMED = [
    ("half of the images", "new/1.png new/2.png", "old/1.png old/2.png old/3.png old/4.png", 2),
    ("fewer than half", "new/1.png", "old/1.png old/2.png old/3.png", 0),
    ("two lines to one file", "new/1.png", "old/1.png older/1.png", 0),
    ("a file that another line names", "new/1.png", "new/1.png old/1.png", 1),
    ("split into two folders", "t/1.png v/2.png", "old/1.png old/2.png", 2),
]


@pytest.mark.parametrize(("files", "names", "count"), [r[1:] for r in RENAMED], ids=[
    r[0] for r in RENAMED
])  # fmt: skip
def test_a_folder_with_another_name_must_have_the_images(
    files: str, names: str, count: int, tmp_path: Path
) -> None:
    make(tmp_path / "set", *files.split())
    places = find(tmp_path, *names.split())
    assert len(places.paths) == count
    assert len(places.faults) == len(names.split()) - count


def test_a_file_reached_through_a_link_counts_once(tmp_path: Path) -> None:
    make(tmp_path, "set/imgs/a.png")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "set" / "imgs", target_is_directory=True)
    places = find(tmp_path, r"C:\me\imgs\a.png")
    assert len(places.paths) == 1


def test_a_folder_of_too_many_files_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "set/deep/a.png", "set/deep/b.png")
    monkeypatch.setattr(image_paths, "MOST_FILES", 1)
    places = find(tmp_path, "a.png")
    assert "a.png is not there" in fault(places, "a.png").message
    assert "more than 1 files are below" in places.note


def test_relative_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A label file without a folder, in the folder that its paths begin with."""
    make(tmp_path, "photos/a.png")
    (tmp_path / "photos" / "Label.txt").write_text("photos/a.png\t[]\n")
    monkeypatch.chdir(tmp_path / "photos")
    file = read_label_file("Label.txt", ".")
    (entry,) = file.entries
    assert Path(entry.images[0]).samefile(tmp_path / "photos" / "a.png")
    said = file.notes["image-beside"]
    assert said.startswith("Label.txt: 1 of 1 image found beside the label file: photos/")


def test_a_fault_comes_with_the_line_of_the_label_file(tmp_path: Path) -> None:
    make(tmp_path, "x/a.png", "y/a.png", "b.png")
    (tmp_path / "l.txt").write_text("gone.png\t[]\nb.png\t[]\na.png\t[]\n[]\t\n")
    file = read_label_file(tmp_path / "l.txt", tmp_path)
    assert [entry.line for entry in file.entries] == [2]
    assert [fault.line for fault in file.faults] == [1, 3, 4]


@pytest.mark.parametrize(
    ("file", "name"),
    [("A 1.JPG", "a 1.jpg"), ("a 1.jpg", "a\u00a01.jpg"), ("a 1.jpg", "a\u30001.jpg")],
)
def test_a_name_that_looks_alike_is_another_but_said(tmp_path: Path, file: str, name: str) -> None:
    make(tmp_path, f"set/in/{file}")
    places = find(tmp_path, f"in/{name}")
    there = tmp_path / "set" / "in" / file
    assert fault(places, f"in/{name}").message == (
        f"the image in/{name} is not there; {there} is: other capitals, or other blanks"
    )
