"""DBLoss: the loss of a DB detector's maps against their targets.

Sources: Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020,
"Optimization"; PaddleOCR 2.7, ``det_db_loss.py`` (``DBLoss``). The paper's shrink and binary terms
are both balanced cross entropies, with weights of 1, and 10 for the threshold term. PaddleOCR's
binary term is Dice, its shrink term Dice by default; its ``alpha`` weighs the shrink term, the
paper's the binary one. PP-OCRv6's DiceFocalLoss (PaddleOCR's main branch, 2026) is Dice plus a
focal loss, for shrink, binary and CBN map alike.

Each term takes a prediction (n, h, w) of probabilities, a target and a mask (n, h, w), and returns
a scalar. The mask is 0 and 1; all but the balanced cross entropy, which counts pixels, take
weights. Sums run over the whole batch, nothing is averaged per image: the pixels of an image
without text count as negatives together with an image with text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import paddle

from ppocr_ft.losses.configs import DBLossConfig

EPS = 1e-6
BCE_MAX = 100.0
"""The cross entropy of a probability of 0, as in paddle.nn.functional.binary_cross_entropy."""
_TINY = 1.2e-38
"""About the smallest float32 whose reciprocal is finite."""
_VALUE_BITS = 31
"""Of a float32 that isn't negative: such floats are ordered as their bits are."""
_HALF = (paddle.float16, paddle.bfloat16)


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
    return _negative_log(_right(pred, _is_text(target, pred)))


def _is_text(target: paddle.Tensor, pred: paddle.Tensor) -> paddle.Tensor:
    return (target > 0.5).astype(pred.dtype)


def _right(pred: paddle.Tensor, is_text: paddle.Tensor) -> paddle.Tensor:
    """Return the probability of what is there: p in text, else 1 - p."""
    return (1 - is_text) + (2 * is_text - 1) * pred  # on a CPU in a third of the time of where()


def _negative_log(right: paddle.Tensor) -> paddle.Tensor:
    saturated = (right <= _TINY).astype(right.dtype)  # 0 for NaN
    return (BCE_MAX + math.log(_TINY)) * saturated - paddle.log(paddle.clip(right, min=_TINY))


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
    is_text = _is_text(target, pred)
    right = _right(pred, is_text)
    wrong = paddle.clip(1 - right, min=EPS)  # a power of 0 has no finite gradient below 1
    hard = wrong.square() if gamma == 2 else wrong**gamma
    weight = ((1 - alpha) + (2 * alpha - 1) * is_text) * mask
    return (hard * _negative_log(right) * weight).sum() / (mask.sum() + EPS)


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


@dataclass(frozen=True)
class DBTargets:
    """The targets of a batch's maps, (n, h, w) float32 each.

    shrink_map, threshold_mask: 0 or 1. shrink_mask: 0, or a pixel's weight, usually 1.
    threshold_map: any number.

    Raises:
        ValueError: shapes that differ.
    """

    shrink_map: paddle.Tensor
    shrink_mask: paddle.Tensor
    threshold_map: paddle.Tensor
    threshold_mask: paddle.Tensor

    def __post_init__(self) -> None:
        shapes = {field.name: tuple(getattr(self, field.name).shape) for field in fields(self)}
        if len(set(shapes.values())) > 1 or len(shapes["shrink_map"]) != 3:
            raise ValueError(f"targets must share one shape (n, h, w), are {shapes}")


