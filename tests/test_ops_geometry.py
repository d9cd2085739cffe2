"""Geometry first, pixels once: polygons and pixels move together."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddleocr_wheels import operator_module
from pictures import DOT_SIGMA_PX, dots, find_dots, gradient, page, quads

from ppocr_ft.errors import ConfigError
from ppocr_ft.ops import matrices
from ppocr_ft.ops.copy_paste import CopyPaste
from ppocr_ft.ops.east_random_crop_data import EastRandomCropData
from ppocr_ft.ops.geometric import GeometricOperator, move
from ppocr_ft.ops.iaa_augment import IaaAugment
from ppocr_ft.ops.pipeline import Pipeline
from ppocr_ft.ops.render import render
from ppocr_ft.ops.sample import Sample
from ppocr_ft.ops.scaled_crop import ScaledCrop

REAL = "2.10.0"
SUBPIXEL = 0.3
seeds = st.integers(0, 2**32 - 1)


def run(operators: list[GeometricOperator[Any]], data: dict[str, Any], seed: int) -> dict[str, Any]:
    return move(operators, {**data, "rng": np.random.default_rng(seed)})


def assert_dots_at_corners(operators: list[GeometricOperator[Any]], seed: int) -> int:
    """Every corner whose dot lies inside the crop has it; returns how many there were."""
    sample, rng = Sample.of(page(quads())), np.random.default_rng(seed)
    for operator in operators:
        sample = operator.apply(operator.draw(rng, sample), sample)
    found = find_dots(render(sample))
    scale = max(1.0, np.linalg.norm(sample.layers[0].matrix[:2, :2], 2))
    reach_px = 3.5 * DOT_SIGMA_PX * scale
    corners = sample.texts.polygons.coords
    right, bottom = np.array(sample.filled_px) - reach_px
    shown = ((corners > reach_px) & (corners < (right, bottom))).all(axis=1)
    for corner in corners[shown]:
        distances = np.linalg.norm(found - corner, axis=1)
        assert distances.min(initial=np.inf) < SUBPIXEL * scale, f"no dot at {corner}"
    return int(shown.sum())


def test_dots_are_where_they_are_drawn() -> None:
    points = np.array([[20.0, 30.5], [60.25, 40.75]])
    np.testing.assert_allclose(find_dots(dots(points, (90, 80))), points, atol=0.02)


STEPS: dict[str, dict[str, Any]] = {
    "Fliplr": {"type": "Fliplr", "args": {"p": 1.0}},
    "Affine": {"type": "Affine", "args": {"rotate": [-15, 15]}},
    "Affine, any angle": {"type": "Affine", "args": {"rotate": [-180, 180]}},
    "Resize": {"type": "Resize", "args": {"size": [0.8, 2.0]}},
    "Perspective": {"type": "Perspective", "args": {"scale": [0.02, 0.12], "p": 1.0}},
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_polygons_follow_pixels(step: dict[str, Any], seed: int) -> None:
    assert assert_dots_at_corners([IaaAugment([step])], seed) >= 6


@pytest.mark.parametrize(
    "crop",
    [
        EastRandomCropData((320, 288), max_tries=20),
        EastRandomCropData((256, 320), keep_ratio=False),
        ScaledCrop((224, 160), limit_side_len=320, scale_range=(0.9, 1.3)),
    ],
    ids=["East", "East, ratio not kept", "Scaled"],
)
def test_polygons_follow_pixels_through_all_of_them_into_the_crop(crop: Any) -> None:
    steps = [STEPS[name] for name in ("Fliplr", "Affine", "Perspective", "Resize")]
    assert sum(assert_dots_at_corners([IaaAugment(steps), crop], seed) for seed in range(25)) > 50


def test_a_clockwise_angle_turns_clockwise() -> None:
    matrix = matrices.rotation(90, (50, 50))
    np.testing.assert_allclose(matrices.transform(matrix, np.array([[50.0, 0.0]])), [[100, 50]])


def test_mirrored_pixels_are_the_mirrored_image_exactly() -> None:
    data = {**page([]), "image": gradient(50, 40)}
    made = run([IaaAugment([STEPS["Fliplr"]])], data, 0)
    np.testing.assert_array_equal(made["image"], gradient(50, 40)[:, ::-1])


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5, 2.0])
def test_resized_pixels_are_those_of_cv2_resize(factor: float) -> None:
    step = {"type": "Resize", "args": {"size": [factor, factor]}}
    made = run([IaaAugment([step])], {**page([]), "image": gradient(60, 40)}, 0)
    size = int(60 * factor), int(40 * factor)
    expected = cv2.resize(gradient(60, 40), size)
    assert np.abs(made["image"].astype(int) - expected).max() <= 3


def test_nothing_drawn_leaves_the_pixels_alone() -> None:
    data = page(quads())
    made = run([IaaAugment([])], data, 0)
    np.testing.assert_array_equal(made["image"], data["image"])


def test_the_callers_arrays_stay_as_they_are() -> None:
    data = page(quads())
    image, polys = data["image"].copy(), [poly.copy() for poly in data["polys"]]
    run([IaaAugment(), EastRandomCropData((64, 64))], data, 3)
    np.testing.assert_array_equal(data["image"], image)
    for poly, before in zip(data["polys"], polys, strict=True):
        np.testing.assert_array_equal(poly, before)


OPERATORS: dict[str, GeometricOperator[Any]] = {
    "IaaAugment": IaaAugment([*STEPS.values()]),
    "EastRandomCropData": EastRandomCropData((96, 96)),
    "ScaledCrop": ScaledCrop((96, 96), 320),
    "CopyPaste": CopyPaste(1.0),
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
def test_what_was_drawn_can_be_applied_again(operator: GeometricOperator[Any]) -> None:
    data = {**page(quads()), "ext_data": [page(quads(2, 1))]}
    made = run([operator], data, 11)
    again = operator.apply(made["drawn"][0], Sample.of(data))
    for poly, expected in zip(again.fields()["polys"], made["polys"], strict=True):
        np.testing.assert_array_equal(poly, expected)
    same, other = run([operator], data, 11), run([operator], data, 12)
    np.testing.assert_array_equal(same["image"], made["image"])
    assert not np.array_equal(other["image"], made["image"])


@pytest.mark.parametrize(
    "polys",
    [
        pytest.param([], id="no text"),
        pytest.param([*quads(2, 1), np.float32([[5, 5], [60, 4], [30, 40]])], id="mixed points"),
    ],
)
@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
def test_any_number_of_texts_and_points(
    operator: GeometricOperator[Any], polys: list[np.ndarray]
) -> None:
    for other in ([], quads(1, 1), polys):
        for seed in range(5):
            made = run([operator], {**page(polys), "ext_data": [page(other)]}, seed)
            assert len(made["polys"]) == len(made["texts"]) == len(made["ignore_tags"])
            assert all(poly.dtype == np.float32 for poly in made["polys"])


def test_the_default_steps_are_paddleocrs() -> None:
    drawn = [IaaAugment().draw(np.random.default_rng(i), None) for i in range(400)]  # type: ignore[arg-type]
    mirrored, angles, factors = zip(*drawn, strict=True)
    assert 0.4 < sum(value is True for value in mirrored) / 400 < 0.6
    assert -10 <= min(angles) < -9
    assert 9 < max(angles) <= 10
    assert 0.5 <= min(factors) < 0.55
    assert 2.95 < max(factors) <= 3
    assert abs(np.mean(factors) - 1.75) < 0.1


def test_probabilities_are_kept() -> None:
    steps = [
        {"type": "Affine", "args": {"rotate": 5, "p": 0.25}},
        {"type": "Perspective", "args": {"p": 0.75}},
        {"type": "Fliplr", "args": {"p": 0.0}},
    ]
    operator = IaaAugment(steps)
    drawn = [operator.draw(np.random.default_rng(i), None) for i in range(600)]  # type: ignore[arg-type]
    shares = [np.mean([values[i] is not None for values in drawn]) for i in range(3)]
    np.testing.assert_allclose(shares, [0.25, 0.75, 0.0], atol=0.06)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param(
            [{"type": "Flipud"}], "type: found 'Flipud'; expected one of Fliplr", id="kind"
        ),
        pytest.param(
            [{"type": "Fliplr", "args": {"q": 1}}], "Fliplr takes p, not q", id="argument"
        ),
        pytest.param([{"type": "Fliplr", "args": {"p": 2}}], "p: found 2", id="probability"),
        pytest.param([{"type": "Resize", "args": {"size": [2, 1]}}], "lowest, highest", id="range"),
        pytest.param([{"type": "Resize", "args": {"size": [0, 1]}}], "above 0", id="zero size"),
        pytest.param([{"type": "Perspective", "args": {"scale": 0.6}}], "scale", id="folded over"),
        pytest.param([["Fliplr", 0.5]], "augmenter_args.0: found", id="no mapping"),
    ],
)
def test_steps_that_cannot_be_are_refused(steps: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        IaaAugment(steps)


# --- EastRandomCropData beside the real one


class FakeChoice:
    """``numpy.random.choice`` on a generator, drawn as our operator draws."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, values: Any, size: int | None = None) -> Any:
        values = np.arange(values) if isinstance(values, int) else values
        if size in (None, 1):  # numpy 2.4 makes no int of an array of one, which 2.10.0 wants
            return values[self._rng.integers(len(values))]
        return values[self._rng.integers(len(values), size=size)]


