"""The choice of a scale among measured ones, and which are measured at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.config import Config, load_config
from ppocr_ft.config.load import with_values
from ppocr_ft.fitting.grid import LimitedResize
from ppocr_ft.fitting.scale import (
    Passed,
    Scale,
    candidates,
    choose_scale,
    climb,
    enlarging,
    images_wanted,
    scale_csv,
    table,
)
from ppocr_ft.fitting.targets import Page
from tests.support.small_run import small_config

RESIZE = "Eval.dataset.transforms.DetResizeForTest"


def scales(*means: float | None, small: tuple[float, ...] = ()) -> list[Scale]:
    """Scales with these hmeans (at 0.7 a tenth less, at 0.5 a tenth more), named by number.

    A tenth of the texts is under ``small`` px high.
    """
    return [
        Scale(
            str(number),
            LimitedResize(640 + number * 32, "max"),
            1.0 + number,
            20.0 + number,
            small[number] if small else 10.0,
            None if mean is None else Passed(mean + 0.1, mean - 0.1, 100.0 * number),
        )
        for number, mean in enumerate(means)
    ]


@pytest.mark.parametrize(
    ("means", "small", "chosen", "why"),
    [
        pytest.param((0.5, 0.6, 0.7), (8, 10, 12), "2", "largest.*under 12 px", id="the best"),
        pytest.param((0.6, 0.7, 0.66), (8, 10, 12), "2", "soon learnt", id="a little worse"),
        pytest.param((0.6, 0.7, 0.64), (8, 10, 12), "1", "under 10 px", id="much worse"),
        pytest.param((0.7, 0.7, 0.7), (15, 16, 20), "1", "nine texts of ten", id="large enough"),
        pytest.param((0.6, 0.7, 0.7), (16, 20, 30), "1", "nine texts", id="large, but worse"),
        pytest.param((None, 0.6, 0.5), (8, 10, 12), "1", "largest", id="one was not tried"),
        # The labels follow another convention: the height of the texts decides, tried or not.
        pytest.param((0.2, 0.1, None), (8, 10, 12), "2", "another convention", id="poor"),
        pytest.param((0.2, 0.1, None), (8, 17, 20), "1", "0.20 at best", id="poor, large enough"),
        pytest.param((0.2, 0.31, None), (8, 10, 12), "1", "soon learnt", id="not poor everywhere"),
    ],
)
def test_which_scale_is_taken(
    means: tuple[float | None, ...], small: tuple[float, ...], chosen: str, why: str
) -> None:
    scale, reason = choose_scale(scales(*means, small=small))
    assert scale.name == chosen
    assert re.search(why, reason), reason


@pytest.mark.parametrize(
    ("means", "small", "first", "tried"),
    [
        pytest.param((0.1, 0.2, 0.5, 0.6, 0.5, 0.9), 10, 2, [2, 3, 4], id="until it gets worse"),
        pytest.param((0.6, 0.5, 0.47), 10, 1, [1, 2], id="never down if texts are small"),
        pytest.param((0.5, 0.5, 0.5, 0.5), 10, 0, [0, 1, 2, 3], id="all are equal"),
        pytest.param((0.5, 0.5, 0.5, 0.5), 14, 0, [0, 1], id="until texts are large"),
        pytest.param((0.5, 0.5, 0.5, 0.5), 20, 3, [1, 2, 3], id="down until texts are small"),
        pytest.param((0.5, 0.5, 0.4, 0.5), 30, 3, [2, 3], id="down until it gets worse"),
    ],
)
def test_up_if_texts_are_small_and_down_if_they_are_large(
    means: tuple[float, ...], small: float, first: int, tried: list[int]
) -> None:
    """Each scale has texts 2 px higher than the one before; ``small`` is at the first measured."""
    heights = tuple(small + 2 * (i - first) for i in range(len(means)))
    if small == 20:
        heights = tuple(height - 1 for height in heights)  # 19, 17, 15
    unknown = scales(*[None] * len(means), small=heights)
    known = dict(zip(map(str, range(len(means))), scales(*means, small=heights), strict=True))
    asked: list[str] = []

    def measured(scale: Scale) -> Scale:
        asked.append(scale.name)
        return known[scale.name]

    found = climb(unknown, first, measured)
    assert [i for i, scale in enumerate(found) if scale.passed is not None] == tried
    assert sorted(map(int, asked)) == tried
    assert [scale.name for scale in found] == [scale.name for scale in unknown]


def test_without_time_left_no_further_scale_is_tried() -> None:
    known = dict(zip("0123", scales(0.1, 0.2, 0.3, 0.4), strict=True))
    left = iter([True, False])
    found = climb(scales(*[None] * 4), 0, lambda scale: known[scale.name], lambda: next(left))
    assert [scale.passed is not None for scale in found] == [True, True, False, False]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(small_config(tmp_path))


def labelled(height: int, width: int) -> Page:
    """An image with a text of 10 x 40 px, turned by a right angle in the lower of two."""
    upright = np.array([[5, 5], [45, 5], [45, 15], [5, 15]], float)
    return Page((width, height), (upright, upright[:, ::-1]))


def test_candidates_are_the_configs_own_and_factors_on_its_side(config: Config) -> None:
    found = candidates(config, [labelled(192, 96), labelled(96, 192)])
    # 96:max halves; 0.75, 1.33, 1.67 and 2 times 96 are 72, 128, 160, 192, in multiples of 32
    # (72 is nearest to 64)
    assert [scale.name for scale in found] == ["64:max", "96:max", "128:max", "160:max", "192:max"]
    assert [scale.resize is None for scale in found] == [False, True, False, False, False]
    own, double = found[1], found[-1]
    assert double.megapixels == pytest.approx(192 * 96 / 1e6)
    assert (double.height_px, double.small_px) == (10, 10)
    # 96 x 48 becomes 96 x 64, in the nearest multiple of 32 that Python's round takes
    assert own.megapixels == pytest.approx(96 * 64 / 1e6)


def test_a_larger_scale_enlarges_only_if_the_config_does(config: Config) -> None:
    small = [labelled(64, 64)]
    (own,) = candidates(config, small)  # 128:max and above leave them as they are too
    assert (own.name, own.height_px) == ("96:max", pytest.approx(10))
    longest = with_values(config, {RESIZE: {"limit_side_len": 96, "limit_type": "resize_long"}})
    heights = {scale.name: scale.height_px for scale in candidates(longest, small)}
    assert heights["96:resize_long"] == pytest.approx(15)
    assert heights["192:resize_long"] == pytest.approx(30)


@pytest.mark.parametrize(
    ("images", "names"),
    [
        # 960:min has 2.3 times the pixels, 1120:min more
        pytest.param([(704, 640), (704, 576)], ["640:min", "800:min"], id="small"),
        pytest.param([(720, 1280)], ["800:min", "960:min"], id="640:min leaves them as they are"),
        pytest.param([(64, 64)], [], id="640:min has a hundred times the pixels"),
        pytest.param([(2500, 350)], [], id="a side over PaddleOCR 3's 4000 px"),
        pytest.param([(3000, 2250), (704, 640)], [], id="one is large"),
    ],
)
def test_small_images_may_be_enlarged(
    config: Config, images: list[tuple[int, int]], names: list[str]
) -> None:
    assert [str(r) for r in enlarging(config, [labelled(*size) for size in images])] == names


def test_images_with_large_texts_are_not_enlarged(config: Config) -> None:
    own = with_values(config, {RESIZE: {"limit_side_len": 960, "limit_type": "max"}})
    small, large = np.array([[5, 5], [45, 5], [45, 15], [5, 15]], float), 2 * np.eye(2)
    assert enlarging(own, [Page((640, 704), (small,))]) != []
    assert enlarging(own, [Page((640, 704), (small @ large,))]) == []


@pytest.mark.parametrize(
    "resize",
    [
        {"limit_side_len": 96, "limit_type": "resize_long"},
        {"limit_side_len": 96, "limit_type": "min"},
        {"image_shape": [96, 96]},
    ],
)
def test_a_config_with_a_rule_of_its_own_keeps_it(
    config: Config, resize: dict[str, object]
) -> None:
    nothing = {"limit_side_len": None, "limit_type": None}
    other = with_values(config, {RESIZE: nothing | resize})
    assert enlarging(other, [labelled(704, 640)]) == []


def test_the_table_and_its_csv_say_what_was_tried(config: Config) -> None:
    found = scales(None, 0.5, 0.4)
    lines = table(found, found[1])
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["0", "-", "-", "-", "20.0", "10.0"]
    assert lines[2].split() == ["1", "(taken)", "0.6000", "0.4000", "100", "21.0", "10.0"]
    assert scale_csv(found, found[1]).splitlines()[1:3] == [
        "0,,,,20.0,10.0,0", "1,0.6000,0.4000,100,21.0,10.0,1",
    ]  # fmt: skip
    assert replace(found[1], passed=None) != found[1]


@pytest.mark.parametrize(("texts", "images"), [(4, 40), (10, 20), (60, 12), (1, 40)])
def test_images_with_few_texts_need_more_of_them(texts: float, images: int) -> None:
    assert images_wanted(texts) == images
