"""DBLoss: the loss of a DB detector's maps against their targets.

Sources: Liao et al., Real-time Scene Text Detection with Differentiable Binarization, 2020,
"Optimization"; PaddleOCR 2.7, ``det_db_loss.py`` (``DBLoss``). The paper's shrink and binary terms
are both balanced cross entropies, with weights of 1, and 10 for the threshold term. PaddleOCR's
binary term is Dice, its shrink term Dice by default; its ``alpha`` weighs the shrink term, the
paper's the binary one. PP-OCRv6's DiceFocalLoss (PaddleOCR's main branch, 2026) is Dice plus a
focal loss, for shrink, binary and CBN map alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import paddle

from ppocr_ft.losses.configs import DBLossConfig
from ppocr_ft.losses.terms import (
    balanced_bce,
    balanced_dice,
    dice,
    masked_bce,
    masked_focal,
    masked_l1,
)

_HALF = (paddle.float16, paddle.bfloat16)


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
    """``alpha`` * shrink map + ``beta`` * threshold map + binary map (+ CBN) loss.

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
        its ``distance_maps`` adds none. All are probabilities in any floating type; the arithmetic
        is float32 (float64 for float64), also inside ``paddle.amp.auto_cast``.

        Returns:
            Scalars, with weights applied: ``loss`` (the sum of the others), ``loss_shrink_maps``,
            ``loss_threshold_maps``, ``loss_binary_maps``, ``loss_cbn`` (0 without ``cbn_maps``).
            All are finite for finite predictions. If the mask leaves no text in a batch, the binary
            loss is 1 and, with ``balance_loss``, the shrink and CBN losses are 0, all without a
            gradient: as in PaddleOCR, negatives count only together with positives. With
            DiceFocalLoss they count always.

        Raises:
            ValueError: maps that don't fit the targets.
        """
        with paddle.amp.auto_cast(enable=False):
            shrink, threshold, binary = self._channels(predictions, "maps", 3, targets)
            shrink_loss = self.config.alpha * self._main_loss(shrink, targets)
            threshold_loss = self.config.beta * masked_l1(
                threshold, targets.threshold_map, targets.threshold_mask, self.config.eps
            )
            binary_loss = self._binary_loss(binary, targets)
            cbn_loss = paddle.zeros([], shrink.dtype)
            if "cbn_maps" in predictions:
                (cbn,) = self._channels(predictions, "cbn_maps", 1, targets)
                cbn_loss = self._main_loss(cbn, targets)
            return {
                "loss": shrink_loss + threshold_loss + binary_loss + cbn_loss,
                "loss_shrink_maps": shrink_loss,
                "loss_threshold_maps": threshold_loss,
                "loss_binary_maps": binary_loss,
                "loss_cbn": cbn_loss,
            }

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
        channels: list[paddle.Tensor] = paddle.unbind(maps, axis=1)
        return channels
