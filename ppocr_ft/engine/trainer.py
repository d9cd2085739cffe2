"""The loop: epochs of steps, with callbacks before and after each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import paddle

from ppocr_ft.engine.feed import Feed, TrainBatch
from ppocr_ft.engine.state import Progress, TrainState
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.stopwatch import Stopwatch
from ppocr_ft.engine.train_step import LossFunction, Precision, StepResult, train_step
from ppocr_ft.errors import DataError

MAX_SKIPPED_IN_ROW = 3
MAX_TEXTLESS_EPOCHS = 2


class Diverged(Exception):  # noqa: N818
    """The losses or gradients are NaN or infinite, step after step."""


class Callback:
    """What is done beside training; the trainer's ``state`` says where the run is."""

    def before_run(self, trainer: Trainer) -> None:
        """Before anything else, at the beginning of a run or after a resume."""

    def before_epoch(self, trainer: Trainer) -> None:
        """Before the epoch's next step, the first one or, after a resume, a later one."""

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        """After each step; the step is counted already."""

    def after_epoch(self, trainer: Trainer) -> None:
        """After the epoch's last step."""


@dataclass
class Trainer:
    """``rate`` gives the learning rate of step 0, 1, ...; callbacks are called in their order."""

    state: TrainState
    feed: Feed
    loss: LossFunction
    rate: Callable[[int], float]
    epochs: int
    callbacks: Sequence[Callback] = ()
    precision: Precision = field(default_factory=Precision)
    stop: StopRequest = field(default_factory=StopRequest)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def progress(self) -> Progress:
        return self.state.progress

    @property
    def total_steps(self) -> int:
        return self.epochs * self.progress.steps_per_epoch

    def run(self) -> None:
        """Train to the end, from wherever the state is.

        Raises:
            Stopped: somebody asked for it; the state is that after the last step.
            Diverged: three steps in a row gave NaN or infinity.
            DataError: two epochs of batches had no text, or no sample can be read.
        """
        for callback in self.callbacks:
            callback.before_run(self)
        while self.progress.step < self.total_steps:
            epoch = self.progress.epochs_done + 1
            for callback in self.callbacks:
                callback.before_epoch(self)
            with closing(self.feed.epoch(epoch, self.progress.step_in_epoch)) as batches:
                self._steps(batches)
            for callback in self.callbacks:
                callback.after_epoch(self)

    def _steps(self, batches: Iterator[TrainBatch]) -> None:
        for batch in batches:
            self.stop.check()
            result = self._step(batch)
            self._count(batch, result)
            for callback in self.callbacks:
                callback.after_step(self, batch, result)
            self._check_sound()
        self.stop.check()

    def _step(self, batch: TrainBatch) -> StepResult:
        state, step = self.state, self.progress.step
        seed_step(self.progress.seed, step)
        state.optimizer.set_lr(self.rate(step))
        with self.stopwatch.stage("step"):
            return train_step(
                state.network, batch.batch, self.loss, state.optimizer, self.precision
            )

    def _count(self, batch: TrainBatch, result: StepResult) -> None:
        progress = self.progress
        progress.step += 1
        progress.skipped_steps += not result.applied
        fine = result.applied or result.overflowed
        progress.skipped_in_row = 0 if fine else progress.skipped_in_row + 1
        progress.textless_steps += not batch.has_text
        progress.textless_in_row = 0 if batch.has_text else progress.textless_in_row + 1
        if result.applied:
            self.state.window.add(result.losses)

    def _check_sound(self) -> None:
        progress = self.progress
        if progress.skipped_in_row >= MAX_SKIPPED_IN_ROW:
            raise Diverged(
                f"the losses or gradients of steps {progress.step - MAX_SKIPPED_IN_ROW + 1} to "
                f"{progress.step} are NaN or infinite; none of them was applied"
            )
        if progress.textless_in_row >= MAX_TEXTLESS_EPOCHS * progress.steps_per_epoch:
            raise DataError(
                f"no batch of {MAX_TEXTLESS_EPOCHS} epochs held a text that counts: all texts are "
                "ignored (### or *), smaller than MakeShrinkMap's min_text_size in the crop, or "
                "missing from the labels",
                key="Train.dataset",
            )


def seed_step(seed: int, step: int) -> None:
    """Every generator of the process, as a function of the step: a resumed run needs no more."""
    (mixed,) = np.random.SeedSequence([seed, step]).generate_state(1).tolist()
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002  libraries that draw from it
    paddle.seed(mixed)
