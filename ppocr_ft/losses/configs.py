"""The keys of ``Loss``. The config and the loss both read them, so this file needs no Paddle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ppocr_ft.declaration import NonNegativeFloat, PositiveFloat, Section, Share


class DBLossConfig(Section):
    """DBLoss: alpha * shrink map loss + beta * threshold map loss + binary map loss."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "aux_weight_p5": "there are auxiliary heads on p4, p3 and p2 only"
    }

    name: Literal["DBLoss"] = "DBLoss"
    balance_loss: bool = True
    """Whether hard negatives are mined in the shrink map loss; not with DiceFocalLoss."""
    main_loss_type: Literal["DiceLoss", "BCELoss", "DiceFocalLoss"] = "DiceLoss"
    """Loss of the shrink map. DiceFocalLoss, PP-OCRv6's, is the binary map's too."""
    alpha: NonNegativeFloat = 5.0
    """Weight of the shrink map loss."""
    beta: NonNegativeFloat = 10.0
    """Weight of the threshold map loss."""
    ohem_ratio: NonNegativeFloat = 3.0
    """Negative pixels per positive one."""
    eps: PositiveFloat = 1e-6
    """Keeps quotients finite."""
    dice_weight: NonNegativeFloat = 1.0
    """Weight of the Dice loss in DiceFocalLoss."""
    focal_weight: NonNegativeFloat = 1.0
    """Weight of the focal loss in DiceFocalLoss."""
    focal_alpha: Share = 0.25
    """Weight of a text pixel's focal loss; that of the background is 1 minus this."""
    focal_gamma: NonNegativeFloat = 2.0
    """Exponent of the focal loss: the higher, the less count pixels that are right already."""
    aux_weight_p4: NonNegativeFloat = 0.0
    """Weight of the same three losses of the auxiliary heads at 1/16 of the image's size."""
    aux_weight_p3: NonNegativeFloat = 0.0
    """Weight of those at 1/8."""
    aux_weight_p2: NonNegativeFloat = 0.0
    """Weight of those at 1/4."""

    @property
    def aux_weights(self) -> dict[str, float]:
        """The weights by the names of the maps that they are for."""
        return {
            "aux_maps_p4": self.aux_weight_p4,
            "aux_maps_p3": self.aux_weight_p3,
            "aux_maps_p2": self.aux_weight_p2,
        }
