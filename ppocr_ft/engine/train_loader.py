"""The loader of training: batches from the data set to the network."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import Any

import numpy as np
import paddle

from ppocr_ft.data.batches import FAULTS, collate, epoch_order, rank_batches, steps_per_epoch
from ppocr_ft.data.dataset import Item, SimpleDataSet
from ppocr_ft.data.faults import FaultLog
from ppocr_ft.engine.train_step import TrainBatch
from ppocr_ft.errors import DataError
from ppocr_ft.losses.db import DBTargets
from ppocr_ft.messages import counted
from ppocr_ft.utils.progress import read_ahead
from ppocr_ft.utils.timing import Stopwatch

TARGETS = ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask")


@dataclass
class TrainLoader:
    """Loads a data set's batches by epoch, ``threads`` of them ahead of use.

    A step takes ``batches_per_step`` of them, an epoch's last step the rest; the same number in
    each of ``world_size`` processes, of which this is ``rank``. The batches depend on seed, epoch
    and step alone.

    OpenCV and the compiled kernels let other threads run, so no processes are needed.
    ``stopwatch``'s stage "read" is the time that the caller waited, outside any stage of the
    caller; ``faults`` are the bad samples of the epoch.
    """

    data: SimpleDataSet
    batch_size: int
    seed: int
    shuffle: bool = True
    drop_last: bool = False
    threads: int = 0
    rank: int = 0
    world_size: int = 1
    batches_per_step: int = 1
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    faults: FaultLog = field(default_factory=FaultLog)

    @property
    def steps_per_epoch(self) -> int:
        """Return the steps of an epoch.

        Raises:
            DataError: ``drop_last`` leaves no batch.
        """
        batches = steps_per_epoch(
            len(self.data), self.batch_size, world_size=self.world_size, drop_last=self.drop_last
        )
        if batches == 0:
            cards = f" for each of {self.world_size} processes" if self.world_size > 1 else ""
            raise DataError(
                f"{counted(len(self.data), 'sample')}, no batch of {self.batch_size}{cards}; lower "
                "Train.loader.batch_size_per_card or set drop_last: false"
            )
        return -(-batches // self.batches_per_step)

    def describe_step(self) -> str:
        """Return ``16 images (batches of 4 x 2 accumulated x 2 processes)``."""
        factors = [f"batches of {self.batch_size}"]
        factors += [f"{self.batches_per_step} accumulated"] * (self.batches_per_step > 1)
        factors += [f"{self.world_size} processes"] * (self.world_size > 1)
        images = self.batch_size * self.batches_per_step * self.world_size
        return counted(images, "image") + f" ({' x '.join(factors)})" * (len(factors) > 1)

    def epoch(self, epoch: int, first_step: int = 0) -> Generator[TrainBatch, None, None]:
        """Yield the batches of epoch 1, 2, ... from one of its steps on."""
        self.data.set_epoch(epoch)
        self.faults = FaultLog(self.data.label_faults if epoch == 1 else ())
        order = epoch_order(len(self.data), seed=self.seed, epoch=epoch, shuffle=self.shuffle)
        batches = rank_batches(
            order,
            self.batch_size,
            rank=self.rank,
            world_size=self.world_size,
            drop_last=self.drop_last,
            first_step=first_step * self.batches_per_step,
        )
        shares = shares_of_steps([len(batch) for batch in batches], self.batches_per_step)
        read = self.stopwatch.waiting("read", read_ahead(self._read, batches, self.threads))
        for fields, share in zip(read, shares, strict=True):
            self.faults.add(fields[FAULTS])
            yield to_train_batch(fields, share)

    def steps(self) -> Generator[Iterator[TrainBatch], None, None]:
        """Yield the batches of each step, epoch after epoch without end."""
        for epoch in count(1):
            with closing(self.epoch(epoch)) as batches:
                for first in batches:
                    yield chain([first], islice(batches, self.batches_per_step - 1))

    def _read(self, indices: list[int]) -> dict[str, Any]:
        items: list[Item] = [self.data[index] for index in indices]
        return collate(items)


def shares_of_steps(sizes: Sequence[int], batches_per_step: int) -> list[float]:
    """Return each batch's part of its step: 4, 4, 4, 2 in twos gives 1/2, 1/2, 2/3, 1/3."""
    starts = range(0, len(sizes), batches_per_step)
    steps = [sizes[start : start + batches_per_step] for start in starts]
    return [size / sum(step) for step in steps for size in step]


def to_train_batch(fields: Mapping[str, Any], share: float = 1.0) -> TrainBatch:
    """Convert arrays to tensors; check for text before they leave the host."""
    has_text = bool(np.any(fields["shrink_map"] * fields["shrink_mask"]))
    targets = DBTargets(**{name: paddle.to_tensor(fields[name]) for name in TARGETS})
    return TrainBatch(paddle.to_tensor(fields["image"]), targets, has_text, share)
