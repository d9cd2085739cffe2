"""Fine-tune the PP-OCRv4 text detector with right targets."""

from ppocr_ft.geometry import iou_ceiling, unclip_ratio_for
from ppocr_ft.transforms import (
    EPOCH_CLOCK,
    EpochClock,
    MakeBorderMap,
    MakeShrinkMap,
    ShrinkSchedule,
    set_epoch,
)
from ppocr_ft.version import __version__

__all__ = [
    "EPOCH_CLOCK",
    "EpochClock",
    "MakeBorderMap",
    "MakeShrinkMap",
    "ShrinkSchedule",
    "__version__",
    "iou_ceiling",
    "set_epoch",
    "unclip_ratio_for",
]
