"""Faults of label files and of their conversion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults.case import Case, WrongError, fault
from experiments.faults.inputs import LINES, data_set, entries, label_file, page


def boxes(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the texts of each image in a converted label file."""
    if not (folder / "Label.txt").exists():
        raise WrongError("nothing was written")
    lines = (folder / "Label.txt").read_text(encoding="utf-8").splitlines()
    return {name: json.loads(texts) for name, texts in (line.split("\t") for line in lines)}


def expect(texts: list[dict[str, Any]], points: list[list[list[float]]], atol: float = 0.01) -> str:
    """Compare polygons of one image with what they should be; return them in words."""
    found = [text["points"] for text in texts]
    if len(found) != len(points):
        raise WrongError(f"{len(found)} boxes instead of {len(points)}")
    for box, right in zip(found, points, strict=True):
        if np.shape(box) != np.shape(right) or not np.allclose(box, right, atol=atol):
            raise WrongError(f"{box} instead of {right}")
    return f"writes {json.dumps(found[0])}"


@fault("reports F1", "CVAT's rotated boxes lose their angle")
def cvat_rotation(case: Case) -> str:
    name = "f1_rotation_30"
    source = case.given(f"inputs/{name}")
    case.convert("--from", "coco", source / "instances_default.json", "--images", source)
    turned = [[123.397, 52.679], [296.603, 152.679], [276.603, 187.321], [103.397, 87.321]]
    return expect(boxes(case.folder / "out")["p.png"], [turned])


@fault("reports F1", "CVAT's upright boxes stay as they are, in silence")
def cvat_upright(case: Case) -> str:
    source = case.given("inputs/f1_rotation_0")
    ran = case.convert("--from", "coco", source / "instances_default.json", "--images", source)
    ran.silent("rotated|angle")
    return expect(
        boxes(case.folder / "out")["p.png"], [[[100, 100], [300, 100], [300, 140], [100, 140]]]
    )


@fault("reports F1", "an image's own rotation is not applied in silence")
def image_rotation(case: Case) -> str:
    page(case.folder / "a.png")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 20], "segmentation": []}
    image = {"id": 1, "file_name": "a.png", "width": 320, "height": 280, "rotate": 90}
    data = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "text"}]}
    (case.folder / "a.json").write_text(json.dumps(data))
    ran = case.convert("--from", "coco", "a.json", "--images", ".")
    return ran.say("rotat")


@fault("reports F5, real files F5", "X-AnyLabeling's rectangle of four points")
def xanylabeling_rectangle(case: Case) -> str:
    source = case.given("inputs/f5_rectangle_4")
    case.convert("--from", "labelme", source)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts, [[[40, 70], [196, 70], [196, 101], [40, 101]]])


@fault("real files F5", "X-AnyLabeling's rotation; AnyLabeling's text")
def xanylabeling_family(case: Case) -> str:
    source = case.given("label_files/05_xanylabeling")
    shapes = json.loads((source / "a.json").read_text())["shapes"]
    case.convert("--from", "labelme", source).say("", 0)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts, [shape["points"] for shape in shapes if len(shape["points"]) > 2])


@fault("real files F1", "absolute paths of another machine, Windows ones too")
def absolute_paths(case: Case) -> str:
    folder = case.given("label_files/01_absolute_paths") / "det"
    ran = case.check(folder)
    ran.silent("is not there")
    ran.say("", 0)
    return ran.say(r"\b2 of 2\b|\b2 images?\b")


@fault("real files F1, newcomer F6", "check --fix writes the mended paths, never an empty file")
def fixed_paths(case: Case) -> str:
    folder = case.given("label_files/01_absolute_paths") / "det"
    ran = case.check(folder, "--fix", "fixed")
    for name, images in (("train.txt", ["a.png", "b.png"]), ("val.txt", ["c.png"])):
        lines = next((case.folder / "fixed").rglob(name)).read_text().splitlines()
        if [Path(line.split("\t")[0]).name for line in lines] != images:
            raise WrongError(f"{name} has {lines}")
    return ran.say("written as")


