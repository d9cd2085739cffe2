"""The operator that resizes a whole image for evaluation."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from annotated_types import Ge, MultipleOf
from pydantic import Strict

from ppocr_ft.declaration import PositiveInt
from ppocr_ft.transforms.registry import register

LimitType = Literal["max", "min", "resize_long"]
Size = tuple[int, int]
"""Height and width, px."""

STRIDE_PX = 32
"""Every side of what enters the network is a multiple of this."""
StridedInt = Annotated[int, Ge(STRIDE_PX), MultipleOf(STRIDE_PX)]
StridedSize = Annotated[tuple[StridedInt, StridedInt], Strict(False)]
RESIZE_LONG_STRIDE_PX = 128
DEFAULT_LIMIT_PX = 736
TINY_PX = 64
"""Height and width together under this: PaddleOCR pads the image to 32 px first."""


def limited_size(size: Size, limit_side_len: int, limit_type: LimitType) -> Size:
    """Return the size that enters the network: sides rounded to multiples of 32, at least 32."""
    if limit_type == "max":
        ratio = min(limit_side_len / max(size), 1.0)
    elif limit_type == "min":
        ratio = max(limit_side_len / min(size), 1.0)
    else:
        ratio = limit_side_len / max(size)
    h, w = (max(round(int(side * ratio) / STRIDE_PX) * STRIDE_PX, STRIDE_PX) for side in size)
    return h, w


@register
class DetResizeForTest:
    """Resize a whole image for evaluation; without arguments as ``limit_side_len: 736, min``.

    PaddleOCR 2.10.0's operator. Of its three ways to say the size one may be given:
    ``image_shape``, ``limit_side_len``, ``resize_long``.

    Args:
        image_shape: height and width, px.
        keep_ratio: with image_shape: the width follows from the height.
        limit_side_len: side at which limit_type limits, px; sides are then rounded to multiples
            of 32.
        limit_type: which side is limited: max the longest at most, min (the default) the
            shortest at least, resize_long the longest exactly.
        resize_long: length of the longest side, px; sides are rounded up to multiples of 128.

    Raises:
        ConfigError: a value that can't be used, or two ways at once, naming the key.
    """

    MOVES_TEXTS = True

    def __init__(
        self,
        image_shape: StridedSize | None = None,
        keep_ratio: bool | None = None,
        limit_side_len: PositiveInt | None = None,
        limit_type: LimitType | None = None,
        resize_long: PositiveInt | None = None,
    ) -> None:
        self.image_shape = image_shape
        self.keep_ratio = bool(keep_ratio)
        self.resize_long = resize_long
        self.limit_side_len = DEFAULT_LIMIT_PX if limit_side_len is None else limit_side_len
        self.limit_type: LimitType = limit_type or "min"

    @staticmethod
    def check_keys(section: Any) -> None:
        """Refuse two ways to say the size at once."""
        ways = ("image_shape", "limit_side_len", "resize_long")
        given = [way for way in ways if getattr(section, way) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; keep one of them")
        if section.limit_type is not None and section.limit_side_len is None:
            raise ValueError("limit_type is given without limit_side_len")
        if section.keep_ratio is not None and section.image_shape is None:
            raise ValueError("keep_ratio is given without image_shape")

    def target_size(self, size: Size) -> Size:
        """Return the size to which an image of ``size`` is resized."""
        if self.image_shape is not None:
            h, w = self.image_shape
            if self.keep_ratio:
                w = math.ceil(size[1] * h / size[0] / STRIDE_PX) * STRIDE_PX
            return h, w
        if self.resize_long is not None:
            ratio, stride = self.resize_long / max(size), RESIZE_LONG_STRIDE_PX
            h, w = ((int(side * ratio) + stride - 1) // stride * stride for side in size)
            return h, w
        return limited_size(size, self.limit_side_len, self.limit_type)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``image`` (h, w, 3); add ``shape`` (4,).

        ``shape`` has the old height and width in px, and the factors of height and width.
        ``polys`` stay as they are, in the old image's px.
        """
        source = padded = data["image"]
        height, width = source.shape[:2]
        if height + width < TINY_PX:
            below, beside = max(STRIDE_PX - height, 0), max(STRIDE_PX - width, 0)
            padded = np.pad(source, ((0, below), (0, beside), (0, 0)))
        h, w = self.target_size(padded.shape[:2])
        data["image"] = cv2.resize(padded, (w, h))
        ratios = (h / padded.shape[0], w / padded.shape[1])
        data["shape"] = np.array([height, width, *ratios])
        return data
