"""PaddleOCR's DBLoss in plain numpy, float64, and inputs for it.

Written from the formulas of PaddleOCR 2.7's det_db_loss.py and det_basic_loss.py: counts are
Python ints, and the hardest negatives are the first ones of a sorted list.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.losses.configs import DBLossConfig
from ppocr_ft.losses.db import DBLoss, DBTargets

Array = NDArray[np.float64]
TARGETS = ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask")
FOLDER = Path(__file__).parent / "reference"
EPS = 1e-6


def db_loss(**keys: Any) -> DBLoss:
    """Return the loss that a config with these keys asks for."""
    return DBLoss(DBLossConfig(**keys))


@dataclass(frozen=True)
class Case:
    """A batch: the shares of its pixels that are text, and that each mask keeps."""

    text: float = 0.2
    shrink_mask: float = 0.9
    threshold_mask: float = 0.4
    shape: tuple[int, int, int] = (2, 12, 16)

    def arrays(self, seed: int = 0) -> dict[str, Array]:
        """Predictions (n, c, h, w) and targets (n, h, w) under their names."""
        rng = np.random.default_rng(seed)
        n, h, w = self.shape
        return {
            "maps": rng.uniform(0.02, 0.98, (n, 3, h, w)),
            "cbn_maps": rng.uniform(0.02, 0.98, (n, 1, h, w)),
            "shrink_map": (rng.random(self.shape) < self.text).astype(np.float64),
            "shrink_mask": (rng.random(self.shape) < self.shrink_mask).astype(np.float64),
            "threshold_map": rng.uniform(0.3, 0.7, self.shape),
            "threshold_mask": (rng.random(self.shape) < self.threshold_mask).astype(np.float64),
        }


@cache
def reference_arrays() -> dict[str, NDArray[np.float32]]:
    with np.load(FOLDER / "db_loss.npz") as arrays:
        return dict(arrays)


def targets(arrays: dict[str, NDArray], dtype: str = "float32") -> DBTargets:
    return DBTargets(*(paddle.to_tensor(arrays[name].astype(dtype)) for name in TARGETS))


def predictions(
    arrays: dict[str, NDArray], *names: str, dtype: str = "float32"
) -> dict[str, paddle.Tensor]:
    """The named maps as tensors that collect gradients."""
    return {
        name: paddle.to_tensor(arrays[name].astype(dtype), stop_gradient=False) for name in names
    }


def dice(pred: Array, target: Array, mask: Array, eps: float = EPS) -> float:
    union = np.sum(pred * mask) + np.sum(target * mask) + eps
    return float(1 - 2 * np.sum(pred * target * mask) / union)


def masked_l1(pred: Array, target: Array, mask: Array, eps: float = EPS) -> float:
    return float(np.sum(np.abs(pred - target) * mask) / (np.sum(mask) + eps))


def cross_entropy(pred: Array, target: Array) -> Array:
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(pred), -100), np.maximum(np.log(1 - pred), -100)
    return -(target * logs[0] + (1 - target) * logs[1])


def dice_focal(
    pred: Array, target: Array, mask: Array, eps: float, alpha: float = 0.25, gamma: float = 2.0
) -> float:
    """Dice plus the focal loss of Lin et al. 2017, whose mean is over the unmasked pixels."""
    total = 0.0
    for p, t, m in zip(pred.ravel(), target.ravel(), mask.ravel(), strict=True):
        right, weight = (p, alpha) if t == 1 else (1 - p, 1 - alpha)
        total -= m * weight * (1 - right) ** gamma * max(math.log(right), -100)
    return dice(pred, target, mask, eps) + total / (float(mask.sum()) + EPS)


def balanced(kind: str, pred: Array, target: Array, mask: Array, ratio: float) -> float:
    """PaddleOCR's BalanceLoss around DiceLoss or BCELoss."""
    positive, negative = target * mask, (1 - target) * mask
    positives = int(positive.sum())
    negatives = math.floor(min(negative.sum(), positives * ratio))
    loss = dice(pred, target, mask) if kind == "DiceLoss" else cross_entropy(pred, target)
    hardest = sorted((negative * loss).ravel().tolist(), reverse=True)[:negatives]
    return (float(np.sum(positive * loss)) + sum(hardest)) / (positives + negatives + EPS)


def db_losses(
    arrays: dict[str, Array], kind: str, ratio: float, eps: float, cbn: bool
) -> dict[str, float]:
    """The five losses with alpha 5 and beta 10."""
    shrink, threshold, binary = arrays["maps"].transpose(1, 0, 2, 3)
    truth = arrays["shrink_map"], arrays["shrink_mask"]
    if kind == "DiceFocalLoss":
        main = last = partial(dice_focal, eps=eps)
    else:
        main, last = partial(balanced, kind, ratio=ratio), partial(dice, eps=eps)
    losses = {
        "loss_shrink_maps": 5 * main(shrink, *truth),
        "loss_threshold_maps": 10
        * masked_l1(threshold, arrays["threshold_map"], arrays["threshold_mask"], eps),
        "loss_binary_maps": last(binary, *truth),
        "loss_cbn": main(arrays["cbn_maps"][:, 0], *truth) if cbn else 0.0,
    }
    return {"loss": sum(losses.values()), **losses}
