"""The operator that takes an image out of focus."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ppocr_ft.transforms.pixels import Image, PixelOperator, check_probability, check_range
from ppocr_ft.transforms.registry import register

LARGEST_SIGMA_PX = 20.0


@register
class Blur(PixelOperator[float]):
    """Gaussian blur with probability ``p``; its sigma is uniform in ``sigma_px``.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(self, p: float = 0.2, sigma_px: Sequence[float] = (0.3, 1.5)) -> None:
        self.p = check_probability(p)
        self.sigma_px = check_range(sigma_px, "sigma_px", 0.05, LARGEST_SIGMA_PX)

    def draw(self, rng: np.random.Generator) -> float | None:
        return float(rng.uniform(*self.sigma_px)) if rng.random() < self.p else None

    def apply(self, drawn: float, image: Image, img_mode: str) -> Image:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), drawn), np.uint8)