def real_crop(monkeypatch: pytest.MonkeyPatch, data: dict[str, Any], seed: int, **args: Any) -> Any:
    operator = operator_module(REAL, "random_crop_data").EastRandomCropData(**args)
    monkeypatch.setattr(np.random, "choice", FakeChoice(seed))
    return operator({**data, "polys": np.stack(data["polys"])})


def random_page(seed: int) -> dict[str, Any]:
    """Lines as on a receipt, some of them ignored."""
    rng = np.random.default_rng([99, seed])
    size = int(rng.integers(60, 400)), int(rng.integers(60, 400))
    polys = []
    for _ in range(int(rng.integers(1, 12))):
        x, y = rng.uniform(0, np.array(size) - (45, 14))
        w, h = rng.uniform((10, 5), (45, 14))
        box = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])
        box += rng.uniform(0, 1, (4, 2))
        polys.append(np.clip(box, 0, np.array(size) - 1).astype(np.float32))
    data = page(polys, size)
    data["image"] = gradient(*size)
    data["ignore_tags"] = rng.random(len(polys)) < 0.2
    return data


@pytest.mark.parametrize("keep_ratio", [True, False], ids=["ratio kept", "ratio not kept"])
@pytest.mark.parametrize("least", [0.02, 0.1, 0.5])
def test_the_crop_is_paddleocrs_for_the_same_random_numbers(
    monkeypatch: pytest.MonkeyPatch, least: float, keep_ratio: bool
) -> None:
    arguments: dict[str, Any] = {
        "size": (128, 96), "max_tries": 10, "min_crop_side_ratio": least, "keep_ratio": keep_ratio
    }  # fmt: skip
    operator = EastRandomCropData(**arguments)
    windows = set()
    for seed in range(60):
        data = random_page(seed)
        theirs = real_crop(monkeypatch, data, seed, **arguments)
        ours = run([operator], data, seed)
        windows.add(ours["drawn"][0])
        assert ours["texts"] == theirs["texts"]
        np.testing.assert_array_equal(ours["ignore_tags"], theirs["ignore_tags"])
        if keep_ratio:
            expected = theirs["polys"].reshape(-1, 4, 2)
            np.testing.assert_allclose(np.stack(ours["polys"]), expected, atol=1e-3)
        assert_same_places(ours, theirs["image"], data["image"].shape)
    assert len(windows) > 55