@fault("real files F1", "a label file that no image fits is not emptied by --fix")
def nothing_to_fix(case: Case) -> str:
    folder = data_set(case.folder / "data")
    label_file(folder / "train.txt", ["gone/a.png", "gone/b.png"])
    ran = case.check(folder, "--fix", "fixed")
    for file in (case.folder / "fixed").rglob("train.txt"):
        if not file.read_text():
            raise WrongError(f"{file.name} is empty")
    return ran.say("train.txt", 2)


@fault("newcomer F1", "PPOCRLabel's paths begin with the folder's name")
def ppocrlabel_folder(case: Case) -> str:
    folder = data_set(case.folder / "my")
    for name in ("train.txt", "val.txt"):
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("".join(f"my/{line}\n" for line in lines))
    return case.check(folder).say("3 of 3 images found", 0)


@fault("real files F1", "an image that two folders hold is not guessed")
def two_candidates(case: Case) -> str:
    folder = data_set(case.folder / "data")
    for sub in ("x", "y"):
        page(folder / sub / "a.png")
    label_file(folder / "train.txt", ["/gone/a.png"])
    ran = case.check(folder)
    return ran.say(r"x/a\.png.*y/a\.png", 2)


@fault("real files F2", "MSRA-TD500 read as ICDAR boxes")
def td500(case: Case) -> str:
    source = case.given("label_files/06_td500/gt")
    ran = case.convert(source)
    if ran.code:
        return ran.say("TD500", 2)
    [texts] = boxes(case.folder / "out").values()
    x, y, width, height, angle = 300, 675, 932, 112, 0.053651
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    right = corners @ turn + (x + width / 2, y + height / 2)
    return expect(texts[:1], [right.tolist()], atol=0.6)


@fault("real files F2", "MSRA-TD500 named .txt under --from icdar")
def td500_as_icdar(case: Case) -> str:
    source = case.given("label_files/06_td500/txt")
    return case.convert("--from", "icdar", source).say("TD500", 2)


def _icdar(case: Case, lines: str, *options: str) -> Any:
    page(case.folder / "d" / "a.png")
    (case.folder / "d" / "a.txt").write_text(lines)
    return case.convert(*options, "d")


@fault("real files F2", "RCTW-17's difficult flag became the text")
def rctw(case: Case) -> str:
    line = '{},{},{},{},{},{},{},{},{},"{}"\n'
    flat = [[n for point in box for n in point] for box in LINES[:2]]
    text = line.format(*flat[0], 0, "seen") + line.format(*flat[1], 1, "###")
    ran = _icdar(case, text)
    ran.say("", 0)
    [texts] = boxes(case.folder / "out").values()
    if [entry["transcription"] for entry in texts] != ["seen", "###"]:
        raise WrongError(f"texts are {[entry['transcription'] for entry in texts]}")
    return expect(texts, [[[float(x), float(y)] for x, y in box] for box in LINES[:2]])


@fault("real files F2", "YOLO's lines read as ICDAR boxes")
def yolo_as_icdar(case: Case) -> str:
    return _icdar(case, "0 0.5 0.5 0.25 0.1\n", "--from", "icdar").say("YOLO", 2)


@fault("real files F2", "YOLO boxes, read")
def yolo(case: Case) -> str:
    _icdar(case, "0 0.5 0.5 0.25 0.1\n").say("", 0)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts, [[[120, 126], [200, 126], [200, 154], [120, 154]]])


@fault("real files F2", "YOLO-OBB, read")
def yolo_obb(case: Case) -> str:
    _icdar(case, "0 0.25 0.25 0.5 0.3 0.5 0.4 0.25 0.35\n").say("", 0)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts, [[[80, 70], [160, 84], [160, 112], [80, 98]]])


@fault("real files F2", "DOTA read as ICDAR boxes")
def dota(case: Case) -> str:
    line = "20 35 186 35 186 61 20 61 plate 0\n"
    return _icdar(case, line, "--from", "icdar").say("DOTA", 2)


