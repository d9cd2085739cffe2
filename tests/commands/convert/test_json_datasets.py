"""The JSON labels of data sets of text: LSVT, ReCTS, MMOCR, HierText, FUNSD and their kin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.convert.cli import main
from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.image_folder import ImageFolder
from ppocr_ft.commands.convert.formats.reading import Reading, TextChoice
from ppocr_ft.commands.convert.recognition import recognise
from ppocr_ft.utils.progress import no_progress
from tests.support.convert_samples import (
    HEIGHT_PX,
    SQUARE,
    WIDTH_PX,
    Points,
    flat,
    message,
    only,
    places,
    put_images,
    put_json,
    read,
    rectangle,
    rules,
    texts,
)

POINTS = [list(point) for point in SQUARE]
CURVE = [[1, 10], [50, 2], [99, 10], [99, 30], [50, 22], [1, 30]]


def word(said: Any = "STOP", points: Any = POINTS, **more: Any) -> dict[str, Any]:
    return {"transcription": said, "points": points, "illegibility": False, **more}


def test_images_are_found_by_their_names_without_suffix(tmp_path: Path) -> None:
    put_images(tmp_path / "train_full_images_0", "gt_0.jpg", "gt_1.png", "gt_10.jpg")
    label = {
        "gt_0": [word("一站式购物中心"), word("###", illegibility=True)],
        "gt_1": [word("bent", CURVE, language="Latin"), word("seen", illegibility=True)],
        "gt_10": [],
    }
    path = put_json(tmp_path / "train_full_labels.json", label)
    reading = read("lsvt", path, tmp_path)
    assert reading.findings == []
    assert {entry.name: texts(entry) for entry in reading.entries} == {
        "train_full_images_0/gt_0.jpg": [("一站式购物中心", SQUARE), ("###", SQUARE)],
        "train_full_images_0/gt_1.png": [
            ("bent", tuple(tuple(map(float, point)) for point in CURVE)),
            ("###", SQUARE),
        ],
        "train_full_images_0/gt_10.jpg": [],
    }


def test_ufo(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    words = {"0001": word(language="ko"), "0002": word(None, illegibility=True)}
    image = {"words": words, "img_w": 200, "img_h": 100, "tags": []}
    put_json(tmp_path / "train.json", {"images": {"a.jpg": image}, "version": "x"})
    assert only(read("lsvt", tmp_path)) == [("STOP", SQUARE), ("###", SQUARE)]


BAD_WORDS: dict[str, tuple[Any, str, str]] = {
    "no points": (word(points=None), "bad-points", "gt_1, text 1: found points None"),
    "two points": (word(points=POINTS[:2]), "few-points", "gt_1, text 1: has 2 points"),
    "number as text": (word(5), "bad-transcription", "gt_1, text 1: found 5"),
    "no object": ("STOP", "bad-structure", "gt_1, text 1: found 'STOP' as a text"),
}


@pytest.mark.parametrize(("bad", "rule", "said"), BAD_WORDS.values(), ids=BAD_WORDS)
def test_a_bad_text_is_reported_by_image_and_number(
    tmp_path: Path, bad: Any, rule: str, said: str
) -> None:
    put_images(tmp_path, "gt_0.jpg", "gt_1.jpg")
    put_json(tmp_path / "l.json", {"gt_0": [word()], "gt_1": [bad]})
    reading = read("lsvt", tmp_path)
    assert rules(reading) == [rule]
    assert message(reading).startswith(said)
    assert [entry.name for entry in reading.entries] == ["gt_0.jpg"]
    assert reading.left_out == ["gt_1.jpg"]


def test_bad_images_are_all_reported(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    sized = {"words": {}, "img_w": 400, "img_h": 100}
    put_json(tmp_path / "1.json", {"gt_0": [word()], "gt_1": 5})
    put_json(tmp_path / "2.json", {"images": {"a.jpg": sized, "b.jpg": {"words": {"1": word()}}}})
    reading = read("lsvt", tmp_path)
    assert rules(reading) == ["image-missing", "bad-structure", "size-differs", "image-missing"]
    assert "no image gt_0 " in message(reading)
    assert "400 x 100 px" in message(reading, 2)


def rects_text(said: str, points: Any = None, ignore: Any = 0) -> dict[str, Any]:
    return {"transcription": said, "points": points or flat(SQUARE), "ignore": ignore}


def test_lines_are_read_and_characters_counted(tmp_path: Path) -> None:
    put_images(tmp_path / "img", "train_000001.jpg", "train_000002.jpg")
    lines = [rects_text("HOKI"), rects_text("###", ignore=1), rects_text("smudged", ignore=1)]
    label = {"chars": [rects_text("H"), rects_text("O")], "lines": lines}
    put_json(tmp_path / "gt" / "train_000001.json", label)
    put_json(tmp_path / "gt" / "train_000002.json", {"chars": [], "lines": []})
    reading = read("rects", tmp_path / "gt", tmp_path / "img")
    first, second = reading.entries
    assert (first.name, second.name) == ("train_000001.jpg", "train_000002.jpg")
    assert texts(first) == [("HOKI", SQUARE), ("###", SQUARE), ("###", SQUARE)]
    assert second.texts == ()
    assert [(f.rule, f.severity) for f in reading.findings] == [("chars", "warning")]
    assert message(reading).startswith("1 file has single characters")


def test_faults_of_rects_name_the_line(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg", "b.jpg")
    put_json(
        tmp_path / "a.json", {"chars": [], "lines": [rects_text("x"), rects_text("y", [1, 2, 3])]}
    )
    put_json(tmp_path / "b.json", {"chars": [], "lines": [rects_text("x", [1, 2, 3, 4])]})
    put_json(tmp_path / "c.json", {"chars": [], "lines": ["x"]})
    reading = read("rects", tmp_path)
    assert places(reading, tmp_path) == [
        ("a.json", None, "bad-points"),
        ("b.json", None, "few-points"),
        ("c.json", None, "image-missing"),
        ("c.json", None, "bad-structure"),
    ]
    assert message(reading).startswith("line 2: ")
    assert rules(reading, "warning") == []


BOX = [10, 20, 60, 40]  # left, top, right, bottom
METAINFO = {
    "dataset_type": "TextDetDataset",
    "task_name": "textdet",
    "category": [{"id": 0, "name": "text"}, {"id": 1, "name": "logo"}],
}


def instance(**more: Any) -> dict[str, Any]:
    return {"bbox": BOX, "bbox_label": 0, "ignore": False, **more}


def mmocr(*instances: Any, **more: Any) -> dict[str, Any]:
    image = {"img_path": "a.jpg", "width": WIDTH_PX, "height": HEIGHT_PX, "seg_map": "gt_a.txt"}
    return {"metainfo": METAINFO, "data_list": [{**image, "instances": list(instances), **more}]}


INSTANCES: dict[str, tuple[dict[str, Any], str]] = {
    "polygon goes before the box": (
        instance(bbox=[0, 0, 9, 9], polygon=flat(SQUARE), text="STOP"),
        "STOP",
    ),
    "edges": (instance(text="STOP"), "STOP"),
    "ignored": (instance(text="STOP", ignore=True), "###"),
}


@pytest.mark.parametrize(("one", "said"), INSTANCES.values(), ids=INSTANCES)
def test_an_instance(tmp_path: Path, one: dict[str, Any], said: str) -> None:
    put_images(tmp_path, "a.jpg")
    put_json(tmp_path / "l.json", mmocr(one))
    assert only(read("mmocr", tmp_path)) == [(said, SQUARE)]


def test_classes_and_what_is_not_read_are_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    both = instance(bbox_label=1, text="x", angle=30, poly=flat(SQUARE))
    put_json(tmp_path / "l.json", mmocr(instance(), both))
    reading = read("mmocr", tmp_path)
    assert reading.categories == {"text": 1, "logo": 1}
    assert sorted(rules(reading, "warning")) == [
        "angle-not-read",
        "coordinates-not-read",
        "no-transcription",
    ]


def test_faults_of_mmocr_name_image_and_instance(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    label = mmocr(instance(bbox=[1, 2, 3]), instance(bbox=[60, 20, 10, 40]), "x")
    label["data_list"] += [{"img_path": "b.jpg", "instances": []}, {"img_path": 5}, 7]
    put_json(tmp_path / "l.json", label)
    reading = read("mmocr", tmp_path)
    assert rules(reading) == [
        "bad-points",
        "empty-box",
        "bad-structure",
        "image-missing",
        "bad-structure",
        "bad-structure",
        "bad-structure",
    ]
    assert message(reading).startswith(
        "image 1, instance 1: found [1, 2, 3] as 'bbox'; expected [l"
    )
    assert "image 3: found None as the instances" in message(reading, 5)


def test_labels_of_recognition_are_refused_once(tmp_path: Path) -> None:
    put_images(tmp_path, "a.jpg")
    images = [{"img_path": "a.jpg", "instances": [{"text": "x"}]}] * 3
    label = {"metainfo": {"task_name": "textrecog"}, "data_list": images}
    put_json(tmp_path / "l.json", label)
    reading = read("mmocr", tmp_path)
    assert rules(reading) == ["recognition-labels"]
    assert reading.left_out == [str(tmp_path / "l.json")]


LEFT, RIGHT = rectangle(10, 20, 30, 40), rectangle(35, 20, 60, 40)
LOST = rectangle(100, 50, 180, 90)


def part(points: Points, said: str | None = None, **more: Any) -> dict[str, Any]:
    text = {} if said is None else {"text": said, "handwritten": False, "vertical": False}
    return {"vertices": [list(point) for point in points], "legible": True, **text, **more}


def hiertext(*paragraphs: Any, image: str = "0a1b", **more: Any) -> dict[str, Any]:
    size = {"image_width": 200, "image_height": 100}
    annotation = {"image_id": image, **size, "paragraphs": list(paragraphs), **more}
    return {"info": {"date": "2022"}, "annotations": [annotation]}


HIERTEXT_WORDS = [part(LEFT, "two"), part(RIGHT, "", legible=False)]
PARAGRAPHS = [
    part(SQUARE, lines=[part(SQUARE, "two", words=HIERTEXT_WORDS, legible=False)]),
    part(SQUARE, lines=[part(SQUARE, "one line", words=[part(LEFT, "one"), part(RIGHT, "line")])]),
    part(LOST, lines=[]),
]
HIERTEXT_LEVELS: dict[str, tuple[str | None, list[Any]]] = {
    "lines, if nothing is said": (None, [("###", SQUARE), ("one line", SQUARE), ("###", LOST)]),
    "lines": ("lines", [("###", SQUARE), ("one line", SQUARE), ("###", LOST)]),
    "words": (
        "words",
        [("two", LEFT), ("###", RIGHT), ("one", LEFT), ("line", RIGHT), ("###", LOST)],
    ),
}


@pytest.mark.parametrize(("level", "expected"), HIERTEXT_LEVELS.values(), ids=HIERTEXT_LEVELS)
def test_hiertext_levels(tmp_path: Path, level: str | None, expected: list[Any]) -> None:
    """A line with an illegible word is illegible; a paragraph without lines is ignored whole."""
    put_images(tmp_path, "0a1b.jpg")
    path = put_json(tmp_path / "train.jsonl", hiertext(*PARAGRAPHS))
    reading = Reading(ImageFolder(tmp_path), TextChoice(level=level))
    FORMATS["hiertext"].read(tmp_path, reading, no_progress)
    assert only(reading) == expected
    name, reason = recognise(tmp_path)
    assert (name, reason) == ("hiertext", f"{path} has 'annotations' with 'paragraphs'")


def test_a_line_without_words_is_ignored_where_words_are_asked_for(tmp_path: Path) -> None:
    put_images(tmp_path, "0a1b.jpg")
    paragraph = part(SQUARE, lines=[part(SQUARE, "one", words=[])])
    path = put_json(tmp_path / "train.json", hiertext(paragraph))
    reading = Reading(ImageFolder(tmp_path), TextChoice(level="words"))
    FORMATS["hiertext"].read(path, reading, no_progress)
    assert only(reading) == [("###", SQUARE)]


BAD_HIERTEXT: dict[str, tuple[dict[str, Any], str, str]] = {
    "no image": (hiertext(image="gone"), "image-missing", "image 1: no image gone "),
    "another size": (hiertext(image_width=9), "size-differs", "image 1: the label is of"),
    "no lines": (hiertext(part(SQUARE)), "bad-structure", "'lines' of paragraph 1"),
    "no object": (hiertext("x"), "bad-structure", "image 1: found 'x' as paragraph 1"),
    "no vertices": (
        hiertext({"lines": [{"text": "x"}]}),
        "bad-points",
        "image 1, paragraph 1, line 1: found points None",
    ),
}


@pytest.mark.parametrize(("label", "rule", "said"), BAD_HIERTEXT.values(), ids=BAD_HIERTEXT)
def test_faults_of_hiertext_name_the_place(
    tmp_path: Path, label: Any, rule: str, said: str
) -> None:
    put_images(tmp_path, "0a1b.jpg")
    put_json(tmp_path / "l.json", label)
    reading = read("hiertext", tmp_path)
    assert rules(reading) == [rule]
    assert said in message(reading)
    assert reading.entries == []


BLOCK = {
    "id": 0,
    "text": "Registration No.",
    "box": [10, 20, 60, 40],
    "linking": [[0, 1]],
    "label": "question",
    "words": [
        {"text": "Registration", "box": [10, 20, 50, 40]},
        {"text": "", "box": [52, 20, 60, 40]},
    ],
}
BARE = {"id": 1, "text": "533", "box": [70, 20, 90, 40], "words": [], "label": "answer"}
FUNSD_WORDS = [
    ("Registration", rectangle(10, 20, 50, 40)),
    ("###", rectangle(52, 20, 60, 40)),
    ("533", rectangle(70, 20, 90, 40)),
]
FUNSD_BLOCKS = [("Registration No.", SQUARE), ("533", rectangle(70, 20, 90, 40))]
FUNSD_LEVELS: dict[str, tuple[str, str | None, list[Any]]] = {
    "FUNSD": ("funsd", None, FUNSD_WORDS),
    "FUNSD, words": ("funsd", "words", FUNSD_WORDS),
    "FUNSD, blocks": ("funsd", "blocks", FUNSD_BLOCKS),
    "XFUND": ("xfund", None, FUNSD_BLOCKS),
    "XFUND, words": ("xfund", "words", FUNSD_WORDS),
}


def funsd_label(form: str, *blocks: Any, **image: Any) -> dict[str, Any]:
    if form == "funsd":
        return {"form": list(blocks)}
    img = {"fname": "a.png", "width": 200, "height": 100, **image}
    return {"lang": "zh", "documents": [{"id": "a", "document": list(blocks), "img": img}]}


@pytest.mark.parametrize(("form", "level", "expected"), FUNSD_LEVELS.values(), ids=FUNSD_LEVELS)
def test_funsd_levels(tmp_path: Path, form: str, level: str | None, expected: list[Any]) -> None:
    put_images(tmp_path / "images", "a.png")
    put_json(tmp_path / "annotations" / "a.json", funsd_label(form, BLOCK, BARE))
    reading = Reading(ImageFolder(tmp_path / "images"), TextChoice(level=level))
    FORMATS["funsd"].read(tmp_path / "annotations", reading, no_progress)
    assert only(reading) == expected


def test_faults_of_funsd_name_block_and_word(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    bad_word = {**BLOCK, "words": [{"text": "x", "box": [1, 2]}]}
    put_json(tmp_path / "a.json", funsd_label("funsd", bad_word, "x"))
    put_json(tmp_path / "b.json", funsd_label("xfund", fname="b.png"))
    put_json(tmp_path / "c.json", {"documents": [5, {"document": [BLOCK]}]})
    reading = read("funsd", tmp_path)
    assert rules(reading) == [
        "bad-points",
        "bad-structure",
        "image-missing",
        "bad-structure",
        "bad-structure",
    ]
    assert message(reading).startswith("block 1, word 1: found [1, 2] as 'box'; expected [left")
    assert message(reading, 4).startswith("document 2: found None as 'fname' of 'img'")


def test_geometry_beside_a_box_is_counted(tmp_path: Path) -> None:
    put_images(tmp_path, "a.png")
    turned = {**BARE, "angle": 5, "quad": [[1, 2], [3, 4], [5, 6]], "linking": [[0, 1]] * 4}
    put_json(tmp_path / "a.json", funsd_label("funsd", turned))
    assert rules(read("funsd", tmp_path), "warning") == ["coordinates-not-read", "angle-not-read"]


def test_a_level_that_a_format_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_images(tmp_path, "a.png")
    put_json(tmp_path / "a.json", funsd_label("funsd", BLOCK))
    assert main(["--level", "lines", str(tmp_path)]) == 2
    words = "--level lines: funsd has words and blocks; leave the option out"
    assert words in capsys.readouterr().err
    assert main(["--level", "blocks", str(tmp_path)]) == 0
    assert "Registration No." in (tmp_path / "Label.txt").read_text("utf-8")