def assert_same_places(made: dict[str, Any], image: np.ndarray, source: tuple[int, ...]) -> None:
    """Blue and green say from which column and row of the source a pixel comes.

    PaddleOCR rounds the crop's size after scaling and has no pixels beyond its window, so that
    they may differ by a px of the source and one of the crop.
    """
    window, crop = made["drawn"][0], made["image"].shape
    for channel, (side, cut, size) in enumerate(
        ((source[1], window.width, crop[1]), (source[0], window.height, crop[0]))
    ):
        px_step = 255 / (side - 1)
        difference = made["image"][..., channel].astype(int) - image[..., channel]
        shown = (made["image"].any(axis=2)) & image.any(axis=2)
        assert np.abs(difference[shown]).max() <= px_step * (1 + 2 * cut / size) + 2


def test_texts_over_the_border_are_not_cut_either() -> None:
    """PaddleOCR marks no column for a text that begins left of the page."""
    data = page([np.float32([[-20, 50], [100, 50], [100, 70], [-20, 70]])], (200, 120))
    for seed in range(60):
        window = run([EastRandomCropData((64, 64))], data, seed)["drawn"][0]
        assert window.left >= 100 or window.right >= 100
        assert window.left == 0 or window.left >= 100


def test_what_the_crop_does_not_fill_is_black() -> None:
    data = {**page([np.float32([[10, 10], [290, 10], [290, 30], [10, 30]])]), "rng": None}
    data["image"] = np.full((230, 300, 3), 200, np.uint8)
    operator = EastRandomCropData((128, 128))
    for seed in range(10):
        made = run([operator], data, seed)
        window = made["drawn"][0]
        scale = min(128 / window.width, 128 / window.height)
        w, h = int(window.width * scale), int(window.height * scale)
        assert (made["image"][:h, :w] == 200).all()
        assert (made["image"][h:] == 0).all()
        assert (made["image"][:, w:] == 0).all()


