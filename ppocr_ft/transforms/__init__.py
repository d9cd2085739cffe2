"""Operators: one a file, from sample to sample. No paddle."""

from ppocr_ft.transforms import (  # noqa: F401  each registers its operator
    blur,
    color_jitter,
    copy_paste,
    decode_image,
    det_label_encode,
    det_resize_for_test,
    east_random_crop_data,
    iaa_augment,
    jpeg_compression,
    keep_keys,
    noise,
    normalize_image,
    scaled_crop,
    to_chw_image,
)
from ppocr_ft.transforms.clock import EPOCH_CLOCK, EpochClock, set_epoch
from ppocr_ft.transforms.make_border_map import MakeBorderMap
from ppocr_ft.transforms.make_shrink_map import MakeShrinkMap
from ppocr_ft.transforms.schedule import ShrinkSchedule

__all__ = [
    "EPOCH_CLOCK",
    "EpochClock",
    "MakeBorderMap",
    "MakeShrinkMap",
    "ShrinkSchedule",
    "set_epoch",
]
