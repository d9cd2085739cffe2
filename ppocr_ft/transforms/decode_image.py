"""The operator that turns a file's bytes into pixels."""

from __future__ import annotations

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