def test_a_window_is_never_empty() -> None:
    for seed in range(60):
        operator = EastRandomCropData((96, 96), min_crop_side_ratio=0.0)
        window = run([operator], random_page(seed), seed)["drawn"][0]
        assert window.width >= 1
        assert window.height >= 1


def test_an_image_without_text_is_taken_whole() -> None:
    made = run([EastRandomCropData((100, 100))], page([]), 1)
    assert (made["drawn"][0].width, made["drawn"][0].height) == (300, 230)


# --- ScaledCrop


def test_the_crop_shows_text_at_the_evaluations_scale() -> None:
    data = page(quads(), (300, 230))
    made = run([ScaledCrop((96, 96), limit_side_len=600, limit_type="resize_long")], data, 4)
    scale_x, scale_y = 608 / 300, 448 / 230  # 600 x 460, rounded to multiples of 32
    drawn = made["drawn"][0]
    assert (drawn.scale_x, drawn.scale_y) == pytest.approx((scale_x, scale_y))
    for poly, text in zip(made["polys"], made["texts"], strict=True):
        source = data["polys"][int(text.split()[1])]
        assert np.ptp(poly[:, 0]) == pytest.approx(np.ptp(source[:, 0]) * scale_x, rel=1e-4)


def test_its_pixels_are_those_of_the_evaluation() -> None:
    image = gradient(300, 230)
    resized = cv2.resize(image, (608, 448))
    operator = ScaledCrop((96, 64), limit_side_len=600, limit_type="resize_long")
    sample = Sample.of({**page(quads()), "image": image})
    drawn = operator.draw(np.random.default_rng(0), sample)
    whole = type(drawn)(drawn.scale_x, drawn.scale_y, 130, 70)
    made = move([_Again(operator, whole)], {**page(quads()), "image": image, "rng": None})
    difference = np.abs(made["image"].astype(int) - resized[70:134, 130:226])
    assert difference.max() <= 3


class _Again(GeometricOperator[Any]):
    """Applies what was drawn before."""

    def __init__(self, operator: GeometricOperator[Any], drawn: Any) -> None:
        self.operator, self.drawn = operator, drawn

    def draw(self, rng: np.random.Generator, sample: Sample) -> Any:
        return self.drawn

    def apply(self, drawn: Any, sample: Sample) -> Sample:
        return self.operator.apply(drawn, sample)


def test_scales_are_uniform_in_their_logarithm() -> None:
    operator = ScaledCrop((32, 32), 320, scale_range=(0.5, 2.0))
    sample = Sample.of(page(quads()))
    factors = [operator.draw(np.random.default_rng(i), sample).scale_x for i in range(400)]
    steps = np.log2(np.array(factors) / (288 / 300))  # 300 px fit, rounded to a multiple of 32
    assert -1 <= steps.min() < -0.95
    assert 0.95 < steps.max() <= 1
    assert abs(np.mean(steps)) < 0.08


