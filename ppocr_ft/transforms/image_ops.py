"""The operators at both ends of a pipeline: decode, normalise, channels first, kept fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.transforms.registry import register

ImageMode = Literal["BGR", "RGB"]

_MAGIC = {
    b"": "an empty file",
    b"\xff\xd8": "a damaged JPEG",
    b"\x89PNG": "a damaged PNG",
    b"BM": "a damaged or unusual BMP",
    b"II*\x00": "a TIFF that OpenCV can't read",
    b"MM\x00*": "a TIFF that OpenCV can't read",
    b"%PDF": "a PDF",
    b"<!": "a web page",
    b"<html": "a web page",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
}


@register
class DecodeImage:
    """PaddleOCR's operator: ``image`` bytes to (h, w, 3) uint8, whatever the file's depth.

    Args:
        img_mode: order of the channels. PaddleOCR's detectors are trained with BGR.
        channel_first: give (3, h, w).
        ignore_orientation: leave the EXIF rotation alone; by default it is applied, as
            PaddleOCR 2.10.0 does and as labelling tools show the picture.

    Raises:
        ConfigError: another ``img_mode``.
    """

    def __init__(
        self,
        img_mode: ImageMode = "RGB",
        channel_first: bool = False,
        ignore_orientation: bool = False,
    ) -> None:
        if img_mode not in get_args(ImageMode):
            raise ConfigError(f"found {img_mode!r}; expected BGR or RGB", key="img_mode")
        self.img_mode = img_mode
        self.channel_first = channel_first
        self._flags = cv2.IMREAD_COLOR
        if ignore_orientation:
            self._flags |= cv2.IMREAD_IGNORE_ORIENTATION

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replaces ``image``; adds ``img_mode``, which operators on colours read.

        Raises:
            DataError: the bytes are no image, naming ``img_path`` where it is given.
        """
        image = decode(data["image"], self._flags, data.get("img_path"))
        if self.img_mode == "RGB":
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        data["image"] = image.transpose(2, 0, 1) if self.channel_first else image
        data["img_mode"] = self.img_mode
        return data


def decode(content: bytes, flags: int, path: str | None) -> NDArray[np.uint8]:
    """(h, w, 3) BGR, or a DataError that says what the file seems to be."""
    reason = ""
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error as error:  # too many pixels, say
        image, reason = None, f": {str(error).strip().splitlines()[-1]}"
    if image is None:
        raise DataError(f"can't be decoded; it is {_describe(content)}{reason}", path=path)
    return np.asarray(image, np.uint8)


def _describe(content: bytes) -> str:
    known = [what for magic, what in _MAGIC.items() if magic and content.startswith(magic)]
    if known or not content:
        return known[0] if known else _MAGIC[b""]
    if content[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return f"no image that OpenCV knows (it begins with {content[:8]!r})"


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


@register
class ToCHWImage:
    """PaddleOCR's operator: ``image`` (h, w, c) to (c, h, w), contiguous."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        data["image"] = np.ascontiguousarray(data["image"].transpose(2, 0, 1))
        return data


@register
class KeepKeys:
    """PaddleOCR's operator, but the fields keep their names instead of becoming a list."""

    def __init__(self, keep_keys: Sequence[str]) -> None:
        self.keep_keys = tuple(keep_keys)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Only the fields ``keep_keys``, in that order.

        Raises:
            ConfigError: no operator has made one of them.
        """
        missing = [key for key in self.keep_keys if key not in data]
        if missing:
            made = ", ".join(sorted(data))
            raise ConfigError(
                f"no operator makes {', '.join(missing)}; there are {made}", key="keep_keys"
            )
        return {key: data[key] for key in self.keep_keys}
