"""MakeShrinkMap's rounding: where the boxes lie that a perfect network would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr_ft import MakeShrinkMap
from ppocr_ft.errors import ConfigError
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from tests.support.samples import sample

SHAPE = (480, 320)
ROWS, COLUMNS = 15, 2
PITCH_PX = np.array([160.0, 32.0])


def lines(seed: int) -> np.ndarray:
    """Upright text lines of 12 to 20 px height at fractions of a pixel: (n, 4, 2)."""
    rng = np.random.default_rng(seed)
    column, row = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    cell = np.stack([column, row], axis=-1).reshape(-1, 2) * PITCH_PX
    left_top = cell + rng.uniform(2, 8, cell.shape)
    size = rng.uniform((60, 12), (140, 20), cell.shape)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return np.asarray(left_top[:, None] + corners * size[:, None], np.float32)


def decoded(polygons: np.ndarray, rounding: str, unclip_ratio: float) -> Any:
    operator = MakeShrinkMap(shrink_ratio=0.5, rounding=rounding)
    shrink_map = operator(sample(polygons, SHAPE))["shrink_map"]
    post_process = DBPostProcess(box_thresh=0.5, unclip_ratio=unclip_ratio)
    points, _ = post_process.boxes_from_candidates(post_process.candidates(shrink_map), SHAPE)
    return np.asarray(points, np.float64)


def offsets(polygons: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(n, 2): from each label's middle to that of the nearest box, px."""
    wanted, found = polygons.mean(axis=1), boxes.mean(axis=1)
    nearest = np.linalg.norm(found[None] - wanted[:, None], axis=2).argmin(axis=1)
    return np.asarray(found[nearest] - wanted)


@pytest.mark.parametrize(("rounding", "wanted_px"), [("truncate", -0.6), ("nearest", -0.1)])
def test_how_far_boxes_lie_off_their_labels(rounding: str, wanted_px: float) -> None:
    found = [
        offsets(polygons, decoded(polygons, rounding, 1.5)) for polygons in map(lines, range(8))
    ]
    assert np.concatenate(found).mean(axis=0) == pytest.approx((wanted_px, wanted_px), abs=0.15)


def test_nearest_gives_a_perfect_network_better_boxes() -> None:
    metrics = {rounding: DetMetric() for rounding in ("truncate", "nearest")}
    for rounding, metric in metrics.items():
        for seed in range(8):
            polygons = lines(seed)
            ignored = np.zeros(len(polygons), bool)
            metric.update(decoded(polygons, rounding, 1.5), list(polygons), ignored)
    hmean_70 = {rounding: metric.summary()["hmean_70"] for rounding, metric in metrics.items()}
    assert hmean_70["nearest"] > hmean_70["truncate"] + 0.03


def test_truncate_is_the_default() -> None:
    polygons = lines(0)
    maps = [
        MakeShrinkMap(**keys)(sample(polygons, SHAPE))["shrink_map"]
        for keys in ({}, {"rounding": "truncate"}, {"rounding": "nearest"})
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    assert (maps[1] != maps[2]).any()


def test_another_rounding_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of truncate, nearest") as caught:
        MakeShrinkMap(rounding="up")
    assert caught.value.key == "rounding"
