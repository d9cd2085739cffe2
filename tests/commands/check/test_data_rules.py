"""The data set check rule by rule: messages, severities, and that it agrees with training."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from ppocr_ft.commands.check.data import RULES, DataReport, Source, check_dataset, outlines
from ppocr_ft.commands.check.data.parsed_labels import scan_source
from ppocr_ft.commands.check.data.pictures import Picture, look_at, picture_findings
from ppocr_ft.commands.check.text_geometry import pages_in, pages_of
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.errors import Finding
from ppocr_ft.transforms.likeness import local_likeness
from ppocr_ft.transforms.polygons import TextPolygons
from ppocr_ft.transforms.targets import clip_and_orient
from ppocr_ft.utils.progress import no_progress
from tests.support.samples import random_sample

BOX = [[10, 10], [60, 10], [60, 30], [10, 30]]


def text(points: Any, transcription: Any = "word") -> dict[str, Any]:
    return {"transcription": transcription, "points": points}


def moved(dx: float, dy: float) -> list[list[float]]:
    return [[x + dx, y + dy] for x, y in BOX]


def box_of(width: float, height: float) -> list[list[float]]:
    return [[10, 10], [10 + width, 10], [10 + width, 10 + height], [10, 10 + height]]


def beyond(px: float) -> list[tuple[str, list[list[float]]]]:
    """Boxes that reach so far out of a picture of 200 x 100 px."""
    boxes = {"left": (-px, 10, 60, 30), "top": (10, -px, 60, 30)}
    boxes |= {"right": (150, 10, 200 + px, 30), "bottom": (10, 70, 60, 100 + px)}
    return [(side, [[x, y], [w, y], [w, h], [x, h]]) for side, (x, y, w, h) in boxes.items()]


def picture(path: Path, size: tuple[int, int] = (200, 100), seed: int = 0) -> None:
    """A JPEG of noise in coarse patches."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 255, (12, 12, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(patches, size, interpolation=cv2.INTER_LINEAR))


