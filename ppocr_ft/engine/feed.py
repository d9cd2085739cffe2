"""Batches on their way from the data set to the network."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle

from ppocr_ft.data import (
    FAULTS,
    FaultLog,
    Item,
    SimpleDataSet,
    collate,
    epoch_order,
    rank_batches,
    steps_per_epoch,
)
from ppocr_ft.data.read_ahead import read_ahead
from ppocr_ft.engine.stopwatch import Stopwatch
from ppocr_ft.engine.train_step import Batch
from ppocr_ft.errors import DataError
from ppocr_ft.losses import DBTargets
from ppocr_ft.ops import set_epoch

TARGETS = ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask")


@dataclass(frozen=True)
class TrainBatch:
    """A batch on the device, and whether any of its texts counts in the loss."""

    batch: Batch
    has_text: bool

    @property
    def images(self) -> int:
        return int(self.batch.images.shape[0])


@dataclass
class Feed:
    """A data set's batches by epoch, ``threads`` of them read ahead of the caller.

    OpenCV and the compiled kernels let other threads run, so that no processes are needed. What
    is read depends on seed, epoch and step alone. ``stopwatch``'s stage "read" is the time that
    the caller waited; ``faults`` are the bad samples of the epoch.
    """

    data: SimpleDataSet
    batch_size: int
    seed: int
    shuffle: bool = True
    drop_last: bool = False
    threads: int = 0
    rank: int = 0
    world_size: int = 1
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    faults: FaultLog = field(default_factory=FaultLog)

    @property
    def steps_per_epoch(self) -> int:
        """Raises DataError where ``drop_last`` leaves no batch."""
        steps = steps_per_epoch(
            len(self.data), self.batch_size, world_size=self.world_size, drop_last=self.drop_last
        )
        if steps == 0:
            raise DataError(
                f"{len(self.data)} samples give no batch of {self.batch_size}; lower "
                "Train.loader.batch_size_per_card or set drop_last: false"
            )
        return steps

    def epoch(self, epoch: int, first_step: int = 0) -> Generator[TrainBatch, None, None]:
        """The batches of epoch 1, 2, ... from one of its steps on."""
        set_epoch(epoch)
        self.data.set_epoch(epoch)
        self.faults = FaultLog(self.data.label_faults if epoch == 1 else ())
        order = epoch_order(len(self.data), seed=self.seed, epoch=epoch, shuffle=self.shuffle)
        batches = rank_batches(
            order,
            self.batch_size,
            rank=self.rank,
            world_size=self.world_size,
            drop_last=self.drop_last,
            first_step=first_step,
        )
        for fields in self.stopwatch.waiting("read", read_ahead(self._read, batches, self.threads)):
            self.faults.add(fields[FAULTS])
            yield to_train_batch(fields)

    def _read(self, indices: list[int]) -> dict[str, Any]:
        items: list[Item] = [self.data[index] for index in indices]
        return collate(items)


def to_train_batch(fields: Mapping[str, Any]) -> TrainBatch:
    """Arrays to tensors; whether there is text is found out before they leave the host."""
    has_text = bool(np.any(fields["shrink_map"] * fields["shrink_mask"]))
    targets = DBTargets(**{name: paddle.to_tensor(fields[name]) for name in TARGETS})
    return TrainBatch(Batch(paddle.to_tensor(fields["image"]), targets), has_text)
