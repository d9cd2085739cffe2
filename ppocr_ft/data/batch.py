"""Batches made of items, for any loader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppocr_ft.data.dataset import Item
from ppocr_ft.errors import DataError

FAULTS = "faults"
"""The batch's key for what its items met."""
PER_IMAGE_KEYS = frozenset({"polys", "texts", "ignore_tags", "img_path"})
"""Fields whose size differs from image to image; a batch holds one value per image of them."""


@dataclass(frozen=True)
class PerImage:
    """One value per image, in an object that loaders don't take apart as they would a list."""

    values: tuple[Any, ...]


def collate(items: Sequence[Item]) -> dict[str, Any]:
    """Return a batch: arrays ``(n, ...)`` by field, PerImage for polygons and texts, ``faults``.

    Items without a sample are left out; a batch without any sample has only ``faults``.

    Raises:
        DataError: images of different sizes.
    """
    samples = [item.sample for item in items if item.sample is not None]
    batch: dict[str, Any] = {}
    for key in samples[0] if samples else ():
        values = [sample[key] for sample in samples]
        batch[key] = PerImage(tuple(values)) if key in PER_IMAGE_KEYS else _stack(values, key)
    batch[FAULTS] = [fault for item in items for fault in item.faults]
    return batch


def _stack(values: list[Any], key: str) -> np.ndarray[Any, Any]:
    shapes = sorted({np.shape(value) for value in values})
    if len(shapes) > 1:
        raise DataError(
            f"a batch has {key}s of the shapes {', '.join(map(str, shapes))}; set "
            "batch_size_per_card to 1, or resize or crop them to one size"
        )
    return np.stack(values)
