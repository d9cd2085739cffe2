"""Online hard example mining without waiting for the device.

How many pixels are chosen depends on the batch, so a top-k would need that number on the host.
Here the k-th largest loss is found bit by bit, and what is chosen is a weight for each pixel.
"""

from __future__ import annotations

import paddle

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
