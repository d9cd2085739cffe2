"""The training loop: epochs of steps, with callbacks before and after each; when it evaluates."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import numpy as np
import paddle

from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.state import Progress, TrainState
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.train_step import (
    Forward,
    FrozenNorms,
    LossFunction,
    Precision,
    StepResult,
    TrainBatch,
    train_step,
)
from ppocr_ft.errors import DataError
from ppocr_ft.optim.rates import FreshFirst, LrSchedules
from ppocr_ft.utils.timing import Stopwatch

MAX_SKIPPED_IN_ROW = 3
MAX_TEXTLESS_EPOCHS = 2


class Diverged(Exception):  # noqa: N818  all processes find it by themselves
    """The losses or gradients are NaN or infinite for several steps in a row."""


class Callback:
    """An action during training; the trainer's ``state`` has the progress."""

    def before_run(self, trainer: Trainer) -> None:
        """Do something first of all, at the beginning of a run or after a resume."""

    def before_epoch(self, trainer: Trainer) -> None:
        """Do something before the epoch's first step or, after a resume, a later one."""

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        """Do something after each step, which is counted by then; ``batch`` is the step's first."""

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        """Do something after each evaluation, which the trainer's ``progress`` contains by then."""

    def after_epoch(self, trainer: Trainer) -> None:
        """Do something after the epoch's last step."""


@dataclass
class Trainer:
    """The trainer; ``rate`` gives the learning rates of step 0, 1, ...; callbacks keep their order.

    In a ``group`` each process has a trainer of its own. They go through the same steps, epochs and
    evaluations together.
    """

    state: TrainState
    loader: TrainLoader
    loss: LossFunction
    rate: LrSchedules
    epochs: int
    callbacks: Sequence[Callback] = ()
    precision: Precision = field(default_factory=Precision)
    stop: StopRequest = field(default_factory=StopRequest)
    group: ProcessGroup = SINGLE_PROCESS
    forward: Forward | None = None
    fresh_first: FreshFirst | None = None

    def __post_init__(self) -> None:
        self._norms = FrozenNorms(self.state.network)

    @property
    def stopwatch(self) -> Stopwatch:
        """Stages "read" and "step"; evaluation and checkpoints are in neither."""
        return self.loader.stopwatch

    @property
    def progress(self) -> Progress:
        return self.state.progress

    @property
    def total_steps(self) -> int:
        return self.epochs * self.progress.steps_per_epoch

    def run(self) -> None:
        """Train to the end, from any state.

        Raises:
            Stopped: a signal asked for it; the state is that after the last step.
            Diverged: three steps in a row gave NaN or infinity.
            DataError: two epochs of batches had no text, or no sample can be read.
            PeerFailed, PeerLost: another process of the group failed otherwise, or has ended.

        An error of one process of a group is raised in all, with the state after the same step.
        """
        with self.group.raise_together():
            self._run()

    def _run(self) -> None:
        for callback in self.callbacks:
            callback.before_run(self)
        while self.progress.step < self.total_steps:
            epoch = self.progress.epochs_done + 1
            self.freeze_groups()
            for callback in self.callbacks:
                callback.before_epoch(self)
            with closing(self.loader.epoch(epoch, self.progress.step_in_epoch)) as batches:
                self._steps(batches)
            for faults in self.group.gather(self.loader.faults.faults):
                self.loader.faults.add(faults)
            for callback in self.callbacks:
                callback.after_epoch(self)

    def freeze_groups(self) -> None:
        """Freeze or unfreeze parameter groups, with their batch norms, for the coming steps.

        The frozen groups follow from the progress alone, so a resumed run has the same. No
        gradients of frozen parameters are computed.
        """
        fresh_alone = self.rate.is_fresh_alone(self.progress.step)
        self.state.optimizer.groups.freeze(self.progress.epochs_done, fresh_alone=fresh_alone)
        self._norms.update()

    def _steps(self, batches: Iterator[TrainBatch]) -> None:
        for first in batches:
            self.stop.check()
            rest = islice(batches, self.loader.batches_per_step - 1)
            result = self._step(chain([first], rest))
            self._count(result)
            self._judge_fresh(result)
            for callback in self.callbacks:
                callback.after_step(self, first, result)
            if self.progress.fresh_steps == self.progress.step:
                self.freeze_groups()
            self._check_sound()
        self.stop.check()

    def _step(self, batches: Iterable[TrainBatch]) -> StepResult:
        state, step = self.state, self.progress.step
        seed_step(self.progress.seed, step)
        flat = self.rate.is_fresh_alone(step)
        state.optimizer.set_lr(self.rate(step), self.rate.bias(step), flat=flat)
        with self.stopwatch.stage("step"):
            result = train_step(
                state.network,
                batches,
                self.loss,
                state.optimizer,
                self.precision,
                self.group,
                self.forward,
            )
            if result.applied and state.ema is not None:
                state.ema.update()
        return result

    def _count(self, result: StepResult) -> None:
        progress = self.progress
        progress.step += 1
        progress.skipped_steps += not result.applied
        fine = result.applied or result.overflowed
        progress.skipped_in_row = 0 if fine else progress.skipped_in_row + 1
        progress.textless_steps += not result.has_text
        progress.textless_in_row = 0 if result.has_text else progress.textless_in_row + 1
        if result.applied:
            self.state.window.add(result.losses)

    def _judge_fresh(self, result: StepResult) -> None:
        """Note whether the first steps, in which fresh parameters learn alone, are over."""
        progress, first = self.progress, self.fresh_first
        if first is None or progress.fresh_steps is not None:
            return
        if result.applied:
            progress.fresh_losses.append(float(result.losses[first.loss]))
        if first.is_over(progress.step, progress.fresh_losses):
            progress.fresh_steps, progress.fresh_losses = progress.step, []

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


