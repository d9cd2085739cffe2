"""Images of equal size, put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EvalImage:
    """One image as the network takes it.

    image: (3, h, w) float32, normalised. shape: (4,) source height and width in pixels, and the
    factors that resizing applied to them. path: the file. polygons, ignored: its labels, n of
    (k, 2) in source pixels and (n,), if it has any.
    """

    image: NDArray[np.float32]
    shape: NDArray[np.float64]
    path: str
    polygons: tuple[NDArray[Any], ...] = ()
    ignored: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))


def batches(images: Iterable[EvalImage], batch_size: int) -> Iterator[list[EvalImage]]:
    """Neighbours of one size, at most ``batch_size`` together, in their order."""
    batch: list[EvalImage] = []
    for image in images:
        if batch and (len(batch) == batch_size or image.image.shape != batch[0].image.shape):
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch
