"""Shrink ratio and smallest text by rectangles whose kernels are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.targets import (
    choose_shrink_ratio,
    min_text_size,
    ratio_figures,
    suiting_rotation,
    upper_aspect,
)


def rectangle(width: float, height: float, left: float = 0, top: float = 0) -> np.ndarray:
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    return corners + np.array([left, top])


def row(count: int, width: float, height: float, gap: float) -> list[np.ndarray]:
    return [rectangle(width, height, 10 + i * (width + gap), 10) for i in range(count)]


@pytest.mark.parametrize(
    ("aspect", "ratio", "kind"), [(2, 0.4, "words"), (5.4, 0.4, "words"), (5.6, 0.6, "lines"),
                                  (12, 0.6, "lines")],
)  # fmt: skip
def test_words_take_the_small_ratio_and_lines_the_large_one(
    aspect: float, ratio: float, kind: str
) -> None:
    figures, reasons = choose_shrink_ratio([[rectangle(30 * aspect, 30)]] * 2)
    assert figures.shrink_ratio == ratio
    assert kind in reasons[0]
    assert f"{aspect:.1f} times as long as high" in reasons[0]
    assert len(reasons) == 4
    # d = A (1 - r^2) / L moves a rectangle in; the same d on the kernel gives it back
    width, height = 30 * aspect, 30
    d = width * height * (1 - ratio**2) / (2 * (width + height))
    kernel = (width - 2 * d, height - 2 * d)
    unclip = d * 2 * sum(kernel) / (kernel[0] * kernel[1])
    assert figures.unclip_ratio == pytest.approx(unclip, abs=0.011)
    assert figures.mean_iou > 0.98


def test_each_image_weighs_the_same() -> None:
    page = [rectangle(300, 30)] * 50  # a page of lines
    signs = [[rectangle(60, 30)]] * 3  # three words alone
    assert upper_aspect([page, *[signs[0]] * 4]) == pytest.approx(2)  # a fifth are lines
    assert upper_aspect([page, page, signs[0]]) == pytest.approx(10)


def test_the_upper_quartile_decides() -> None:
    short, long = rectangle(60, 30), rectangle(300, 30)
    assert upper_aspect([[short] * 8 + [long] * 2]) == pytest.approx(2)
    assert upper_aspect([[short] * 7 + [long] * 3]) == pytest.approx(10)


@pytest.mark.parametrize(
    ("gap", "scale", "near"),
    [
        # 40 x 16 at 0.6: d = 640 x 0.64 / 112 = 3.66 px, so that kernels are gap + 7.3 px apart
        pytest.param(8.0, 1.0, 0.0, id="far enough"),
        pytest.param(1.0, 0.25, 0.0, id="8.3 / 4 = 2.1 px apart at a quarter"),
        pytest.param(1.0, 0.2, 1.0, id="8.3 / 5 = 1.7 px apart at a fifth"),
    ],
)
def test_kernels_of_neighbours_are_near_at_a_small_scale(
    gap: float, scale: float, near: float
) -> None:
    texts = [polygon * scale for polygon in row(4, 40, 16, gap)]
    assert ratio_figures([texts], 0.6).near_share == near


def test_a_smaller_ratio_keeps_neighbours_apart_and_makes_thin_kernels() -> None:
    texts = row(5, 24, 9, 0)
    small, large = (ratio_figures([texts], ratio) for ratio in (0.4, 0.6))
    assert small.near_share <= large.near_share
    # 24 x 9 at 0.4: d = 216 x 0.84 / 66 = 2.75 px, so that 3.5 px are left
    assert small.thin_share == 0
    tiny = [polygon / 3 for polygon in texts]
    assert ratio_figures([tiny], 0.4).thin_share == 1


def test_a_text_alone_is_near_to_nobody() -> None:
    assert ratio_figures([[rectangle(40, 16)], [rectangle(40, 16)]], 0.5).near_share == 0


def test_without_any_kernel_there_is_no_choice() -> None:
    with pytest.raises(ConfigError, match="leaves a kernel"):
        choose_shrink_ratio([[np.zeros((4, 2))]])


@pytest.mark.parametrize(
    ("extents", "configured", "least"),
    [
        pytest.param([9] * 100, 8, 8, id="nothing is masked"),
        pytest.param([5] * 3 + [9] * 97, 8, 8, id="three of a hundred may be"),
        pytest.param([5] * 4 + [6.7] * 96, 8, 5, id="of 100 three at most are under it"),
        pytest.param([6.7] * 100, 8, 6, id="all are small"),
        pytest.param([1.5] * 50 + [9] * 50, 8, 3, id="never under 3"),
        pytest.param([6] * 100, 5, 5, id="it is never raised"),
        pytest.param([], 8, 8, id="no texts"),
    ],
)
def test_few_texts_are_masked(extents: list[float], configured: float, least: float) -> None:
    assert min_text_size(np.array(extents, float), configured) == least


def turned(degrees: float, width: float = 90, height: float = 30) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return rectangle(width, height) @ np.array([[cos, sin], [-sin, cos]]) + 200


@pytest.mark.parametrize(
    ("tilts", "degrees"),
    [
        pytest.param((0, 0, 0, 0.3), 1, id="nearly upright"),
        pytest.param((0, 4, -4, 4, 40), 4, id="three quarters"),
        pytest.param((90, 87, 93, -87, 177), 3, id="up and down, too"),
        pytest.param((30, -30, 40), 10, id="no more than 10"),
    ],
)
def test_images_are_turned_as_far_as_texts_are_tilted(
    tilts: tuple[float, ...], degrees: float
) -> None:
    found, why = suiting_rotation([turned(tilt) for tilt in tilts])
    assert found == degrees
    assert "tilted by less than" in why


@pytest.mark.parametrize(("tilted", "degrees"), [(0, 0), (1, 0), (5, 1)])
def test_upright_boxes_are_not_turned(tilted: int, degrees: float) -> None:
    assert suiting_rotation([turned(0, 20, 15)] * 9)[0] == 0, "short ones, too"
    labels = [turned(0)] * (100 - tilted) + [turned(3)] * tilted
    found, why = suiting_rotation(labels)
    assert found == degrees
    assert ("upright boxes" in why) == (degrees == 0)


def test_short_texts_and_those_without_area_say_no_direction() -> None:
    square, flat = turned(20, 40, 30), np.array([[0, 0], [50, 20], [50, 20], [0, 0]], float)
    assert suiting_rotation([square, flat])[0] == 1
    assert suiting_rotation([square, flat, turned(5)])[0] == 5
