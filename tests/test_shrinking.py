"""The shrink/unclip pair on polygons, by hand and on real labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppocr_ft import iou_ceiling, unclip_ratio_for
from ppocr_ft.errors import ConfigError
from ppocr_ft.shrinking import kernel_gaps, shrink_distance
from tests.support.samples import shared_data


def box(width: float, height: float, x: float = 0, y: float = 0) -> np.ndarray:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])


def expected_iou(width: float, height: float, ratio: float, unclip: float) -> float:
    """The same for one upright box, by hand."""
    d = width * height * (1 - ratio**2) / (2 * (width + height))
    w, h = width - 2 * d, height - 2 * d
    grow = w * h * unclip / (2 * (w + h))
    w, h = w + 2 * grow, h + 2 * grow
    common = min(w, width) * min(h, height)
    return common / (w * h + width * height - common)


def test_shrink_distance_by_hand() -> None:
    """A 100 x 20 box at 0.4: 2000 * 0.84 / 240 = 7."""
    assert shrink_distance(np.array([2000.0]), np.array([240.0]), 0.4) == pytest.approx([7.0])


def test_kernel_gaps_by_hand() -> None:
    """Words of 60 x 20 px, 4 px apart: at ratio r each edge moves by 1200 * (1 - r * r) / 160.

    At 0.4 that is 6.3 px: kernels of 47.4 x 7.4 px, 16.6 px apart; at 0.6 4.8 px, so 10.4 px
    thick and 13.6 px apart. Half as large, all halves. The third text is far below.
    """
    words = [box(60, 20), box(60, 20, x=64), box(60, 20, y=100)]
    at_04, at_06 = kernel_gaps(words, 0.4), kernel_gaps(words, 0.6)
    np.testing.assert_allclose(at_04.thickness_px, [7.4] * 3)
    np.testing.assert_allclose(at_04.gap_px, [16.6, 16.6, 92.6])
    np.testing.assert_allclose(at_06.thickness_px, [10.4] * 3)
    np.testing.assert_allclose(at_06.gap_px, [13.6, 13.6, 89.6])
    half = kernel_gaps(words, 0.6, 0.5)
    np.testing.assert_allclose(half.thickness_px, [5.2] * 3)
    np.testing.assert_allclose(half.gap_px, [6.8, 6.8, 44.8])
    wide = kernel_gaps(words[:2], 0.4, (1, 0.5))  # 60 x 10 px: 600 * 0.84 / 140 = 3.6 px
    np.testing.assert_allclose(wide.thickness_px, [2.8] * 2)
    np.testing.assert_allclose(wide.gap_px, [11.2] * 2)


def test_kernel_gaps_of_overlapping_lone_and_no_texts() -> None:
    """Labels that overlap by 10 px have kernels that overlap too where each edge moves by 2 px."""
    ratio = (1 - 2 * 240 / 2000) ** 0.5
    overlapping = kernel_gaps([box(100, 20), box(100, 20, x=90)], ratio)
    np.testing.assert_allclose(overlapping.gap_px, [0, 0])
    np.testing.assert_allclose(overlapping.thickness_px, [16, 16])
    assert kernel_gaps([box(100, 20)], 0.4).gap_px.tolist() == [np.inf]
    flat = kernel_gaps([box(100, 0), box(100, 20, y=40)], 0.4)
    assert flat.thickness_px.tolist() == pytest.approx([0, 6])
    assert flat.gap_px.tolist() == [np.inf, np.inf]
    assert all(len(values) == 0 for values in kernel_gaps([], 0.4))
    with pytest.raises(ConfigError, match=r"found 1\.0; it must lie between 0 and 1"):
        kernel_gaps([box(9, 9)], 1.0)


@given(
    width=st.floats(20, 500),
    height=st.floats(8, 60),
    ratio=st.floats(0.35, 0.9),
    unclip=st.floats(0.5, 3),
    angle=st.floats(0, 3.1),
)
def test_iou_ceiling_of_a_box(
    width: float, height: float, ratio: float, unclip: float, angle: float
) -> None:
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    (iou,) = iou_ceiling([box(width, height) @ turn], ratio, unclip)
    assert iou == pytest.approx(expected_iou(width, height, ratio, unclip), abs=1e-6)


@given(width=st.floats(20, 500), height=st.floats(8, 60), ratio=st.floats(0.35, 0.9))
def test_the_fitted_unclip_ratio_gives_one_label_back(
    width: float, height: float, ratio: float
) -> None:
    shape = [box(width, height)]
    assert iou_ceiling(shape, ratio, unclip_ratio_for(shape, ratio))[0] > 0.98


def test_long_lines_want_another_pair_than_short_words() -> None:
    words, lines = [box(30, 20)], [box(400, 20)]
    assert unclip_ratio_for(words, 0.4) < 1.7
    assert unclip_ratio_for(lines, 0.4) > 1.9


def test_thin_kernels_count_nothing_when_post_processing_drops_them() -> None:
    shape = [box(80, 6)]
    assert iou_ceiling(shape, 0.4, 2.0)[0] > 0.6
    assert iou_ceiling(shape, 0.4, 2.0, min_side_px=3)[0] == 0
    assert iou_ceiling([box(80, 20)], 0.4, 2.0, min_side_px=3)[0] > 0.8


def test_a_text_of_no_area_has_a_ceiling_of_zero() -> None:
    flat = np.array([[5.0, 5], [9, 5], [9, 5], [5, 5]])
    np.testing.assert_array_equal(iou_ceiling([flat, box(40, 20)], 0.5, 1.5) > 0, [False, True])
    assert len(iou_ceiling([], 0.5, 1.5)) == 0


def test_the_larger_piece_counts_where_a_text_falls_apart() -> None:
    left = [[5, 10], [45, 10], [45, 39.5], [75, 39.5], [75, 30], [115, 30], [115, 50]]
    shape = np.array([*left, [75, 50], [75, 40.5], [45, 40.5], [45, 70], [5, 70]])
    (iou,) = iou_ceiling([shape], 0.4, 1.5)
    assert 0.3 < iou < 0.5


@pytest.mark.parametrize(
    ("ratio", "unclip", "key"),
    [(1.0, 1.5, "shrink_ratio"), (0.4, 0, "unclip_ratio"), (0.4, float("nan"), "unclip_ratio")],
)
def test_wrong_arguments_are_named(ratio: float, unclip: float, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        iou_ceiling([box(40, 20)], ratio, unclip)
    assert caught.value.key == key


def test_no_usable_text_is_said() -> None:
    with pytest.raises(ConfigError, match="none of 1 text leaves"):
        unclip_ratio_for([np.zeros((4, 2))], 0.4)


DESIGN_TABLE = {
    (0.4, 1.2): (0.63, 0.36), (0.4, 1.5): (0.73, 0.56), (0.4, 1.8): (0.80, 0.69),
    (0.4, 2.2): (0.81, 0.82), (0.5, 1.2): (0.80, 0.72), (0.5, 1.5): (0.87, 0.99),
    (0.5, 1.8): (0.86, 1.00), (0.5, 2.2): (0.81, 0.71), (0.6, 1.2): (0.92, 1.00),
    (0.6, 1.5): (0.86, 1.00), (0.6, 1.8): (0.75, 0.64), (0.6, 2.2): (0.64, 0.32),
    (0.81, 1.2): (0.62, 0.0), (0.81, 1.5): (0.53, 0.0), (0.81, 1.8): (0.46, 0.0),
    (0.81, 2.2): (0.39, 0.0),
}  # fmt: skip
"""(shrink ratio, unclip ratio): mean IoU, share above 0.7, on 3,000 other receipt lines."""


def test_on_3000_receipt_lines() -> None:
    lines: list[np.ndarray] = []
    for line in shared_data("receipts", "train.txt").read_text(encoding="utf-8").splitlines():
        lines += [np.array(text["points"]) for text in json.loads(line.split("\t", 1)[1])]
    for (ratio, unclip), (mean, share) in DESIGN_TABLE.items():
        ious = iou_ceiling(lines[:3000], ratio, unclip)
        assert ious.mean() == pytest.approx(mean, abs=0.015), (ratio, unclip)
        assert (ious > 0.7).mean() == pytest.approx(share, abs=0.045), (ratio, unclip)
    fitted = unclip_ratio_for(lines[:3000], 0.6)
    assert iou_ceiling(lines[:3000], 0.6, fitted).mean() > 0.91
