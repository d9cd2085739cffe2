"""Cleaned label files: what is repaired, what is left out, and that all of it is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.commands.check.data import Source, check_dataset, write_fixed
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.data.sample_set import copy_sample
from ppocr_ft.errors import DataError
from tests.commands.check.test_data_rules import BOX, Folder, box_of, moved, picture, text
from tests.support.check_corruptions import CORRUPTIONS, DataSet, corrupt_all

LEFT_TO_THE_USER = {"image-exif", "image-size"}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "set").mkdir()
    return Folder(tmp_path / "set")


def fixed(folder: Folder, *lines: Any) -> tuple[list[Any], list[str]]:
    """The cleaned lines as (image, texts), and the changes without the file's name."""
    source = folder.write("train.txt", lines)
    out = folder.path.parent / "out"
    changes = write_fixed(check_dataset([source], []), out)
    rows = [
        row.split("\t", 1) for row in (out / "train.txt").read_text("utf-8").splitlines() if row
    ]
    said = [change.removeprefix(f"{source.label_file}:") for change in changes]
    return [(image, json.loads(label)) for image, label in rows], said


def test_a_corrupted_set_is_clean_afterwards(tmp_path: Path) -> None:
    sample = copy_sample(tmp_path / "sample", train=len(CORRUPTIONS), val=2)
    for seed in range(3):
        data = DataSet.copied(sample.data_dir, ("train.txt", "val.txt"), tmp_path / str(seed), seed)
        corrupt_all(data)
        train, evaluation = data.write()
        before = {source.label_file: source.label_file.read_bytes() for source in train}
        report = check_dataset(train, evaluation)
        out = tmp_path / f"out{seed}"
        changes = write_fixed(report, out)
        assert all(path.read_bytes() == content for path, content in before.items())
        again = [
            [
                Source(path, s.data_dir)
                for s in sources
                if (path := out / s.label_file.name).exists()
            ]
            for sources in (train, evaluation)
        ]
        left = check_dataset(*again).findings
        assert {finding.rule for finding in left} == LEFT_TO_THE_USER
        touched = {(f.file, f.line) for f in report.findings if f.rule not in LEFT_TO_THE_USER}
        touched -= {(f, n) for f, n in touched if f and f.endswith("val.txt")}  # leaks: train loses
        touched = {(f, n) for f, n in touched if n}  # an empty file isn't written
        said = {tuple(change.split(": ")[0].rsplit(":", 1)) for change in changes}
        assert {(f, str(n)) for f, n in touched if n} <= said


@pytest.mark.parametrize(
    ("what", "points", "after", "said"),
    [
        ("anticlockwise", BOX[::-1], [BOX[3], BOX[2], BOX[1], BOX[0]][:1], "put clockwise"),
        ("bow tie", [BOX[0], BOX[2], BOX[1], BOX[3]], BOX, "edges don't cross"),
        ("Z order", [BOX[0], BOX[1], BOX[3], BOX[2]], BOX, "edges don't cross"),
        (
            "beyond",
            moved(160.25, 0),
            [[170.25, 10], [199, 10], [199, 30], [170.25, 30]],
            "clipped to the image",
        ),
        (
            "between hundredths of a pixel",
            [[10.126, 10], [10.126, 30], [60, 30], [60, 10.004]],
            [[10.13, 10], [60, 10], [60, 30], [10.13, 30]],
            "put clockwise",
        ),
        (
            "curved, its lower edge backwards",
            [[0, 0], [50, 5], [99, 0], [0, 40], [50, 45], [99, 40]],
            [[0, 0], [50, 5], [99, 0], [99, 40], [50, 45], [0, 40]],
            "edges don't cross",
        ),
    ],
)
def test_points(folder: Folder, what: str, points: Any, after: Any, said: str) -> None:
    ((_, (cleaned,)),), changes = fixed(folder, ("a.jpg", [text(points)]))
    assert cleaned["points"][: len(after)] == after, what
    assert all(type(v) is int for p in cleaned["points"] for v in p if v == int(v))
    (change,) = changes
    assert change.startswith("1: text 1 ")
    assert said in change


