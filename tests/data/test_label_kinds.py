"""Files given as label files that are none: each is known for what it is, in one message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppocr_ft.commands.check.data import Source, check_dataset
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.errors import DataError

CONVERT = r"ppocr-ft convert .* --images FOLDER --out labels/ converts"
COCO = {"images": [], "annotations": [], "categories": []}
# what | file name | content | what is said
KINDS = [
    ("recognition", "rec_gt.txt", "crop/a.jpg\tHello\ncrop/b.jpg\t2024-01-01\n",
     r"these are recognition labels, .*'Hello'; detection needs Label\.txt"),
    ("file states", "fileState.txt", "/me/a.jpg\t1\n/me/b.jpg\t1\n", "PPOCRLabel's list of the im"),
    ("file states, renamed", "f.txt", "/me/a.jpg\t1\n/me/b.jpg\t0\n", "PPOCRLabel's list of the"),
    ("cache", "Cache.cach", 'a.jpg\t[{"transcription": "x", "points": [[0, 0], [9, 0], [9, 9]]}]\n',
     r"cache of boxes that nobody has confirmed; name Label\.txt"),
    ("ICDAR", "gt_1.txt", "0,0,9,0,9,9,0,9,one\n5,5,8,5,8,9,5,9,###\n", CONVERT),
    ("one text of ICDAR", "gt_1.txt", "0,0,9,0,9,9,0,9,one\n", "has the texts of one image"),
    ("ICDAR 2013", "gt_1.txt", '0, 0, 9, 9, "one"\n3, 3, 9, 9, "two"\n', CONVERT),
    ("YOLO", "a.txt", "0 0.5 0.5 0.25 0.125\n1 0.1 0.2 0.05 0.03\n", CONVERT),
    ("COCO", "instances.json", json.dumps(COCO, indent=1), "is COCO's JSON, no label file; pp"),
    ("LabelMe", "a.json", json.dumps({"shapes": [], "imagePath": "a.jpg"}), "is LabelMe's JSON"),
    ("Label Studio", "export.json", json.dumps([{"id": 1, "data": {}, "annotations": []}]),
     "is Label Studio's JSON"),
    ("another JSON", "x.json", '{"a": 1}', "is a JSON file, no label file"),
    ("VOC", "a.xml", "<annotation>\n<object/>\n</annotation>\n", "is XML"),
    ("a list of images", "list.txt", "a.jpg\nb.jpg\n", r"has no label line, its first is 'a\.jpg'"),
    ("a YAML", "det.yml", "Global:\n  epoch_num: 3\n", "has no label line, its first is 'Global:'"),
    ("bytes that happen to be a label's", "a.png", "\x89PNG\n\0\0\n\0x\t[1\n", "is no text file"),
    ("a picture", "a.png", "\x89PNG\n\0\0\0\rIHDR\n\0", "is no text file"),
]  # fmt: skip


@pytest.mark.parametrize("row", KINDS, ids=[row[0] for row in KINDS])
def test_what_a_file_is_that_is_no_label_file(row: tuple[str, ...], tmp_path: Path) -> None:
    """The reader of training, evaluation and convert says it, and so does the check, once."""
    _, name, content, said = row
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(DataError, match=said) as caught:
        read_label_file(path, tmp_path)
    (finding,) = check_dataset([Source(path, tmp_path)], []).findings
    assert (finding.rule, finding.severity, finding.line) == ("label-kind", "error", None)
    assert finding.message == caught.value.message


TEXTS = '[{"transcription": "x", "points": [[0, 0], [9, 0], [9, 9]]}]'
# what | content: label files that are only faulty are told line by line
FAULTY = [
    ("one good line among others", f"a.jpg\t{TEXTS}\nb.jpg\tHello\nc.jpg\tHello\n"),
    ("single quotes", f"a.jpg\t{TEXTS.replace(chr(34), chr(39))}\n" * 2),
    ("another delimiter", f"a.jpg {TEXTS}\nb.jpg {TEXTS}\n"),
    ("no list", 'a.jpg\t{"points": []}\nb.jpg\t{"points": []}\n'),
    ("an empty list, another delimiter", f"a.jpg\t[]\nb.jpg {TEXTS}\n"),
    ("one line", "a.jpg\tHello\n"),
]


@pytest.mark.parametrize("content", [row[1] for row in FAULTY], ids=[row[0] for row in FAULTY])
def test_a_faulty_label_file_stays_one(content: str, tmp_path: Path) -> None:
    path = tmp_path / "Label.txt"
    path.write_text(content, encoding="utf-8")
    assert read_label_file(path, tmp_path).faults
    rules = {finding.rule for finding in check_dataset([Source(path, tmp_path)], []).findings}
    assert "label-kind" not in rules


def test_beside_recognition_labels_the_right_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "Label.txt").write_text("a.jpg\t[]\n")
    (tmp_path / "rec_gt.txt").write_text("a.jpg\tone\nb.jpg\ttwo\n")
    with pytest.raises(DataError, match=rf"\({tmp_path / 'Label.txt'} is there\)"):
        read_label_file(tmp_path / "rec_gt.txt", tmp_path)


def said_of_folder(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_label_file(folder, folder)
    (finding,) = check_dataset([Source(folder, folder)], []).findings
    assert (finding.rule, finding.message) == ("label-kind", caught.value.message)
    return caught.value.message


def test_for_a_folder_its_label_files_are_named_ready_to_take(tmp_path: Path) -> None:
    assert "it holds no Label.txt" in said_of_folder(tmp_path)
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Label.txt").write_text("")
    a, b = (tmp_path / name / "Label.txt" for name in "ab")
    assert said_of_folder(tmp_path).endswith(f"name the 2 label files in it: [{a}, {b}]")
    for number in range(200):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "Label.txt").write_text("")
    assert "ppocr-ft convert --from ppocr" in said_of_folder(tmp_path)
