"""Readers of label formats get along with whatever a file holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ppocr_ft.commands.convert.formats import FORMATS
from ppocr_ft.commands.convert.formats.reading import Entry
from ppocr_ft.commands.convert.formats.sources import SourceFile
from ppocr_ft.commands.convert.formats.texts import IGNORE_MARKS, IGNORED, LabelText
from tests.support.convert_samples import put_images, put_text, read, texts

FIXED = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = [
    "images", "annotations", "imgs", "anns", "id", "image_id", "file_name", "bbox", "segmentation",
    "mask", "utf8_string", "legibility", "iscrowd", "width", "height", "shapes", "points", "label",
    "shape_type", "imagePath", "data", "image", "result", "value", "type", "x", "y", "text",
    "a.jpg", "rectangle", "polygon", "original_width", "original_height", "rotation",
    "was_cancelled",
    "form", "documents", "document", "img", "fname", "regions", "filename", "paragraphs", "lines",
    "chars", "words", "data_list", "instances", "img_path", "_via_img_metadata", "annotation_id",
    "transcription", "illegibility", "box", "vertices", "shape_attributes", "region_attributes",
    "categories", "category_id", "attributes", "description", "rle", "ground_truth", "set", "test",
]  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.sampled_from(WORDS)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
    ),
    max_leaves=25,
)
SKELETONS = {
    "coco": lambda one, two: {
        "images": [{"id": 1, "file_name": "a.jpg"}, one],
        "annotations": [{"image_id": 1, "bbox": two, "segmentation": one}, two],
    },
    "labelme": lambda one, two: {
        "imagePath": "a.jpg",
        "shapes": [{"label": "x", "points": one, "shape_type": two}, two],
    },
    "lsvt": lambda one, two: {
        "a": [{"points": one, "transcription": two, "illegibility": False}, two],
        "b": one,
    },
    "rects": lambda one, two: {"lines": [{"points": one, "transcription": "x"}, two], "chars": []},
    "mmocr": lambda one, two: {
        "metainfo": one,
        "data_list": [{"img_path": "a.jpg", "instances": [{"polygon": one, "bbox": two}]}, two],
    },
    "hiertext": lambda one, two: {
        "annotations": [
            {"image_id": "a", "paragraphs": [{"lines": [{"vertices": one, "words": two}]}, two]},
            one,
        ]
    },
    "funsd": lambda one, two: {"form": [{"box": one, "text": "x", "words": two}, one]},
    "via": lambda one, two: {
        "a": {
            "filename": "a.jpg",
            "regions": [{"shape_attributes": one, "region_attributes": two}, two],
        },
        "b": one,
    },
    "labelstudio": lambda one, two: [
        {
            "data": {"image": "a.jpg"},
            "annotations": [{"result": [{"id": "r", "type": "rectangle", "value": one}, two]}],
        },
        one,
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return put_images(tmp_path, "a.jpg")


@pytest.mark.parametrize("name", SKELETONS)
@FIXED
@given(one=VALUES, two=VALUES)
def test_any_json_is_read_or_reported(name: str, folder: Path, one: Any, two: Any) -> None:
    for label in (SKELETONS[name](one, two), one):
        path = put_text(folder / "l.json", json.dumps(label))
        assert all(form.recognise(SourceFile(path)) != "" for form in FORMATS.values())
        reading = read(name, folder)
        told = reading.left_out or reading.findings or reading.mentioned
        assert reading.entries or told or label in ([], {"images": [], "annotations": []})


LINES = st.text(
    st.sampled_from("0123456789,.- \"'\\[]x:yu\n\rornttranscriptions\ufeff#é"), max_size=80
)


@pytest.mark.parametrize("name", ["icdar", "totaltext", "td500", "rctw", "dota", "yolo", "ctw1500"])
@FIXED
@given(text=LINES, tail=st.binary(max_size=4))
def test_any_text_is_read_or_reported(name: str, folder: Path, text: str, tail: bytes) -> None:
    record = b"x: [[1 2 3]], y: [[1 2 3]], ornt: [u'h'], transcriptions: [u'a']"
    numbers = b"1,2,3,4,5,6,7,8," + text.encode()
    for content in (text.encode() + tail, numbers, numbers.replace(b",", b" "), record + tail):
        put_text(folder / "a.txt", content)
        reading = read(name, folder / "a.txt")
        assert bool(reading.entries) != bool(reading.left_out)


TAGS = [
    "annotation", "annotations", "Annotations", "PcGts", "alto", "object", "name", "bndbox",
    "xmin", "robndbox", "cx", "polygon", "x1", "y1", "size", "width", "image", "box", "segs",
    "label", "Page", "TextRegion", "TextLine", "Coords", "Point", "Word", "TextEquiv",
    "Unicode", "Shape", "Polygon", "String", "fileName", "MeasurementUnit", "attribute", "tag",
    "track", "filename",
]  # fmt: skip
ATTRIBUTES = ["name", "file", "points", "POINTS", "HPOS", "WIDTH", "xtl", "rotation", "index", "x"]
VALUES_OF_XML = st.sampled_from(
    ["1", "2,3 4,5 6,7", "a.jpg", "", "nan", "1e999", "-3", "pixel", "0"]
)
NODES = st.recursive(
    st.builds("<{0}>{1}</{0}>".format, st.sampled_from(TAGS), VALUES_OF_XML),
    lambda inner: st.builds(
        lambda tag, key, value, children: f'<{tag} {key}="{value}">{"".join(children)}</{tag}>',
        st.sampled_from(TAGS),
        st.sampled_from(ATTRIBUTES),
        VALUES_OF_XML,
        st.lists(inner, max_size=4),
    ),
    max_leaves=15,
)
ROOTS = {
    "voc": "<annotation>{0}<object><name>x</name>{0}</object></annotation>",
    "cvat": '<annotations><image name="a.jpg">{0}</image>{0}</annotations>',
    "ctw1500": '<Annotations><image file="a.jpg"><box>{0}</box>{0}</image></Annotations>',
    "page": '<PcGts><Page imageFilename="a.jpg"><TextLine>{0}</TextLine>{0}</Page></PcGts>',
    "alto": "<alto><Page><TextLine>{0}</TextLine>{0}</Page>{0}</alto>",
}


@pytest.mark.parametrize("name", ROOTS)
@FIXED
@given(node=NODES, cut=st.integers(1, 40))
def test_any_xml_is_read_or_reported(name: str, folder: Path, node: str, cut: int) -> None:
    whole = ROOTS[name].format(node)
    for content in (whole, whole[:-cut], node):
        put_text(folder / "a.xml", content)
        reading = read(name, folder / "a.xml")
        assert reading.entries or reading.left_out or content == node


def lines_of(said: str) -> Iterator[LabelText]:
    marked = IGNORED if said in IGNORE_MARKS else said
    yield LabelText(((1, 2), (30.25, 2), (30, 9.5), (1, 9)), marked)


@pytest.mark.parametrize("name", ["icdar", "coco", "ppocr"])
@FIXED
@given(said=st.text(st.characters(codec="utf-8"), max_size=12))
def test_a_text_that_can_be_written_is_read_back(name: str, folder: Path, said: str) -> None:
    entry = Entry("a.jpg", tuple(lines_of(said)), "f", None, (200, 100))
    make_writer = FORMATS[name].writer
    assert make_writer is not None
    writer = make_writer()
    if list(writer.faults(entry)):
        assert name == "icdar"
        assert "\n" in said or "\r" in said or '"' in said or said.strip() in IGNORE_MARKS
        return
    [(path, content)] = writer.files([entry], "").items()
    put_text(folder / path, content)
    [back] = read(name, folder / path, folder).entries
    assert texts(back) == texts(entry)