class Folder:
    """Label files and images to be checked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, lines: Iterable[tuple[str, Any] | str | bytes]) -> Source:
        """A label file; a noise image for each line that names one that is not there."""
        rows = []
        for seed, line in enumerate(lines):
            if isinstance(line, tuple):
                image = self.path / line[0]
                if not image.exists():
                    picture(image, seed=seed)
                line = f"{line[0]}\t{json.dumps(line[1])}"
            rows.append(line if isinstance(line, bytes) else line.encode())
        (self.path / name).write_bytes(b"\n".join(rows))
        return Source(self.path / name, self.path)

    def check(self, *lines: tuple[str, Any] | str | bytes, **options: Any) -> DataReport:
        return check_dataset([self.write("train.txt", lines)], [], **options)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def errors(report: DataReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity == "error"]


def only(report: DataReport) -> Finding:
    (finding,) = report.findings
    return finding


def test_one_line_with_several_faulty_polygons_names_each(folder: Folder) -> None:
    texts = [text(BOX), text(BOX[:2], "a"), text(moved(0, 40)[::-1]), text(BOX[:1], "b")]
    texts += [text(moved(80, 0)[::-1]), text([[float("nan"), 1], [2, 3], [4, 5]])]
    report = folder.check(("a.jpg", texts))
    said = {f.rule: (f.severity, f.message) for f in report.findings}
    assert set(said) == {"points-few", "points-order", "points-number"}
    assert said["points-few"][0] == "error"
    assert "text 2 has 2 points" in said["points-few"][1]
    assert "text 4 has 1 point;" in said["points-few"][1]
    assert said["points-order"][0] == "warning"
    assert "text 3 at (10, 70)" in said["points-order"][1]
    assert "text 5 at (90, 30)" in said["points-order"][1]
    assert said["points-number"][1].startswith("text 6 ")
    assert {f.line for f in report.findings} == {1}


@pytest.mark.parametrize(
    ("what", "points", "rule", "severity"),
    [
        ("touches the edge", [[0, 0], [200, 0], [200, 100], [0, 100]], None, None),
        *((f"1 px beyond at {side}", box, None, None) for side, box in beyond(1.0)),
        *((f"more at {side}", box, "polygon-outside", "warning") for side, box in beyond(1.1)),
        ("clearly beyond", moved(145, 0), "polygon-outside", "warning"),
        ("wholly beyond", moved(300, 0), "polygon-outside", "error"),
        ("a line", [[10, 10], [60, 10], [60, 10], [10, 10]], "polygon-empty", "error"),
        ("slanted line", [[10, 10], [20, 20], [30, 30], [40, 40]], "polygon-empty", "error"),
        ("a dot", [[5, 5]] * 4, "polygon-empty", "error"),
        ("1 square px", box_of(2, 0.5), None, None),
        ("less", box_of(1.875, 0.5), "polygon-empty", "error"),
        (
            "1 square px beyond",
            [[x + 300, y] for x, y in box_of(2, 0.5)],
            "polygon-outside",
            "error",
        ),
        ("1 square px inside", [[x + 187, y] for x, y in box_of(3, 0.5)], None, None),
        ("less inside", [[x + 188, y] for x, y in box_of(2, 0.875)], "polygon-outside", "error"),
        (
            "bow tie of 1 square px",
            [box_of(2, 0.5)[i] for i in (0, 2, 1, 3)],
            "points-order",
            "error",
        ),
        ("even bow tie", [BOX[0], BOX[2], BOX[1], BOX[3]], "points-order", "error"),
        ("uneven tie", [[0, 0], [60, 0], [10, 50], [60, 50]], "points-order", "warning"),
        ("closed ring", [*BOX, BOX[0]], None, None),
        ("triangle", BOX[:3], None, None),
        ("not convex", [[10, 10], [60, 10], [20, 20], [10, 60]], None, None),
    ],
)
def test_polygons(
    folder: Folder, what: str, points: Any, rule: str | None, severity: str | None
) -> None:
    found = [(f.rule, f.severity) for f in folder.check(("a.jpg", [text(points)])).findings]
    assert found == ([] if rule is None else [(rule, severity)]), what


def test_what_training_masks_anyway_is_no_error(folder: Folder) -> None:
    texts = [text(moved(300, 0), "###"), text([[5, 5]] * 4, "*")]
    report = folder.check(("a.jpg", texts))
    assert [(f.rule, f.severity) for f in report.findings] == [
        ("polygon-empty", "warning"),
        ("polygon-outside", "warning"),
    ]
    assert errors(report) == []


@pytest.mark.parametrize("seed", range(8))
def test_empty_is_what_the_shrink_map_masks(folder: Folder, seed: int) -> None:
    sample = random_sample(seed)
    h, w = sample.shape
    shift = np.random.default_rng(seed).choice([0, w, 0.4], (len(sample.polys), 1, 1))
    polys = sample.polys * np.where(shift == 0.4, 1e-3, 1) + np.where(shift == w, shift, 0)
    picture(folder.path / "a.jpg", (w, h))
    report = folder.check(("a.jpg", [text(p.tolist()) for p in polys]))
    (measured,) = report.train
    polygons = TextPolygons.of([p.astype(np.float32) for p in polys])
    _, areas, _ = clip_and_orient(polygons, (h, w))
    np.testing.assert_array_equal(measured.empty, np.abs(areas) < 1)


def test_lines_that_the_data_set_takes_have_no_error_and_others_have(folder: Folder) -> None:
    good = json.dumps([text(BOX)])
    lines = [
        f"a.jpg\t{good}",
        f"b.jpg {good}",
        "c.jpg\t[",
        f"none.jpg\t{good}",
        b'd.jpg\t[{"transcription": "\xff", "points": [[1, 2], [30, 2], [9, 30]]}]',
        f"\t{good}",
        f'["a.jpg", "none.jpg"]\t{good}',
        f"a2.jpg\t{good}\tmore",
        f"[1]\t{good}",
        "e.jpg\t[]",
        "\ufefff.jpg\t[]",
        'g.jpg\t[{"points": 3}]',
        "",
    ]
    for seed, name in enumerate(("a", "a2", "b", "c", "d", "e", "f", "g")):
        picture(folder.path / f"{name}.jpg", seed=seed)
    report = folder.check(*lines)
    read = read_label_file(folder.path / "train.txt", folder.path)
    refused = {fault.line for fault in read.faults}
    assert {f.line for f in errors(report)} == refused
    assert {f.line for f in report.findings if f.severity == "warning"} == {7}  # a.jpg again


def test_findings_are_in_the_order_of_files_and_lines(folder: Folder) -> None:
    outside, reversed_, few = text(moved(300, 0)), text(BOX[::-1]), text(BOX[:2])
    for seed, name in enumerate("abcd"):
        picture(folder.path / f"{name}.jpg", seed=seed)
    first = folder.write("z.txt", [("a.jpg", [outside]), ("b.jpg", [reversed_, outside])])
    second = folder.write("a.txt", [("c.jpg", [reversed_]), ("d.jpg", [few])])
    report = check_dataset([first, second], [])
    assert [(Path(f.file or "").name, f.line, f.rule) for f in report.findings] == [
        ("z.txt", 1, "polygon-outside"),
        ("z.txt", 2, "points-order"),
        ("z.txt", 2, "polygon-outside"),
        ("a.txt", 1, "points-order"),
        ("a.txt", 2, "points-few"),
    ]


def test_the_missing_image_of_a_wrong_delimiter_is_named_too(folder: Folder) -> None:
    picture(folder.path / "a.jpg")
    report = folder.check(f"b.jpg,{json.dumps([text(BOX[::-1])])}")
    assert {f.rule for f in report.findings} == {
        "label-delimiter", "image-missing", "points-order",
    }  # fmt: skip


def test_a_delimiter_that_splits_the_json_is_named_as_such(folder: Folder) -> None:
    picture(folder.path / "a.jpg")
    source = folder.write("train.txt", [("a.jpg", [text(BOX)])])
    report = check_dataset([Source(source.label_file, folder.path, ",")], [])
    assert only(report).rule == "label-delimiter"


def test_files_and_folders_that_are_not_there(folder: Folder) -> None:
    source = folder.write("train.txt", ["a.jpg\t[]", "b.jpg\t[]"])
    gone = Source(folder.path / "gone.txt", folder.path)
    report = check_dataset([gone, Source(source.label_file, folder.path / "no")], [])
    assert [(f.rule, f.severity, f.line) for f in report.findings] == [
        ("label-missing", "error", None),
        ("data-dir-missing", "error", None),
    ]
    assert "2 images" in report.findings[1].message


def test_an_image_that_can_be_two_is_an_error_of_its_own(folder: Folder) -> None:
    for name in ("x", "y"):
        (folder.path / name).mkdir()
        picture(folder.path / name / "a.jpg")
    report = folder.check("C:\\me\\a.jpg\t[]")
    assert (only(report).rule, only(report).severity) == ("image-ambiguous", "error")
    x, y = (folder.path / name / "a.jpg" for name in ("x", "y"))
    assert f"{x} and {y} fit" in only(report).message


def test_roboflow_s_copies_of_a_picture_leak_by_their_names(folder: Folder) -> None:
    """They are turned, mirrored and darkened: they don't look alike."""
    (folder.path / "valid").mkdir()
    names = [f"photo_jpg.rf.{letter * 32}.jpg" for letter in "abc"]
    train = folder.write("train.txt", [(name, [text(BOX)]) for name in [*names[:2], "other.jpg"]])
    for seed, name in enumerate((names[2], "other_jpg.rf.0.jpg")):
        picture(folder.path / "valid" / name, seed=20 + seed)
    lines = [(f"valid/{names[2]}", [text(BOX)]), ("valid/other_jpg.rf.0.jpg", [text(BOX)])]
    report = check_dataset([train], [folder.write("val.txt", lines)])
    assert [(f.rule, f.severity, f.line) for f in report.findings] == [("leak", "warning", 1)] * 2
    for line, finding in enumerate(report.findings, start=1):
        assert f"{train.label_file}:{line} as {folder.path / names[line - 1]}" in finding.message
        assert finding.message.endswith("a copy of the same picture, photo_jpg, by its name")
    assert [same.other[1] for same in report.leaks] == [1, 2]  # --fix leaves out both


