"""Label files: what is read, what is said about each line that can't be, and of other files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppocr_ft.commands.check.data import Source, check_dataset
from ppocr_ft.data.labels import LabelFile, read_label_file, read_label_files
from ppocr_ft.errors import DataError
from ppocr_ft.transforms.labels import parse_texts
from tests.support.pictures import text
from tests.support.samples import pictures_of

ONE = json.dumps([text("one", 1, 2)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg", "äö 漢.jpg", "in/side.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"any")
    return tmp_path


def read(folder: Path, content: str | bytes, delimiter: str = "\t") -> LabelFile:
    raw = content.encode() if isinstance(content, str) else content
    (folder / "label.txt").write_bytes(raw)
    return read_label_file(folder / "label.txt", folder, delimiter)


def images(file: LabelFile) -> list[str]:
    folder = Path(file.path).parent
    return [Path(path).relative_to(folder).as_posix() for e in file.entries for path in e.images]


def only_fault(file: LabelFile) -> DataError:
    assert not file.entries
    (fault,) = file.faults
    return fault


def test_a_line_is_image_texts_and_its_place(folder: Path) -> None:
    texts = [text("Total: 7,50", 3, 4), text("###", 10, 40)]
    file = read(folder, f"a.jpg\t{json.dumps(texts)}\n")
    (entry,) = file.entries
    assert entry.images == (str(folder / "a.jpg"),)
    assert entry.texts.transcriptions == ("Total: 7,50", "###")
    assert entry.texts.ignored.tolist() == [False, True]
    np.testing.assert_array_equal(entry.texts.polygons[0], np.float32(texts[0]["points"]))
    assert entry.texts.polygons[0].dtype == np.float32
    assert (entry.label_file, entry.line) == (str(folder / "label.txt"), 1)


@pytest.mark.parametrize(
    ("content", "names", "lines"),
    [
        pytest.param(
            f"a.jpg\t{ONE}\nb.jpg\t{ONE}", ["a.jpg", "b.jpg"], [1, 2], id="no last newline"
        ),
        pytest.param(f"\ufeffa.jpg\t{ONE}\n", ["a.jpg"], [1], id="byte order mark"),
        pytest.param(f"a.jpg\t{ONE}\r\nb.jpg\t{ONE}\r\n", ["a.jpg", "b.jpg"], [1, 2], id="CRLF"),
        pytest.param(f"\n  \na.jpg\t{ONE}\n\t\n", ["a.jpg"], [3], id="blank lines"),
        pytest.param(f"äö 漢.jpg\t{ONE}\n", ["äö 漢.jpg"], [1], id="a name outside of ASCII"),
        pytest.param(f"in\\side.jpg\t{ONE}\n", ["in/side.jpg"], [1], id="Windows path"),
        pytest.param("a.jpg\t[]\n", ["a.jpg"], [1], id="no text"),
        pytest.param(f"a.jpg\t{ONE}\t640\t480\n", ["a.jpg"], [1], id="further columns"),
        pytest.param(f'["a.jpg", "b.jpg"]\t{ONE}', ["a.jpg", "b.jpg"], [1], id="list of images"),
        pytest.param("", [], [], id="empty file"),
        pytest.param(
            'a.jpg\t[{"transcription": "x", "points": [[0, 0], [9, 0], [9, 9]], "difficult": true, '
            '"key_cls": "None"}]',
            ["a.jpg"],
            [1],
            id="PPOCRLabel's further keys",
        ),
        pytest.param(
            'a.jpg\t[{"transcription": 12, "points": [[0, 0], [9, 0], [9, 9]]}]',
            ["a.jpg"],
            [1],
            id="a number as transcription",
        ),
        pytest.param(
            'a.jpg\t[{"transcription": "a\\tb", "points": [[0, 0], [9, 0], [9, 9]]}]',
            ["a.jpg"],
            [1],
            id="an escaped tab in a transcription",
        ),
    ],
)
def test_lines_that_are_read(
    folder: Path, content: str, names: list[str], lines: list[int]
) -> None:
    file = read(folder, content)
    assert file.faults == ()
    assert images(file) == names
    assert [entry.line for entry in file.entries] == lines


def test_the_text_of_a_recogniser_s_result_is_taken_and_counted(folder: Path) -> None:
    """``["AB123", 0.91]``, as scripts write PaddleOCR's own results."""
    texts = [text("ok", 1, 2), text("", 5, 50), text("", 9, 70), text("", 9, 90)]
    for item, scored in zip(texts[1:], (["AB123", 0.91], ["###", 1], ["7", 0]), strict=True):
        item["transcription"] = scored
    file = read(folder, f"a.jpg\t{json.dumps(texts)}\nb.jpg\t[]")
    assert file.entries[0].texts.transcriptions == ("ok", "AB123", "###", "7")
    assert file.entries[0].texts.ignored.tolist() == [False, False, True, False]
    said = f"{file.path}: 3 of 4 texts with a transcription [text, score]: the text is taken"
    assert file.notes == {"scored": said}