def test_a_large_crossing_is_ignored_and_a_small_one_cut_off(folder: Folder) -> None:
    large = [[0, 0], [50, 0], [50, 60], [45, 60], [45, -0.5], [40, 20], [0, 20], [30, 10]]
    small = [[100, 0], [150, 0], [150, 30], [147, 30], [148, 31], [148, 29], [100, 30]]
    ((_, texts),), changes = fixed(folder, ("a.jpg", [text(large), text(small, "kept")]))
    assert [t["transcription"] for t in texts] == ["###", "kept"]
    assert "convex hull" in changes[0]
    assert "small crossing" in changes[1]
    areas = np.array(texts[1]["points"])
    assert areas[:, 0].min() == 100


def test_texts_and_lines_left_out_and_why(folder: Folder) -> None:
    (folder.path / "b.jpg").write_bytes(b"")
    picture(folder.path / "g.jpg", seed=50)
    lines = [
        ("a.jpg", [text(BOX, "###"), text(BOX, "kept"), text(BOX[:2]), text([[5, 5]] * 4)]),
        ("b.jpg", [text(BOX)]),
        f"gone.jpg\t{json.dumps([text(BOX)])}",
        "g.jpg\t[1, ",
        ("./a.jpg", []),
        ("f.jpg", [text(BOX, "same")]),
    ]
    rows, changes = fixed(folder, *lines)
    assert rows == [("a.jpg", [text(BOX, "kept")]), ("f.jpg", [text(BOX, "same")])]
    assert [change.split(": ")[0] for change in changes] == ["1", "1", "1", "2", "3", "4", "5"]
    for change, words in zip(
        changes,
        [
            "text 3 left out: it can't be read",
            "text 1 left out: it has the points of text 2",
            "text 4 left out: it has no area",
            "an empty file",
            "is not there",
            "broken JSON",
            "already at",
        ],
        strict=True,
    ):
        assert words in change


def test_bytes_and_delimiters(folder: Folder) -> None:
    for seed, name in enumerate("abc"):
        picture(folder.path / f"{name}.jpg", seed=seed)
    label = json.dumps([text(BOX)])
    gbk = label.encode().replace(b"word", "电".encode("gbk"))
    rows, changes = fixed(folder, f"\ufeffa.jpg\t{label}", f"b.jpg , {label}", b"c.jpg\t" + gbk)
    assert [image for image, _ in rows] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [t["points"] for _, (t,) in rows] == [BOX] * 3
    assert [change.split(": ")[-1].strip() for change in changes] == [
        "byte order mark removed",
        "delimiter put in",
        "bytes that are not UTF-8 replaced",
    ]


def test_utf_16_becomes_utf_8_and_faultless_lines_stay_as_they_are(folder: Folder) -> None:
    picture(folder.path / "a.jpg")
    odd = f"a.jpg\t{json.dumps([text(BOX, 'é')])}  "
    rows, changes = fixed(folder, ("\r\n" + odd + "\r\n").encode("utf-16"))
    assert changes[0].endswith("UTF-16 turned into UTF-8")
    assert len(changes) == 1
    assert rows[0][1][0]["transcription"] == "é"
    out = folder.path.parent / "out" / "train.txt"
    assert out.read_bytes() == b"\n" + odd.encode() + b"\n"
    assert not read_label_file(out, folder.path).faults


# what | path in the label | file | how it is written, or why nothing is
PATHS = [
    ("absolute", "/home/me/set/imgs/a.jpg", "imgs/a.jpg", "imgs/a.jpg"),
    ("Windows", "C:\\me\\train_data\\imgs\\a.jpg", "imgs/a.jpg", "imgs/a.jpg"),
    ("a renamed folder", "old/a.jpg", "new/a.jpg", "new/a.jpg"),
    ("PPOCRLabel's", "set/a.jpg", "a.jpg", "a.jpg"),
    ("beside the data_dir", "../a.jpg", "../a.jpg", "../a.jpg"),
    ("two images", '["/x/imgs/a.jpg", "b.jpg"]', "imgs/a.jpg", '["imgs/a.jpg", "b.jpg"]'),
]


