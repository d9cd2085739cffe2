"""Checkpoints: the best weights, the latest state, and one to keep every few epochs.

``latest.pdstate`` is a run's state in one file. Its format is safetensors, read without running
anything in it. A temporary file is written and renamed, so that network, optimizer and progress
always belong to the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.errors import WeightsError, WriteError
from ppocr_ft.utils.files import flush_folder, write_whole
from ppocr_ft.weights import save_trained
from ppocr_ft.weights.files import (
    decode_safetensors,
    encode_safetensors,
    looks_like_safetensors,
)

BEST, LATEST, FINAL = "best_accuracy", "latest", "final"
AVERAGED = "_ema"
STATE_FILE = "latest.pdstate"


@dataclass
class Checkpoints(Callback):
    """Writes the checkpoints in ``folder``, each first to a temporary file.

    ``best_accuracy.pdparams``, ``latest.pdparams`` and ``iter_epoch_N.pdparams`` are weights in
    PaddleOCR's form; ``latest.pdstate`` is the only file that a resumed run reads. It is written
    last, so that it never refers to weights that are not there.

    If the state has an average of the weights, ``best_accuracy`` holds the averages that were
    evaluated, the others the optimizer's weights, with the averages in
    ``latest_ema.pdparams`` and ``iter_epoch_N_ema.pdparams``.
    """

    folder: Path
    architecture: Mapping[str, object]
    kept_every_epochs: int
    _saved_step: int = field(default=-1, init=False)

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
        return f"{self.folder / STATE_FILE} (step {self._saved_step})"

    def before_run(self, trainer: Trainer) -> None:
        self.save_latest(trainer.state)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        progress = trainer.progress
        if progress.step_in_epoch == 0 and result.applied:
            if progress.epochs_done % self.kept_every_epochs == 0:
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
        save_trained(state.network, self.folder / f"{name}.pdparams", self.architecture)
        flush_folder(self.folder)


def write_state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the state.

    Raises:
        WriteError: it can't be written; an earlier file is then still there.
    """
    try:
        write_whole(path, encode_safetensors(arrays))
    except OSError as error:
        raise WriteError(f"can't be written: {error.strerror}", path=path) from error


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read the state.

    Raises:
        WeightsError: there is no readable state.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WeightsError("does not exist, so there is nothing to resume", path=path) from None
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=path) from None
    if not looks_like_safetensors(data):
        raise WeightsError("is no state of a run; latest.pdstate would be", path=path)
    try:
        return dict(decode_safetensors(data))
    except WeightsError as error:
        raise WeightsError(error.message, path=path, key=error.key) from None


def state_path(where: str | Path) -> Path:
    """Return the state file of a run's folder, of its checkpoint ``latest``, or the file itself.

    Raises:
        WeightsError: there is no such path, or it has no state to continue from.
    """
    path = Path(where)
    if path.is_dir() and not (path / STATE_FILE).exists():
        raise WeightsError(f"holds no {STATE_FILE}, so there is no run to go on with", path=path)
    if path.is_dir():
        return path / STATE_FILE
    if path.name in (STATE_FILE, LATEST, f"{LATEST}.pdparams"):
        return path.with_name(STATE_FILE)
    if path.suffix == Path(STATE_FILE).suffix:
        return path
    if not path.exists() and not path.with_name(f"{path.name}.pdparams").exists():
        raise WeightsError("does not exist; give the folder of a run", path=path)
    raise WeightsError(
        f"holds weights only; resume from the run's folder or its {STATE_FILE}, or start anew "
        "from these weights by Global.pretrained_model",
        path=path,
    )