def test_difficult_texts_are_counted_and_learnt(folder: Path) -> None:
    marked = [{**text("x", 1, 2), "difficult": flag} for flag in (True, False, True)]
    file = read(folder, f"a.jpg\t{json.dumps(marked)}")
    assert file.entries[0].texts.ignored.tolist() == [False] * 3
    said = f"{file.path}: 2 of 3 texts marked difficult: learnt as PaddleOCR does"
    assert file.notes == {"difficult": said}


def test_an_absolute_path_stays(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "c.jpg"
    elsewhere.write_bytes(b"any")
    (entry,) = read(folder, f"{elsewhere}\t{ONE}").entries
    assert entry.images == (str(elsewhere),)


@pytest.mark.parametrize("delimiter", [",", ";", " | ", "   "])
def test_another_delimiter(folder: Path, delimiter: str) -> None:
    file = read(folder, f"a.jpg{delimiter}{ONE}\n", delimiter)
    assert images(file) == ["a.jpg"]
    assert len(file.entries[0].texts) == 1


def test_a_negative_has_no_texts(folder: Path) -> None:
    (entry,) = read(folder, "a.jpg\t[]").entries
    assert len(entry.texts) == 0
    assert entry.texts.ignored.dtype == bool
    assert entry.texts.boxes().shape == (0, 4)


def points(value: str) -> str:
    return f'a.jpg\t[{{"transcription": "x", "points": {value}}}]'


FAULTS = {
    "no delimiter": ("a.jpg", r"there is no delimiter '\\t'; expected image path"),
    "spaces for a tab": (f"a.jpg {ONE}", r"before the JSON stands ' ': is that the delimiter"),
    "comma for a tab": (f"a.jpg,{ONE}", r"before the JSON stands ','"),
    "no path": (f"\t{ONE}", "no image path before the delimiter"),
    "nothing after the tab": ("a.jpg\t", "found nothing where the texts should be"),
    "a recogniser's label": ("a.jpg\thello", "found 'hello' where the texts should be"),
    "JSON cut off": ('a.jpg\t[{"transcription": "x", "poi', "broken JSON: .* character"),
    "15 characters before the fault and 15 from it on": (
        f"a.jpg\t[{'1, ' * 9}x{'2, ' * 9}]",
        "character 29 of the label, near '1, 1, 1, 1, 1, x2, 2, 2, 2, 2,'$",
    ),
    "a fault at the beginning": ("a.jpg\t[x]", "character 2 of the label, near '.x]'$"),
    "single quotes": ("a.jpg\t[{'transcription': 'x'}]", r"write it with json\.dumps\(texts, ensu"),
    "Python's False": ('a.jpg\t[{"difficult": False}]', r"Python's way of writing: .*json\.dumps"),
    "a list as transcription": (
        'a.jpg\t[{"transcription": ["x", "y"], "points": [[0, 0], [9, 0], [9, 9]]}]',
        r'has transcription \["x", "y"\]; write the text in quotes',
    ),
    "an object for a list": ('a.jpg\t{"points": []}', "found a JSON dict; expected a list"),
    "a text that is no object": ("a.jpg\t[[1, 2]]", r"text 1 is \[1, 2\]; expected"),
    "no points": ('a.jpg\t[{"transcription": "x"}]', "text 1 lacks 'points'; it has 'transcrip"),
    "no transcription": (
        'a.jpg\t[{"points": [[0, 0], [9, 0], [9, 9]], "label": "x"}]',
        "text 1 lacks 'transcription'; it has 'points', 'label'",
    ),
    "null transcription": (
        'a.jpg\t[{"transcription": null, "points": [[0, 0], [9, 0], [9, 9]]}]',
        'text 1 has transcription null; write the text in quotes, "###" for one',
    ),
    "two points": (points("[[0, 0], [9, 9]]"), "text 1 has 2 points; a polygon needs 3"),
    "no point at all": (points("[]"), r"text 1 has points \[\]"),
    "flat points": (points("[0, 0, 9, 0, 9, 9]"), r"expected \[\[x, y\], ...\]"),
    "three numbers a point": (points("[[0, 0, 1], [9, 0, 1], [9, 9, 1]]"), r"expected \[\[x, y"),
    "ragged points": (points("[[0, 0], [9], [9, 9]]"), r"expected \[\[x, y\], ...\]"),
    "words for numbers": (points('[["a", 0], [9, 0], [9, 9]]'), r"expected \[\[x, y\], ...\]"),
    "null for points": (points("null"), "text 1 has points None"),
    "NaN": (points("[[0, NaN], [9, 0], [9, 9]]"), "a coordinate beyond 1e"),
    "infinity": (points("[[0, 0], [9, 0], [Infinity, 9]]"), "a coordinate beyond 1e"),
    "absurdly far away": (points("[[0, 0], [9, 0], [1e38, 9]]"), "a coordinate beyond 1e"),
    "more than a float holds": (points(f"[[0, 0], [9, 0], [{10**400}, 9]]"), "text 1 has"),
    "an image that is not there": (f"c.jpg\t{ONE}", r"the image .*c\.jpg is not there"),
    "a folder for an image": (f"in\t{ONE}", "the image .*in is a folder"),
    "a URL": (f"https://example.org/a.jpg\t{ONE}", r"the image is the URL https://example\.org/a"),
    "a list with a URL": (
        f'["a.jpg", "HTTP://example.org/b.jpg"]\t{ONE}',
        r"the URL HTTP://example\.org/b\.jpg; images are read from this machine: download it",
    ),
    "a list without images": (f"[]\t{ONE}", "expected a list of image paths"),
    "a list of numbers": (f"[1, 2]\t{ONE}", "expected a list of image paths"),
    "nested without end": (f"a.jpg\t{'[' * 200_000}", "broken JSON: .*recursion"),
    "a number of 5000 digits": (points(f"[[0, 0], [9, 0], [{'9' * 5000}, 9]]"), "broken JSON: Exc"),
}


@pytest.mark.parametrize(("line", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_line_is_told_with_file_and_line(folder: Path, line: str, message: str) -> None:
    fault = only_fault(read(folder, f"\n{line}\n"))
    assert fault.path == str(folder / "label.txt")
    assert fault.line == 2
    with pytest.raises(DataError, match=message):
        raise fault


def test_bytes_that_are_not_utf8(folder: Path) -> None:
    fault = only_fault(read(folder, b"a.jpg\t[]" + "漢字".encode("gbk")))
    assert "is not UTF-8; save the label file as UTF-8" in str(fault)


def test_utf16_is_recognised(folder: Path) -> None:
    with pytest.raises(DataError, match="label file is UTF-16; save it as UTF-8"):
        read(folder, f"a.jpg\t{ONE}".encode("utf-16"))


def test_all_bad_lines_come_at_once_and_the_others_are_kept(folder: Path) -> None:
    file = read(folder, f"a.jpg\t{ONE}\nb.jpg {ONE}\n\nb.jpg\t{ONE}\nc.jpg\t{ONE}\nb.jpg\t[{{\n")
    assert images(file) == ["a.jpg", "b.jpg"]
    assert [fault.line for fault in file.faults] == [2, 5, 6]


def test_all_bad_texts_of_a_line_are_counted(folder: Path) -> None:
    two_points = {"transcription": "x", "points": [[0, 0], [1, 1]]}
    label = json.dumps([two_points] * 2 + [text("good", 0, 0)] + [{}] * 2)
    fault = only_fault(read(folder, f"a.jpg\t{label}"))
    assert "text 1 has 2 points" in fault.message
    assert "text 2 has 2 points" in fault.message
    assert "text 4 lacks 'transcription'" in fault.message
    assert fault.message.endswith("; and 3 more")
    fault = only_fault(read(folder, f"a.jpg\t{json.dumps([two_points] * 3)}"))
    assert fault.message.count("has 2 points") == 3
    assert "more" not in fault.message.replace("3 or more", "")


def test_a_missing_label_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.txt: the label file can't be read: No such file"):
        read_label_file(tmp_path / "gone.txt", tmp_path)
    (file,) = read_label_files([tmp_path / "gone.txt"], tmp_path)
    assert "can't be read" in only_fault(file).message


def test_missing_images_can_be_let_pass(folder: Path) -> None:
    (folder / "label.txt").write_text("c.jpg\t[]\n")
    file = read_label_file(folder / "label.txt", folder, check_images=False)
    assert images(file) == ["c.jpg"]


JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["points", "transcription", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSONS)
def test_any_json_is_read_or_a_data_error(value: object) -> None:
    try:
        texts = parse_texts(json.dumps(value))
    except DataError:
        return
    assert isinstance(value, list)
    assert len(texts) == len(value) == len(texts.ignored)
    assert all(len(texts.polygons[i]) >= 3 for i in range(len(texts)))


@given(st.text(max_size=40))
def test_any_text_is_read_or_a_data_error(label: str) -> None:
    try:
        texts = parse_texts(label)
    except DataError:
        return
    assert len(texts) == len(json.loads(label))


@pytest.mark.parametrize(
    ("parts", "lines", "texts"),
    [
        pytest.param(("sample", "train.txt"), 120, 1601, id="sample, train"),
        pytest.param(("sample", "val.txt"), 40, 545, id="sample, val"),
        pytest.param(("receipts", "train.txt"), 100, 5620, id="receipts, train"),
        pytest.param(("receipts", "val.txt"), 30, 1512, id="receipts, val"),
        pytest.param(("icdar2015_mini", "label.txt"), 10, 82, id="icdar2015_mini"),
    ],
)
def test_real_label_files(parts: tuple[str, str], lines: int, texts: int) -> None:
    folder, name = parts
    path = pictures_of(folder) / name
    file = read_label_file(path, path.parent)
    assert file.faults == ()
    assert len(file.entries) == lines
    assert sum(len(entry.texts) for entry in file.entries) == texts


def test_a_folder_that_is_not_there_is_one_fault(tmp_path: Path) -> None:
    box = [{"transcription": "a", "points": [[0, 0], [9, 0], [9, 9], [0, 9]]}]
    lines = [f"{number}.png\t{json.dumps(box)}\n" for number in range(30)]
    (tmp_path / "label.txt").write_text("".join(lines))
    (fault,) = read_label_file(tmp_path / "label.txt", tmp_path / "gone").faults
    assert str(tmp_path / "gone") in fault.message
    assert "correct data_dir" in fault.message
    assert fault.line is None


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
    ("Label Studio, tasks alone", "tasks.json", '[{"data": {}}]', "is Label Studio's JSON"),
    ("Label Studio, results alone", "x.json", '[{"annotations": []}]', "is Label Studio's JSON"),
    ("another JSON", "x.json", '{"a": 1}', "is a JSON file, no label file"),
    ("VOC", "a.xml", "<annotation>\n<object/>\n</annotation>\n", "is XML"),
    ("a list of images", "list.txt", "a.jpg\nb.jpg\n", r"has no label line, its first is 'a\.jpg'"),
    ("a YAML", "det.yml", "Global:\n  epoch_num: 3\n", "has no label line, its first is 'Global:'"),
    ("bytes that happen to be a label's", "a.png", "\x89PNG\n\0\0\n\0x\t[1\n", "is no text file"),
    ("a zero byte in line 20", "a.txt", "a\n" * 19 + "\0\n", "is no text file"),
    ("a zero byte in line 21", "a.txt", "a\n" * 20 + "\0\n", "has no label line"),
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
    for number in range(199):
        assert number < 198 or "name the 200 label files in it" in said_of_folder(tmp_path)
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "Label.txt").write_text("")
    said = said_of_folder(tmp_path)
    assert said.startswith(
        "is a folder of more than 200 Label.txt; make one of them: ppocr-ft conv"
    )
    assert str(a) not in said
