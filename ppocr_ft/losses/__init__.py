"""From probability maps and targets to the number that training lowers."""

from ppocr_ft.losses.db import DBLoss, DBTargets

__all__ = ["DBLoss", "DBTargets"]