def test_utf_16_is_one_fault_of_the_file(folder: Folder) -> None:
    picture(folder.path / "a.jpg")
    (folder.path / "train.txt").write_bytes(f"a.jpg\t{json.dumps([text(BOX)])}\n".encode("utf-16"))
    report = check_dataset([Source(folder.path / "train.txt", folder.path)], [])
    assert (only(report).rule, only(report).line) == ("label-encoding", None)
    assert pages_of(report) == []


@pytest.mark.parametrize(
    ("orientation", "points", "severity", "says"),
    [
        (6, BOX, "warning", "orientation 6"),
        (6, moved(80, 0), "warning", "only the picture as it is stored"),
        (6, moved(130, 0), "error", "only the picture as it is stored"),
        (3, BOX, "warning", "orientation 3"),
        (2, BOX, "warning", "orientation 2"),
        (1, BOX, None, ""),
        (0, BOX, None, ""),
        (9, BOX, None, ""),
    ],
)
def test_exif(
    folder: Folder, orientation: int, points: Any, severity: str | None, says: str
) -> None:
    picture(folder.path / "a.jpg")
    with Image.open(folder.path / "a.jpg") as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(folder.path / "a.jpg", exif=exif)
    report = folder.check(("a.jpg", [text(points)]))
    assert [(f.rule, f.severity) for f in report.findings] == (
        [("image-exif", severity)] if severity else []
    )
    assert all(says in f.message for f in report.findings)
    (found,) = report.pictures.values()
    assert found.size_px == ((100, 200) if orientation == 6 else (200, 100))


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (120, 120)])
@pytest.mark.parametrize("orientation", [4, 5, 8])
def test_a_quarter_turn_swaps_the_sides(
    folder: Folder, orientation: int, size: tuple[int, int]
) -> None:
    picture(folder.path / "a.jpg", size)
    with Image.open(folder.path / "a.jpg") as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(folder.path / "a.jpg", exif=exif)
    found = look_at(str(folder.path / "a.jpg"))
    assert (found.stored_px, found.size_px) == (size, size[::-1] if orientation > 4 else size)