@pytest.mark.parametrize(
    ("name", "file", "written"), [row[1:] for row in PATHS], ids=[row[0] for row in PATHS]
)
def test_image_paths_are_written_from_the_data_dir(
    folder: Folder, name: str, file: str, written: str
) -> None:
    for seed, path in enumerate((file, "b.jpg")):
        (folder.path / path).parent.mkdir(exist_ok=True)
        picture(folder.path / path, seed=seed)
    label = json.dumps([text(BOX)])
    rows, changes = fixed(folder, f"{name}\t{label}", f"c.jpg\t{label}", ("b2.jpg", []))
    assert rows == [(written, [text(BOX)]), ("b2.jpg", [])]
    out = folder.path.parent / "out" / "train.txt"
    assert not read_label_file(out, folder.path).notes
    if name != written:
        path = name.split('"')[1] if name.startswith("[") else name
        assert changes[0] == f"1: image path {path} written as {file}"
    assert "c.jpg is not there" in changes[-1]


# what | lines | why no line would be left
EMPTIED = [
    (
        "really missing",
        ["/x/gone.jpg\t[]", "gone.jpg\t[]"],
        "2: line left out: the image .*gone.jpg",
    ),
    (
        "ambiguous",
        ["C:\\d\\imgs\\a.jpg\t[]"],
        "x/imgs/a.jpg and .*y/imgs/a.jpg fit its path equally",
    ),
    ("broken", ["a.jpg\t[1,"], "broken JSON"),
]


@pytest.mark.parametrize(
    ("lines", "reason"), [row[1:] for row in EMPTIED], ids=[row[0] for row in EMPTIED]
)
def test_a_file_is_never_emptied(folder: Folder, lines: list[str], reason: str) -> None:
    for seed, name in enumerate("xy"):
        (folder.path / name / "imgs").mkdir(parents=True)
        picture(folder.path / name / "imgs" / "a.jpg", seed=seed)
    good = folder.write("val.txt", [("b.jpg", [text(BOX)])])
    bad = folder.write("train.txt", lines)
    out = folder.path.parent / "out"
    with pytest.raises(DataError, match=f"of .*train.txt no line would be left: .*{reason}"):
        write_fixed(check_dataset([bad], [good]), out)
    assert not out.exists()


def test_a_file_without_label_lines_is_not_written(folder: Folder) -> None:
    empty, other = folder.write("empty.txt", []), folder.write("rec_gt.txt", ["a\tx", "b\ty"])
    good = folder.write("train.txt", [("a.jpg", [text(BOX)])])
    out = folder.path.parent / "out"
    changes = write_fixed(check_dataset([empty, other, good], []), out)
    assert [path.name for path in out.iterdir()] == ["train.txt"]
    assert changes == [
        f"{source.label_file}: not written, it has no label line" for source in (empty, other)
    ]


def test_a_file_that_went_away_after_the_check_is_said(folder: Folder) -> None:
    picture(folder.path / "b.jpg", seed=1)
    gone = folder.write("gone.txt", [("b.jpg", [text(BOX[::-1])])])
    good = folder.write("train.txt", [("a.jpg", [text(BOX)])])
    report = check_dataset([gone, good], [])
    gone.label_file.unlink()
    out = folder.path.parent / "out"
    changes = write_fixed(report, out)
    assert [path.name for path in out.iterdir()] == ["train.txt"]
    assert changes == [
        f"{gone.label_file}: not written, it can't be read: No such file or directory"
    ]


def test_nothing_is_overwritten(folder: Folder) -> None:
    source = folder.write("train.txt", [("a.jpg", [text(BOX[::-1])])])
    content = source.label_file.read_bytes()
    with pytest.raises(DataError, match="is there already"):
        write_fixed(check_dataset([source], []), folder.path)
    assert source.label_file.read_bytes() == content


