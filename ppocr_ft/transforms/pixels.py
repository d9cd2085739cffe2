"""What all operators on colours are: a random choice, and what follows from it.

OpenCV and numpy suffice for them. albumentations would bring its own OpenCV build (headless),
SciPy and Pydantic for what are single calls here, and has had no release since May 2025.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import ConfigError

Drawn = TypeVar("Drawn")
Image = NDArray[np.uint8]
Range = tuple[float, float]


class PixelOperator(ABC, Generic[Drawn]):
    """Changes colours and moves nothing. Belongs after the crop, where pixels are fewest."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Drawn | None:
        """The random choice; None: leave the image alone."""

    @abstractmethod
    def apply(self, drawn: Drawn, image: Image, img_mode: str) -> Image:
        """A new image (h, w, 3) uint8; nothing is random here. ``img_mode``: BGR or RGB."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Replaces ``image``; reads ``rng`` (a numpy Generator) and ``img_mode``."""
        drawn = self.draw(data["rng"])
        if drawn is not None:
            data["image"] = self.apply(drawn, data["image"], data["img_mode"])
        return data


def check_probability(p: float) -> float:
    """Raises ConfigError outside of 0 to 1."""
    if not 0 <= p <= 1:
        raise ConfigError(f"found {p!r}; a probability lies within 0 and 1", key="p")
    return float(p)


def check_range(values: Any, key: str, least: float, most: float) -> Range:
    """(lowest, highest) within ``least`` and ``most``; raises ConfigError naming ``key``."""
    low, high = (values, values) if isinstance(values, (int, float)) else values
    if not least <= low <= high <= most:
        raise ConfigError(
            f"found {values!r}; expected [lowest, highest] within {least:g} and {most:g}", key=key
        )
    return float(low), float(high)
