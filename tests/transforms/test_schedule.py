"""The shrink ratio over the epochs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ppocr_ft import ShrinkSchedule
from ppocr_ft.errors import ConfigError

RAMPS: list[tuple[str, dict[str, Any], dict[int, float]]] = [
    ("nothing set: constant 0.4", {}, {0: 0.4, 1: 0.4, 500: 0.4}),
    ("epoch_num alone does not ramp", {"epoch_num": 500}, {1: 0.4, 500: 0.4}),
    ("PaddleOCR's total_epoch", {"total_epoch": 500}, {0: 0.4, 1: 0.4004, 250: 0.5, 500: 0.6}),
    ("held after the horizon", {"total_epoch": 500}, {501: 0.6, 1024: 0.6}),
    ("remedy total_epoch 10000", {"total_epoch": 10000}, {1: 0.40002, 500: 0.41}),
    ("short horizon that crashed 2.7", {"total_epoch": 150}, {75: 0.5, 150: 0.6, 400: 0.6}),
    (
        "own end",
        {"shrink_ratio": 0.5, "shrink_ratio_end": 0.7, "total_epoch": 10},
        {1: 0.52, 5: 0.6, 10: 0.7, 11: 0.7},
    ),
    (
        "end over the run's length",
        {"shrink_ratio_end": 0.6, "epoch_num": 20},
        {1: 0.41, 10: 0.5, 20: 0.6},
    ),
    (
        "total_epoch goes before epoch_num",
        {"shrink_ratio_end": 0.6, "total_epoch": 10, "epoch_num": 20},
        {10: 0.6},
    ),
    ("downwards", {"shrink_ratio": 0.6, "shrink_ratio_end": 0.4, "total_epoch": 4}, {2: 0.5}),
    ("end equal to start needs no horizon", {"shrink_ratio_end": 0.4}, {7: 0.4}),
]


@pytest.mark.parametrize(("keys", "ratios"), [r[1:] for r in RAMPS], ids=[r[0] for r in RAMPS])
def test_ratio(keys: dict[str, Any], ratios: dict[int, float]) -> None:
    schedule = ShrinkSchedule.from_keys(**keys)
    for epoch, ratio in ratios.items():
        assert schedule.ratio(epoch) == pytest.approx(ratio, abs=1e-12)


def test_a_schedule_in_words() -> None:
    assert ShrinkSchedule.from_keys(0.45).describe() == "constant 0.45"
    ramp = ShrinkSchedule.from_keys(0.4, 0.6, 20)
    assert ramp.describe() == "0.4 -> 0.6 over 20 epochs"


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("ratio 0", {"shrink_ratio": 0}, "shrink_ratio", "0"),
    ("ratio 1", {"shrink_ratio": 1.0}, "shrink_ratio", "1.0"),
    ("ratio NaN", {"shrink_ratio": float("nan")}, "shrink_ratio", "nan"),
    ("ratio a word", {"shrink_ratio": "big"}, "shrink_ratio", "'big'"),
    ("end above 1", {"shrink_ratio_end": 1.2, "total_epoch": 5}, "shrink_ratio_end", "1.2"),
    ("rise above 1", {"shrink_ratio": 0.85, "total_epoch": 5}, "shrink_ratio", "1.05"),
    ("horizon 0", {"total_epoch": 0}, "total_epoch", "0"),
    ("horizon negative", {"total_epoch": -3}, "total_epoch", "-3"),
    ("horizon a word", {"total_epoch": "many"}, "total_epoch", "'many'"),
    ("horizon infinite", {"total_epoch": float("inf")}, "total_epoch", "inf"),
    ("ramp without a horizon", {"shrink_ratio_end": 0.6}, "total_epoch", "epoch_num"),
]


@pytest.mark.parametrize(("keys", "key", "part"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_keys_are_named(keys: dict[str, Any], key: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ShrinkSchedule.from_keys(**keys)
    assert caught.value.key == key
    assert part in str(caught.value)


@given(
    start=st.floats(0.01, 0.99),
    end=st.floats(0.01, 0.99),
    total=st.floats(0.5, 1e5),
    epoch=st.integers(0, 10**7),
)
def test_the_ratio_never_leaves_its_two_ends(
    start: float, end: float, total: float, epoch: int
) -> None:
    ratio = ShrinkSchedule.from_keys(start, end, total).ratio(epoch)
    assert min(start, end) - 1e-12 <= ratio <= max(start, end) + 1e-12


def test_an_epoch_below_zero_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="-1"):
        ShrinkSchedule(0.4, 0.6, 5).ratio(-1)
