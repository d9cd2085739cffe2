"""A rectangle that is cut out of a page, and which texts it meets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """Its upper left corner and its size, px."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


def reach_into(window: Window, boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes (n, 4) touch the window; a common edge is enough (as in PaddleOCR)."""
    left, top, right, bottom = boxes.T
    return np.asarray(
        (right >= window.left)
        & (left <= window.right)
        & (bottom >= window.top)
        & (top <= window.bottom)
    )
