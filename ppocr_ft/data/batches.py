"""The order of samples, and batches made of them, for any loader.

The order is a pure function of seed, epoch and number of processes. A global batch is cut from one
order and distributed over the processes, so that two processes with half the batch size each see,
step by step, the samples that one process sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.dataset import Item
from ppocr_ft.errors import DataError

Indices = NDArray[np.int64]
FAULTS = "faults"
"""The batch's key for what its items met."""
PER_IMAGE_KEYS = frozenset({"polys", "texts", "ignore_tags", "img_path"})
"""Fields whose size differs from image to image; a batch holds one value per image of them."""


def epoch_order(count: int, *, seed: int, epoch: int, shuffle: bool = True) -> Indices:
    """Return every sample's index once, (count,)."""
    if not shuffle:
        return np.arange(count, dtype=np.int64)
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int64)


def rank_batches(
    order: Indices,
    batch_size: int,
    *,
    rank: int = 0,
    world_size: int = 1,
    drop_last: bool = False,
    first_step: int = 0,
) -> list[list[int]]:
    """Return the batches of one process from step ``first_step`` of the epoch on.

    All processes get the same number of samples in each step. ``batch_size`` is the batch size of
    one process. A last, smaller global batch is dropped or, if it can't be divided by
    ``world_size``, filled with samples from the beginning of the order.

    Raises:
        ValueError: ``batch_size`` or ``world_size`` below 1, or ``rank`` outside the world.
    """
    if batch_size < 1 or not 0 <= rank < world_size:
        raise ValueError(f"batch_size {batch_size}, rank {rank} of {world_size}")
    step = batch_size * world_size
    if drop_last:
        order = order[: len(order) // step * step]
    else:
        order = np.resize(order, -(-len(order) // world_size) * world_size)
    batches = []
    for start in range(first_step * step, len(order), step):
        global_batch = order[start : start + step]
        size = len(global_batch) // world_size
        batches.append(global_batch[rank * size : (rank + 1) * size].tolist())
    return batches


def steps_per_epoch(
    count: int, batch_size: int, *, world_size: int = 1, drop_last: bool = False
) -> int:
    """Return the number of batches that each process gets in an epoch."""
    step = batch_size * world_size
    return count // step if drop_last else -(-count // step)


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
        if key in PER_IMAGE_KEYS:
            batch[key] = PerImage(tuple(values))
            continue
        shapes = sorted({np.shape(value) for value in values})
        if len(shapes) > 1:
            raise DataError(
                f"a batch has {key}s of the shapes {', '.join(map(str, shapes))}; set "
                "batch_size_per_card to 1, or resize or crop them to one size"
            )
        batch[key] = np.stack(values)
    batch[FAULTS] = [fault for item in items for fault in item.faults]
    return batch
