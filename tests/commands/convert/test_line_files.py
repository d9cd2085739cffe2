"""Text files that are no ICDAR's: each is read by its own reader, and refused by ICDAR's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.convert_samples import (
    HEIGHT_PX,
    WIDTH_PX,
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

BOX = "10,20,60,20,60,40,10,40"
SQUARE = rectangle(10, 20, 60, 40)


def test_a_td500_box_is_turned_about_its_centre(tmp_path: Path) -> None:
    """A quarter turn of 60 x 20 px about (50, 50), clockwise: 20 x 60 px."""
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.gt", "0 0 20 40 60 20 1.5707963267948966\r\n")
    [(said, points)] = texts(read("td500", tmp_path).entries[0])
    assert said == "text"
    assert points == ((60, 20), (60, 80), (40, 80), (40, 20))


def test_td500_without_a_turn_and_with_a_small_one(tmp_path: Path) -> None:
    """By 0.1 rad about (50, 50): the left top corner (-30, -10) goes to (-28.852, -12.945)."""
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.gt", "0 1 20 40 60 20 0\n1 0 20 40 60 20 0.1\n")
    reading = read("td500", tmp_path)
    [straight, turned] = [points for _, points in texts(reading.entries[0])]
    assert straight == rectangle(20, 40, 80, 60)
    assert turned[0] == (21.148, 37.055)
    assert rules(reading, "warning") == ["difficult", "no-transcription"]


def test_rctw_flags_are_no_part_of_the_text(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f'\ufeff{BOX},0,"one, "two""\r\n{BOX},1,"###"\r\n{BOX},1,"b"\r\n')
    reading = read("rctw", tmp_path)
    assert texts(reading.entries[0]) == [(said, SQUARE) for said in ('one, "two"', "###", "b")]
    assert [text.difficult for text in reading.entries[0].texts] == [False, True, True]
    assert "1 text is marked difficult" in message(reading)
    assert rules(reading, "warning") == ["difficult"]


def test_dota_objects_have_classes(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    blanks = BOX.replace(",", " ")
    head = "imagesource:GoogleEarth\ngsd:0.146\n"
    put_text(tmp_path / "a.txt", f"{head}{blanks} plate 0\n{blanks} large-vehicle 1\n")
    reading = read("dota", tmp_path)
    [entry] = reading.entries
    found = [(text.points, text.category, text.difficult) for text in entry.texts]
    assert found == [(SQUARE, "plate", False), (SQUARE, "large-vehicle", True)]


YOLO = {
    "box": ("0 0.175 0.3 0.25 0.2", SQUARE),
    "turned": ("0 0.05 0.2 0.3 0.2 0.3 0.4 0.05 0.4", SQUARE),
    "outline": ("0 0.05 0.2 0.3 0.2 0.3 0.4", SQUARE[:3]),
    "to the edges": ("0 .5 0.5 1 1.0", rectangle(0, 0, WIDTH_PX, HEIGHT_PX)),
}


@pytest.mark.parametrize(("line", "points"), YOLO.values(), ids=YOLO)
def test_yolo_shares_become_pixels(tmp_path: Path, line: str, points: object) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f"{line}\n")
    [(_, found)] = texts(read("yolo", tmp_path).entries[0])
    assert found == points


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("data.yaml", "nc: 2\nnames: [Plate, Car]\n"),
        ("data.yaml", "names:\n  0: Plate\n  1: Car\n"),
        ("labels/train/classes.txt", "Plate\nCar\n"),
    ],
)
def test_yolo_folders_and_the_names_of_classes(tmp_path: Path, name: str, names: str) -> None:
    put_images(tmp_path / "images", "train/a.jpg", "val/a.jpg")
    put_text(tmp_path / "labels" / "train" / "a.txt", "1 0.175 0.3 0.25 0.2\n")
    put_text(tmp_path / "labels" / "val" / "a.txt", "")
    put_text(tmp_path / name, names)
    source = (tmp_path / name).parent
    first, *others = read("yolo", source, tmp_path).entries
    assert [entry.name for entry in [first, *others]] == [
        "images/train/a.jpg",
        *["images/val/a.jpg"] * len(others),
    ]
    assert [text.category for text in first.texts] == ["Car"]


OTHERS = {
    "td500": "0 0 300 675 932 112 0.053651",
    "dota": "1 2 3 2 3 4 1 4 plate 0",
    "yolo": "0 0.5 0.5 0.25 0.2",
    "yolo, turned": "0 0.11 0.2 0.31 0.25 0.3 0.4 0.1 0.35",
    "yolo, outline": "0 0.11 0.2 0.31 0.25 0.3 0.4",
    "rctw": f'{BOX},0,"a"\n{BOX},1,"###"',
    "rctw, without quotes": f"{BOX},0,a\n{BOX},1,###",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_icdar_refuses_other_forms_by_name(tmp_path: Path, kind: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f"{OTHERS[kind]}\n")
    reading = read("icdar", tmp_path)
    assert (rules(reading), reading.entries) == (["other-form"], [])
    assert f"--from {kind.split(',')[0]}" in message(reading)


NO_FORM = {
    "edges and an unquoted text, blanks between": ("38 43 920 215 STOP", "bad-line"),
    "x, y, width, height": ("38 43 20 15", "bad-line"),
    "shares of the image": ("0.1,0.2,0.3,0.2,0.3,0.4,0.1,0.4,STOP", "normalised"),
    "edges as shares": ('0.1 0.2 0.3 0.4 "STOP"', "normalised"),
}


@pytest.mark.parametrize(("line", "rule"), NO_FORM.values(), ids=NO_FORM)
def test_icdar_refuses_what_may_be_anything(tmp_path: Path, line: str, rule: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f"\n{line}\n")
    assert places(read("icdar", tmp_path), tmp_path) == [("a.txt", 2, rule)]


@pytest.mark.parametrize("name", ["td500", "rctw", "dota", "yolo"])
def test_a_line_of_another_form_is_reported_with_its_number(tmp_path: Path, name: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", "\nhello 7\n")
    reading = read(name, tmp_path)
    assert places(reading, tmp_path) == [("a.txt", 2, "bad-line")]
    assert "expected " in message(reading)


def test_yolo_pixels_are_no_shares(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", "0 35 30 50 20\n0 1.5 0.5 1 1\n")
    assert rules(read("yolo", tmp_path)) == ["bad-line", "bad-line"]


def test_names_of_mtwi_end_as_images_do(tmp_path: Path) -> None:
    put_images(tmp_path, "T1.abc.jpg.jpg", "T2.jpg")
    put_text(tmp_path / "T1.abc.jpg.txt", f"{BOX},a\n")
    put_text(tmp_path / "T2.jpg.txt", f"{BOX},b\n")
    assert [entry.name for entry in read("icdar", tmp_path).entries] == ["T1.abc.jpg.jpg", "T2.jpg"]


def test_icdar_lines_in_csv_files(tmp_path: Path) -> None:
    """As the receipts of SROIE are published too."""
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.csv", f"{BOX},TOTAL\r\n")
    assert only(read("icdar", tmp_path)) == [("TOTAL", SQUARE)]


def test_files_that_are_no_labels_are_said(tmp_path: Path) -> None:
    """A readme, and the list of images that darknet trains on."""
    put_images(tmp_path, "images/a.jpg")
    put_text(tmp_path / "labels" / "a.txt", "0 0.175 0.3 0.25 0.2\n")
    put_text(tmp_path / "labels" / "gone.txt", "0 0.175 0.3 0.25 0.2\n")
    put_text(tmp_path / "README.dataset.txt", "plates > 2024\nhttps://example.org\n")
    put_text(tmp_path / "train.txt", "images/a.jpg\n")
    reading = read("yolo", tmp_path)
    assert [entry.name for entry in reading.entries] == ["images/a.jpg"]
    assert rules(reading) == ["image-missing"]
    assert rules(reading, "warning") == ["other-file", "no-transcription"]
    assert "2 files have no image" in message(reading, 1)


def test_yolo_shares_may_lie_a_little_outside(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", "0 -0.005 0.2 1.005 0.2 0.3 0.4\n")
    [(_, points)] = texts(read("yolo", tmp_path).entries[0])
    assert points == ((-1, 20), (201, 20), (60, 40))
    put_text(tmp_path / "a.txt", "0 -0.5 0.2 1.005 0.2 0.3 0.4\n")
    assert rules(read("yolo", tmp_path)) == ["bad-line"]


def test_dota_folders(tmp_path: Path) -> None:
    for part in ("train", "val"):
        put_images(tmp_path / part / "images", "P0.png")
        put_text(tmp_path / part / "labelTxt" / "P0.txt", "1 2 30 2 30 40 1 40 plate 0\n")
    names = [entry.name for entry in read("dota", tmp_path).entries]
    assert names == ["train/images/P0.png", "val/images/P0.png"]


@pytest.mark.parametrize("line", ["0 0 1 1 10 10 1e999", "0 0 1 1 99999999999999999999 4 0.1"])
def test_td500_boxes_without_an_end_are_faults(tmp_path: Path, line: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.gt", line)
    assert rules(read("td500", tmp_path)) == ["bad-points"]


def test_utf_16_is_said(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", "1,2,30,2,30,40,1,40,x\n".encode("utf-16"))
    reading = read("icdar", tmp_path)
    assert rules(reading) == ["not-utf8"]
    assert message(reading) == "the file is UTF-16; save it as UTF-8"


@pytest.mark.parametrize("names", ["5", "plate", "null", "{}", "[1, 2"])
def test_yolo_names_that_are_no_list(tmp_path: Path, names: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", "0 0.5 0.5 0.25 0.2\n")
    put_text(tmp_path / "data.yaml", f"names: {names}\n")
    assert read("yolo", tmp_path).categories == {"0": 1}
