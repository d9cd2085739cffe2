"""Checkpoints: the best weights, the latest state, and one to keep every few epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.state_file import STATE_FILE, write_state
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.utils.files import flush_folder
from ppocr_ft.weights import save_trained

BEST, LATEST, FINAL = "best_accuracy", "latest", "final"
AVERAGED = "_ema"


class Checkpoints(Callback):
    """Writes the checkpoints in ``folder``, each first to a temporary file.

    ``best_accuracy.pdparams``, ``latest.pdparams`` and ``iter_epoch_N.pdparams`` are weights in
    PaddleOCR's form; ``latest.pdstate`` is the only file that a resumed run reads. It is written
    last, so that it never refers to weights that are not there.

    If the state has an average of the weights, ``best_accuracy`` holds the averages that were
    evaluated, the others the optimizer's weights, with the averages in
    ``latest_ema.pdparams`` and ``iter_epoch_N_ema.pdparams``.
    """

    def __init__(
        self, folder: Path, architecture: Mapping[str, object], kept_every_epochs: int
    ) -> None:
        self.folder = folder
        self._architecture = architecture
        self._kept_every_epochs = kept_every_epochs
        self._saved_step = -1

    def save_latest(self, state: TrainState) -> None:
        """Write the files from which ``--resume`` continues.

        Raises:
            WriteError: they can't be written; the earlier ones are then still there.
        """
        self._both_weights(state, LATEST)
        write_state(self.folder / STATE_FILE, state.arrays())
        self._saved_step = state.progress.step

    @property
    def last_good(self) -> str:
        """Name the latest state that was saved, for messages."""
        path = self.folder / STATE_FILE
        return f"{path} (step {self._saved_step})"

    def before_run(self, trainer: Trainer) -> None:
        self.save_latest(trainer.state)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        progress = trainer.progress
        if progress.step_in_epoch == 0 and result.applied:
            if progress.epochs_done % self._kept_every_epochs == 0:
                self._both_weights(trainer.state, f"iter_epoch_{progress.epochs_done}")
            self.save_latest(trainer.state)

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        if is_best:
            with trainer.state.eval_weights():
                self._weights(trainer.state, BEST)
        self.save_latest(trainer.state)

    def _both_weights(self, state: TrainState, name: str) -> None:
        self._weights(state, name)
        if state.ema is not None:
            with state.ema.applied():
                self._weights(state, name + AVERAGED)

    def _weights(self, state: TrainState, name: str) -> None:
        save_trained(state.network, self.folder / f"{name}.pdparams", self._architecture)
        flush_folder(self.folder)
