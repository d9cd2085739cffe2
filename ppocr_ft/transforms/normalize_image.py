"""The operator that scales pixel values to what the network was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.registry import register

Order = Literal["hwc", "chw"]
Image = NDArray[Any]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@register
class NormalizeImage:
    """PaddleOCR's operator: ``(image * scale - mean) / std`` in float32.

    uint8 pixels are looked up in a table of the 256 results of each channel, so that the values
    are bit for bit those of the formula. The result always lies channel by channel in memory;
    with ``order`` hwc it is a (h, w, 3) view of that, and ToCHWImage then copies nothing.

    Args:
        scale: factor on the pixels, 1/255 by default.
        mean: one a channel, after ``scale``.
        std: one a channel, after ``scale``; above 0.
        order: layout of ``image``: (h, w, 3) or (3, h, w).

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        scale: float | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        order: Order = "chw",
    ) -> None:
        if order not in get_args(Order):
            raise ConfigError(f"found {order!r}; expected hwc or chw", key="order")
        self.order = order
        self._scale = np.float32(1.0 / 255.0 if scale is None else scale)
        self._mean = _triple(IMAGENET_MEAN if mean is None else mean, "mean")
        self._std = _triple(IMAGENET_STD if std is None else std, "std")
        if not (self._std > 0).all():
            raise ConfigError(f"found {std!r}; each must be above 0", key="std")
        levels = np.arange(256, dtype=np.uint8)
        self._tables = self._formula(np.stack([levels] * 3)[:, np.newaxis])[:, 0]  # (3, 256)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replaces ``image`` by its float32 values, of the same shape."""
        image = data["image"]
        planes = image if self.order == "chw" else image.transpose(2, 0, 1)
        result = self._look_up(planes) if image.dtype == np.uint8 else self._formula(planes)
        data["image"] = result if self.order == "chw" else result.transpose(1, 2, 0)
        return data

    def _look_up(self, planes: Image) -> NDArray[np.float32]:
        """Of (3, h, w) uint8, whatever its strides."""
        result = np.empty(planes.shape, np.float32)
        interleaved = planes.transpose(1, 2, 0)
        split = cv2.split(interleaved) if interleaved.flags.c_contiguous else planes
        for plane, table, out in zip(split, self._tables, result, strict=True):
            cv2.LUT(plane, table, out)
        return result

    def _formula(self, planes: Image) -> NDArray[np.float32]:
        """In PaddleOCR's order of operations, in float32."""
        per_channel = (3, 1, 1)
        mean, std = self._mean.reshape(per_channel), self._std.reshape(per_channel)
        values = (planes.astype(np.float32) * self._scale - mean) / std
        return np.ascontiguousarray(values, np.float32)


def _triple(values: Sequence[float], key: str) -> NDArray[np.float32]:
    triple = np.array(values, np.float32)
    if triple.shape != (3,):
        raise ConfigError(f"found {values!r}; expected a number for each of 3 channels", key=key)
    return triple
