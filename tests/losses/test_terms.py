"""The terms of DBLoss: gradients against finite differences, mined pixels against a sort."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppocr_ft.losses.db import (
    balanced_bce,
    balanced_dice,
    cross_entropy,
    dice,
    hard_negative_count,
    hardest,
    masked_bce,
    masked_l1,
)
from tests.support.losses_reference import Case, db_loss, predictions, targets

Scalar = Callable[[paddle.Tensor], paddle.Tensor]
TERMS: dict[str, Any] = {
    "dice": dice,
    "masked_l1": masked_l1,
    "masked_bce": masked_bce,
    "balanced_dice": partial(balanced_dice, ohem_ratio=3),
    "balanced_bce": partial(balanced_bce, ohem_ratio=3),
    "balanced_bce, few negatives": partial(balanced_bce, ohem_ratio=0.5),
}
FLOAT32_MAX = float(np.finfo(np.float32).max)


def slopes(function: Scalar, at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences of a scalar function by every element."""
    found = np.empty_like(at)
    for i in np.ndindex(at.shape):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[i] += sign * step
            ends.append(float(function(paddle.to_tensor(moved))))
        found[i] = (ends[0] - ends[1]) / (2 * step)
    return found


def gradient(function: Scalar, at: np.ndarray) -> np.ndarray:
    tensor = paddle.to_tensor(at, stop_gradient=False)
    function(tensor).backward()
    return tensor.grad.numpy()


def check_gradient(function: Scalar, at: np.ndarray) -> None:
    found = gradient(function, at)
    assert np.abs(found).max() > 1e-3
    np.testing.assert_allclose(found, slopes(function, at), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", TERMS)
def test_gradients_of_the_terms(name: str) -> None:
    arrays = Case(shape=(2, 5, 6)).arrays()
    pred = np.random.default_rng(1).uniform(0.05, 0.95, (2, 5, 6))
    truth = paddle.to_tensor(arrays["shrink_map"]), paddle.to_tensor(arrays["shrink_mask"])
    check_gradient(lambda tensor: TERMS[name](tensor, *truth), pred)


@pytest.mark.parametrize("kind", ["DiceLoss", "BCELoss"])
@pytest.mark.parametrize("name", ["maps", "cbn_maps"])
def test_gradients_of_the_whole(name: str, kind: Any) -> None:
    arrays = Case(shape=(2, 4, 5)).arrays(seed=5)
    other = predictions(arrays, "maps", "cbn_maps", dtype="float64")
    truth, loss = targets(arrays, "float64"), db_loss(main_loss_type=kind, ohem_ratio=0.8)
    check_gradient(lambda tensor: loss({**other, name: tensor}, truth)["loss"], arrays[name])


def test_only_the_hardest_negatives_get_a_gradient() -> None:
    truth = paddle.to_tensor([[[1.0, 0, 0, 0, 0, 0]]]), paddle.to_tensor([[[1.0, 1, 1, 1, 1, 0]]])
    pred = np.array([[[0.8, 0.1, 0.9, 0.2, 0.6, 0.99]]])  # the last one is masked
    found = gradient(lambda p: balanced_bce(p, *truth, ohem_ratio=2), pred)
    expected = np.array([-1 / 0.8, 0, 1 / 0.1, 0, 1 / 0.4, 0]) / 3
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("case", "pred", "value"),
    [
        ("right and sure", [1.0, 0.0], 0.0),
        ("wrong and sure", [0.0, 1.0], 100.0),
        ("undecided", [0.5, 0.5], float(np.log(2))),
        ("nearly sure, wrong", [2.0**-20, 1 - 2.0**-20], 20 * float(np.log(2))),
    ],
)
def test_cross_entropy_is_paddles_own(case: str, pred: list[float], value: float) -> None:
    pred_tensor, target = paddle.to_tensor(pred), paddle.to_tensor([1.0, 0.0])
    found = cross_entropy(pred_tensor, target).numpy()
    own = F.binary_cross_entropy(pred_tensor, target, reduction="none").numpy()
    np.testing.assert_allclose(found, own, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found, value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("case", "positives", "negatives", "ratio", "expected"),
    [
        ("ratio times the positives", 4, 20, 3, 12),
        ("no more than there are", 4, 7, 3, 7),
        ("none without positives", 0, 20, 3, 0),
        ("rounded down", 3, 20, 1.5, 4),
    ],
)
def test_hard_negative_count(
    case: str, positives: int, negatives: int, ratio: float, expected: int
) -> None:
    pixels = np.arange(30)
    positive = paddle.to_tensor((pixels < positives).astype("float32"))
    negative = paddle.to_tensor((pixels >= 30 - negatives).astype("float32"))
    assert int(hard_negative_count(positive, negative, ratio)) == expected


def check_hardest(losses: np.ndarray, count: int) -> None:
    tensor = paddle.to_tensor(losses)
    weights = hardest(tensor, paddle.to_tensor(count, dtype="int64")).numpy()
    assert weights.shape == losses.shape
    assert weights.sum() == pytest.approx(count, rel=1e-5)
    last = np.sort(losses, axis=None)[::-1][count - 1] if count else np.inf
    assert (weights[losses > last] == 1).all()
    assert (weights[losses < last] == 0).all()
    assert len(np.unique(weights[losses == last])) <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 17, 59, 60])
@pytest.mark.parametrize(
    ("case", "losses"),
    [
        ("any", np.random.default_rng(0).exponential(2, (3, 4, 5))),
        ("many alike", np.random.default_rng(1).integers(0, 4, (3, 4, 5)) / 8),
        ("all alike", np.full((3, 4, 5), 0.7)),
        ("all zero", np.zeros((3, 4, 5))),
        ("minus zero among them", np.where(np.arange(60).reshape(3, 4, 5) % 2, -0.0, 0.5)),
        ("the last bit differs", 1 + np.arange(60).reshape(3, 4, 5) * 2.0**-23),
        ("far apart", np.logspace(-37, 38, 60).reshape(3, 4, 5)),
    ],
)
def test_hardest(case: str, losses: np.ndarray, count: int) -> None:
    if case == "minus zero among them" and count > 30:
        count = 30
    check_hardest(losses.astype(np.float32), count)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_hardest_of_anything(data: st.DataObject) -> None:
    values = st.floats(0, FLOAT32_MAX, width=32, allow_subnormal=False)
    losses = data.draw(st.lists(values, min_size=1, max_size=20))
    count = data.draw(st.integers(0, len(losses)))
    check_hardest(np.array(losses, np.float32), count)


def test_a_count_of_one_finds_every_largest() -> None:
    weights = hardest(paddle.to_tensor([0.5, 2.0, 1.0, 2.0]), paddle.to_tensor(1, dtype="int64"))
    assert weights.tolist() == [0, 0.5, 0, 0.5]