@fault("real files F3", "PPOCRLabel's crops taken as images without text")
def crops(case: Case) -> str:
    source = case.given("label_files/04_crop_img/imgs")
    ran = case.convert("--from", "ppocr", source, "--negatives")
    if any("crop" in name for name in boxes(case.folder / "out")):
        raise WrongError("crops are in the label file")
    return ran.say("crop_img")


@fault("real files F4", "a transcription [text, score] lost its image")
def listed_transcription(case: Case) -> str:
    source = case.given("label_files/03_transcription_list/imgs")
    ran = case.convert("--from", "ppocr", source)
    [texts] = boxes(case.folder / "out").values()
    if [entry["transcription"] for entry in texts] != ["AB123", "ok"]:
        raise WrongError(f"texts are {[entry['transcription'] for entry in texts]}")
    return ran.say("transcription|score|first")


@fault("real files F6", "TextOCR's outline lost in silence")
def textocr(case: Case) -> str:
    source = case.given("label_files/10_textocr")
    case.convert(source / "TextOCR.json", "--images", source).say("", 0)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts[:1], [[[100, 300], [380, 200], [400, 250], [120, 350]]])


@fault("real files F7", "MTWI-2018's file names")
def mtwi(case: Case) -> str:
    page(case.folder / "d" / "T1.abc.jpg.jpg")
    (case.folder / "d" / "T1.abc.jpg.txt").write_text("20,35,186,35,186,61,20,61,seen\n")
    case.convert("--from", "icdar", "d").say("", 0)
    return f"writes {next(iter(boxes(case.folder / 'out')))}"


@fault("real files F8", "objects that are no text can't be left out")
def only(case: Case) -> str:
    source = case.given("label_files/13_roboflow/train")
    annotations = json.loads((source / "_annotations.coco.json").read_text())
    plates = sum(entry["category_id"] == 1 for entry in annotations["annotations"])
    ran = case.convert(source / "_annotations.coco.json", "--images", source, "--only", "Plate")
    written = sum(map(len, boxes(case.folder / "out").values()))
    if written != plates:
        raise WrongError(f"{written} boxes instead of {plates}")
    return ran.say("Plate|Car|without|only")


@fault("real files F9", "--split parts the copies of one picture")
def roboflow_split(case: Case) -> str:
    source = case.given("label_files/13_roboflow/train")
    ran = case.convert(source / "_annotations.coco.json", "--images", source, "--split", "0.7")
    parts = [
        {line.split(".rf.")[0] for line in (case.folder / "out" / name).read_text().splitlines()}
        for name in ("train.txt", "val.txt")
    ]
    if parts[0] & parts[1] or not all(parts):
        raise WrongError(f"in both parts: {parts[0] & parts[1]}")
    return ran.say(r"\.rf\.|cop(y|ies)")


@fault("real files F9", "Roboflow's copies in train and val are a leak")
def roboflow_leak(case: Case) -> str:
    folder = case.folder / "data"
    train, val = (f"photo_jpg.rf.{letter * 32}.jpg" for letter in "ab")
    page(folder / train, 1)
    page(folder / val, 9)
    label_file(folder / "train.txt", [train])
    label_file(folder / "val.txt", [val])
    return case.check(folder).say(r"leak")


@fault("real files F10", "a message for every line floods the screen")
def flood(case: Case) -> str:
    page(case.folder / "d" / "a.png")
    (case.folder / "d" / "a.txt").write_text("not a box at all\n" * 500)
    ran = case.convert("--from", "icdar", "d")
    if len(ran.text.splitlines()) > 40:
        raise WrongError(f"{len(ran.text.splitlines())} lines are printed")
    return ran.say("500|49[0-9]", 2)


@fault("real files F11", "rec_gt.txt is called broken 1,231 times")
def recognition_labels(case: Case) -> str:
    folder = data_set(case.folder / "data")
    page(folder / "crop_img" / "a_crop_0.jpg")
    (folder / "rec_gt.txt").write_text("crop_img/a_crop_0.jpg\tHello\n" * 30)
    ran = case.check(folder, train="rec_gt.txt")
    if len(ran.text.splitlines()) > 40:
        raise WrongError(f"{len(ran.text.splitlines())} lines are printed")
    return ran.say("recognition", 2)


