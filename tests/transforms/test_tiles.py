"""Large pages: which are cut, where, and at what scale."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.transforms.image_ops import KeepKeys, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.resize import DetResizeForTest
from ppocr_ft.transforms.tiles import (
    MOST_PAGE_PX,
    OVERLAP_PX,
    TILE_PX,
    LargePage,
    TileRule,
    read_tiles,
    spans,
    with_tiles,
)

RESIZE = DetResizeForTest(limit_side_len=960, limit_type="max")
OPERATORS: list[Operator] = [
    RESIZE,
    NormalizeImage(order="hwc"),
    ToCHWImage(),
    KeepKeys(["image", "shape"]),
]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


def passed(operators: list[Operator], image: np.ndarray) -> dict[str, Any]:
    data: dict[str, Any] = {"image": image.copy()}
    for operator in operators:
        data = operator(data)
    return data


@pytest.mark.parametrize(
    "side", [32, 640, 641, 1000, 1151, 1152, 1153, 4001, 10_000, *range(700, 3000, 173)]
)
def test_each_pixel_is_given_by_one_tile_far_from_its_edge(side: int) -> None:
    placed = spans(side)
    given = [px for span in placed for px in range(*span.core)]
    assert given == list(range(side))
    assert {(span.end - span.start) % 32 for span in placed} == {0}
    assert len({span.end - span.start for span in placed}) == 1
    for span in placed:
        assert 0 <= span.start < span.end <= side
        assert span.end - span.start <= TILE_PX
        assert span.start == 0 or span.core[0] - span.start >= OVERLAP_PX // 2
        assert span.end == side or span.end - span.core[1] >= OVERLAP_PX // 2


@pytest.mark.parametrize(("side", "count"), [(640, 1), (641, 2), (1152, 2), (1153, 3)])
def test_there_are_no_more_tiles_than_it_takes(side: int, count: int) -> None:
    assert len(spans(side)) == count


def test_tiles_put_together_are_the_page_and_its_pixels_go_with_the_last() -> None:
    pixels = picture(1500, 700)
    page, back = LargePage(pixels, [ToCHWImage()]), np.zeros((3, 1500, 700), np.uint8)
    for tile, image in page.tiles():
        back[(slice(None), *tile.core)] = image[(slice(None), *tile.inner)]
    np.testing.assert_array_equal(back, pixels.transpose(2, 0, 1))
    with pytest.raises(ValueError, match="has gone through"):
        next(page.tiles())


def test_only_pages_that_shrink_more_than_the_images_of_training_are_cut() -> None:
    rule = TileRule.of([0.5, 0.75, 0.75, 1.0])
    assert rule == TileRule(0.5, 0.75)
    whole = {(1920, 1000): (960, 512), (960, 960): (960, 960)}
    for page, resized in whole.items():
        assert rule.size(page, resized) is None
    assert rule.size((4000, 2000), (960, 480)) == (3000, 1500)
    assert rule.size((4000, 400), (960, 96)) == (3000, 288)  # within a tile a multiple of 32
    assert TileRule.of([1.9, 2.5]).least == 1.0  # enlarging is no shrinking


def test_a_page_that_is_not_shrunk_is_cut_where_it_would_fill_the_memory() -> None:
    rule = TileRule(0.5, 0.75)
    assert rule.size((5000, 4000), (5000, 4000)) == (5000, 4000)
    height, width = rule.size((40_000, 20_000), (960, 480)) or (0, 0)
    assert MOST_PAGE_PX * 0.999 < height * width <= MOST_PAGE_PX


def test_an_image_that_is_not_cut_is_unchanged_to_the_bit() -> None:
    image = picture(900, 1500)
    plain, tiled = (passed(ops, image) for ops in (OPERATORS, with_tiles(OPERATORS, RULE)))
    assert set(tiled) == {"image", "shape"}
    for name, values in plain.items():
        np.testing.assert_array_equal(tiled[name], values)


RULE = TileRule(0.5, 0.25)


def test_a_page_within_one_tile_is_what_the_resize_to_that_scale_would_give() -> None:
    image = picture(1600, 2400)
    plain = passed([DetResizeForTest(image_shape=(384, 608)), *OPERATORS[1:]], image)
    tiled = passed(with_tiles(OPERATORS, RULE), image)
    assert set(tiled) == {"image", "shape"}
    for name, values in plain.items():
        np.testing.assert_array_equal(tiled[name], values)


def test_a_page_in_tiles_has_a_thumbnail_and_prepared_tiles() -> None:
    image = picture(3000, 2560)
    data = passed(with_tiles(OPERATORS, RULE), image)
    assert data["image"].shape == (3, 736, 640)
    np.testing.assert_allclose(data["shape"], [3000, 2560, 736 / 3000, 640 / 2560])
    page = data["page"]
    assert page.size == (750, 640)
    small = cv2.resize(image, (640, 750))
    (first, of_first), (_, of_second) = page.tiles()
    assert first.core == (slice(0, 375), slice(0, 640))
    expected = passed(OPERATORS[1:3], small[: of_first.shape[1]])["image"]
    np.testing.assert_array_equal(of_first, expected)
    assert of_second.dtype == np.float32


def test_operators_without_a_rule_or_a_resize_stay() -> None:
    assert with_tiles(OPERATORS, None) == OPERATORS
    assert with_tiles(OPERATORS[1:], RULE) == OPERATORS[1:]


def test_what_a_config_may_say() -> None:
    assert [read_tiles(value) for value in (None, "auto", 1, 0.5)] == [None, "auto", 1.0, 0.5]
    for wrong in ("Auto", 0, -1, 5, True, [1], float("nan")):
        with pytest.raises(ValueError, match="expected auto or a factor"):
            read_tiles(wrong)