def test_windows_stay_on_the_page_and_prefer_text() -> None:
    lonely = [np.float32([[270, 200], [290, 200], [290, 212], [270, 212]])]
    data = page(lonely, (320, 224))
    shares = {}
    for text_p in (0.0, 0.9, 1.0):
        operator = ScaledCrop((64, 64), 320, text_p=text_p)
        seen = 0
        for seed in range(120):
            made = run([operator], data, seed)
            drawn = made["drawn"][0]
            assert 0 <= drawn.left <= 320 - 64
            assert 0 <= drawn.top <= 224 - 64
            seen += len(made["polys"]) == 1 and not made["ignore_tags"][0]
        shares[text_p] = seen / 120
    assert shares[1.0] > 0.85
    assert shares[0.9] > 0.75
    assert shares[0.0] < 0.4


def test_a_small_page_stays_whole() -> None:
    data = page(quads(1, 1), (160, 96))
    made = run([ScaledCrop((256, 128), 160)], data, 0)
    assert made["image"].shape == (128, 256, 3)
    np.testing.assert_array_equal(made["image"][:96, :160], data["image"])
    assert (made["image"][96:] == 0).all()
    assert (made["image"][:, 160:] == 0).all()


@pytest.mark.parametrize(
    ("left", "top", "ignored"),
    [
        pytest.param(0, 0, False, id="whole"),
        pytest.param(30, 0, False, id="cut across the line, most of it left"),
        pytest.param(84, 0, False, id="cut across the line, a character left"),
        pytest.param(97, 0, True, id="cut across the line, a sliver left"),
        pytest.param(0, 28, False, id="cut along the line, most of its height left"),
        pytest.param(0, 39, True, id="cut along the line, little of its height left"),
    ],
)
def test_what_the_edge_leaves_too_little_of_is_ignored(left: int, top: int, ignored: bool) -> None:
    line = np.float32([[10, 20], [100, 20], [100, 44], [10, 44]])
    operator = ScaledCrop((128, 96), 320, min_visible_ratio=0.5)
    sample = Sample.of(page([line], (320, 224)))
    drawn = operator.draw(np.random.default_rng(0), sample)
    made = operator.apply(type(drawn)(1.0, 1.0, left, top), sample)
    assert made.texts.ignored.tolist() == [ignored]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        pytest.param({"limit_type": "most"}, "limit_type", id="unknown limit"),
        pytest.param({"scale_range": (2, 1)}, "scale_range", id="falling range"),
        pytest.param({"scale_range": (0, 1)}, "scale_range", id="range from 0"),
    ],
)
def test_scaled_crops_that_cannot_be_are_refused(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ScaledCrop(**arguments)
    assert caught.value.key == key


# --- CopyPaste


def donor() -> dict[str, Any]:
    """A red page; each text is a field of its own grey."""
    data = page(quads(3, 1), (160, 230))
    data["image"] = np.zeros((230, 160, 3), np.uint8)
    data["image"][..., 2] = 255
    for i, poly in enumerate(data["polys"]):
        cv2.fillPoly(data["image"], [np.round(poly).astype(np.int32)], (90 + 50 * i,) * 3)
    data["texts"] = [f"pasted {i}" for i in range(3)]
    return data


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_pasted_texts_are_there_and_cover_no_other(seed: int) -> None:
    data = {**page(quads(2, 1), (400, 400)), "ext_data": [donor()]}
    made = run([CopyPaste(1.0)], data, seed)
    assert len(made["polys"]) == 2 + len(made["drawn"][0])
    np.testing.assert_array_equal(np.stack(made["polys"][:2]), np.stack(data["polys"]))
    for poly, text in list(zip(made["polys"], made["texts"], strict=True))[2:]:
        assert (poly >= -0.01).all()
        assert (poly <= 400.01).all()
        x, y = poly.mean(axis=0).astype(int)
        grey = 90 + 50 * int(text.split()[1])
        assert np.abs(made["image"][y, x].astype(int) - grey).max() <= 2
    boxes = [cv2.boundingRect(poly) for poly in made["polys"]]
    for i in range(2, len(boxes)):
        assert all(not _overlap(boxes[i], other) for other in boxes[:i])
    assert made["image"][..., 2].max() <= 255
    assert _share_of_red(made["image"]) < 0.004  # nothing of the donor around its texts


def _overlap(a: Any, b: Any) -> bool:
    return (
        min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) > 2
        and min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) > 2
    )