def test_what_the_decoder_says_of_damaged_data_is_said_with_the_files_name(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    picture(folder.path / "a.jpg")
    content = (folder.path / "a.jpg").read_bytes()
    (folder.path / "a.jpg").write_bytes(content[:-2] + bytes(33) + content[-2:])
    found = only(folder.check(*((f"{name}.jpg", [text(BOX)]) for name in "abc")))
    assert (found.rule, found.line) == ("image-damaged", 1)
    assert "a.jpg" in found.message
    assert "extraneous bytes" in found.message
    assert capfd.readouterr().err == ""


def test_a_jpeg_without_end_is_named_even_where_opencv_reads_it(folder: Folder) -> None:
    picture(folder.path / "a.jpg")
    content = (folder.path / "a.jpg").read_bytes()
    (folder.path / "a.jpg").write_bytes(content[:-2])  # all pixels, no end marker
    found = only(folder.check(("a.jpg", [text(BOX)])))
    assert found.rule in ("image-truncated", "image-unreadable")
    (folder.path / "a.jpg").write_bytes(content + b"appended")
    assert folder.check(("a.jpg", [text(BOX)])).findings == ()


@pytest.mark.parametrize(
    ("size", "extreme"), [((31, 200), True), ((40, 410), True), ((40, 390), False)]
)
def test_extreme_sizes(folder: Folder, size: tuple[int, int], extreme: bool) -> None:
    picture(folder.path / "a.png", size)
    assert [f.rule for f in folder.check(("a.png", [])).findings] == ["image-size"] * extreme


# width and height | the rule
SIZES = [
    ((32, 32), None),
    ((31, 32), "image-size"),
    ((10_000, 1_000), None),
    ((10_001, 1_001), "image-size"),
    ((1_001, 10_001), "image-size"),
    ((320, 32), None),
    ((321, 32), "image-row"),
    ((321, 31), "image-size"),
    ((32, 321), "image-size"),
    ((1_281, 128), "image-row"),
    ((1_291, 129), "image-size"),
    ((10_000, 128), "image-row"),
    ((10_001, 128), "image-size"),
]


@pytest.mark.parametrize(("size", "rule"), SIZES)
def test_the_limits_of_sizes(folder: Folder, size: tuple[int, int], rule: str | None) -> None:
    source = folder.write("train.txt", ["a.png\t[]"])
    scan = scan_source(replace(source, images=False), no_progress)
    (path,) = scan.lines[0].images
    found = [f.rule for f in picture_findings(scan, {path: Picture(None, size, size)})]
    assert found == ([] if rule is None else [rule])


# what | size | the rule
ROWS = [
    ("a table's row", (1000, 43), "image-row"),
    ("a tall page", (600, 7000), "image-size"),
    ("a wide page", (7000, 600), "image-size"),
    ("a row too low to read", (1000, 20), "image-size"),
    ("a short row", (400, 43), None),
]


@pytest.mark.parametrize(("size", "rule"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_rows_are_no_long_pages(folder: Folder, size: tuple[int, int], rule: str | None) -> None:
    picture(folder.path / "a.png", size)
    found = [f.rule for f in folder.check(("a.png", [])).findings]
    assert found == ([] if rule is None else [rule])


def test_a_warning_names_five_texts_of_a_line_and_counts_the_rest(folder: Folder) -> None:
    texts = [text([[x, y] for x, y in moved(0, 5 * k)[::-1]]) for k in range(9)]
    message = only(folder.check(("a.jpg", texts))).message
    assert message.count("runs anticlockwise") == 5
    assert message.endswith("; and 4 more")
    message = only(folder.check(("b.jpg", texts[:5]))).message
    assert message.count("runs anticlockwise") == 5
    assert "more" not in message


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("size", [(517, 263), (1001, 1000)])
def test_sizes_are_the_headers(folder: Folder, suffix: str, size: tuple[int, int]) -> None:
    picture(folder.path / f"a{suffix}", size)
    assert look_at(str(folder.path / f"a{suffix}")).size_px == size


def test_without_opening_images_only_paths_and_labels_are_judged(folder: Folder) -> None:
    (folder.path / "a.jpg").write_bytes(b"no image")
    texts = [text(moved(1000, 0)), text(moved(-30, 0))]
    report = folder.check(("a.jpg", texts), ("./a.jpg", texts), images=False)
    assert [(f.rule, f.line) for f in report.findings] == [
        ("polygon-outside", 1),
        ("image-duplicate", 2),
        ("polygon-outside", 2),
    ]
    assert np.isinf(report.train[0].sizes_px).all()
    assert [page.size_px for page in pages_of(report)] == [None, None]
    assert report.pictures == {}


def test_text_that_only_the_alpha_channel_shows(folder: Folder) -> None:
    pixels = np.zeros((100, 200, 4), np.uint8)
    pixels[20:40, 10:150, 3] = 255
    Image.fromarray(pixels, "RGBA").save(folder.path / "black.png")
    pixels[..., :3] = np.where(pixels[..., 3:] == 255, 0, 255)
    Image.fromarray(pixels, "RGBA").save(folder.path / "shown.png")  # by its colours as well
    pixels[..., 3] = 255
    Image.fromarray(pixels, "RGBA").save(folder.path / "opaque.png")
    names = ("black.png", "shown.png", "opaque.png")
    report = folder.check(*((name, [text(BOX)]) for name in names))
    found = [(f.rule, f.severity, f.line) for f in report.findings if f.rule != "image-duplicate"]
    assert found == [("image-alpha", "warning", 1)]


@pytest.mark.parametrize("form", ["png", "jpg"])
@pytest.mark.parametrize(
    ("level", "spot", "texts", "plain"),
    [
        (255, 255, [text(BOX)], True),
        (0, 10, [text(BOX)], True),
        (255, 255, [text(BOX, "###")], False),
        (255, 255, [], False),
        (255, 60, [text(BOX)], False),
    ],
    ids=["white", "faint", "ignored", "no text", "small text"],
)
def test_a_plain_page_under_labelled_texts(
    folder: Folder, form: str, level: int, spot: int, texts: Any, plain: bool
) -> None:
    pixels = np.full((400, 300, 3), level, np.uint8)
    pixels[30:34, 20:28] = spot
    Image.fromarray(pixels).save(folder.path / f"a.{form}")
    found = [f.rule for f in folder.check((f"a.{form}", texts)).findings]
    assert found == ["image-plain"] * plain


@pytest.mark.parametrize(("spot", "plain"), [(115, True), (116, False)])
def test_a_plain_page_has_fewer_than_16_levels(folder: Folder, spot: int, plain: bool) -> None:
    pixels = np.full((200, 200, 3), 100, np.uint8)
    pixels[50:60, 50:60, 1] = spot
    Image.fromarray(pixels).save(folder.path / "a.png")
    assert look_at(str(folder.path / "a.png")).plain == plain


@pytest.mark.parametrize(("opened", "size"), [(True, " of 200 x 100 px"), (False, "")])
def test_how_far_a_text_reaches_beyond_an_image_is_said(
    folder: Folder, opened: bool, size: str
) -> None:
    left, inside = text(moved(-30.25, 0)), text(BOX)
    report = folder.check(("a.jpg", [left, inside, text(moved(0, 500)), inside]), images=opened)
    said = {f.rule: f.message for f in report.findings if f.severity == "warning"}
    assert said.pop("polygon-duplicate") == "text 4 at (10, 10) has the points of text 2"
    assert said == {
        "polygon-outside": f"text 1 at (-20.25, 10) reaches 20.25 px beyond the image{size}"
    }
    assert [f.message for f in errors(report)] == (
        ["text 3 at (10, 510) lies outside the image of 200 x 100 px"] if opened else []
    )


def test_a_label_file_in_both_splits_is_one_leak(folder: Folder) -> None:
    source = folder.write("train.txt", [("a.jpg", []), ("b.jpg", [])])
    assert (only(check_dataset([source], [source])).rule) == "leak"


def test_counts_polygons_and_progress(folder: Folder) -> None:
    train = folder.write("train.txt", [("a.jpg", [text(BOX), text(moved(0, 50), "###")])])
    evaluation = folder.write("val.txt", ["", ("b.jpg", [text(BOX[:3])])])
    shown: list[tuple[int, int]] = []

    def bar(items: Iterable[Any], total: int, title: str, unit: str = "image") -> Iterable[Any]:
        kept = list(items)
        shown.append((len(kept), total))
        assert title
        assert unit
        return kept

    report = check_dataset([train], [evaluation], workers=0, bar=bar)
    assert report.findings == ()
    counts = report.counts[str(train.label_file)]
    assert (counts.lines, counts.images, counts.texts, counts.ignored_texts) == (1, 1, 2, 1)
    assert counts.describe() == "1 image, 0 images without text; 2 texts, 1 ignored (50%)"
    further = folder.write("more.txt", [("c.jpg", []), ("d.jpg", [text(BOX[:2])]), "e.jpg\t[]"])
    counts = check_dataset([further], []).counts[str(further.label_file)]
    assert (counts.lines, counts.images, counts.texts) == (3, 2, 0)
    assert counts.describe() == "2 images, 1 image without text; 0 texts, 0 ignored"
    (usable,) = pages_in(report.evaluation[0], report)
    np.testing.assert_array_equal(usable.polygons[0], np.float32(BOX[:3]))
    assert usable.size_px == (200, 100)
    assert [part.scan.ignored.tolist() for part in report.parts] == [[False, True], [False]]
    assert shown == [(1, 1), (2, 2), (2, 2)]


def test_threads_change_nothing(folder: Folder) -> None:
    lines = [(f"{i}.jpg", [text(moved(0, 10 * i))]) for i in range(12)]
    first, second = (folder.check(*lines, workers=n) for n in (0, 3))
    assert first.findings
    assert first.findings == second.findings


def test_pages_of_one_kind_differ_and_copies_of_one_do_not() -> None:
    """The same printed form with other words, as against encodings of one."""
    pages = [form(seed) for seed in range(4)]
    unlike = [local_likeness(a, b) for i, a in enumerate(pages) for b in pages[:i]]
    assert max(unlike) < 0.2
    for scale, quality in ((1, 30), (0.5, 60), (0.4, 75), (1.6, 90)):
        small = cv2.resize(pages[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        copy = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        assert local_likeness(pages[0], copy) > 0.6, (scale, quality)


def form(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    page = np.full((600, 420), 250, np.uint8)
    for row in range(16):
        words = "".join(map(chr, rng.integers(65, 91, 14))) if row > 3 else "SHOP LIMITED"
        cv2.putText(page, words, (25, 40 + 35 * row), 0, 1.0, 20, 2)
    return page


def rows(by_word: bool, seed: int) -> list[dict[str, Any]]:
    """Eight lines of four words, one box each or one a word."""
    rng = np.random.default_rng(seed)
    texts = []
    for row in range(8):
        x, y = 5.0, 10.0 * row + 5
        edges = np.concatenate([[x], x + np.cumsum(rng.uniform(20, 30, 4) + 3)])
        boxes = list(zip(edges[:-1], edges[1:] - 3, strict=True))
        boxes = boxes if by_word else [(boxes[0][0], boxes[-1][1])]
        for left, right in boxes:
            points = [[left, y], [right, y], [right, y + 8], [left, y + 8]]
            texts.append(text(points, "word" if by_word else "four words a line"))
    return texts


@pytest.mark.parametrize(
    ("words", "lines", "mixed"), [(0, 20, False), (20, 0, False), (5, 15, True), (1, 19, False)]
)
def test_words_among_lines(folder: Folder, words: int, lines: int, mixed: bool) -> None:
    pages = [rows(True, seed) for seed in range(words)]
    pages += [rows(False, seed) for seed in range(lines)]
    report = folder.check(*((f"{i}.jpg", page) for i, page in enumerate(pages)))
    assert [f.rule for f in report.findings] == ["labels-mixed"] * mixed
    if mixed:
        assert "5 images are labelled by words and 15 by lines" in only(report).message


def test_the_page_of_rules_lists_them_as_they_are() -> None:
    page = (Path(__file__).parents[3] / "docs" / "check_data.md").read_text("utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{name}` | {rule.severity} | {rule.meaning} | {rule.remedy} |"
        for name, rule in RULES.items()
    ]


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_polygons_are_measured_the_same_in_blocks_of_any_size(
    folder: Folder, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [text(BOX), text(moved(145, 0)), text(BOX[:3][::-1]), text(moved(0, 40)), text(BOX)]
    lines = [("a.jpg", texts), ("b.jpg", [text([[5, 5]] * 4), text(BOX)])]
    wanted = folder.check(*lines)
    assert len(wanted.findings) == 4
    monkeypatch.setattr(outlines, "_BLOCK", block)
    found = folder.check(*lines)
    assert found.findings == wanted.findings
    np.testing.assert_array_equal(found.train[0].areas, wanted.train[0].areas)


def test_minus_zero_is_zero(folder: Folder) -> None:
    box = [[0, 0], [60, 0], [60, 30], [0, 30]]
    other = [[-0.0, 30], [-0.0, 0], [60, -0.0], [60, 30]]
    found = only(folder.check(("a.jpg", [text(box), text(other)])))
    assert found.rule == "polygon-duplicate"
    assert found.message.endswith("has the points of text 1")


def test_of_the_file_comes_before_its_first_line(folder: Folder) -> None:
    report = folder.check("\ufeffnone.jpg\t[]", ("a.jpg", []))
    assert [(f.rule, f.line) for f in report.findings] == [
        ("label-bom", None),
        ("image-missing", 1),
    ]


@pytest.mark.parametrize(("side", "are_shares"), [(0.9, True), (1.0, True), (1.2, False)])
def test_shares_of_the_image_are_said_to_be_such(
    folder: Folder, side: float, are_shares: bool
) -> None:
    report = folder.check(("a.jpg", [text([[0, 0.5], [side, 0.5], [side, 0.9]]), text(BOX)]))
    assert only(report).rule == "polygon-empty"
    assert ("are shares of the image (0 to 1), no px" in only(report).message) == are_shares
