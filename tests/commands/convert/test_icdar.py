"""ICDAR's text files, after the competition's task pages of challenges 2 and 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.commands.convert.formats import icdar
from ppocr_ft.commands.convert.formats.icdar import parse_line
from ppocr_ft.commands.convert.formats.reading import Entry
from ppocr_ft.commands.convert.formats.texts import LabelText
from tests.support.convert_samples import (
    SQUARE,
    message,
    only,
    places,
    put_images,
    put_text,
    read,
    rectangle,
    rules,
    texts,
)

QUAD = ((377, 117), (463, 117), (465, 130), (378, 130))
QUAD_TEXT = "377,117,463,117,465,130,378,130"
TIREDNESS = rectangle(38, 43, 920, 215)

LINES = {
    "2015": (f"{QUAD_TEXT},Genaxis Theatre", "Genaxis Theatre", QUAD),
    "2015, ignored": (f"{QUAD_TEXT},###", "###", QUAD),
    "commas belong to the text": (f"{QUAD_TEXT},1,234,5", "1,234,5", QUAD),
    "quotes belong to the text": (f'{QUAD_TEXT},"Sale"', '"Sale"', QUAD),
    "quoted mark": (f'{QUAD_TEXT},"###"', "###", QUAD),
    "empty text": (f"{QUAD_TEXT},", "", QUAD),
    "blanks at the ends": (f"{QUAD_TEXT}, a ", " a ", QUAD),
    "blanks after commas, as on the page": (
        "377, 117, 463, 117, 465, 130, 378, 130, a, b",
        "a, b",
        QUAD,
    ),
    "not ASCII": (f"{QUAD_TEXT},小心\u2028地滑", "小心\u2028地滑", QUAD),
    "fractions and signs": (
        "-1.5,0,10.25,0,10,5,0,5,x",
        "x",
        ((-1.5, 0), (10.25, 0), (10, 5), (0, 5)),
    ),
    "2013": ('38, 43, 920, 215, "Tiredness"', "Tiredness", TIREDNESS),
    "2013, training files": ('38 43 920 215 "Tiredness"', "Tiredness", TIREDNESS),
    "2013, escapes": (r'38, 43, 920, 215, "a \"b\" \\ c"', r'a "b" \ c', TIREDNESS),
    "2013, comma": ('38, 43, 920, 215, "a, b"', "a, b", TIREDNESS),
    "2013, ignored": ('38, 43, 920, 215, "###"', "###", TIREDNESS),
    "2013, empty text": ('38, 43, 920, 215, ""', "", TIREDNESS),
    "2013, without quotes": ("38,43,920,215,STOP", "STOP", TIREDNESS),
}


@pytest.mark.parametrize(("line", "said", "points"), LINES.values(), ids=LINES)
def test_a_line(tmp_path: Path, line: str, said: str, points: object) -> None:
    put_images(tmp_path, "img_1.jpg")
    put_text(tmp_path / "gt_img_1.txt", f"\ufeff{line}\r\n")
    assert only(read("icdar", tmp_path)) == [(said, points)]


BAD_LINES = {
    "seven numbers": ("377,117,463,117,465,130,378,text", "found 7 numbers", "bad-line"),
    "three numbers": ("1,2,3,text", "found 3 numbers", "bad-line"),
    "no number": ("Label.txt", "found 0 numbers", "bad-line"),
    "a half": ("377,117,463,117,465,130,378,x130,text", "found 7 numbers", "bad-line"),
    "not a number": ("nan,117,463,117,465,130,378,130,t", "found 0 numbers", "bad-line"),
    "open quotes": ('38, 43, 920, 215, "Tired', "not closed", "bad-line"),
    "a single quote": ('38, 43, 920, 215, "', "not closed", "bad-line"),
    "right of left": ('920, 43, 38, 215, "Tired"', "no area", "empty-box"),
    "no height": ('38, 43, 920, 43, "Tired"', "no area", "empty-box"),
    "far away": (f"9{QUAD_TEXT.replace('377', '99999999')},t", "expected [[x, y]", "bad-points"),
}


@pytest.mark.parametrize(("line", "said", "rule"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_reported_with_its_number(
    tmp_path: Path, line: str, said: str, rule: str
) -> None:
    put_images(tmp_path, "img_1.jpg")
    put_text(tmp_path / "gt_img_1.txt", f"{QUAD_TEXT},good\r\n\r\n{line}\r\n{QUAD_TEXT},good\r\n")
    reading = read("icdar", tmp_path)
    assert places(reading, tmp_path) == [("gt_img_1.txt", 3, rule)]
    assert said in message(reading)
    assert reading.entries == []
    assert reading.left_out == ["img_1.jpg"]


def test_all_faults_of_all_files_are_listed(tmp_path: Path) -> None:
    put_images(tmp_path, "1.jpg", "2.jpg", "4.png")
    put_text(tmp_path / "gt_1.txt", "bad\n1,2\n")
    put_text(
        tmp_path / "gt_2.txt", b"10,20,60,20,60,40,10,40,ok\n10,20,60,20,60,40,10,40,caf\xe9\n"
    )
    put_text(tmp_path / "gt_3.txt", f"{QUAD_TEXT},x\nworse\n")
    put_text(tmp_path / "gt_4.txt", f"{QUAD_TEXT},x\n")
    reading = read("icdar", tmp_path)
    assert places(reading, tmp_path) == [
        ("gt_1.txt", 1, "bad-line"),
        ("gt_1.txt", 2, "bad-line"),
        ("gt_2.txt", 2, "not-utf8"),
        ("gt_3.txt", None, "image-missing"),
        ("gt_3.txt", 2, "bad-line"),
    ]
    assert [entry.name for entry in reading.entries] == ["4.png"]
    assert reading.left_out == ["1.jpg", "2.jpg", str(tmp_path / "gt_3.txt")]


def test_an_empty_file_is_an_image_without_text(tmp_path: Path) -> None:
    put_images(tmp_path, "img_1.jpg")
    put_text(tmp_path / "gt_img_1.txt", b"\xef\xbb\xbf\r\n")
    assert only(read("icdar", tmp_path)) == []


def test_without_transcription_a_placeholder_is_written_and_said(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f"{QUAD_TEXT}\n38,43,920,215\n")
    reading = read("icdar", tmp_path)
    assert texts(reading.entries[0]) == [("text", QUAD), ("text", TIREDNESS)]
    assert rules(reading, "warning") == ["no-transcription"]
    assert "2 texts" in message(reading)
    assert "a.txt:1" in message(reading)


def test_the_multi_lingual_sets_scripts_are_taken_off(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_text(tmp_path / "gt_a.txt", f"{QUAD_TEXT},Latin,one, two\n{QUAD_TEXT},Arabic,###\n")
    put_text(tmp_path / "gt_b.txt", f"{QUAD_TEXT},None,###\n")
    reading = read("icdar", tmp_path)
    said = [text.transcription for entry in reading.entries for text in entry.texts]
    assert said == ["one, two", "###", "###"]
    assert rules(reading, "warning") == ["script"]


def test_a_text_that_begins_as_a_script_is_kept_where_others_do_not(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "gt_a.txt", f"{QUAD_TEXT},Latin,one\n{QUAD_TEXT},two\n")
    assert [said for said, _ in only(read("icdar", tmp_path))] == ["Latin,one", "two"]


def test_polygons_are_not_taken_for_boxes_with_numbers_as_text(tmp_path: Path) -> None:
    """As in the sets of curved text, whose lines have more corners."""
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_text(tmp_path / "gt_a.txt", f"{QUAD_TEXT},1,2,3,4,bent\n{QUAD_TEXT},1,2,3,4,5,6,x\n")
    reading = read("icdar", tmp_path)
    assert (rules(reading), reading.entries) == (["many-corners"], [])
    put_text(tmp_path / "gt_b.txt", f"{QUAD_TEXT},even\n")
    reading = read("icdar", tmp_path)
    assert (rules(reading), len(reading.entries)) == ([], 2)
    assert rules(reading, "warning") == ["many-corners"]
    assert "2 texts" in message(reading)


def test_files_without_the_prefix_are_said(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "gt_a.txt", f"{QUAD_TEXT},x\n")
    put_text(tmp_path / "readme.txt", "hello\n")
    reading = read("icdar", tmp_path)
    assert rules(reading) == []
    assert rules(reading, "warning") == ["other-file"]
    assert "readme.txt" in message(reading)


def test_folders_of_labels_lead_to_the_same_folders_of_images(tmp_path: Path) -> None:
    put_images(tmp_path / "images", "a/1.jpg", "b/1.jpg", "2.png")
    for name in ("a/gt_1.txt", "b/gt_1.txt", "deep/gt_2.txt"):
        put_text(tmp_path / "gt" / name, f"{QUAD_TEXT},x\n")
    reading = read("icdar", tmp_path / "gt", tmp_path / "images")
    assert [entry.name for entry in reading.entries] == ["a/1.jpg", "b/1.jpg", "2.png"]


def test_a_name_that_fits_two_images_is_no_name(tmp_path: Path) -> None:
    put_images(tmp_path / "images", "1.jpg", "1.png", "a/2.jpg", "b/2.jpg")
    for name in ("gt_1.txt", "gt_2.txt"):
        put_text(tmp_path / "gt" / name, f"{QUAD_TEXT},x\n")
    reading = read("icdar", tmp_path / "gt", tmp_path / "images")
    assert rules(reading) == ["image-ambiguous", "image-ambiguous"]
    assert "1.jpg or 1.png" in message(reading)


def entry(*said: str, name: str = "a/img.jpg", points: object = SQUARE) -> Entry:
    return Entry(name, tuple(LabelText(points, one) for one in said), "Label.txt", 1)  # type: ignore[arg-type]


def test_is_written_as_published() -> None:
    files = icdar.IcdarWriter().files([entry("a, b", "###")], "")
    line = "10,20,60,20,60,40,10,40"
    assert files == {"a/gt_img.txt": f"{line},a, b\r\n{line},###\r\n".encode()}


UNWRITABLE = {
    "three points": (entry("x", points=SQUARE[:3]), "not-4-points"),
    "a line end": (entry("a\nb"), "unwritable-text"),
    "a line end's half": (entry("a\r"), "unwritable-text"),
    "a mark of others": (entry("#"), "unwritable-text"),
    "outside": (entry("a", name="../b.jpg"), "image-outside"),
}


@pytest.mark.parametrize(("bad", "rule"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_can_not_be_read_back_is_not_written(bad: Entry, rule: str) -> None:
    assert [fault.rule for fault in icdar.IcdarWriter().faults(bad)] == [rule]


def test_an_unwritable_text_is_named_by_its_number() -> None:
    two_faults = Entry(
        "a.jpg",
        (*entry("a").texts, *entry("x", points=SQUARE[:3]).texts, *entry("b\nc").texts),
        "Label.txt",
        1,
    )
    first, second = icdar.IcdarWriter().faults(two_faults)
    assert str(first).startswith("text 2 has 3 points; ICDAR's have 4")
    assert str(second).startswith("text 3, 'b\\nc', would be read back as another")


def test_two_images_with_one_label_file() -> None:
    writer = icdar.IcdarWriter()
    assert list(writer.faults(entry("x", name="a.jpg"))) == []
    [fault] = writer.faults(entry("x", name="a.png"))
    assert fault.rule == "same-label-file"


@pytest.mark.parametrize(
    ("line", "quad"),
    [("1,2,9,2,9,8,1,8,Latin,STOP", True), ('1, 2, 9, 8, "Latin,STOP"', False)],
    ids=["2015", "2013"],
)
def test_only_lines_of_2015_may_have_a_script_before_the_text(line: str, quad: bool) -> None:
    points, said, is_quad = parse_line(line)
    assert (len(points), said, is_quad) == (4, "Latin,STOP", quad)
