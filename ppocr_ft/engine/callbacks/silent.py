"""Log, metrics and checkpoints of a process that leaves writing and speaking to process 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ppocr_ft.engine.callbacks.checkpoints import Checkpoints
from ppocr_ft.engine.callbacks.log import Log
from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Trainer


class SilentLog(Log):
    """Says, draws and writes nothing."""

    def __init__(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def before_epoch(self, trainer: Trainer) -> None:
        pass

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        pass

    def after_epoch(self, trainer: Trainer) -> None:
        pass

    def close(self) -> None:
        pass


class SilentMetrics(MetricsFile):
    """Drops its rows."""

    def __init__(self) -> None:
        pass

    def add(self, kind: str, values: Mapping[str, Any]) -> None:
        pass

    def listen(self, listener: Callable[[Mapping[str, str]], None]) -> None:
        pass

    def evaluations(self) -> list[dict[str, str]]:
        return []


class SilentCheckpoints(Checkpoints):
    """Saves nothing."""

    def __init__(self) -> None:
        pass

    def save_best(self, trainer: Trainer) -> None:
        pass

    def save_latest(self, state: TrainState) -> None:
        pass

    @property
    def last_good(self) -> str:
        return "process 0's"

    def before_run(self, trainer: Trainer) -> None:
        pass

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        pass
