"""`--from auto`: the format is known by the files' content."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ppocr_ft.commands.convert.recognition import recognise
from ppocr_ft.errors import DataError
from tests.support.convert_samples import put_text

FILES = {
    "coco": ("a.json", json.dumps({"images": [], "annotations": [], "categories": []})),
    "COCO-Text": ("a.json", json.dumps({"imgs": {}, "anns": {}})),
    "labelme": ("a.json", json.dumps({"shapes": [], "imagePath": "a.jpg"})),
    "labelstudio": ("a.json", json.dumps([{"id": 1, "data": {"ocr": ""}, "annotations": []}])),
    "totaltext": (
        "poly_gt_a.txt",
        "x: [[1 2 3]], y: [[1 2 3]], ornt: [u'h'], transcriptions: [u'a']",
    ),
    "ppocr": ("Label.txt", "\ufeffa.jpg\t[]\n"),
    "icdar": ("gt_a.txt", "1,2,3,2,3,4,1,4,a\r\n"),
    "td500": ("a.gt", "0 0 300 675 932 112 0.053651\n1 1 208 501 989 178 -0.101044\n"),
    "rctw": ("a.txt", '\ufeff1,2,3,2,3,4,1,4,0,"a"\n1,2,3,2,3,4,1,4,1,"###"\n'),
    "yolo": ("a.txt", "0 0.5 0.5 0.1 0.25\n1 0.5 0.5 0.1 1\n"),
    "yolo, turned": ("a.txt", "0 0.11 0.2 0.31 0.25 0.3 0.4 0.1 0.35\n"),
    "dota": ("a.txt", "imagesource:GoogleEarth\ngsd:null\n1.0 2 3 2 3 4 1 4 plate 0\n"),
    "voc": ("a.xml", "<annotation verified='no'><filename>a.jpg</filename></annotation>"),
    "cvat": ("annotations.xml", '<?xml version="1.0"?>\n<!-- x -->\n<annotations/>'),
    "page": ("a.xml", '\ufeff<?xml version="1.0"?><pc:PcGts xmlns:pc="x"/>'),
    "alto": ("a.xml", '<alto xmlns="x"><Layout/></alto>'),
    "ctw1500": ("a.xml", "<Annotations/>"),
    "ctw1500, text": ("a.txt", ",".join(["1"] * 28) + ",####bent\n"),
    "icdar of 2013": ("gt_a.txt", '1 2 3 4 "a"\r\n'),
}


@pytest.mark.parametrize("kind", FILES)
def test_each_format_is_recognised_as_itself_alone(tmp_path: Path, kind: str) -> None:
    name, content = FILES[kind]
    file = put_text(tmp_path / name, content)
    expected = {"COCO-Text": "coco"}.get(kind, re.split("[ ,]", kind)[0])
    for source in (file, tmp_path):
        found, reason = recognise(source)
        assert found == expected
        assert reason.startswith(f"{file} ")


@pytest.mark.parametrize("kind", ["icdar", "rctw", "td500", "dota", "yolo", "icdar of 2013"])
def test_a_faulty_line_and_empty_files_do_not_hide_the_format(tmp_path: Path, kind: str) -> None:
    """The fault is then reported by the reader of that format."""
    name, content = FILES[kind]
    for i in range(30):
        put_text(tmp_path / f"0{i}.txt", "")
    put_text(tmp_path / name, content.strip("\ufeff") * 5 + "1,2,bad\n" + "caf\xe9\n")
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b"\xe9\n")
    assert recognise(tmp_path)[0] == kind.split()[0]


def test_images_alone_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match="holds no label file"):
        recognise(tmp_path)


def test_several_formats_are_named(tmp_path: Path) -> None:
    for kind in ("coco", "icdar"):
        put_text(tmp_path / FILES[kind][0], FILES[kind][1])
    with pytest.raises(DataError, match=r"say which with --from: coco: .* icdar: "):
        recognise(tmp_path)


def test_no_format_says_what_was_looked_at(tmp_path: Path) -> None:
    put_text(tmp_path / "notes.txt", "hello")
    with pytest.raises(DataError, match=r"looked at: .*notes\.txt; considered: icdar, coco"):
        recognise(tmp_path)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        recognise(tmp_path / "gone")


@pytest.mark.parametrize("kind", ["ppocr", "icdar", "voc", "coco"])
def test_utf_16_is_known_and_left_to_the_format(tmp_path: Path, kind: str) -> None:
    name, content = FILES[kind]
    put_text(tmp_path / name, content.removeprefix("\ufeff").encode("utf-16"))
    assert recognise(tmp_path)[0] == kind


@pytest.mark.parametrize("content", ['{"images": [', "[" * 100_000, "no JSON"])
def test_broken_json_is_said(tmp_path: Path, content: str) -> None:
    put_text(tmp_path / "a.json", content)
    with pytest.raises(DataError, match=r"a\.json: broken JSON: .*; export the file again"):
        recognise(tmp_path)