@fault("real files F11", "convert knows rec_gt.txt")
def recognition_labels_converted(case: Case) -> str:
    source = case.given("label_files/12_rec_gt")
    return case.convert("--from", "ppocr", source / "rec_gt.txt").say("recognition", 2)


@fault("real files F12", "one Label.txt of many is read, the others not mentioned")
def many_label_files(case: Case) -> str:
    for sub in ("one", "two", "three"):
        page(case.folder / "all" / sub / "a.png")
        label_file(case.folder / "all" / sub / "Label.txt", [f"{sub}/a.png"])
    ran = case.convert("--from", "ppocr", "all")
    if len(boxes(case.folder / "out")) != 3:
        raise WrongError(f"{len(boxes(case.folder / 'out'))} images instead of 3")
    return ran.say(r"\b3\b", 0)


@fault("real files F13", "'difficult' is reported though none is true")
def difficult(case: Case) -> str:
    quiet, marked = (data_set(case.folder / name) for name in ("quiet", "marked"))
    label_file(quiet / "Label.txt", ["img0.png"], entries(difficult=False))
    label_file(marked / "Label.txt", ["img0.png"], entries(difficult=True))
    case.run("convert", "--from", "ppocr", quiet / "Label.txt", "--out", "out1").silent("difficult")
    return case.run("convert", "--from", "ppocr", marked / "Label.txt", "--out", "out2").say(
        "4.*difficult|difficult.*4"
    )


@fault("real files F14", "check does not say what it read")
def counts(case: Case) -> str:
    folder = data_set(case.folder / "data")
    texts = [*json.loads(entries())[:3], json.loads(entries("###"))[3]]
    label_file(folder / "val.txt", ["img3.png"], json.dumps(texts))
    ran = case.check(folder)
    return ran.say("1 image.* 4 texts.*1 .*ignored|4 texts.*ignored")


@fault("real files F15", "SROIE's labels as .csv")
def sroie_csv(case: Case) -> str:
    page(case.folder / "d" / "a.png")
    (case.folder / "d" / "a.csv").write_text("20,35,186,35,186,61,20,61,TOTAL 5.00\n")
    case.convert("--from", "icdar", "d").say("", 0)
    [texts] = boxes(case.folder / "out").values()
    return expect(texts, [[[float(x), float(y)] for x, y in LINES[0]]])


@fault("real files 4", "labelImg's and roLabelImg's VOC XML")
def voc(case: Case) -> str:
    page(case.folder / "d" / "a.png")
    box = "<bndbox><xmin>20</xmin><ymin>35</ymin><xmax>186</xmax><ymax>61</ymax></bndbox>"
    turned = (
        "<robndbox><cx>100</cx><cy>100</cy><w>80</w><h>20</h><angle>1.570796</angle></robndbox>"
    )
    size = "<size><width>320</width><height>280</height><depth>3</depth></size>"
    objects = "".join(f"<object><name>text</name>{shape}</object>" for shape in (box, turned))
    xml = f"<annotation><filename>a.png</filename>{size}{objects}</annotation>"
    (case.folder / "d" / "a.xml").write_text(xml)
    case.convert("d").say("VOC", 0)
    [texts] = boxes(case.folder / "out").values()
    upright = [[20, 35], [186, 35], [186, 61], [20, 61]]
    return expect(texts, [upright, [[110, 60], [110, 140], [90, 140], [90, 60]]], atol=0.1)


@fault("newcomer F18", "JSON with single quotes: a remedy that misses the point")
def single_quotes(case: Case) -> str:
    folder = data_set(case.folder / "data")
    label_file(folder / "train.txt", ["img0.png", "img1.png"], entries().replace('"', "'"))
    ran = case.check(folder)
    return ran.say(r"json\.dumps", 2)
