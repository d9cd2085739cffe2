"""`convert`: what is written, what is refused, the way there and back."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from ppocr_ft.commands.convert.cli import main
from ppocr_ft.commands.convert.formats.ppocr import PpocrWriter
from ppocr_ft.commands.convert.formats.reading import Entry
from ppocr_ft.commands.convert.formats.texts import LabelText
from ppocr_ft.commands.convert.run import split
from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.errors import DataError
from tests.support.convert_samples import SQUARE, put_images, put_json, put_text
from tests.support.samples import pictures_of

LINE = "10,20,60,20,60,40,10,40"
CURVE = [[0.5, 1], [5.25, 0.1], [9, 1], [9, 4], [5, 3.125], [0, 4]]


def run(*words: object) -> int:
    return main([str(word) for word in words])


def label(path: Path, images: Path) -> list[tuple[str, list[str], list[list[list[float]]]]]:
    """A label file's lines: image below the folder, transcriptions, polygons."""
    file = read_label_file(path, images)
    assert file.faults == ()
    return [line(entry, images) for entry in file.entries]


def line(entry: LabelEntry, images: Path) -> tuple[str, list[str], list[list[list[float]]]]:
    [image] = entry.images
    texts = entry.texts
    said = ["###" if i else t for t, i in zip(texts.transcriptions, texts.ignored, strict=True)]
    return Path(image).relative_to(images).as_posix(), said, texts.polygons.paths()


@pytest.fixture
def icdar(tmp_path: Path) -> Path:
    """Six images: a text in each of four, none in the fifth, no label for the sixth."""
    put_images(tmp_path, *(f"{i}.jpg" for i in range(6)))
    for i in range(4):
        put_text(tmp_path / f"gt_{i}.txt", f"\ufeff{LINE},word {i}, and\r\n{LINE},###\r\n")
    put_text(tmp_path / "gt_4.txt", "")
    return tmp_path


