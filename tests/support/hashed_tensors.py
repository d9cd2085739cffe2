"""Numbers that depend on nothing but a tensor's key and shape."""

from __future__ import annotations

import hashlib

import numpy as np


def hashed_tensor(key: str, shape: tuple[int, ...], bounds: tuple[float, float]) -> np.ndarray:
    """Draw float32 between the bounds; a kernel's shrink with the number of its inputs."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "little")
    values = np.random.RandomState(seed).uniform(*bounds, int(np.prod(shape)))
    if len(shape) == 4:
        values *= np.sqrt(3 / np.prod(shape[1:]))
    return values.astype(np.float32).reshape(shape)
