"""The order in which samples are read: pure functions of seed, epoch and number of processes.

A global batch is cut from one order and distributed over the processes, so that two processes
with half the batch size each see, step by step, the samples that one process sees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


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
    starts = range(first_step * step, len(order), step)
    return [_share(order[start : start + step], rank, world_size).tolist() for start in starts]


def _share(global_batch: Indices, rank: int, world_size: int) -> Indices:
    size = len(global_batch) // world_size
    return global_batch[rank * size : (rank + 1) * size]


def steps_per_epoch(
    count: int, batch_size: int, *, world_size: int = 1, drop_last: bool = False
) -> int:
    """Return the number of batches that each process gets in an epoch."""
    step = batch_size * world_size
    return count // step if drop_last else -(-count // step)
