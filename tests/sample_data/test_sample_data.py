"""The program that draws the sample data set: the same from a seed, labelled tightly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.data.sample_set import SAMPLE, SampleSet
from ppocr_ft.errors import DataError
from sample_data import glyphs, photo, scene, store, texts
from sample_data.__main__ import main
from sample_data.inks import (
    DotStyle,
    FontStyle,
    SegmentStyle,
    dot_ink,
    font_face,
    font_ink,
    segment_ink,
)
from sample_data.patch import LABEL_MARGIN_PX, OVERSAMPLE, Ink, Patch, rotated
from sample_data.scene import FIELDS_MAX, FIELDS_MIN, Scene, Shelves, compose
from sample_data.store import Parameters, draw_sample
from sample_data.themes import THEMES, Theme

SMALL = Parameters(seed=7, train_images=3, val_images=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    return draw_sample(tmp_path_factory.mktemp("sample") / "small", SMALL)


def read_labels(label_file: Path) -> dict[str, list[dict[str, Any]]]:
    lines = label_file.read_text(encoding="utf-8").splitlines()
    return {name: json.loads(fields) for name, fields in (line.split("\t") for line in lines)}


def points_of(fields: list[dict[str, Any]]) -> np.ndarray:
    """(n, 4, 2)"""
    return np.array([field["points"] for field in fields])


def pixels(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: cv2.imread(str(path)) for path in sorted(folder.glob("images/*"))}


# --- determinism


def test_same_seed_same_labels_and_pixels(small: SampleSet, tmp_path: Path) -> None:
    again = draw_sample(tmp_path / "again", SMALL)
    assert again.train_label.read_bytes() == small.train_label.read_bytes()
    assert again.val_label.read_bytes() == small.val_label.read_bytes()
    first, second = pixels(small.data_dir), pixels(again.data_dir)
    assert list(first) == list(second)
    for name, image in first.items():
        np.testing.assert_array_equal(image, second[name], err_msg=name)


def test_an_image_does_not_depend_on_how_many_there_are(small: SampleSet, tmp_path: Path) -> None:
    fewer = draw_sample(tmp_path / "fewer", Parameters(7, 1, 1))
    lines = small.train_label.read_bytes().splitlines(keepends=True)
    assert fewer.train_label.read_bytes() == lines[0]
    assert fewer.val_label.read_bytes() == small.val_label.read_bytes()


def test_another_seed_gives_other_images(small: SampleSet, tmp_path: Path) -> None:
    other = draw_sample(tmp_path / "other", Parameters(8, 1, 1))
    assert other.val_label.read_bytes() != small.val_label.read_bytes()


def test_validation_images_are_not_training_images(small: SampleSet) -> None:
    train, val = (list(read_labels(f).values()) for f in (small.train_label, small.val_label))
    assert all(fields not in train for fields in val)


def test_the_shipped_pictures_are_the_programs(tmp_path: Path) -> None:
    """The labels to the byte; the pixels nearly, since other drawing libraries may round."""
    drawn = draw_sample(tmp_path / "set", Parameters(train_images=1, val_images=1))
    for name in ("train.txt", "val.txt"):
        shipped = (SAMPLE.data_dir / name).read_bytes().splitlines(keepends=True)
        assert (drawn.data_dir / name).read_bytes() == shipped[0]
    manifest = json.loads((SAMPLE.data_dir / "sample.json").read_text(encoding="utf-8"))
    assert Parameters(**manifest) == Parameters()
    for name, picture in pixels(drawn.data_dir).items():
        theirs = cv2.imread(str(SAMPLE.data_dir / "images" / name))
        assert np.abs(picture.astype(int) - theirs).mean() < 1, name


# --- what is written


def test_files_and_label_lines(small: SampleSet) -> None:
    assert small == SampleSet.at(small.data_dir)
    train, val = read_labels(small.train_label), read_labels(small.val_label)
    assert (len(train), len(val)) == (SMALL.train_images, SMALL.val_images)
    assert not set(train) & set(val)
    assert {*train, *val} == {f"images/{name}" for name in pixels(small.data_dir)}
    for name, fields in {**train, **val}.items():
        height, width = cv2.imread(str(small.data_dir / name)).shape[:2]
        points = points_of(fields)
        assert 640 <= max(width, height) <= 960
        assert FIELDS_MIN <= len(fields) <= FIELDS_MAX
        assert points.shape == (len(fields), 4, 2)
        assert points.min() >= 0
        assert (points.max(axis=(0, 1)) <= (width - 1, height - 1)).all()
        assert all(set(field) == {"transcription", "points"} for field in fields)
        assert all(field["transcription"].strip() for field in fields)


def test_quads_run_clockwise_from_the_texts_top_left(small: SampleSet) -> None:
    for fields in read_labels(small.train_label).values():
        top_left, top_right, bottom_right, bottom_left = points_of(fields).transpose(1, 0, 2)
        assert (top_left[:, 0] < top_right[:, 0]).all()
        assert (bottom_left[:, 0] < bottom_right[:, 0]).all()
        assert (top_left[:, 1] < bottom_left[:, 1]).all()
        assert (top_right[:, 1] < bottom_right[:, 1]).all()


def test_fields_of_one_image_do_not_overlap(small: SampleSet) -> None:
    for name, fields in read_labels(small.train_label).items():
        cover = np.zeros((960, 960), np.uint8)
        for points in points_of(fields):
            quad = np.zeros_like(cover)
            cv2.fillConvexPoly(quad, np.round(points).astype(np.int32), 1)
            cover += quad
        assert (cover > 1).sum() < 0.005 * (cover > 0).sum(), name


# --- labels are tight


INKS: list[tuple[str, Callable[[np.random.Generator], Ink]]] = [
    ("seven segments", lambda rng: segment_ink("-12.5", 60, SegmentStyle())),
    ("segments, first digit dark at its left", lambda rng: segment_ink("1 7", 60, SegmentStyle())),
    ("fourteen segments", lambda rng: segment_ink("RUN 3", 50, SegmentStyle(fourteen=True))),
    ("dots", lambda rng: dot_ink(rng, "EXP 05", DotStyle(6.0, jitter_ratio=0.05))),
    ("font", lambda rng: font_ink(rng, "SN 48", 40, FontStyle(tracking_ratio=0.8))),
    (
        "stamped font",
        lambda rng: font_ink(rng, "JA-7", 40, FontStyle(tilt_deg=4, jitter_ratio=0.04)),
    ),
]


@pytest.mark.parametrize(("name", "make"), INKS, ids=[name for name, _ in INKS])
def test_label_is_the_inks_extent_and_a_constant_margin(
    name: str, make: Callable[[np.random.Generator], Ink]
) -> None:
    ink = make(np.random.default_rng(0))
    patch = Patch.clear(900, 200)
    patch.write(ink, (1.0, 1.0, 1.0), (40, 30))
    rows, columns = np.nonzero(patch.bgr[..., 0] > 0.3)
    low = np.array([columns.min(), rows.min()]) - LABEL_MARGIN_PX
    high = np.array([columns.max(), rows.max()]) + 1 + LABEL_MARGIN_PX
    corners = patch.fields[0].corners
    np.testing.assert_allclose(corners[0], low)
    np.testing.assert_allclose(corners[2], high)


@pytest.mark.parametrize(("name", "make"), INKS, ids=[name for name, _ in INKS])
def test_no_mask_ends_inside_its_text(
    name: str, make: Callable[[np.random.Generator], Ink]
) -> None:
    for seed in range(5):
        lit = make(np.random.default_rng(seed)).lit
        assert max(edge.max() for edge in (lit[0], lit[-1], lit[:, 0], lit[:, -1])) < 0.3


@pytest.mark.parametrize("character", list("JfAWQ7"))
@pytest.mark.parametrize("tilt_deg", [0.0, 8.0])
def test_no_character_is_cut(character: str, tilt_deg: float) -> None:
    """As much ink as the font itself draws, also where a character hangs over its advance."""
    face = "DejaVuSans-Bold"
    whole = np.asarray(font_face(face, 60).getmask(character), np.float64).sum() / 255
    for seed in range(5):
        style = FontStyle(face, tilt_deg=tilt_deg)
        ink = font_ink(np.random.default_rng(seed), character, 60, style)
        assert ink.lit.sum() == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize("angle_deg", [0.0, 5.0, -12.0])
def test_turning_a_patch_loses_nothing(angle_deg: float) -> None:
    block = Patch.clear(200, 60)
    block.write(Ink("I", np.ones((60, 200), np.float32)), (1.0, 1.0, 1.0), (0, 0))
    turned = rotated(block, angle_deg)
    assert turned.alpha.sum() == pytest.approx(block.alpha.sum(), rel=0.02)
    for field in turned.fields:
        inside = np.zeros(turned.alpha.shape, np.uint8)
        cv2.fillConvexPoly(inside, np.round(field.corners).astype(np.int32), 1)
        assert turned.alpha[inside == 0].sum() == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_camera_moves_pixels_and_labels_alike(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A white block, seen through any perspective, fills its label but for the margin."""
    for effect in ("_light", "_reflections"):
        monkeypatch.setattr(photo, effect, lambda rng, image: None)
    surface = Patch.clear(1600, 1200)
    surface.write(Ink("I", np.ones((100, 500), np.float32)), (1.0, 1.0, 1.0), (700, 300))
    content = np.array([(100, 100), (1500, 100), (1500, 1100), (100, 1100)], np.float32)
    rng = np.random.default_rng(seed)
    picture, fields = photo.photograph(rng, Scene(surface, content, 700, 500))
    white = np.argwhere(picture.min(axis=2) > 128)[:, ::-1].astype(np.int32)  # x, y
    seen = cv2.contourArea(cv2.convexHull(white))
    label = fields[0].corners
    gaps = [cv2.pointPolygonTest(label, (float(x), float(y)), True) for x, y in white]
    assert min(gaps) > 0.3 * LABEL_MARGIN_PX / OVERSAMPLE  # nothing white outside
    margin = 2 * LABEL_MARGIN_PX / 100 + 2 * LABEL_MARGIN_PX / 500
    assert seen / cv2.contourArea(label) == pytest.approx(1 - margin, abs=0.05)


