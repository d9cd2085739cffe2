"""The operator of JPEG's traces."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ppocr_ft.transforms.pixels import Image, PixelOperator, check_probability, check_range
from ppocr_ft.transforms.registry import register


@register
class JpegCompression(PixelOperator[int]):
    """Saves as JPEG and reads again with probability ``p``; ``quality`` is a range in 1 .. 100.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(self, p: float = 0.2, quality: Sequence[int] = (40, 95)) -> None:
        self.p = check_probability(p)
        low, high = check_range(quality, "quality", 1, 100)
        self.quality = int(low), int(high)

    def draw(self, rng: np.random.Generator) -> int | None:
        low, high = self.quality
        return int(rng.integers(low, high + 1)) if rng.random() < self.p else None

    def apply(self, drawn: int, image: Image, img_mode: str) -> Image:
        bgr = image if img_mode == "BGR" else image[..., ::-1]
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, drawn])
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
        return decoded if img_mode == "BGR" else np.ascontiguousarray(decoded[..., ::-1])