@dataclass(frozen=True)
class Timing:
    """When to evaluate between beginning and end; ``epochs`` overrides ``steps``."""

    first_step: int = 0
    steps: int | None = None
    epochs: int | None = None

    def is_due(self, step: int, total_steps: int, steps_per_epoch: int) -> bool:
        if step in (0, total_steps):
            return True
        if self.epochs is not None:
            return step % (self.epochs * steps_per_epoch) == 0
        after = step - self.first_step
        return self.steps is not None and after > 0 and after % self.steps == 0


@dataclass
class Evaluator(Callback):
    """Calls ``evaluate`` when it is due, and all callbacks with the result.

    `eval_result` decides whether that is the best so far. An evaluation that was interrupted, also
    within what a callback does after it, is repeated after a resume.
    """

    evaluate: Callable[[], EvalResult]
    timing: Timing
    indicator: str

    def before_run(self, trainer: Trainer) -> None:
        self._evaluate_if_due(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        self._evaluate_if_due(trainer)

    def _evaluate_if_due(self, trainer: Trainer) -> None:
        progress = trainer.progress
        due = self.timing.is_due(progress.step, trainer.total_steps, progress.steps_per_epoch)
        if not due or progress.evaluated_step == progress.step:
            return
        result = replace(self.evaluate(), step=progress.step, epoch=progress.epochs_done)
        before = deepcopy(progress)
        is_best = progress.evaluated(result, self.indicator)
        try:
            for callback in trainer.callbacks:
                callback.after_evaluation(trainer, result, is_best)
        except BaseException:
            trainer.state.progress = before
            raise


def seed_step(seed: int, step: int) -> None:
    """Seed every generator of the process by the step, also for a resumed run."""
    (mixed,) = np.random.SeedSequence([seed, step]).generate_state(1).tolist()
    random.seed(mixed)
    np.random.seed(mixed)  # noqa: NPY002  libraries that draw from it
    paddle.seed(mixed)
