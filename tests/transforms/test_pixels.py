"""The operators on colours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.photometric import (
    Blur,
    ColorJitter,
    Grain,
    Jitter,
    JpegCompression,
    Noise,
    PixelOperator,
)
from tests.support.pictures import gradient

EFFECTS: dict[str, PixelOperator[Any]] = {
    "ColorJitter": ColorJitter(0.4, 0.4, 0.4, 0.1),
    "Blur": Blur(1.0, (1.0, 2.0)),
    "Noise": Noise(1.0, (5.0, 9.0)),
    "JpegCompression": JpegCompression(1.0, (20, 40)),
}
UNCHANGED = Jitter(1.0, 1.0, 1.0, 0.0)


def run(operator: PixelOperator[Any], seed: int, img_mode: str = "BGR") -> np.ndarray:
    data = {"image": gradient(90, 70), "rng": np.random.default_rng(seed), "img_mode": img_mode}
    return operator(data)["image"]


@pytest.mark.parametrize("operator", EFFECTS.values(), ids=EFFECTS.keys())
def test_the_same_generator_gives_the_same_pixels(operator: PixelOperator[Any]) -> None:
    made = run(operator, 1)
    assert made.shape == (70, 90, 3)
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(run(operator, 1), made)
    assert not np.array_equal(run(operator, 2), made)
    assert not np.array_equal(made, gradient(90, 70))


@pytest.mark.parametrize("operator", EFFECTS.values(), ids=EFFECTS.keys())
def test_what_was_drawn_can_be_applied_again(operator: PixelOperator[Any]) -> None:
    image = gradient(90, 70)
    drawn = operator.draw(np.random.default_rng(1))
    np.testing.assert_array_equal(operator.apply(drawn, image, "BGR"), run(operator, 1))
    np.testing.assert_array_equal(image, gradient(90, 70))


@pytest.mark.parametrize(
    "operator",
    [
        pytest.param(ColorJitter(), id="ColorJitter without a change"),
        pytest.param(Blur(0.0), id="Blur"),
        pytest.param(Noise(0.0), id="Noise"),
        pytest.param(JpegCompression(0.0), id="JpegCompression"),
    ],
)
def test_probability_0_leaves_the_image_alone(operator: PixelOperator[Any]) -> None:
    np.testing.assert_array_equal(run(operator, 0), gradient(90, 70))


@pytest.mark.parametrize("kind", [Blur, Noise, JpegCompression])
def test_probabilities_are_kept(kind: Any) -> None:
    drawn = [kind(0.3).draw(np.random.default_rng(i)) for i in range(500)]
    assert abs(np.mean([value is not None for value in drawn]) - 0.3) < 0.06


@pytest.mark.parametrize("operator", EFFECTS.values(), ids=EFFECTS.keys())
def test_the_channels_order_makes_no_difference(operator: PixelOperator[Any]) -> None:
    drawn = operator.draw(np.random.default_rng(3))
    bgr = gradient(90, 70)
    from_rgb = operator.apply(drawn, np.ascontiguousarray(bgr[..., ::-1]), "RGB")[..., ::-1]
    difference = np.abs(from_rgb.astype(int) - operator.apply(drawn, bgr, "BGR"))
    assert difference.max() <= 1


@pytest.mark.parametrize(
    ("jitter", "expected"),
    [
        pytest.param(UNCHANGED, lambda rgb: rgb, id="no change"),
        pytest.param(Jitter(0.5, 1, 1, 0), lambda rgb: rgb * 0.5, id="half as bright"),
        pytest.param(Jitter(1.5, 1, 1, 0), lambda rgb: rgb * 1.5, id="brighter, clipped at 255"),
        pytest.param(
            Jitter(1, 0.5, 1, 0), lambda rgb: (rgb + luma(rgb).mean()) / 2, id="half the contrast"
        ),
        pytest.param(
            Jitter(0.8, 0, 1, 0), lambda rgb: 0 * rgb + 0.8 * luma(rgb).mean(), id="mean grey"
        ),
        pytest.param(Jitter(1, 1, 0, 0), lambda rgb: 0 * rgb + luma(rgb), id="grey"),
        pytest.param(Jitter(1, 1, 1, 1.0), lambda rgb: rgb, id="the whole colour circle"),
    ],
)
def test_colours_by_hand(jitter: Jitter, expected: Any) -> None:
    rgb = gradient(90, 70)
    made = ColorJitter().apply(jitter, rgb, "RGB")
    by_hand = np.clip(np.rint(expected(rgb.astype(np.float64))), 0, 255)
    assert np.abs(made - by_hand).max() <= 1


def luma(rgb: np.ndarray) -> np.ndarray:
    return (rgb @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis]


def test_a_third_of_the_circle_turns_red_towards_green_and_keeps_the_brightness() -> None:
    """As in HSV; YIQ's angles differ from HSV's by some degrees."""
    red = np.full((4, 4, 3), (150, 60, 60), np.uint8)
    made = ColorJitter().apply(Jitter(1, 1, 1, 1 / 3), red, "RGB")
    assert made[0, 0].argmax() == 1
    assert abs(float(luma(made)[0, 0, 0]) - float(luma(red)[0, 0, 0])) < 1.5


def test_factors_and_turns_stay_in_their_ranges() -> None:
    operator = ColorJitter(0.3, 2.0, 0.1, 0.25)
    drawn = [operator.draw(np.random.default_rng(i)) for i in range(300)]
    values = np.array([(d.brightness, d.contrast, d.saturation, d.hue) for d in drawn if d])
    np.testing.assert_allclose(values.min(axis=0), [0.7, 0.0, 0.9, -0.25], atol=0.02)
    np.testing.assert_allclose(values.max(axis=0), [1.3, 3.0, 1.1, 0.25], atol=0.02)


def test_noise_has_its_deviation_and_is_grey() -> None:
    image = np.full((200, 200, 3), 128, np.uint8)
    made = Noise().apply(Grain(6.0, 1), image, "BGR").astype(int) - 128
    assert made.std() == pytest.approx(6.0, abs=0.1)
    assert abs(made.mean()) < 0.1
    assert (made == made[..., :1]).all()


def test_noise_does_not_wrap_around() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    assert Noise().apply(Grain(9.0, 1), white, "BGR").min() > 200


def test_a_larger_sigma_blurs_more() -> None:
    image = gradient(90, 70)
    sharpness = [cv2.Laplacian(Blur().apply(s, image, "BGR"), cv2.CV_32F).var() for s in (0.4, 2)]
    assert sharpness[1] < sharpness[0] / 2


def test_a_lower_quality_costs_more() -> None:
    image = gradient(90, 70)
    errors = [
        np.abs(JpegCompression().apply(q, image, "BGR").astype(int) - image).mean()
        for q in (95, 30)
    ]
    assert errors[1] > 2 * errors[0]
    assert errors[0] < 6


@pytest.mark.parametrize(
    ("make", "key"),
    [
        pytest.param(lambda: ColorJitter(brightness=-1), "brightness", id="negative brightness"),
        pytest.param(lambda: ColorJitter(hue=0.6), "hue", id="more than half the circle"),
        pytest.param(lambda: Blur(sigma_px=(2, 1)), "sigma_px", id="falling range"),
        pytest.param(lambda: Noise(p=1.5), "p", id="probability above 1"),
        pytest.param(lambda: JpegCompression(quality=(0, 50)), "quality.0", id="quality 0"),
    ],
)
def test_values_that_cannot_be_are_refused(make: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.key == key
