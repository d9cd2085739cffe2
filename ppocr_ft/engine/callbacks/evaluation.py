"""Evaluation before, during and after training."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer


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


class Evaluator(Callback):
    """Calls ``evaluate`` when it is due, and all callbacks with the result.

    `eval_result` decides whether that is the best so far. An evaluation that was interrupted, also
    within what a callback does after it, is repeated after a resume.
    """

    def __init__(self, evaluate: Callable[[], EvalResult], timing: Timing, indicator: str) -> None:
        self._evaluate = evaluate
        self._timing = timing
        self._indicator = indicator

    def before_run(self, trainer: Trainer) -> None:
        self._if_due(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        self._if_due(trainer)

    def _if_due(self, trainer: Trainer) -> None:
        progress = trainer.progress
        due = self._timing.is_due(progress.step, trainer.total_steps, progress.steps_per_epoch)
        if not due or progress.evaluated_step == progress.step:
            return
        result = replace(self._evaluate(), step=progress.step, epoch=progress.epochs_done)
        before = deepcopy(progress)
        is_best = progress.evaluated(result, self._indicator)
        try:
            for callback in trainer.callbacks:
                callback.after_evaluation(trainer, result, is_best)
        except BaseException:
            trainer.state.progress = before
            raise