def _share_of_red(image: np.ndarray) -> float:
    return float(((image[..., 2] > 200) & (image[..., 0] < 40)).mean())


def test_pasted_texts_move_with_the_page() -> None:
    data = {**page(quads(1, 1), (400, 400)), "ext_data": [donor()]}
    steps = [STEPS["Affine"], STEPS["Resize"]]
    for seed in range(8):
        made = run([CopyPaste(1.0), IaaAugment(steps)], data, seed)
        for poly, text in list(zip(made["polys"], made["texts"], strict=True))[1:]:
            x, y = poly.mean(axis=0)
            if 0 <= x < made["image"].shape[1] and 0 <= y < made["image"].shape[0]:
                grey = 90 + 50 * int(text.split()[1])
                assert np.abs(made["image"][int(y), int(x)].astype(int) - grey).max() <= 2


@pytest.mark.parametrize(
    ("ratio", "texts", "pasted"),
    [
        pytest.param(0.2, 3, 1, id="at least one"),
        pytest.param(0.5, 6, 3, id="half"),
        pytest.param(1.0, 0, 0, id="a donor without text"),
    ],
)
def test_how_many_are_pasted(ratio: float, texts: int, pasted: int) -> None:
    other = page(quads(texts, 1) if texts else [], (160, 100 + 70 * texts))
    data = {**page([], (900, 900)), "ext_data": [other]}
    assert len(run([CopyPaste(ratio)], data, 0)["polys"]) == pasted


def test_ignored_texts_are_not_pasted() -> None:
    other = donor()
    other["ignore_tags"][:2] = True
    for seed in range(10):
        made = run([CopyPaste(1.0)], {**page([], (400, 400)), "ext_data": [other]}, seed)
        assert made["texts"] == ["pasted 2"]


def test_a_page_too_small_for_any_takes_none() -> None:
    data = {**page([], (20, 20)), "ext_data": [donor()]}
    assert run([CopyPaste(1.0)], data, 0)["polys"] == []


def test_without_another_image_nothing_is_pasted() -> None:
    assert len(run([CopyPaste(1.0)], page(quads(2, 1)), 0)["polys"]) == 2


def test_angles_go_all_the_way_round() -> None:
    operator, angles = CopyPaste(0.1), []
    sample = Sample.of({**page([], (600, 600)), "ext_data": [donor()]})
    for seed in range(60):
        for one in operator.draw(np.random.default_rng(seed), sample):
            angles.append(math.degrees(math.atan2(one.matrix[1, 0], one.matrix[0, 0])) % 360)
    assert {int(angle // 90) for angle in angles} == {0, 1, 2, 3}


# --- the pipeline


def test_neighbouring_geometry_looks_at_the_pixels_once() -> None:
    """A dot of half a pixel survives one bilinear sampling better than three."""
    operators: list[Any] = [IaaAugment([STEPS["Resize"]]), IaaAugment([STEPS["Affine"]])]
    data = page(quads())
    together = Pipeline(operators)({**data, "rng": np.random.default_rng(1)})
    rng, apart = np.random.default_rng(1), dict(data)
    for operator in operators:
        apart = operator({**apart, "rng": rng})
    np.testing.assert_allclose(together["polys"][0], apart["polys"][0], atol=1e-3)
    assert len(together["drawn"]) == 2
    assert _sharpness(together["image"]) > _sharpness(apart["image"])


def _sharpness(image: np.ndarray) -> float:
    return float(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F).var())


@pytest.mark.parametrize("crop", [EastRandomCropData(), ScaledCrop()], ids=["East", "Scaled"])
def test_geometry_after_the_final_crop_is_refused(crop: Any) -> None:
    with pytest.raises(ConfigError, match=f"IaaAugment comes after {type(crop).__name__}, which"):
        Pipeline([crop, IaaAugment()])
