"""The operators, from sample to sample. They need no Paddle."""

from ppocr_ft.transforms import (  # noqa: F401  each registers its operators
    crops,
    geometric,
    image_ops,
    labels,
    photometric,
    random_crop,
    random_perspective,
    resize,
)
from ppocr_ft.transforms.shrink_schedule import (
    EPOCH_CLOCK,
    EpochClock,
    SharedEpoch,
    ShrinkSchedule,
    set_epoch,
)
from ppocr_ft.transforms.targets import MakeBorderMap, MakeShrinkMap

__all__ = [
    "EPOCH_CLOCK",
    "EpochClock",
    "MakeBorderMap",
    "MakeShrinkMap",
    "SharedEpoch",
    "ShrinkSchedule",
    "set_epoch",
]
