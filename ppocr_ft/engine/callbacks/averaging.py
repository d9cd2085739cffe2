"""The average of the weights, step by step."""

from __future__ import annotations

from ppocr_ft.engine.ema import Ema
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer


class Averaging(Callback):
    """Takes the weights of each applied step into ``ema``.

    It must come before the callbacks that evaluate, save or time; its time is the step's.
    """

    def __init__(self, ema: Ema) -> None:
        self._ema = ema

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        if result.applied:
            with trainer.stopwatch.stage("step"):
                self._ema.update()
