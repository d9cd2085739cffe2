"""The terms of DBLoss.

Each takes a prediction (n, h, w) of probabilities, a target and a mask (n, h, w), and returns a
scalar. The mask is 0 and 1; all but the balanced cross entropy, which counts pixels, take weights.
Sums run over the whole batch, nothing is averaged per image: the pixels of an image without text
count as negatives together with an image with text.
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
    """Return 1 - 2 * sum(p * t * m) / (sum(p * m) + sum(t * m) + eps); 1 if nothing is text.

    Source: PaddleOCR 2.7, ``det_basic_loss.py`` (``DiceLoss``).
    """
    positive = target * mask
    union = (pred * mask).sum() + positive.sum() + eps
    return 1 - 2 * (pred * positive).sum() / union


def masked_l1(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, eps: float = EPS
) -> paddle.Tensor:
    """Return sum(abs(p - t) * m) / (sum(m) + eps); 0 for an empty mask.

    Sources: Liao et al. 2020, with a sum instead of the mean; PaddleOCR 2.7, ``det_basic_loss.py``
    (``MaskL1Loss``).
    """
    return ((pred - target).abs() * mask).sum() / (mask.sum() + eps)


def cross_entropy(pred: paddle.Tensor, target: paddle.Tensor) -> paddle.Tensor:
    """Return -log(p) if the target is 1, -log(1 - p) if it is 0, at most 100: (n, h, w).

    Gradients are finite for every p in [0, 1]. A NaN stays NaN; Paddle's own
    binary_cross_entropy raises on the CPU.
    """
    right = paddle.where(target > 0.5, pred, 1 - pred)
    saturated = right <= _TINY  # false for NaN
    log = paddle.log(paddle.where(saturated, paddle.ones_like(right), right))
    return paddle.where(saturated, paddle.full_like(right, BCE_MAX), -log)


def masked_bce(pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
    """Return the mean cross entropy inside the mask; 0 for an empty mask.

    This differs from PaddleOCR: without ``balance_loss`` its BCELoss is a map without a mask, not a
    scalar.
    """
    return (cross_entropy(pred, target) * mask).sum() / (mask.sum() + EPS)


def masked_focal(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, alpha: float, gamma: float
) -> paddle.Tensor:
    """Return the mean of a * (1 - q)^gamma * -log(q) inside the mask; 0 for an empty mask.

    q is the probability of the target, a is ``alpha`` where the target is 1, else 1 - ``alpha``.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.
    """
    wrong = paddle.where(target > 0.5, 1 - pred, pred)
    weight = paddle.where(
        target > 0.5, paddle.full_like(pred, alpha), paddle.full_like(pred, 1 - alpha)
    )
    hard = paddle.clip(wrong, min=EPS) ** gamma  # a power of 0 has no finite gradient below 1
    return (weight * hard * cross_entropy(pred, target) * mask).sum() / (mask.sum() + EPS)


def balanced_bce(
    pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor, ohem_ratio: float
) -> paddle.Tensor:
    """Return the mean cross entropy of all P positive and the K hardest negative pixels.

    K = min(negatives, floor(P * ohem_ratio)); the mean divides by P + K + 1e-6. Without positives K
    is 0, so the loss is 0 even if the negatives are wrong.

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
    """Return Dice loss * (P + K) / (P + K + 1e-6), P and K as in ``balanced_bce``.

    This is the result of PaddleOCR 2.7's BalanceLoss with ``DiceLoss``: it gives every pixel the
    same loss, sorts, and takes the mean. Without positives: 0; plain Dice would be 1.
    """
    positive = target * mask
    count = hard_negative_count(positive, mask - positive, ohem_ratio)
    pixels = positive.sum() + count.astype(pred.dtype)
    return dice(pred, target, mask) * (pixels / (pixels + EPS))


_VALUE_BITS = 31  # of a float32 that isn't negative: such floats are ordered as their bits are


def hard_negative_count(
    positive: paddle.Tensor, negative: paddle.Tensor, ohem_ratio: float
) -> paddle.Tensor:
    """Return min(negatives, floor(positives * ohem_ratio)), an int64 scalar.

    The arguments are maps (n, h, w) of 0 and 1.
    """
    return paddle.minimum(negative.sum(), positive.sum() * ohem_ratio).astype("int64")


def hardest(losses: paddle.Tensor, count: paddle.Tensor) -> paddle.Tensor:
    """Return weights that add up to ``count``, an int64 scalar: 1 for the largest ``losses``.

    ``losses`` are not negative, and compared as float32. Pixels equal to the last chosen one share
    the remaining weight evenly; a sort would choose some of them by position. No gradient.
    """
    bits = losses.detach().astype("float32").view("int32")
    threshold = _kth_largest(bits, count)
    above, tied = bits > threshold, bits == threshold
    left = (count - above.sum()).astype(losses.dtype)
    # With a count of 0 nothing is tied.
    share = left / paddle.clip(tied.sum(), min=1).astype(losses.dtype)
    return above.astype(losses.dtype) + tied.astype(losses.dtype) * share


def _kth_largest(bits: paddle.Tensor, k: paddle.Tensor) -> paddle.Tensor:
    """Return the k-th largest of non-negative int32 numbers; the largest int32 for k = 0."""
    largest = paddle.zeros([], "int32")
    for bit in reversed(range(_VALUE_BITS)):
        higher = largest + (1 << bit)
        largest = paddle.where((bits >= higher).sum() >= k, higher, largest)
    return largest