def test_files_of_one_name_stay_apart(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "more").mkdir()
    picture(folder.path / "more" / "b.jpg", seed=9)
    first = folder.write("train.txt", [("a.jpg", [text(BOX)])])
    second = Folder(folder.path / "more").write("train.txt", [("b.jpg", [text(BOX[:3])])])
    (folder.path / "even").mkdir()
    picture(folder.path / "even" / "c.jpg", seed=8)
    third = Folder(folder.path / "even").write("train.txt", [("c.jpg", [])])
    write_fixed(check_dataset([first, second, third], []), tmp_path / "out")
    assert (tmp_path / "out" / "train_3.txt").read_bytes().startswith(b"c.jpg")
    assert (tmp_path / "out" / "train.txt").read_bytes().startswith(b"a.jpg")
    assert (tmp_path / "out" / "train_2.txt").read_bytes().startswith(b"b.jpg")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("\ud800", r"\ud800"),
        ("\udfff", r"\udfff"),
        ("\ud7ff", "\ud7ff"),
        ("\ue000", "\ue000"),
        ("é\ud900", r"\u00e9\ud900"),
    ],
)
def test_half_a_character_stays_as_its_escape(folder: Folder, said: str, written: str) -> None:
    """No file can hold it in UTF-8; training doesn't read it."""
    picture(folder.path / "1.png")
    lines, _ = fixed(folder, f"1.png\t{json.dumps([text(BOX[::-1], said)])}")
    [(_, [fixed_text])] = lines
    assert fixed_text == text([BOX[3], *BOX[:3]], said)
    file = folder.path.parent / "out" / "train.txt"
    assert f'"{written}"' in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("width", "kept"), [(2, True), (1.875, False)])
def test_a_text_of_one_square_px_is_kept(folder: Folder, width: float, kept: bool) -> None:
    lines, said = fixed(folder, ("a.jpg", [text(box_of(width, 0.5)[::-1]), text(moved(50, 0))]))
    assert [len(texts) for _, texts in lines] == [1 + kept]
    assert said == [f"1: text 1 {'put clockwise' if kept else NO_AREA}"]


NO_AREA = "left out: it has no area inside the image"


def test_why_a_line_is_left_out(folder: Folder) -> None:
    """All reasons in one sentence, and where the same image is."""
    for seed, name in enumerate("abc"):
        picture(folder.path / f"{name}.jpg", seed=seed)
    good = json.dumps([text(BOX)])
    train = folder.write(
        "train.txt",
        [f"a.jpg\t{good}", f'["x.jpg", "y.jpg", "z.jpg"]\t{good}', f"./a.jpg\t{good}",
         f'["b.jpg", "x.jpg"]\t{good}', f"c.jpg\t{good}", "\ufeffb.jpg\t[1"],
    )  # fmt: skip
    evaluation = folder.write("val.txt", ["", f"c.jpg\t{good}"])
    out = folder.path.parent / "out"
    changes = write_fixed(check_dataset([train], [evaluation]), out)
    assert (out / "train.txt").read_text(encoding="utf-8") == f"a.jpg\t{good}\n"
    said = [change.removeprefix(f"{train.label_file}:") for change in changes]
    missing = [f"the image {folder.path / name}.jpg is not there" for name in "xyz"]
    assert [line.partition(": line left out: ")[2] for line in said[:2]] == [
        f"{missing[0]}, {missing[1]} and {missing[2]}",
        f"its image is already at {train.label_file}:1",
    ]
    assert said[2].endswith(missing[0])
    assert (
        said[3]
        == f"5: line left out: its image is in the evaluation too, at {evaluation.label_file}:2"
    )
    assert "a byte order mark stands before the image path and broken JSON" in said[4]


def test_an_image_whose_texts_all_go_is_not_made_one_without_text(folder: Folder) -> None:
    for name in ("1.png", "2.png", "3.png"):
        picture(folder.path / name, seed=int(name[0]))
    shares = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.4]]
    lines, said = fixed(
        folder,
        ("1.png", [text(shares), text(moved(5000, 0))]),
        ("2.png", [text(shares), text(BOX)]),
        ("3.png", []),
    )
    assert [(image, len(texts)) for image, texts in lines] == [("2.png", 1), ("3.png", 0)]
    assert "1: line left out: none of its texts is left, but its image is not without text" in said
