"""The keys of ``Loss``. The config and the loss both read them, so this file needs no Paddle."""

from __future__ import annotations

from typing import Literal

from ppocr_ft.declaration import NonNegativeFloat, PositiveFloat, Section


class DBLossConfig(Section):
    """DBLoss: alpha * shrink map loss + beta * threshold map loss + binary map loss."""

    name: Literal["DBLoss"] = "DBLoss"
    balance_loss: bool = True
    """Whether hard negatives are mined in the shrink map loss."""
    main_loss_type: Literal["DiceLoss", "BCELoss"] = "DiceLoss"
    """Loss of the shrink map."""
    alpha: NonNegativeFloat = 5.0
    """Weight of the shrink map loss."""
    beta: NonNegativeFloat = 10.0
    """Weight of the threshold map loss."""
    ohem_ratio: NonNegativeFloat = 3.0
    """Negative pixels per positive one."""
    eps: PositiveFloat = 1e-6
    """Keeps quotients finite."""