def test_a_scene_with_too_few_fields_is_filled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    filled, tries = scene._filled, []

    def fills_later(rng: np.random.Generator, theme: Theme, width: int, height: int) -> Shelves:
        tries.append(width)
        return Shelves(width, height, 10) if len(tries) < 3 else filled(rng, theme, width, height)

    monkeypatch.setattr(scene, "_filled", fills_later)
    assert len(compose(np.random.default_rng(0)).surface.fields) >= FIELDS_MIN
    assert len(tries) >= 3


@pytest.mark.parametrize("seed", range(4))
def test_all_fields_of_a_scene_are_in_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = compose(rng)
    picture, fields = photo.photograph(rng, drawn)
    assert picture.shape == (drawn.picture_height_px, drawn.picture_width_px, 3)
    assert len(fields) == len(drawn.surface.fields)
    corners = np.stack([field.corners for field in fields])
    assert corners.min() >= 0
    assert (corners.max(axis=(0, 1)) <= picture.shape[1::-1]).all()


# --- devices, marks and clutter


@pytest.mark.parametrize("index", range(len(THEMES)))
def test_text_makers_draw_fields_and_clutter_draws_none(index: int) -> None:
    rng = np.random.default_rng(index)
    for make in THEMES[index].text:
        patch = make(rng)
        assert patch.fields
        for field in patch.fields:
            assert field.corners.min() >= -LABEL_MARGIN_PX
            assert (field.corners.max(axis=0) <= np.add(patch.alpha.shape[::-1], 4)).all()
    for make in THEMES[index].clutter:
        patch = make(rng)
        assert patch.fields == []
        assert patch.alpha.max() > 0.5


