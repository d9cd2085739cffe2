"""The config's sections are made of the operators: keys, defaults, limits, meanings, messages."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.key_table import Key, keys_of
from ppocr_ft.config import load_config
from ppocr_ft.declaration import Range, Share
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.geometric import IaaAugment
from ppocr_ft.transforms.photometric import Image, PixelOperator
from ppocr_ft.transforms.registry import OPERATORS, register
from tests.support.config_files import SMALL, changed

TRAIN = "Train.dataset.transforms"
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


class Speckle(PixelOperator[float]):
    """Put specks on the image.

    Args:
        p: probability.
        size_px: smallest and largest speck, px of the crop.
    """

    def __init__(self, p: Share = 0.25, size_px: Range[Share] = (0.5, 1.0)) -> None:
        self.p = p
        self.size_px = size_px

    def draw(self, rng: Any) -> float | None:
        return None

    def apply(self, drawn: float, image: Image, img_mode: str) -> Image:
        return image


@pytest.fixture
def speckle() -> Iterator[type]:
    """An operator that no file of the package knows."""
    yield register(Speckle)
    del OPERATORS["Speckle"]


def train_operator(config: Any, name: str) -> Any:
    (item,) = [item for item in config.Train.dataset.transforms if item.name == name]
    return item.build()


def test_a_new_operator_is_one_file(speckle: type, tmp_path: Path) -> None:
    new = ("    - IaaAugment:", "    - Speckle: {size_px: 0.75}\n    - IaaAugment:")
    config = load_config(changed(tmp_path, new))
    operator = train_operator(config, "Speckle")
    assert type(operator) is speckle
    assert (operator.p, operator.size_px) == (0.25, (0.75, 0.75))
    assert "- Speckle:\n        p: 0.25\n        size_px:" in config.to_yaml()
    assert keys_of(OPERATORS["Speckle"]) == (
        Key("p", "number, 0 to 1", "0.25", "Probability."),
        Key(
            "size_px",
            "list of 2: number, 0 to 1",
            "[0.5, 1.0]",
            "Smallest and largest speck, px of the crop.",
        ),
    )


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("Speckle: {p: 1.5}", "Speckle.p", "found 1.5, must be 1 or less"),
        ("Speckle: {size_px: [1, 0.5]}", "Speckle.size_px", "expected [lowest, highest]"),
        ("Speckle: {sise_px: 1}", "Speckle.sise_px", "unknown key of Speckle; did you mean 's"),
        ("Speckel: {p: 1}", None, "unknown operator 'Speckel'; did you mean 'Speckle'?"),
    ],
)
def test_a_new_operators_wrong_value_has_file_and_line(
    speckle: type, tmp_path: Path, written: str, key: str | None, message: str
) -> None:
    path = changed(tmp_path, ("    - IaaAugment:", f"    - {written}\n    - IaaAugment:"))
    line = path.read_text(encoding="utf-8").split("\n").index(f"    - {written}") + 1
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    place = f"{TRAIN}.2" if key is None else f"{TRAIN}.2.{key}"
    assert str(caught.value).startswith(f"{path}:{line}: {place}: ")
    assert message in str(caught.value)


AUGMENTING = (
    "CopyPaste",
    "EastRandomCropData",
    "RandomCrop",
    "RandomPerspective",
    "Rotate90",
    "ScaledCrop",
    "IaaAugment",
    "ColorJitter",
    "Blur",
    "Noise",
    "JpegCompression",
    "Speckle",
)
IN_EVAL = "    - DetResizeForTest:"


@pytest.mark.parametrize("name", AUGMENTING)
def test_an_augmentation_in_eval_is_an_error_in_its_line(
    speckle: type, name: str, tmp_path: Path
) -> None:
    path = changed(tmp_path, (IN_EVAL, f"    - {name}:\n{IN_EVAL}"))
    line = path.read_text(encoding="utf-8").split("\n").index(f"    - {name}:", 40) + 1
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    place = f"{path}:{line}: Eval.dataset.transforms.2.{name}: changes each image at random"
    assert place in str(caught.value)


@pytest.mark.parametrize("name", sorted({*OPERATORS} - {*AUGMENTING}))
def test_all_other_operators_leave_nothing_to_chance(name: str) -> None:
    """Each was looked at: no random number enters it."""
    assert name in {
        "DecodeImage",
        "DetLabelEncode",
        "DetResizeForTest",
        "KeepKeys",
        "MakeBorderMap",
        "MakeShrinkMap",
        "NormalizeImage",
        "ToCHWImage",
    }


def test_maps_in_eval_are_harmless(tmp_path: Path) -> None:
    resize = f"{IN_EVAL}\n        limit_side_len: 960\n        limit_type: max\n"
    maps = "    - MakeBorderMap:\n    - MakeShrinkMap:\n"
    load_config(changed(tmp_path, (resize, resize + maps)))


@pytest.mark.parametrize("section", [*OPERATORS.values()], ids=list(OPERATORS))
def test_a_sections_keys_defaults_and_meanings_are_the_constructors(section: Any) -> None:
    parameters = {
        name: parameter.default
        for name, parameter in inspect.signature(section.OPERATOR).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    assert set(section.model_fields) == set(parameters)
    assert all(key.meaning.endswith(".") for key in keys_of(section))
    if inspect.Parameter.empty not in parameters.values():
        assert {name: getattr(section(), name) for name in parameters} == parameters


@pytest.mark.parametrize(("text", "name", "wanted"), PIXELS)
def test_pixel_operators_are_built_from_a_config(
    text: str, name: str, wanted: dict[str, Any]
) -> None:
    operator = train_operator(load_config(SMALL, [f"{TRAIN}.2={text}"]), name)
    assert {key: getattr(operator, key) for key in wanted} == wanted


def test_perspective_is_built_from_a_config() -> None:
    steps = "[{type: Perspective, args: {scale: 0.04, p: 1}}, {type: Fliplr}]"
    config = load_config(SMALL, [f"{TRAIN}.IaaAugment.augmenter_args={steps}"])
    iaa = train_operator(config, "IaaAugment")
    assert isinstance(iaa, IaaAugment)
    assert [type(step).__name__ for step in iaa.steps] == ["Perspective", "Fliplr"]
    assert iaa.steps[0].scale == (0.04, 0.04)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("text", "key", "message"), WRONG)
def test_a_wrong_value_names_its_key(text: str, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(SMALL, [f"{TRAIN}.2={text}"])
    assert f"{TRAIN}.2.{key}" in str(caught.value)
    assert message in str(caught.value)
