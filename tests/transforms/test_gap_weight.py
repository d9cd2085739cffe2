"""MakeShrinkMap's gap_weight: which pixels count more, by distances worked out here."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft import MakeShrinkMap
from ppocr_ft.config import inspect_config
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SMALL
from tests.support.samples import sample

SHAPE = (120, 200)
ROW = np.array([[10, 10, 60, 30], [75, 12, 125, 32], [10, 60, 60, 80], [180, 60, 190, 70]])
"""Two texts of 20 px height in a row, 15 px apart; others far away."""
GAP = 55, 80, 12, 30
"""Both of them, longer by 20 px: x from 75 - 20 to 60 + 20, y where they share rows."""


def polygons(boxes: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = boxes.T.astype(np.float32)
    return np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1).reshape(-1, 4, 2)


def drawn(texts: np.ndarray, ignored: tuple[int, ...] = (), **keys: object) -> dict:
    data = sample(texts, SHAPE)
    data["ignore_tags"] = np.isin(np.arange(len(texts)), ignored)
    return MakeShrinkMap(shrink_ratio=0.5, **keys)(data)


def weighted(found: dict) -> np.ndarray:
    assert set(np.unique(found["shrink_mask"])) <= {0, 1, 4}
    return found["shrink_mask"] == 4


def test_pixels_between_two_texts_of_a_row_and_in_no_kernel_count_more() -> None:
    found = drawn(polygons(ROW), gap_weight=4)
    left, right, top, bottom = GAP
    gap = np.zeros(SHAPE, bool)
    gap[top : bottom + 1, left : right + 1] = True
    gap &= found["shrink_map"] == 0
    assert gap.sum() > 300
    np.testing.assert_array_equal(weighted(found), gap)


def test_rows_above_each_other_have_no_gap_unless_they_overlap() -> None:
    stacked = np.array([[10, 10, 110, 30], [10, 34, 110, 54]])
    assert not weighted(drawn(polygons(stacked), gap_weight=4)).any()
    overlapping = np.array([[10, 10, 110, 30], [10, 26, 110, 46]])
    between = weighted(drawn(polygons(overlapping), gap_weight=4))
    assert between[28, 20:100].all()
    assert not between[[24, 32]].any()


def turned(texts: np.ndarray, degrees: float) -> np.ndarray:
    angle, middle = np.radians(degrees), np.array([100.0, 60.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((texts - middle) @ turn.T + middle).astype(np.float32)


@pytest.mark.parametrize("degrees", [0, 30, -60, 90, 180])
def test_rows_run_as_their_texts_do(degrees: float) -> None:
    row = np.array([[40, 50, 90, 66], [104, 50, 160, 66]])
    across = np.array([[40, 40, 90, 56], [40, 70, 90, 86]])
    gap = turned(np.array([[[97.0, 58.0]]]), degrees)[0, 0].round().astype(int)
    assert weighted(drawn(turned(polygons(row), degrees), gap_weight=4))[gap[1], gap[0]]
    assert not weighted(drawn(turned(polygons(across), degrees), gap_weight=4)).any()


@pytest.mark.parametrize("degrees", [0, 30])
def test_a_short_text_is_in_the_row_of_the_longer_ones(degrees: float) -> None:
    texts = np.array([[40, 50, 50, 70], [64, 50, 150, 70]])  # "1  A15961"
    gap = turned(np.array([[[57.0, 60.0]]]), degrees)[0, 0].round().astype(int)
    assert weighted(drawn(turned(polygons(texts), degrees), gap_weight=4))[gap[1], gap[0]]
    digits = np.array([[40, 50, 50, 70], [64, 50, 74, 70]])  # without longer ones: along x
    assert weighted(drawn(polygons(digits), gap_weight=4))[60, 57]


def test_directions_are_averaged_as_lines_are() -> None:
    """Columns of text tilted by 1 degree to either side run along y, not along their mean, x."""
    columns = [
        turned(polygons(np.array([[x, 10, x + 20, 110]])), d) for x, d in ((10, 1), (60, -1))
    ]
    short = polygons(np.array([[120, 20, 140, 40], [120, 55, 140, 75], [155, 20, 175, 40]]))
    found = weighted(drawn(np.concatenate([*columns, short]).astype(np.float32), gap_weight=4))
    assert found[47, 130]
    assert not found[30, 147]


def test_polygons_of_many_points_and_texts_beyond_the_edge() -> None:
    curved = np.array([[10, 10], [35, 8], [60, 10], [60, 30], [35, 28], [10, 30]], np.float32)
    data = sample([curved, polygons(ROW)[1]], SHAPE)
    assert weighted(MakeShrinkMap(shrink_ratio=0.5, gap_weight=4)(data))[20, 67]
    outside = polygons(ROW - [40, 5, 40, 5])
    assert weighted(drawn(outside, gap_weight=4))[15, 28]


def test_the_map_stays_and_what_is_masked_stays_masked() -> None:
    plain = drawn(polygons(ROW), ignored=(1,))
    found = drawn(polygons(ROW), ignored=(1,), gap_weight=4)
    for key in ("shrink_map", "shrink_mask"):
        np.testing.assert_array_equal(found[key], plain[key], err_msg="one text alone has no gap")
    between = np.concatenate([ROW, [[60, 10, 75, 30]]])
    both = drawn(polygons(between), ignored=(4,), gap_weight=4)
    assert (both["shrink_mask"][11:30, 61:75] == 0).all()
    np.testing.assert_array_equal(drawn(polygons(ROW), gap_weight=1)["shrink_mask"], np.ones(SHAPE))


@pytest.mark.parametrize("count", [0, 1])
def test_without_neighbours_there_is_no_gap(count: int) -> None:
    assert (drawn(polygons(ROW[:count]), gap_weight=4)["shrink_mask"] == 1).all()


def test_values_that_can_not_be_used() -> None:
    with pytest.raises(ConfigError, match="gap_weight"):
        MakeShrinkMap(gap_weight=0)
    key = "Train.dataset.transforms.MakeShrinkMap.gap_weight"
    bce = [f"{key}=3", "Loss.main_loss_type=BCELoss", "Loss.balance_loss=true"]
    said = [fault for fault in inspect_config(SMALL, bce).faults if "gap_weight" in fault.key]
    assert [fault.rule for fault in said] == ["weighted_gaps"]
    assert "BCELoss with balance_loss counts pixels" in said[0].message
    for override in ("Loss.main_loss_type=DiceLoss", "Loss.balance_loss=false"):
        faults = inspect_config(SMALL, [*bce, override]).faults
        assert not [fault for fault in faults if "gap_weight" in fault.key]