def test_icdar_to_ppocr(icdar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--from", "icdar", icdar) == 0
    lines = label(icdar / "Label.txt", icdar)
    square = [list(point) for point in SQUARE]
    assert lines[0] == ("0.jpg", ["word 0, and", "###"], [square, square])
    assert lines[4] == ("4.jpg", [], [])
    assert len(lines) == 5
    out, errors = capsys.readouterr()
    assert "written: 5 images, 1 of them without text; 8 texts, 4 of them ignored" in out
    assert f"Train.dataset.data_dir={icdar}" in out
    assert errors.startswith("warning: ")
    assert "1 image (5.jpg) of the folder without a label: left out" in errors


def test_images_are_opened_only_for_a_format_that_needs_their_size(icdar: Path) -> None:
    (icdar / "0.jpg").write_bytes(b"no image")
    assert run("--from", "icdar", icdar) == 0
    assert run("--from", "icdar", icdar, "--to", "coco", "--out", icdar / "out") == 2


def test_negatives_on_demand(icdar: Path) -> None:
    assert run("--from", "icdar", icdar, "--negatives") == 0
    assert label(icdar / "Label.txt", icdar)[5] == ("5.jpg", [], [])


def test_nothing_is_overwritten_without_force(
    icdar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_text(icdar / "Label.txt", "mine")
    for more in ([], ["--skip-bad"]):
        assert run("--from", "icdar", icdar, *more) == 2
        assert (icdar / "Label.txt").read_text() == "mine"
        out, errors = capsys.readouterr()
        assert "already there; give --force" in errors
        assert "nothing was written" in out
    assert run("--from", "icdar", icdar, "--force") == 0
    assert len(label(icdar / "Label.txt", icdar)) == 5


@pytest.fixture
def faulty(icdar: Path) -> Path:
    put_text(icdar / "gt_1.txt", f"{LINE},good\n1,2,3\n")
    put_text(icdar / "gt_3.txt", f"x\n{LINE},good\ny\n")
    put_text(icdar / "gt_9.txt", f"{LINE},no such image\n")
    return icdar


def test_all_faults_are_listed_and_nothing_is_written(
    faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", "icdar", faulty, "--out", faulty / "new") == 2
    assert not (faulty / "new").exists()
    out, errors = capsys.readouterr()
    found = [text.split(": ")[1] for text in errors.splitlines() if text.startswith("error")]
    assert found == [
        f"{faulty / 'gt_1.txt'}:2",
        f"{faulty / 'gt_3.txt'}:1",
        f"{faulty / 'gt_3.txt'}:3",
        f"{faulty / 'gt_9.txt'}",
    ]
    assert "4 faults: bad-line 3, image-missing 1" in out
    assert "nothing was written; --skip-bad writes the 3 images without fault" in out


def test_skip_bad_writes_the_rest_and_names_what_is_left_out(
    faulty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left out whole: of 1.jpg one line is good, but the other text would become background."""
    assert run("--from", "icdar", faulty, "--skip-bad", "--negatives") == 2
    written = [name for name, _, _ in label(faulty / "Label.txt", faulty)]
    assert written == ["0.jpg", "2.jpg", "4.jpg", "5.jpg"]
    out, errors = capsys.readouterr()
    assert f"left out with a fault: 3 (1.jpg, 3.jpg, {faulty / 'gt_9.txt'})" in out
    assert "written: 4 images" in out
    assert errors.count("error: ") == 4


def test_split_is_by_image_seeded_and_whole(icdar: Path) -> None:
    parts = {}
    for seed in (0, 1, 0):
        out = icdar / f"out{len(parts)}"
        assert run("--from", "icdar", icdar, "--out", out, "--split", 0.8, "--seed", seed) == 0
        train, val = (label(out / f"{part}.txt", icdar) for part in ("train", "val"))
        assert (len(train), len(val)) == (4, 1)
        assert sorted(name for name, _, _ in train + val) == [f"{i}.jpg" for i in range(5)]
        parts[out] = (train, val)
    first, other, again = parts.values()
    assert first == again
    assert first != other


def test_split_does_not_depend_on_the_order_of_reading() -> None:
    entries = [Entry(f"{i}.jpg", (), "f") for i in range(20)]
    train, val = split(entries, 0.7, 3)
    turned, _ = split(entries[::-1], 0.7, 3)
    assert {entry.name for entry in train} == {entry.name for entry in turned}
    assert [entry.name for entry in train] == sorted((e.name for e in train), key=_number)
    assert len(val) == 6


def _number(name: str) -> int:
    return int(Path(name).stem)


@pytest.mark.parametrize(("images", "share"), [(1, 0.9), (3, 0.1), (4, 0.9)])
def test_a_split_with_an_empty_part_is_refused(images: int, share: float) -> None:
    with pytest.raises(DataError, match="leaves one part empty"):
        split([Entry(f"{i}.jpg", (), "f") for i in range(images)], share, 0)


@pytest.mark.parametrize("share", ["0", "1", "90%", "nan"])
def test_a_share_outside_0_and_1(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("--from", "icdar", ".", "--split", share)
    assert stopped.value.code == 2
    assert "between 0 and 1" in capsys.readouterr().err


SOURCES = {
    "no file": ("gone.json", "no such file or folder"),
    "nothing of its kind": (".", "holds no .json or .jsonl file, but"),
}


@pytest.mark.parametrize(("source", "said"), SOURCES.values(), ids=SOURCES)
def test_a_source_that_can_not_be_read(
    icdar: Path, source: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", "coco", icdar / source) == 2
    assert said in capsys.readouterr().err


def test_no_such_image_folder(icdar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--from", "icdar", icdar, "--images", icdar / "gone") == 2
    assert "say where with --images" in capsys.readouterr().err


def test_a_wrong_image_folder_is_said_once(icdar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (icdar / "empty").mkdir()
    assert run("--from", "icdar", icdar, "--images", icdar / "empty") == 2
    [told] = [text for text in capsys.readouterr().err.splitlines() if "error" in text]
    assert "none of 5 images is found" in told


def test_an_empty_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_json(tmp_path / "l.json", {"images": [], "annotations": []})
    assert run("--from", "coco", tmp_path) == 2
    assert "no image has a label here" in capsys.readouterr().err


def test_unfinished_tasks_alone_leave_nothing_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "l.json", [{"id": 1, "data": {"image": "a.jpg"}, "annotations": []}])
    assert run("--from", "labelstudio", tmp_path) == 2
    out, errors = capsys.readouterr()
    assert "no image has a label here" in errors
    assert "1 task has no finished annotation: left out (the first" in errors
    assert "nothing was written" in out
    assert not (tmp_path / "Label.txt").exists()


def ppocr(images: Path, *polygons: list[list[float]]) -> Path:
    """Three images: texts of all kinds, none, and one in a folder below."""
    put_images(images, "a.jpg", "b 2.png", "sub/c.jpg")
    said = ['word, "quoted"', "###", "*", "", " blank ", "12,5", "小心\u2028\\地滑"]
    items = [
        {"transcription": one, "points": polygons[i % len(polygons)]} for i, one in enumerate(said)
    ]
    lines = [f"a.jpg\t{json.dumps(items)}", "b 2.png\t[]", f"sub/c.jpg\t{json.dumps(items[:1])}"]
    return put_text(images / "Label.txt", "\n".join(lines))


SQUARE_POINTS = [list(point) for point in SQUARE]
TILTED = [[10.3, 20.7], [60.123, 21], [59.9, 40.1], [9.5, 39.25]]


@pytest.mark.parametrize(
    ("through", "file", "polygons"),
    [
        ("coco", "annotations.json", (SQUARE_POINTS, CURVE, TILTED)),
        ("icdar", "", (SQUARE_POINTS, TILTED)),
    ],
    ids=["coco", "icdar"],
)
def test_there_and_back(
    tmp_path: Path, through: str, file: str, polygons: tuple[list[list[float]], ...]
) -> None:
    images = tmp_path / "images"
    source = ppocr(images, *polygons)
    assert run("--from", "ppocr", source, "--to", through, "--out", tmp_path / through) == 0
    if file:
        assert (tmp_path / through / file).read_text("utf-8").startswith('{\n "info": {\n  "desc')
    back = ("--images", images, "--out", tmp_path / "back")
    assert run("--from", through, tmp_path / through / file, *back) == 0
    for folder in (through, "back"):
        written = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        assert any("小心" in path.read_text(encoding="utf-8") for path in written), "no escapes"
    before, after = label(source, images), label(tmp_path / "back" / "Label.txt", images)
    assert sorted(after) == sorted(before)
    assert after[0][1] == [
        'word, "quoted"',
        "###",
        "###",
        "",
        " blank ",
        "12,5",
        "小心\u2028\\地滑",
    ]


def test_polygons_of_other_than_four_points_are_reported_for_icdar(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ppocr(tmp_path, SQUARE_POINTS, CURVE)
    arguments = ("--from", "ppocr", source, "--to", "icdar", "--out", tmp_path / "gt")
    assert run(*arguments) == 2
    assert capsys.readouterr().err.count("has 6 points; ICDAR's have 4") == 3
    assert not (tmp_path / "gt").exists()
    assert run(*arguments, "--skip-bad") == 2
    written = sorted(
        p.relative_to(tmp_path / "gt").as_posix() for p in (tmp_path / "gt").rglob("*.txt")
    )
    assert written == ["gt_b 2.txt", "sub/gt_c.txt"]


def test_label_files_of_an_earlier_conversion_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ppocr(tmp_path, SQUARE_POINTS)
    put_text(tmp_path / "gt" / "gt_old.txt", "")
    assert run("--from", "ppocr", source, "--to", "icdar", "--out", tmp_path / "gt") == 0
    assert "1 other label file" in capsys.readouterr().err


def test_splits_of_the_other_formats(tmp_path: Path) -> None:
    source = ppocr(tmp_path, SQUARE_POINTS)
    for to in ("coco", "icdar"):
        arguments = ("--from", "ppocr", source, "--to", to, "--out", tmp_path / to, "--split", 0.7)
        assert run(*arguments) == 0
    assert {path.name for path in (tmp_path / "coco").iterdir()} == {"train.json", "val.json"}
    assert len(list((tmp_path / "icdar" / "train").rglob("gt_*.txt"))) == 2
    assert len(list((tmp_path / "icdar" / "val").rglob("gt_*.txt"))) == 1


def test_bad_lines_of_a_label_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_images(tmp_path, "a.jpg")
    half = json.dumps([{"transcription": "\ud83d", "points": SQUARE_POINTS}])
    put_text(tmp_path / "Label.txt", f"gone.jpg\t[]\na.jpg\t[{{]\na.jpg\t{half}\n")
    assert run("--from", "ppocr", tmp_path, "--to", "coco") == 2
    errors = capsys.readouterr().err
    assert [text.split(": ")[1][-2:] for text in errors.splitlines()] == [":1", ":2", ":3"]
    assert "gone.jpg is not there" in errors
    assert "half a character" in errors


def test_a_label_file_of_ppocrlabel_is_read_in_its_own_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its lines begin with the folder's own name."""
    folder = put_images(tmp_path / "scans", *(f"{i}.jpg" for i in range(4)))
    put_text(folder / "Label.txt", "".join(f"scans/{i}.jpg\t[]\n" for i in range(4)))
    assert run("--from", "ppocr", folder, "--to", "ppocr", "--out", tmp_path / "out") == 0
    assert capsys.readouterr().err == "", "there is nothing to be warned of"
    written = (tmp_path / "out" / "Label.txt").read_text(encoding="utf-8")
    assert written == "".join(f"{i}.jpg\t[]\n" for i in range(4))


def test_keys_that_are_not_written_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    item = {"transcription": "x", "points": SQUARE_POINTS, "key_cls": "total"}
    put_text(tmp_path / "Label.txt", f"a.jpg\t{json.dumps([item, item])}\nb.jpg\t[]\n")
    assert run("--from", "ppocr", tmp_path, "--to", "coco") == 0
    told = capsys.readouterr().err
    assert "1 image has texts with 'key_cls', which is not written (the first" in told


@pytest.fixture
def difficult(tmp_path: Path) -> Path:
    """PPOCRLabel writes the key for every text; two of five are difficult, one of them ###."""
    put_images(tmp_path, "a.jpg")
    items = [
        {"transcription": said, "points": SQUARE_POINTS, "difficult": is_difficult}
        for said, is_difficult in [("a", False), ("b", True), ("###", True), ("c", False), ("", 0)]
    ]
    put_text(tmp_path / "Label.txt", f"a.jpg\t{json.dumps(items)}\n")
    return tmp_path


def test_true_difficult_flags_are_counted(
    difficult: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", "ppocr", difficult, "--out", difficult / "out") == 0
    [told] = capsys.readouterr().err.splitlines()
    assert "1 text is marked difficult: learnt as any other (the first" in told
    assert label(difficult / "out" / "Label.txt", difficult)[0][1] == ["a", "b", "###", "c", ""]


def test_difficult_texts_are_ignored_on_demand(difficult: Path) -> None:
    out = difficult / "out"
    assert run("--from", "ppocr", difficult, "--out", out, "--difficult", "ignore") == 0
    assert label(out / "Label.txt", difficult)[0][1] == ["a", "###", "###", "c", ""]


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    """A plate in each of two images; two cars in the first, the outline of one is a mask."""
    put_images(tmp_path, "a.jpg", "b.jpg")
    boxes = [(1, "Plate", {}), (1, "Car", {}), (1, "Car", {"segmentation": {"counts": ""}})]
    classes = ["Car", "Plate"]
    annotations = [
        {
            "id": i, "image_id": image, "category_id": classes.index(name),
            "bbox": [10, 20, 50, 20], **outline,
        }
        for i, (image, name, outline) in enumerate([*boxes, (2, "Plate", {})])
    ]  # fmt: skip
    put_json(
        tmp_path / "l.json",
        {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
            "annotations": annotations,
            "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
        },
    )
    return tmp_path


@pytest.mark.parametrize("choice", [("--only", "Plate"), ("--without", "Car")])
def test_objects_are_chosen_by_their_class(
    plates: Path, choice: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The mask of the car that isn't chosen is no fault."""
    assert run("--from", "coco", plates, *choice) == 0
    square = [list(point) for point in SQUARE]
    assert label(plates / "Label.txt", plates) == [
        ("a.jpg", ["text"], [square]),
        ("b.jpg", ["text"], [square]),
    ]
    assert "left out by their class: Car (2)" in capsys.readouterr().err


def test_other_classes_are_named_with_the_option(
    plates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--from", "coco", plates) == 2
    errors = capsys.readouterr().err
    assert "became texts: Plate (2), Car (2)" in errors
    assert "--only Plate takes" in errors
    assert "(RLE)" in errors


def test_a_class_that_no_object_has(plates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--from", "coco", plates, "--only", "plate", "--skip-bad") == 2
    assert not (plates / "Label.txt").exists()
    errors = capsys.readouterr().err
    assert "no object is of the class 'plate'; did you mean 'Plate'?" in errors
    assert "its classes: Plate (2), Car (2)" in errors


@pytest.mark.parametrize(
    "choice", [("--only", "Plate", "--without", "Plate"), ("--without", "Plate,Car")]
)
def test_a_choice_that_leaves_no_object_is_refused(
    plates: Path, choice: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """All images would become images without text."""
    assert run("--from", "coco", plates, *choice) == 2
    assert not (plates / "Label.txt").exists()
    assert "leave no object: Plate (2), Car (2)" in capsys.readouterr().err


def test_a_class_with_a_comma(plates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = plates / "l.json"
    source.write_text(source.read_text().replace('"Plate"', '"Plate, small"'))
    assert run("--from", "coco", source) == 2
    assert """--only '"Plate, small"' takes""" in capsys.readouterr().err
    assert run("--from", "coco", source, "--only", '"Plate, small"') == 0
    assert [said for _, said, _ in label(plates / "Label.txt", plates)] == [["text"], ["text"]]


@pytest.mark.parametrize("names", ["", " , "])
def test_a_choice_without_a_name(
    plates: Path, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("--from", "coco", plates, "--only", names)
    assert "expected the name of a class" in capsys.readouterr().err


def test_all_label_files_of_a_folder_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each begins its paths with its own folder's name, as PPOCRLabel writes them."""
    for name in ("one", "two", "deep/three"):
        put_images(tmp_path / name, "a.jpg")
        put_text(tmp_path / name / "Label.txt", f"{Path(name).name}/a.jpg\t[]\n")
    assert run(tmp_path, "--out", tmp_path / "out") == 0
    written = [name for name, _, _ in label(tmp_path / "out" / "Label.txt", tmp_path)]
    assert written == ["deep/three/a.jpg", "one/a.jpg", "two/a.jpg"]
    assert "3 label files are read" in capsys.readouterr().err


def test_a_folder_of_divided_labels_and_one_of_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_text(tmp_path / "notes.txt", "hello\n")
    assert run("--from", "ppocr", tmp_path) == 2
    assert "no Label.txt and no other label file" in capsys.readouterr().err
    put_text(tmp_path / "train.txt", "a.jpg\t[]\n")
    put_text(tmp_path / "val.txt", "b.jpg\t[]\n")
    assert run("--from", "ppocr", tmp_path) == 0
    assert [name for name, _, _ in label(tmp_path / "Label.txt", tmp_path)] == ["a.jpg", "b.jpg"]


def test_recognition_labels_are_known_for_what_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "crop_img/a_crop_0.jpg", "crop_img/a_crop_1.jpg")
    put_text(tmp_path / "rec_gt.txt", "crop_img/a_crop_0.jpg\tHello\ncrop_img/a_crop_1.jpg\tyou\n")
    for words in ((), ("--from", "ppocr")):
        assert run(tmp_path / "rec_gt.txt", *words) == 2
        [told] = capsys.readouterr().err.splitlines()
        assert "recognition labels" in told
        assert "detection needs Label.txt" in told


def test_crops_for_recognition_are_no_images_without_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg", *(f"crop_img/a_crop_{i}.jpg" for i in range(3)))
    put_text(tmp_path / "Label.txt", "a.jpg\t[]\n")
    assert run("--from", "ppocr", tmp_path, "--out", tmp_path / "out", "--negatives") == 0
    written = [name for name, _, _ in label(tmp_path / "out" / "Label.txt", tmp_path)]
    assert written == ["a.jpg", "b.jpg"]
    [told] = capsys.readouterr().err.splitlines()
    assert "3 pictures (crop_img/a_crop_0.jpg, " in told
    assert "--negatives" not in told


def test_crop_img_of_other_projects_is_a_folder_like_others(tmp_path: Path) -> None:
    put_images(tmp_path, "crop_img/a.jpg", "crop_img/b.jpg")
    put_text(tmp_path / "gt_a.txt", f"{LINE},x\n")
    assert run("--from", "icdar", tmp_path, "--negatives") == 0
    written = [name for name, _, _ in label(tmp_path / "Label.txt", tmp_path)]
    assert written == ["crop_img/a.jpg", "crop_img/b.jpg"]


def test_what_an_earlier_conversion_wrote_is_no_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "a.txt", f"{LINE},x\n")
    assert run("--from", "icdar", tmp_path) == 0
    assert run("--from", "icdar", tmp_path, "--force") == 0
    assert "1 file is PaddleOCR's or PPOCRLabel's own: not read" in capsys.readouterr().err


def test_a_flood_of_faults_is_counted_by_kind_and_written_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put_images(tmp_path, "a.jpg")
    put_text(tmp_path / "gt_a.txt", "1,2,3\n" * 900 + '9 9 5 9 "x"\n' * 7 + f"{LINE},x\n")
    assert run("--from", "icdar", tmp_path, "--out", tmp_path / "new") == 2
    out, errors = capsys.readouterr()
    told = errors.splitlines()
    assert [line.split(": ")[1] for line in told[:5]] == [
        f"{tmp_path / 'gt_a.txt'}:{i}" for i in range(1, 6)
    ]
    assert "895 more of this kind (bad-line)" in told[5]
    assert "2 more of this kind (empty-box)" in told[11]
    assert "907 faults: bad-line 900, empty-box 7" in out
    log = tmp_path / "new" / "convert_findings.log"
    assert told[12] == f"all of them are in {log}"
    assert len(log.read_text().splitlines()) == 907
    assert not (tmp_path / "new" / "Label.txt").exists()


def test_copies_of_a_picture_stay_in_one_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Roboflow's names; 4 pictures with 3 copies each, and 4 with one name each."""
    names = [f"p{i}_jpg.rf.{i:08x}{copy:08x}.jpg" for i in range(4) for copy in range(3)]
    put_images(tmp_path, *names, *(f"q{i}.jpg" for i in range(4)))
    put_text(tmp_path / "Label.txt", "".join(f"{n}\t[]\n" for n in [*names, "q0.jpg", "q1.jpg"]))
    for seed in range(5):
        out = tmp_path / str(seed)
        assert run("--from", "ppocr", tmp_path, "--split", 0.7, "--seed", seed, "--out", out) == 0
        parts = [
            {n for n, _, _ in label(out / f"{part}.txt", tmp_path)} for part in ("train", "val")
        ]
        pictures = [{name.split("_")[0] for name in part} for part in parts]
        assert not pictures[0] & pictures[1]
        assert len(parts[0] | parts[1]) == 14
        assert 9 <= len(parts[0]) <= 11  # 0.7 of 14, by at most half of the copies of one picture
    assert "12 images: copies of 4 pictures" in capsys.readouterr().err


def test_paths_are_quoted_for_yaml_and_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put_images(tmp_path / "a, b", "a.jpg")
    put_text(folder / "gt_a.txt", f"{LINE},x\n")
    assert run("--from", "icdar", folder) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    words = shlex.split(last.partition("-o ")[2])
    values = {key: yaml.safe_load(value) for key, _, value in (w.partition("=") for w in words)}
    assert values == {
        "Global.val_ratio": 0.2,
        "Train.dataset.data_dir": str(folder),
        "Train.dataset.label_file_list": [str(folder / "Label.txt")],
    }


def test_an_image_that_a_label_line_can_not_name(tmp_path: Path) -> None:
    writer = PpocrWriter()
    for name in ("a\tb.jpg", "a\n.jpg", " a.jpg", "[a].jpg"):
        text = LabelText(SQUARE, "x")
        assert [fault.rule for fault in writer.faults(Entry(name, (text,), "f"))] == ["bad-name"]


@pytest.mark.parametrize(
    ("folder", "file"),
    [("sample", "val.txt"), ("receipts", "val.txt"), ("icdar2015_mini", "label.txt")],
)
@pytest.mark.parametrize("through", ["coco", "icdar"])
def test_real_labels_there_and_back(tmp_path: Path, folder: str, file: str, through: str) -> None:
    images = pictures_of(folder)
    arguments = ("--images", images, "--out")
    there = tmp_path / "there"
    assert run("--from", "ppocr", images / file, "--to", through, *arguments, there) == 0
    source = there / "annotations.json" if through == "coco" else there
    assert run("--from", through, source, *arguments, tmp_path) == 0
    before, after = (label(path, images) for path in (images / file, tmp_path / "Label.txt"))
    assert sorted(after) == sorted(before)
    assert np.sum([len(said) for _, said, _ in after]) > 50
