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
# two lines of 20 px height, 8 px apart, and one of 30 px far from both
BOXES = np.array([[10, 10, 110, 30], [20, 38, 120, 58], [60, 85, 160, 115]], np.float32)


def polygons(boxes: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = boxes.T
    return np.stack([x1, y1, x2, y1, x2, y2, x1, y2], axis=1).reshape(-1, 4, 2)


def drawn(boxes: np.ndarray, ignored: tuple[int, ...] = (), **keys: object) -> dict:
    data = sample(polygons(boxes), SHAPE)
    data["ignore_tags"] = np.isin(np.arange(len(boxes)), ignored)
    return MakeShrinkMap(shrink_ratio=0.5, **keys)(data)


def distances(boxes: np.ndarray) -> np.ndarray:
    """(n, h, w): of each pixel to each box, 0 inside."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x1, y1, x2, y2 = boxes.T[:, :, None, None]
    dx, dy = np.maximum(np.maximum(x1 - x, x - x2), 0), np.maximum(np.maximum(y1 - y, y - y2), 0)
    return np.hypot(dx, dy)


def test_pixels_near_two_texts_and_in_no_kernel_count_more() -> None:
    found = drawn(BOXES, gap_weight=4)
    heights = BOXES[:, 3] - BOXES[:, 1]
    margin = distances(BOXES) - heights[:, None, None] / 2
    kernel = found["shrink_map"] > 0
    surely = ((margin < -1.5).sum(axis=0) >= 2) & ~kernel
    maybe = (margin < 1.5).sum(axis=0) >= 2
    weighted = found["shrink_mask"] == 4
    assert surely.sum() > 500
    assert weighted[surely].all()
    assert not weighted[kernel | ~maybe].any()
    assert set(np.unique(found["shrink_mask"])) == {1, 4}
    assert weighted[34, 60]
    assert not weighted[70, 100], "the third line is too far away"


def test_the_map_stays_and_what_is_masked_stays_masked() -> None:
    plain = drawn(BOXES, ignored=(1,))
    found = drawn(BOXES, ignored=(1,), gap_weight=4)
    for key in ("shrink_map", "shrink_mask"):
        np.testing.assert_array_equal(found[key], plain[key], err_msg="one line alone has no gap")
    both = drawn(np.concatenate([BOXES, [[10, 30, 110, 38]]]).astype("f4"), (3,), gap_weight=4)
    assert (both["shrink_mask"][31:37, 12:108] == 0).all()
    np.testing.assert_array_equal(drawn(BOXES, gap_weight=1)["shrink_mask"], np.ones(SHAPE))


@pytest.mark.parametrize("count", [0, 1])
def test_without_neighbours_there_is_no_gap(count: int) -> None:
    assert (drawn(BOXES[:count], gap_weight=4)["shrink_mask"] == 1).all()


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
