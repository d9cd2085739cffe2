"""Operators on colours: a random choice, and the change that it causes.

OpenCV and numpy suffice for them. albumentations would bring its own OpenCV build (headless),
SciPy and Pydantic for single calls, and has had no release since May 2025.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import cv2
import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from ppocr_ft.declaration import NonNegativeFloat, Range, Share
from ppocr_ft.transforms.registry import register

Drawn = TypeVar("Drawn")
Image = NDArray[np.uint8]


class PixelOperator(ABC, Generic[Drawn]):
    """Changes colours and moves nothing. Place it after the crop, where there are fewest pixels."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Drawn | None:
        """Return the random choice; None: leave the image alone."""

    @abstractmethod
    def apply(self, drawn: Drawn, image: Image, img_mode: str) -> Image:
        """Return a new image (h, w, 3) uint8; nothing is random here. ``img_mode``: BGR or RGB."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replace ``image``; read ``rng`` (a numpy Generator) and ``img_mode``."""
        drawn = self.draw(data["rng"])
        if drawn is not None:
            data["image"] = self.apply(drawn, data["image"], data["img_mode"])
        return data


Floats = NDArray[np.float64]

LUMA_RGB = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in a pixel's brightness (ITU-R BT.601)."""
_CHROMA_FROM_RGB = np.array(
    [LUMA_RGB, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]]
)
"""RGB to YIQ, in which turning the hue is a rotation."""


@dataclass(frozen=True)
class Jitter:
    """The factors, 1 for no change, and ``hue`` as a share of the colour circle."""

    brightness: float
    contrast: float
    saturation: float
    hue: float


@register
class ColorJitter(PixelOperator[Jitter]):
    """Change colours at random: brightness, contrast, saturation and hue.

    PaddleOCR's operator (``paddle.vision.transforms.ColorJitter``) as one 3x4 matrix. Factors
    are uniform in ``[1 - v, 1 + v]``, not below 0. All four changes are linear in a pixel's
    colour, so that they are multiplied into one matrix and clipped once; the hue turns in YIQ
    (Paddle: in HSV), the order is fixed.

    Args:
        brightness: largest relative change of all channels.
        contrast: largest relative change of the distance to the mean grey.
        saturation: largest relative change of the distance to a pixel's own grey.
        hue: largest turn, as a share of the colour circle.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self,
        brightness: NonNegativeFloat = 0.0,
        contrast: NonNegativeFloat = 0.0,
        saturation: NonNegativeFloat = 0.0,
        hue: Annotated[float, Ge(0), Le(0.5)] = 0.0,
    ) -> None:
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue

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
    """Return a 3x3 matrix; grey stays grey."""
    angle = 2 * np.pi * share
    turn = np.eye(3)
    turn[1:, 1:] = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    rgb = np.asarray(np.linalg.inv(_CHROMA_FROM_RGB) @ turn @ _CHROMA_FROM_RGB)
    return rgb if img_mode == "RGB" else rgb[::-1, ::-1]


@register
class Blur(PixelOperator[float]):
    """Take the image out of focus by a Gaussian blur; PaddleOCR has none for a detector.

    Args:
        p: probability.
        sigma_px: lowest and highest standard deviation of the Gaussian, px of the crop.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self, p: Share = 0.2, sigma_px: Range[Annotated[float, Ge(0.05), Le(20)]] = (0.3, 1.5)
    ) -> None:
        self.p = p
        self.sigma_px = sigma_px

    def draw(self, rng: np.random.Generator) -> float | None:
        return float(rng.uniform(*self.sigma_px)) if rng.random() < self.p else None

    def apply(self, drawn: float, image: Image, img_mode: str) -> Image:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), drawn), np.uint8)


@dataclass(frozen=True)
class Grain:
    """The standard deviation of the noise in grey levels, and the seed of its values."""

    std: float
    seed: int


@register
class Noise(PixelOperator[Grain]):
    """Add Gaussian noise of brightness, the same in all three channels; PaddleOCR has none.

    Args:
        p: probability.
        std: lowest and highest standard deviation, grey levels of 255.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self, p: Share = 0.2, std: Range[Annotated[float, Ge(0), Le(255)]] = (1.0, 8.0)
    ) -> None:
        self.p = p
        self.std = std

    def draw(self, rng: np.random.Generator) -> Grain | None:
        if rng.random() >= self.p:
            return None
        return Grain(float(rng.uniform(*self.std)), int(rng.integers(2**63)))

    def apply(self, drawn: Grain, image: Image, img_mode: str) -> Image:
        rng = np.random.default_rng(drawn.seed)
        grain = rng.standard_normal(image.shape[:2], np.float32) * np.float32(drawn.std)
        whole = np.rint(grain).astype(np.int16)
        return np.asarray(cv2.add(image, cv2.merge([whole] * 3), dtype=cv2.CV_8U), np.uint8)


@register
class JpegCompression(PixelOperator[int]):
    """Save as JPEG and read again; PaddleOCR has none for a detector.

    Args:
        p: probability.
        quality: lowest and highest JPEG quality.

    Raises:
        ConfigError: a value that can't be used, naming the key.
    """

    def __init__(
        self, p: Share = 0.2, quality: Range[Annotated[int, Ge(1), Le(100)]] = (40, 95)
    ) -> None:
        self.p = p
        self.quality = quality

    def draw(self, rng: np.random.Generator) -> int | None:
        low, high = self.quality
        return int(rng.integers(low, high + 1)) if rng.random() < self.p else None

    def apply(self, drawn: int, image: Image, img_mode: str) -> Image:
        bgr = image if img_mode == "BGR" else image[..., ::-1]
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, drawn])
        decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
        return decoded if img_mode == "BGR" else np.ascontiguousarray(decoded[..., ::-1])
