"""The terms of DBLoss.

Each maps a prediction (n, h, w) of probabilities, a target and a mask (n, h, w) of 0 and 1, to a
scalar. Sums run over the batch, image by image nothing is averaged: the pixels of an image
without text count as negatives beside an image with text.
"""

from __future__ import annotations

import paddle

EPS = 1e-6
BCE_MAX = 100.0
"""The cross entropy of a probability of 0, as in paddle.nn.functional.binary_cross_entropy."""
_TINY = 1.2e-38
"""About the smallest float32 whose reciprocal is finite."""


def dice(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, eps: float = EPS
) -> paddle.Tensor:
    """1 - 2 * sum(p * t * m) / (sum(p * m) + sum(t * m) + eps); 1 where nothing is text.

    Source: PaddleOCR 2.7, ``det_basic_loss.py`` (``DiceLoss``).
    """
    positive = target * mask
    union = (pred * mask).sum() + positive.sum() + eps
    return 1 - 2 * (pred * positive).sum() / union


def masked_l1(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, eps: float = EPS
) -> paddle.Tensor:
    """sum(abs(p - t) * m) / (sum(m) + eps); 0 under an empty mask.

    Sources: Liao et al. 2020, where it is a sum; PaddleOCR 2.7, ``det_basic_loss.py``
    (``MaskL1Loss``).
    """
    return ((pred - target).abs() * mask).sum() / (mask.sum() + eps)


def cross_entropy(pred: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """-log(p) where the target is 1, -log(1 - p) where it is 0, at most 100: (n, h, w).

    Gradients are finite for every p in [0, 1]. A NaN stays NaN, where Paddle's own
    binary_cross_entropy raises on the CPU.
    """
    right = paddle.where(target > 0.5, pred, 1 - pred)
    saturated = right <= _TINY  # false for NaN
    log = paddle.log(paddle.where(saturated, paddle.ones_like(right), right))
    return paddle.where(saturated, paddle.full_like(right, BCE_MAX), -log)


def masked_bce(pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return the mean cross entropy under the mask; 0 under an empty one.

    Not PaddleOCR's: without ``balance_loss`` its BCELoss is a map, masked nowhere, not a scalar.
    """
    return (cross_entropy(pred, target) * mask).sum() / (mask.sum() + EPS)


def balanced_bce(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, ohem_ratio: float
) -> paddle.Tensor:
    """Return the mean cross entropy of all P positive and the K hardest negative pixels.

    K = min(negatives, floor(P * ohem_ratio)); the mean divides by P + K + 1e-6. No positives: K is
    0, so the loss is 0 however wrong the negatives are.

    Sources: Liao et al. 2020, with a ratio of 3; PaddleOCR 2.7, ``det_basic_loss.py``
    (``BalanceLoss``), whose counts are Python ints and so wait for the device.
    """
    positive = target * mask
    negative = mask - positive
    count = hard_negative_count(positive, negative, ohem_ratio)
    losses = cross_entropy(pred, target)
    weight = positive + hardest(losses * negative, count)
    return (losses * weight).sum() / (positive.sum() + count.astype(pred.dtype) + EPS)


def balanced_dice(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, ohem_ratio: float
) -> paddle.Tensor:
    """Dice loss * (P + K) / (P + K + 1e-6), P and K as in ``balanced_bce``.

    That is what PaddleOCR 2.7's BalanceLoss comes to with ``DiceLoss``: it gives every pixel the
    same loss, sorts, and takes the mean. No positives: 0, where plain Dice is 1.
    """
    positive = target * mask
    count = hard_negative_count(positive, mask - positive, ohem_ratio)
    pixels = positive.sum() + count.astype(pred.dtype)
    return dice(pred, target, mask) * (pixels / (pixels + EPS))


_VALUE_BITS = 31  # of a float32 that isn't negative: such floats are ordered as their bits are


def hard_negative_count(
    positive: paddle.Tensor, negative: paddle.Tensor, ohem_ratio: float
) -> paddle.Tensor:
    """min(negatives, floor(positives * ohem_ratio)), an int64 scalar; (n, h, w) of 0 and 1 each."""
    return paddle.minimum(negative.sum(), positive.sum() * ohem_ratio).astype("int64")


def hardest(losses: paddle.Tensor, count: paddle.Tensor) -> paddle.Tensor:
    """Weights that add up to ``count``, an int64 scalar: 1 where ``losses`` are the largest.

    ``losses`` are not negative, and compared as float32. Those equal to the last one chosen share
    evenly what is left for them, where a sort would choose some by their place. No gradient.
    """
    bits = losses.detach().astype("float32").view("int32")
    threshold = _kth_largest(bits, count)
    above, tied = bits > threshold, bits == threshold
    left = (count - above.sum()).astype(losses.dtype)
    # With a count of 0 nothing is tied.
    share = left / paddle.clip(tied.sum(), min=1).astype(losses.dtype)
    return above.astype(losses.dtype) + tied.astype(losses.dtype) * share


def _kth_largest(bits: paddle.Tensor, k: paddle.Tensor) -> paddle.Tensor:
    """The k-th largest of int32 numbers that aren't negative; the largest int32 for k = 0."""
    found = paddle.zeros([], "int32")
    for bit in reversed(range(_VALUE_BITS)):
        higher = found + (1 << bit)
        found = paddle.where((bits >= higher).sum() >= k, higher, found)
    return found
