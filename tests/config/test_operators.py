"""The config's sections and the operators that they describe take the same arguments."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.config.augmenters import AUGMENTERS, FARTHEST_CORNER_RATIO
from ppocr_ft.config.transforms import OPERATORS
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms import geometric, registry
from tests.support.config_files import SMALL

pytest.importorskip("paddle", reason="paddle is not installed")

from ppocr_ft.factory.objects import operators as built_operators

TRAIN = "Train.dataset.transforms"
DROP_IN = {"MakeBorderMap", "MakeShrinkMap"}
"""They take any keyword, as PaddleOCR's do."""
PIXELS = [
    ("{Blur: {p: 1, sigma_px: [0.5, 2]}}", "Blur", {"p": 1.0, "sigma_px": (0.5, 2.0)}),
    ("{Blur: {sigma_px: 1}}", "Blur", {"p": 0.2, "sigma_px": (1.0, 1.0)}),
    ("{Noise: {p: 0.5, std: [0, 4]}}", "Noise", {"p": 0.5, "std": (0.0, 4.0)}),
    ("{JpegCompression: }", "JpegCompression", {"p": 0.2, "quality": (40, 95)}),
]
WRONG = [
    ("{Blur: {sigma_px: [2, 1]}}", "Blur.sigma_px", "expected [lowest, highest]"),
    ("{Blur: {sigma_px: [0, 1]}}", "Blur.sigma_px.0", "must be 0.05 or more"),
    ("{Noise: {p: 2}}", "Noise.p", "must be"),
    ("{JpegCompression: {quality: [40, 101]}}", "JpegCompression.quality.1", "must be"),
    ("{JpegCompression: {quality: 0.5}}", "JpegCompression.quality", "found 0.5"),
]


def keys(callable_: Any) -> set[str]:
    return set(inspect.signature(callable_).parameters)


def test_every_operator_has_its_section() -> None:
    assert set(registry.operator_names()) == set(OPERATORS)


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - DROP_IN))
def test_a_section_has_its_operators_keys(name: str) -> None:
    assert set(OPERATORS[name].model_fields) == keys(registry.operator(name))


@pytest.mark.parametrize("name", sorted(AUGMENTERS))
def test_an_augmenters_section_has_its_keys(name: str) -> None:
    assert set(type(AUGMENTERS[name]().args).model_fields) == set(geometric.AUGMENTERS[name].KEYS)


def test_corners_move_as_far_in_both() -> None:
    assert FARTHEST_CORNER_RATIO == geometric.FARTHEST_CORNER_RATIO


@pytest.mark.parametrize(("text", "name", "wanted"), PIXELS)
def test_pixel_operators_are_built_from_a_config(
    text: str, name: str, wanted: dict[str, Any]
) -> None:
    config = load_config(SMALL, [f"{TRAIN}.2={text}"])
    (operator,) = [
        each for each in built_operators(config.Train.dataset) if type(each).__name__ == name
    ]
    assert {key: getattr(operator, key) for key in wanted} == wanted


def test_perspective_is_built_from_a_config() -> None:
    steps = "[{type: Perspective, args: {scale: 0.04, p: 1}}, {type: Fliplr}]"
    config = load_config(SMALL, [f"{TRAIN}.IaaAugment.augmenter_args={steps}"])
    (iaa,) = [
        each for each in built_operators(config.Train.dataset) if "Iaa" in type(each).__name__
    ]
    assert [type(step).__name__ for step in iaa.steps] == ["Perspective", "Fliplr"]
    assert iaa.steps[0].scale == (0.04, 0.04)


@pytest.mark.parametrize(("text", "key", "message"), WRONG)
def test_a_wrong_value_names_its_key(text: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(SMALL, [f"{TRAIN}.2={text}"])
    assert f"{TRAIN}.2.{key}" in str(caught.value)
    assert message in str(caught.value)
