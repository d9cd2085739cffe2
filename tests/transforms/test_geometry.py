"""Geometry first, pixels once: polygons and pixels move together, those of pasted texts too."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms import sample as matrices
from ppocr_ft.transforms.crops import EastRandomCropData, ScaledCrop
from ppocr_ft.transforms.geometric import (
    CopyPaste,
    GeometricOperator,
    IaaAugment,
    Perspective,
    Rotate90,
)
from ppocr_ft.transforms.pipeline import Pipeline
from ppocr_ft.transforms.random_crop import RandomCrop
from ppocr_ft.transforms.random_perspective import RandomPerspective
from ppocr_ft.transforms.sample import Sample, render
from tests.support.pictures import DOT_SIGMA_PX, dots, find_dots, gradient, page, quads, run

SUBPIXEL = 0.3
seeds = st.integers(0, 2**32 - 1)


def assert_dots_at_corners(operators: list[GeometricOperator[Any]], seed: int) -> int:
    """Every corner whose dot lies inside the crop has it; returns how many there were."""
    sample, rng = Sample.of(page(quads())), np.random.default_rng(seed)
    for operator in operators:
        sample = operator.apply(operator.draw(rng, sample), sample)
    found = find_dots(render(sample))
    scale = max(1.0, np.linalg.norm(sample.layers[0].matrix[:2, :2], 2))
    reach_px = 3.5 * DOT_SIGMA_PX * scale
    corners = sample.texts.polygons.coords
    first = np.array(sample.filled_from)
    last = first + sample.filled_px
    shown = ((corners > first + reach_px) & (corners < last - reach_px)).all(axis=1)
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
    "Affine, fitted": {"type": "Affine", "args": {"rotate": [-45, 45], "fit_output": True}},
    "Resize": {"type": "Resize", "args": {"size": [0.8, 2.0]}},
    "Perspective": {"type": "Perspective", "args": {"scale": [0.02, 0.12], "p": 1.0}},
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_polygons_follow_pixels(step: dict[str, Any], seed: int) -> None:
    assert assert_dots_at_corners([IaaAugment([step])], seed) >= 6


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_copy_pixels_and_turn_polygons(quarters: int) -> None:
    only = {f"p_{90 * q}": float(q == quarters) for q in (1, 2, 3)}
    given, data = page(quads()), page(quads())
    turned = Rotate90(**only)({**data, "rng": np.random.default_rng(0)})
    np.testing.assert_array_equal(turned["image"], np.rot90(given["image"], -quarters))
    assert assert_dots_at_corners([Rotate90(**only)], 0) >= 20
    height, width = given["image"].shape[:2]
    for polygon, was in zip(turned["polys"], given["polys"], strict=True):
        x, y = np.asarray(was, np.float64).T
        at = {1: (height - y, x), 2: (width - x, height - y), 3: (y, width - x)}[quarters]
        np.testing.assert_allclose(polygon, np.stack(at, axis=1), atol=1e-4)


def test_quarter_turns_come_as_often_as_asked_for() -> None:
    operator, sample = Rotate90(p_90=0.1, p_180=0.2, p_270=0.3), Sample.of(page(quads()))
    rng = np.random.default_rng(1)
    drawn = np.bincount([operator.draw(rng, sample) for _ in range(4000)], minlength=4)
    np.testing.assert_allclose(drawn / 4000, [0.4, 0.1, 0.2, 0.3], atol=0.03)
    assert operator.apply(0, sample) is sample
    never = Rotate90(p_90=0, p_180=0, p_270=0)
    assert {never.draw(rng, sample) for _ in range(50)} == {0}


def test_quarter_turns_of_more_than_all_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"add up to 1\.2; 1 is the most"):
        Rotate90(p_90=0.4, p_180=0.4, p_270=0.4)


@settings(max_examples=15, deadline=None)
@given(seed=seeds, fit_output=st.booleans())
def test_polygons_follow_pixels_in_another_view(seed: int, fit_output: bool) -> None:
    operator = RandomPerspective(
        1.0, degrees=20, scale=0.1, shear=20, perspective=0.0005, fit_output=fit_output
    )
    assert assert_dots_at_corners([operator], seed) >= 6


@pytest.mark.parametrize(
    "crop",
    [
        RandomCrop((320, 288), max_tries=20),
        RandomCrop((256, 320), keep_ratio=False),
        EastRandomCropData((320, 288), max_tries=20),
        EastRandomCropData((256, 320), keep_ratio=False),
        ScaledCrop((224, 160), limit_side_len=320, scale_range=(0.9, 1.3)),
    ],
    ids=["Random", "Random, ratio not kept", "East", "East, ratio not kept", "Scaled"],
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
    "RandomCrop": RandomCrop((96, 96)),
    "RandomPerspective": RandomPerspective(1.0),
    "CopyPaste": CopyPaste(1.0),
}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())
def test_what_was_drawn_can_be_applied_again(operator: GeometricOperator[Any]) -> None:
    data = {**page(quads()), "ext_data": [page(quads(2, 1))]}
    made = run([operator], data, 11)
    again = operator.apply(made["drawn"][0], Sample.of(data))
    for poly, expected in zip(again.texts.fields()["polys"], made["polys"], strict=True):
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


def test_perspective_moves_each_corner_by_shares_of_the_sides() -> None:
    drawn = ((0.1, 0.2), (-0.05, 0.1), (0.0, -0.25), (0.2, 0.0))
    matrix, size = Perspective().matrix(drawn, (200, 100))
    corners = np.array([[0, 0], [200, 0], [200, 100], [0, 100]])
    expected = [[20, 20], [190, 10], [200, 75], [40, 100]]
    np.testing.assert_allclose(matrices.transform(matrix, corners), expected, atol=1e-3)
    assert size == (200, 100)


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
            [{"type": "Flipud"}],
            "augmenter_args.0: unknown augmenter 'Flipud'; did you mean 'Fliplr'",
            id="kind",
        ),
        pytest.param(
            [{"type": "Fliplr", "args": {"q": 1}}],
            "augmenter_args.0.args.q: unknown key",
            id="argument",
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
@given(seed=st.integers(0, 2**32 - 1))
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
    steps = [
        {"type": "Affine", "args": {"rotate": [-15, 15]}},
        {"type": "Resize", "args": {"size": [0.8, 2.0]}},
    ]
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
