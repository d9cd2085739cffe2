"""The operator of sensor noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ppocr_ft.transforms.pixels import Image, PixelOperator, check_probability, check_range
from ppocr_ft.transforms.registry import register


@dataclass(frozen=True)
class Grain:
    """Its standard deviation in grey levels, and the seed of its values."""

    std: float
    seed: int


@register
class Noise(PixelOperator[Grain]):
    """Adds Gaussian noise of brightness with probability ``p``, the same in all three channels.

    ``std`` is the range of its standard deviation, in grey levels of 255.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(self, p: float = 0.2, std: Sequence[float] = (1.0, 8.0)) -> None:
        self.p = check_probability(p)
        self.std = check_range(std, "std", 0, 255)

    def draw(self, rng: np.random.Generator) -> Grain | None:
        if rng.random() >= self.p:
            return None
        return Grain(float(rng.uniform(*self.std)), int(rng.integers(2**63)))

    def apply(self, drawn: Grain, image: Image, img_mode: str) -> Image:
        rng = np.random.default_rng(drawn.seed)
        grain = rng.standard_normal(image.shape[:2], np.float32) * np.float32(drawn.std)
        whole = np.rint(grain).astype(np.int16)
        return np.asarray(cv2.add(image, cv2.merge([whole] * 3), dtype=cv2.CV_8U), np.uint8)
