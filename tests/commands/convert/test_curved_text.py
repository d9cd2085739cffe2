"""Total-Text's text files, after its description and published lines, and CTW1500's labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.errors import DataError
from tests.support.convert_samples import (
    message,
    only,
    places,
    put_images,
    put_text,
    read,
    rules,
    texts,
)

QUAD = ((115, 322), (503, 346), (494, 426), (115, 404))
HEAD = "x: [[115 503 494 115]], y: [[322 346 426 404]]"


def record(said: str = "u'nauGHTY'", orientation: str = "u'm'", head: str = HEAD) -> str:
    return f"{head}, ornt: [{orientation}], transcriptions: [{said}]"


RECORDS = {
    "published": (record(), "nauGHTY"),
    "ignored": (record("u'#'", "u'#'"), "###"),
    "ignored by its orientation": (record("u'word'", "u'#'"), "###"),
    "double quotes": (record('u"Joe\'s"'), "Joe's"),
    "without u": (record("'STOP'", "'h'"), "STOP"),
    "brackets and commas inside": (record("u'a], ornt: [b'"), "a], ornt: [b"),
    "escapes": (record(r"u'caf\xe9 \u2019 \'q\' \\ \U0001f600'"), "café \u2019 'q' \\ 😀"),
    "several lines": (record(head="x: [[115  503\n 494 115]], y: [[322\n346 426 404]]"), "nauGHTY"),
    "commas between the numbers": (
        record(head="x: [[115, 503, 494, 115]], y: [[322, 346, 426, 404]]"),
        "nauGHTY",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), RECORDS.values(), ids=RECORDS)
def test_a_record(tmp_path: Path, text: str, said: str) -> None:
    put_images(tmp_path, "img1.jpg")
    put_text(tmp_path / "poly_gt_img1.txt", text + "\n")
    assert only(read("totaltext", tmp_path)) == [(said, QUAD)]


def test_curved_texts_keep_all_points(tmp_path: Path) -> None:
    put_images(tmp_path, "img1.jpg")
    xs, ys = "206 251 386 542 620 646 550 358 189 140", "633 811 931 946 926 976 1009 989 845 629"
    put_text(tmp_path / "poly_gt_img1.txt", record(head=f"x: [[{xs}]], y: [[ {ys}]]"))
    [(_, points)] = only(read("totaltext", tmp_path))
    assert points == tuple(zip(map(int, xs.split()), map(int, ys.split()), strict=True))


BAD = {
    "unequal": (record(head="x: [[1 2 3]], y: [[1 2]]"), "bad-points", "3 x but 2 y"),
    "two points": (record(head="x: [[1 2]], y: [[1 2]]"), "few-points", "has 2 points"),
    "a word": (record(head="x: [[1 2 z]], y: [[1 2 3]]"), "bad-points", "'z'"),
    "no orientation": (f"{HEAD}, transcriptions: [u'a']", "bad-record", "expected x: [["),
    "no text": (f"{HEAD}, ornt: [u'h']", "bad-record", "expected x: [["),
    "open string": (record("u'abc"), "bad-record", "expected x: [["),
    "code": (record("__import__('os').system('touch hacked')"), "bad-record", "expected x: [["),
    "behind": (record() + " and more", "bad-record", "expected x: [["),
    "no character": (record(r"u'\UFFFFFFFF'"), "bad-transcription", "is no character"),
    "half a character": (record(r"u'\ud83d'"), "bad-transcription", "half a character"),
}


@pytest.mark.parametrize(("text", "rule", "said"), BAD.values(), ids=BAD)
def test_a_bad_record_is_reported_with_its_line(
    tmp_path: Path, text: str, rule: str, said: str
) -> None:
    put_images(tmp_path, "img1.jpg")
    put_text(tmp_path / "poly_gt_img1.txt", f"{record()}\n{text}\n{record()}\n")
    reading = read("totaltext", tmp_path)
    assert places(reading, tmp_path) == [("poly_gt_img1.txt", 2, rule)]
    assert said in message(reading)
    assert reading.left_out == ["img1.jpg"]


def test_what_stands_before_the_first_record(tmp_path: Path) -> None:
    put_images(tmp_path, "img1.jpg")
    put_text(tmp_path / "poly_gt_img1.txt", f"10,20,30\n{record()}\n")
    assert places(read("totaltext", tmp_path), tmp_path) == [("poly_gt_img1.txt", 1, "bad-record")]


def test_an_empty_transcription_list_gets_the_placeholder(tmp_path: Path) -> None:
    put_images(tmp_path, "img1.jpg")
    put_text(tmp_path / "poly_gt_img1.txt", record("", ""))
    reading = read("totaltext", tmp_path)
    assert [text.transcription for text in reading.entries[0].texts] == ["text"]
    assert rules(reading, "warning") == ["no-transcription"]


@pytest.mark.parametrize("as_file", [True, False])
def test_matlab_files_are_refused_with_the_way_out(tmp_path: Path, as_file: bool) -> None:
    path = put_text(tmp_path / "poly_gt_img1.mat", b"MATLAB 5.0 MAT-file")
    with pytest.raises(DataError, match=r"\.mat files are not read; take its text files"):
        read("totaltext", path if as_file else tmp_path)


def test_an_empty_file_is_an_image_without_text(tmp_path: Path) -> None:
    put_images(tmp_path, "img1.jpg")
    put_text(tmp_path / "poly_gt_img1.txt", "")
    assert only(read("totaltext", tmp_path)) == []


CURVE = [131, 58, 208, 49, 279, 56, 346, 76, 412, 101, 473, 141, 530, 192]
CURVE += [510, 246, 458, 210, 405, 175, 350, 151, 291, 137, 228, 133, 165, 134]
BENT = tuple(zip(CURVE[::2], CURVE[1::2], strict=True))
SEGS = ",".join(map(str, CURVE))


def test_ctw1500_xml(tmp_path: Path) -> None:
    put_images(tmp_path, "0200.jpg")
    boxes = [
        f'<box height="197" left="131" top="49" width="399"><label>{said}</label>'
        f'<segs>{SEGS}</segs><pts x="183" y="95"/></box>'
        for said in ("OLATHE", "###")
    ]
    content = f'<Annotations><image file="0200.jpg">{"".join(boxes)}</image></Annotations>'
    put_text(tmp_path / "0200.xml", content)
    reading = read("ctw1500", tmp_path)
    assert texts(reading.entries[0]) == [("OLATHE", BENT), ("###", BENT)]


def test_ctw1500_text_files(tmp_path: Path) -> None:
    put_images(tmp_path, "1001.jpg", "0002.jpg")
    put_text(tmp_path / "1001.txt", f"{SEGS},####Latin, 9\n{SEGS},#######\n")
    offsets = [value - (131, 49)[i % 2] for i, value in enumerate(CURVE)]
    put_text(tmp_path / "0002.txt", ",".join(map(str, [131, 49, 530, 246, *offsets])) + "\n")
    second, first = read("ctw1500", tmp_path).entries
    assert texts(first) == [("Latin, 9", BENT), ("###", BENT)]
    assert texts(second) == [("text", BENT)]
