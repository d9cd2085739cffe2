"""The operator of random colours."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import cv2
import numpy as np
from numpy.typing import NDArray

from ppocr_ft.transforms.pixels import Image, PixelOperator, check_range
from ppocr_ft.transforms.registry import register

Floats = NDArray[np.float64]

LUMA_RGB = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in a pixel's brightness (ITU-R BT.601)."""
_CHROMA_FROM_RGB = np.array(
    [LUMA_RGB, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
"""RGB to YIQ, in which turning the hue is a rotation."""


@dataclass(frozen=True)
class Jitter:
    """Factors, 1 for no change, and ``hue`` as a share of the colour circle."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


@register
class ColorJitter(PixelOperator[Jitter]):
    """PaddleOCR's operator (``paddle.vision.transforms.ColorJitter``) as one 3x4 matrix.

    Each value is the largest relative change: factors are uniform in ``[1 - v, 1 + v]``, not
    below 0. All four are linear in a pixel's colour, so that they are multiplied into one
    matrix and clipped once; the hue turns in YIQ (Paddle: in HSV), the order is fixed.

    Args:
        brightness: of the factor on all channels.
        contrast: of the factor on the distance to the image's mean grey.
        saturation: of the factor on the distance to the pixel's own grey.
        hue: largest turn as a share of the colour circle, at most 0.5.

    Raises:
        ConfigError: a negative value, or a hue above 0.5.
    """

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
    ) -> None:
        self.brightness, _ = check_range(brightness, "brightness", 0, inf)
        self.contrast, _ = check_range(contrast, "contrast", 0, inf)
        self.saturation, _ = check_range(saturation, "saturation", 0, inf)
        self.hue, _ = check_range(hue, "hue", 0, 0.5)

    def draw(self, rng: np.random.Generator) -> Jitter | None:
        changes = self.brightness, self.contrast, self.saturation
        if not any(changes) and not self.hue:
            return None
        factors = [float(rng.uniform(max(1 - change, 0), 1 + change)) for change in changes]
        return Jitter(factors[0], factors[1], factors[2], float(rng.uniform(-self.hue, self.hue)))

    def apply(self, drawn: Jitter, image: Image, img_mode: str) -> Image:
        luma = LUMA_RGB if img_mode == "RGB" else LUMA_RGB[::-1]
        grey = float(luma @ cv2.mean(image)[:3]) * drawn.brightness
        matrix = np.zeros((3, 4))
        to_grey = np.tile(luma, (3, 1))
        matrix[:, :3] = drawn.saturation * np.eye(3) + (1 - drawn.saturation) * to_grey
        matrix[:, :3] = _hue_turn(drawn.hue, img_mode) @ matrix[:, :3]
        matrix[:, :3] *= drawn.brightness * drawn.contrast
        matrix[:, 3] = (1 - drawn.contrast) * grey
        return np.asarray(cv2.transform(image, matrix), np.uint8)


def _hue_turn(share: float, img_mode: str) -> Floats:
    """3x3, grey stays grey."""
    angle = 2 * np.pi * share
    turn = np.eye(3)
    turn[1:, 1:] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    rgb = np.asarray(np.linalg.inv(_CHROMA_FROM_RGB) @ turn @ _CHROMA_FROM_RGB)
    return rgb if img_mode == "RGB" else rgb[::-1, ::-1]
