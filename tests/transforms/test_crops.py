"""The two crops; EastRandomCropData beside PaddleOCR 2.10.0's."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.crops import EastRandomCropData, ScaledCrop
from ppocr_ft.transforms.geometric import GeometricOperator, move
from ppocr_ft.transforms.sample import Sample, Window, reach_into
from tests.support.paddleocr_wheels import operator_module
from tests.support.pictures import gradient, page, quads, run

REAL = "2.10.0"


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


@pytest.mark.parametrize(
    ("box", "reaches"),
    [
        ((0, 15, 10, 20), True), ((0, 15, 9.9, 20), False),
        ((30, 15, 40, 20), True), ((30.1, 15, 40, 20), False),
        ((15, 0, 20, 10), True), ((15, 0, 20, 9.9), False),
        ((15, 50, 20, 60), True), ((15, 50.1, 20, 60), False),
        ((0, 0, 99, 99), True), ((15, 20, 16, 21), True),
    ],
)  # fmt: skip
def test_a_common_edge_is_enough(box: tuple[float, ...], reaches: bool) -> None:
    assert reach_into(Window(10, 10, 20, 40), np.array([box])).tolist() == [reaches]


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
    made = run([EastRandomCropData((96, 96))], page([]), 1)
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


@pytest.mark.parametrize("size", [(256, 128), (96, 64)], ids=["smaller page", "larger page"])
def test_crops_on_paper_reach_beyond_the_page(size: tuple[int, int]) -> None:
    paper = (210, 220, 230)
    data = page(quads(3, 4), (160, 96))
    data["image"][[0, -1]] = data["image"][:, [0, -1]] = paper
    operator = ScaledCrop(size, 160, paper_p=1.0)
    w, h = size
    shares = []
    for seed in range(40):
        made = run([operator], data, seed)
        drawn = made["drawn"][0]
        left, top = int(drawn.left), int(drawn.top)
        assert (left, top) == (drawn.left, drawn.top)
        whole = np.full((96 + 2 * h, 160 + 2 * w, 3), paper, np.uint8)
        whole[h : h + 96, w : w + 160] = data["image"]
        expected = whole[h + top : 2 * h + top, w + left : 2 * w + left]
        np.testing.assert_array_equal(made["image"], expected)
        for poly, text in zip(made["polys"], made["texts"], strict=True):
            source = data["polys"][int(text.split()[1])]
            np.testing.assert_allclose(poly, source - (left, top), atol=1e-4)
        width = min(left + w, 160) - max(left, 0)
        height = min(top + h, 96) - max(top, 0)
        assert width >= min(w, 160) // 4
        assert height >= min(h, 96) // 4
        shares.append(width * height / (w * h))
    assert min(shares) < 0.2
    assert max(shares) > 0.6 * min(160, w) * min(96, h) / (w * h)


def test_so_many_crops_reach_beyond_the_page() -> None:
    operator, sample = ScaledCrop((96, 64), 160, paper_p=0.5), Sample.of(page(quads(), (160, 96)))
    drawn = [operator.draw(np.random.default_rng(seed), sample) for seed in range(100)]
    assert 35 < sum(each.on_paper for each in drawn) < 65
    assert all(each.left >= 0 and each.top >= 0 for each in drawn if not each.on_paper)


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
        pytest.param({"scale_range": (0, 1)}, "scale_range.0", id="range from 0"),
    ],
)
def test_scaled_crops_that_cannot_be_are_refused(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ScaledCrop(**arguments)
    assert caught.value.key == key