TEXTS: list[tuple[Callable[[np.random.Generator], str], set[str]]] = [
    (texts.reading, {*glyphs.SEVEN, ".", ":"}),
    (texts.message, {*glyphs.FOURTEEN, " "}),
    (texts.message, set(glyphs.DOTS)),
    (texts.serial, set(glyphs.DOTS)),
    (texts.date, set(glyphs.DOTS)),
    (texts.best_before, set(glyphs.DOTS)),
    (texts.lot, set(glyphs.DOTS)),
]


@pytest.mark.parametrize(("make", "drawable"), TEXTS)
def test_every_text_can_be_drawn(
    make: Callable[[np.random.Generator], str], drawable: set[str]
) -> None:
    rng = np.random.default_rng(0)
    made = {make(rng) for _ in range(400)}
    assert len(made) > 10
    assert set("".join(made)) <= drawable


def test_segments_are_lit_or_unlit() -> None:
    style = SegmentStyle(slant_ratio=0.0)
    eight, one = segment_ink("8", 80, style), segment_ink("1", 80, style)
    assert eight.unlit is not None
    assert one.unlit is not None
    assert eight.unlit.max() == 0
    np.testing.assert_allclose(np.maximum(one.lit, one.unlit), eight.lit, atol=0.2)  # edges
    assert one.lit[:, : one.lit.shape[1] // 2].max() == 0  # 1 is its right side


# --- the folder


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def fails_later(rng: np.random.Generator) -> Scene:
        drawn.append(rng)
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return compose(rng)

    monkeypatch.setattr(store, "compose", fails_later)
    with pytest.raises(KeyboardInterrupt):
        draw_sample(tmp_path / "out", SMALL)
    assert len(drawn) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("key", "value", "limits"),
    [
        ("seed", -1, "at least 0"),
        ("train_images", 0, "at least 1"),
        ("val_images", 0, "at least 1"),
        ("quality", 0, "1 to 100"),
        ("quality", 101, "1 to 100"),
    ],
)
def test_numbers_out_of_range(key: str, value: int, limits: str) -> None:
    with pytest.raises(DataError, match=f"{limits}, found {value}") as caught:
        Parameters(**{key: value})
    assert caught.value.key == key


def test_command(tmp_path: Path, small: SampleSet, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    asked = ["--out", str(out), "--seed", "7", "--train", "1", "--val", "1", "--quality", "90"]
    assert main(asked) == 0
    assert (out / "val.txt").read_bytes() == small.val_label.read_bytes()
    name = "images/val_0000.jpg"
    assert (out / name).stat().st_size > (small.data_dir / name).stat().st_size
    assert main(asked) == 2
    assert f"{out}: is there already" in capsys.readouterr().err
    assert main([*asked, "--force"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