@dataclass(frozen=True)
class DBLoss:
    """``alpha`` * shrink map + ``beta`` * threshold map + binary map (+ CBN + auxiliary) loss.

    With ``main_loss_type`` DiceLoss the shrink and CBN losses are one number for all pixels, so
    hard example mining changes nothing: ``balance_loss`` then only makes the loss 0 if a batch has
    no text. The balanced losses have an ``eps`` of 1e-6 of their own, as in PaddleOCR.
    """

    config: DBLossConfig = field(default_factory=DBLossConfig)

    def __call__(
        self, predictions: Mapping[str, paddle.Tensor], targets: DBTargets
    ) -> dict[str, paddle.Tensor]:
        """Compute the losses of a batch, without waiting for the device.

        ``predictions`` is a detector's output while it trains: ``maps`` (n, 3, h, w) of shrink,
        threshold and binary map; PFHeadLocal's ``cbn_maps`` (n, 1, h, w) adds a term of weight 1,
        its ``distance_maps`` adds none; ``aux_maps_p4``, ``_p3`` and ``_p2`` of auxiliary heads,
        each like ``maps``, add the sum of their three losses by ``aux_weight_p4`` and so on. All
        are probabilities in any floating type; the arithmetic is float32 (float64 for float64),
        also inside ``paddle.amp.auto_cast``.

        Returns:
            Scalars: ``loss``; its terms ``loss_shrink_maps``, ``loss_threshold_maps``,
            ``loss_binary_maps`` and ``loss_cbn`` (0 without ``cbn_maps``), with weights applied;
            its terms ``loss_aux_maps_p4`` and so on, one for each auxiliary head with a weight,
            before that weight is applied, as in PaddleOCR.
            All are finite for finite predictions. If the mask leaves no text in a batch, the binary
            loss is 1 and, with ``balance_loss``, the shrink and CBN losses are 0, all without a
            gradient: as in PaddleOCR, negatives count only together with positives. With
            DiceFocalLoss they count always.

        Raises:
            ValueError: maps that don't fit the targets.
        """
        with paddle.amp.auto_cast(enable=False):
            shrink, threshold, binary = self._terms(predictions, "maps", targets)
            losses = {
                "loss": shrink + threshold + binary,
                "loss_shrink_maps": shrink,
                "loss_threshold_maps": threshold,
                "loss_binary_maps": binary,
                "loss_cbn": paddle.zeros([], shrink.dtype),
            }
            if "cbn_maps" in predictions:
                (cbn,) = self._channels(predictions, "cbn_maps", 1, targets)
                losses["loss_cbn"] = self._main_loss(cbn, targets)
                losses["loss"] = losses["loss"] + losses["loss_cbn"]
            for key, weight in self.config.aux_weights.items():
                if weight and key in predictions:
                    losses[f"loss_{key}"] = sum(self._terms(predictions, key, targets))
                    losses["loss"] = losses["loss"] + weight * losses[f"loss_{key}"]
            return losses

    def _terms(
        self, predictions: Mapping[str, paddle.Tensor], key: str, targets: DBTargets
    ) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        """Return the losses of three maps (n, 3, h, w), with ``alpha`` and ``beta`` applied."""
        shrink, threshold, binary = self._channels(predictions, key, 3, targets)
        return (
            self.config.alpha * self._main_loss(shrink, targets),
            self.config.beta
            * masked_l1(threshold, targets.threshold_map, targets.threshold_mask, self.config.eps),
            self._binary_loss(binary, targets),
        )

    def _main_loss(self, pred: paddle.Tensor, targets: DBTargets) -> paddle.Tensor:
        truth = targets.shrink_map, targets.shrink_mask
        if self.config.main_loss_type == "DiceFocalLoss":
            return self._dice_focal(pred, *truth)
        is_dice = self.config.main_loss_type == "DiceLoss"
        if not self.config.balance_loss:
            return dice(pred, *truth) if is_dice else masked_bce(pred, *truth)
        balanced = balanced_dice if is_dice else balanced_bce
        return balanced(pred, *truth, self.config.ohem_ratio)

    def _binary_loss(self, pred: paddle.Tensor, targets: DBTargets) -> paddle.Tensor:
        truth = targets.shrink_map, targets.shrink_mask
        if self.config.main_loss_type == "DiceFocalLoss":
            return self._dice_focal(pred, *truth)
        return dice(pred, *truth, self.config.eps)

    def _dice_focal(
        self, pred: paddle.Tensor, target: paddle.Tensor, mask: paddle.Tensor
    ) -> paddle.Tensor:
        config = self.config
        focal = masked_focal(pred, target, mask, config.focal_alpha, config.focal_gamma)
        dice_loss = dice(pred, target, mask, config.eps)
        return config.dice_weight * dice_loss + config.focal_weight * focal

    @staticmethod
    def _channels(
        predictions: Mapping[str, paddle.Tensor], key: str, count: int, targets: DBTargets
    ) -> list[paddle.Tensor]:
        """Return the ``count`` channels of a prediction, (n, h, w) each, in at least float32."""
        maps = predictions[key]
        n, h, w = targets.shrink_map.shape
        if tuple(maps.shape) != (n, count, h, w):
            raise ValueError(
                f"{key} must be {(n, count, h, w)} as the targets are {(n, h, w)}, is "
                f"{tuple(maps.shape)}; is the network in training mode?"
            )
        maps = maps.astype(paddle.float32) if maps.dtype in _HALF else maps
        # each as a piece of memory of its own: a view is copied anew by every operator
        return [channel.contiguous() for channel in paddle.unbind(maps, axis=1)]
