"""3x3 matrices on column vectors (x, y, 1); x grows to the right, y downwards, px."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Points = NDArray[np.float64]


def identity() -> Matrix:
    """Return the identity."""
    return np.eye(3)


def translation(x: float, y: float) -> Matrix:
    """Move by ``x`` and ``y`` px."""
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def scaling(x: float, y: float) -> Matrix:
    """Scale by the factors ``x`` and ``y``."""
    return np.diag([x, y, 1.0])


def mirroring(width_px: float) -> Matrix:
    """Exchange left and right: x to ``width_px - x``."""
    return translation(width_px, 0) @ scaling(-1, 1)


def rotation(degrees: float, center: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    """Turn clockwise as seen, about ``center``."""
    angle = np.deg2rad(degrees)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return translation(*center) @ turn @ translation(-center[0], -center[1])


def perspective(source: Points, target: Points) -> Matrix:
    """Return the matrix that maps four points (4, 2) to four others, no three in a line."""
    return np.asarray(
        cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32)),
        np.float64,
    )


def is_affine(matrix: Matrix) -> bool:
    """Return whether parallel lines stay parallel."""
    return bool(np.allclose(matrix[2] / matrix[2, 2], (0, 0, 1), atol=1e-12))


def transform(matrix: Matrix, points: NDArray[Any]) -> Points:
    """Map points (n, 2) by ``matrix``."""
    mapped = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)
