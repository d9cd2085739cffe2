"""The fault this project exists for, in the real wheels, and the same YAML through our pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr_ft import EpochClock, MakeBorderMap, MakeShrinkMap
from tests.support.paddleocr_wheels import border_class, shrink_class
from tests.support.reference_maps import reference, run_pair
from tests.support.samples import sample

SEED = 1024
"""PaddleOCR's default seed, which SimpleDataSet 2.7 and 2.8 pass as ``epoch``."""
BROKEN = ("2.7.0.3", "2.8.1")
YAML = {"shrink_ratio": 0.4, "epoch_num": 500, "use_gpu": True, "save_model_dir": "./output"}


@pytest.fixture
def lines() -> dict[str, Any]:
    """Three text lines of 120 x 16, 90 x 20 and 60 x 12 pixels."""
    corners = [(10, 8, 130, 24), (20, 40, 110, 60), (30, 80, 90, 92)]
    polys = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in corners]
    return sample(np.array(polys, np.float32), (112, 160))


@pytest.mark.parametrize("version", BROKEN)
@pytest.mark.parametrize(
    ("total_epoch", "ratio"), [(500, 0.8096), (10000, 0.42048), (300, 1.08267), (150, 1.76533)]
)
def test_27_takes_the_seed_for_the_epoch(version: str, total_epoch: int, ratio: float) -> None:
    for made in (shrink_class(version), border_class(version)):
        assert made(epoch=SEED, total_epoch=total_epoch).shrink_ratio == pytest.approx(
            ratio, abs=1e-5
        )


@pytest.mark.parametrize("version", BROKEN)
def test_27_masks_every_text_at_total_epoch_300(version: str, lines: dict[str, Any]) -> None:
    maps = reference(version, lines, epoch=SEED, total_epoch=300).maps
    assert maps["ignore_tags"].all()
    assert maps["shrink_map"].sum() == 0


@pytest.mark.parametrize("version", BROKEN)
def test_27_crashes_at_total_epoch_150(version: str, lines: dict[str, Any]) -> None:
    with pytest.raises(IndexError):
        border_class(version)(epoch=SEED, total_epoch=150)(dict(lines))


@pytest.mark.parametrize("total_epoch", [150, 300, 500])
def test_210_never_changes_the_ratio(total_epoch: int) -> None:
    for made in (shrink_class("2.10.0"), border_class("2.10.0")):
        assert made(total_epoch=total_epoch, **YAML).shrink_ratio == 0.4


REMEDIES = [
    ("shipped", {"total_epoch": 500}, {1: 0.4004, 100: 0.44, 500: 0.6, 501: 0.6}),
    ("total_epoch 300", {"total_epoch": 300}, {1: 0.4 + 0.2 / 300, 150: 0.5, 300: 0.6}),
    ("total_epoch 150", {"total_epoch": 150}, {75: 0.5, 150: 0.6, 500: 0.6}),
    ("remedy: no total_epoch", {}, {1: 0.4, 500: 0.4}),
    ("remedy: total_epoch 10000", {"total_epoch": 10000}, {1: 0.40002, 500: 0.41}),
]


@pytest.mark.parametrize(
    ("keys", "ratios"), [r[1:] for r in REMEDIES], ids=[r[0] for r in REMEDIES]
)
@pytest.mark.parametrize("seed_as_epoch", [None, SEED, "None"])
def test_ours_follows_the_true_epoch(
    keys: dict[str, Any], ratios: dict[int, float], seed_as_epoch: Any, lines: dict[str, Any]
) -> None:
    clock = EpochClock()
    given = {**YAML, **keys, "clock": clock}
    if seed_as_epoch is not None:
        given["epoch"] = seed_as_epoch
    border, shrink = MakeBorderMap(**given), MakeShrinkMap(**given)
    for epoch, ratio in ratios.items():
        clock.set(epoch)
        assert border.shrink_ratio == shrink.shrink_ratio == pytest.approx(ratio, abs=1e-12)
        wanted = reference("2.6.1.3", lines, shrink_ratio=shrink.shrink_ratio).maps
        got = run_pair(border, shrink, lines)
        np.testing.assert_array_equal(got["shrink_map"], wanted["shrink_map"])
        np.testing.assert_allclose(got["threshold_map"], wanted["threshold_map"], atol=1e-6)


def test_the_seed_as_epoch_is_bounded_by_total_epoch() -> None:
    """Without a driven clock, 2.7's seed in place of an epoch gives the ramp's end, 0.6."""
    keys = {"epoch": SEED, "total_epoch": 500, "clock": EpochClock()}
    assert MakeShrinkMap(**keys).shrink_ratio == pytest.approx(0.6)
    assert MakeBorderMap(**keys).shrink_ratio == pytest.approx(0.6)


def test_a_true_epoch_in_the_constructor_counts() -> None:
    """PaddleOCR 2.7 rebuilds its data set each epoch with ``seed=epoch`` when ratio_list < 1."""
    keys = {"epoch": 125, "total_epoch": 500, "clock": EpochClock()}
    assert MakeShrinkMap(**keys).shrink_ratio == pytest.approx(0.45)
