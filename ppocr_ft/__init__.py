"""Fine-tune the PP-OCRv4 text detector with right targets."""

from ppocr_ft.ops import (
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
    "set_epoch",
]
