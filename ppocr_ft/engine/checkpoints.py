"""Checkpoints: the best weights, the latest state, and one to keep every few epochs.

``latest.pdstate`` is a run's state in one file. Its format is safetensors, read without running
anything in it. A temporary file is written and renamed, so that network, optimizer and progress
always belong to the same moment. It has a checksum of itself, and those of the best weights and of
metrics.csv; the state before it is kept as ``previous.pdstate``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import METRICS_FILE, SAVED_METRICS
from ppocr_ft.engine.metrics_file import checksum as metrics_checksum
from ppocr_ft.engine.state import Progress, TrainState, saved_progress
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.errors import WeightsError, WriteError
from ppocr_ft.utils.files import flush_folder, write_whole
from ppocr_ft.weights import save_trained
from ppocr_ft.weights.arrays import at_path, digest
from ppocr_ft.weights.files import (
    decode_safetensors,
    encode_safetensors,
    looks_like_safetensors,
    read_bytes,
)
from ppocr_ft.weights.pdparams import checksum

BEST, LATEST, FINAL = "best_accuracy", "latest", "final"
AVERAGED = "_ema"
STATE_FILE, PREVIOUS_STATE = "latest.pdstate", "previous.pdstate"
NEW_BEST = "best_accuracy.new.pdparams"
"""The best weights until the state that names them is saved."""
CHECKSUM = "checksum"
"""The key of a state's checksum, that of all else in it."""


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
        progress, metrics = state.progress, self.folder / METRICS_FILE
        try:
            if metrics.is_file():
                progress.metrics = metrics_checksum(metrics, progress.step, progress.evaluated_step)
                write_whole(self.folder / SAVED_METRICS, metrics.read_bytes())
            _keep(self.folder / STATE_FILE, self.folder / PREVIOUS_STATE)
        except OSError as error:
            raise WriteError(f"can't be written: {error.strerror}", path=self.folder) from error
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
                self._weights(trainer.state, Path(NEW_BEST).stem)
            trainer.progress.best_file = checksum(read_bytes(self.folder / NEW_BEST))
        self.save_latest(trainer.state)
        if is_best:
            (self.folder / NEW_BEST).replace(self.folder / f"{BEST}.pdparams")
            flush_folder(self.folder)

    def _both_weights(self, state: TrainState, name: str) -> None:
        self._weights(state, name)
        if state.ema is not None:
            with state.ema.applied():
                self._weights(state, name + AVERAGED)

    def _weights(self, state: TrainState, name: str) -> None:
        save_trained(state.network, self.folder / f"{name}.pdparams", self.architecture)
        flush_folder(self.folder)


def _keep(file: Path, place: Path) -> None:
    """Give a file a second name, or a copy where there are no links. Raises OSError."""
    if not file.is_file():
        return
    aside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with suppress(OSError):
            os.link(file, aside)
        if not aside.exists():
            shutil.copyfile(file, aside)
        aside.replace(place)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def settle_best(folder: Path, progress: Progress) -> str:
    """Put the best weights in place that a kill has left aside.

    Returns what to say where the state knows none of them: those of the next evaluation are then
    the best. Raises OSError.
    """
    best, aside = folder / f"{BEST}.pdparams", folder / NEW_BEST
    if not progress.best_file or _is_file_of(best, progress.best_file):
        aside.unlink(missing_ok=True)
        return ""
    if _is_file_of(aside, progress.best_file):
        aside.replace(best)
        flush_folder(folder)
        return ""
    progress.best = progress.best_hmean_70 = None
    return (
        f"{best}: is missing, damaged or of another run, its checksum isn't the one of step "
        f"{progress.best_step}; the next evaluation's weights are the best"
    )


def _is_file_of(path: Path, wanted: str) -> bool:
    with suppress(WeightsError):
        return checksum(read_bytes(path)) == wanted
    return False


def settle_metrics(folder: Path, progress: Progress) -> str:
    """Put metrics.csv back as the state knows it; return what to say then. Raises OSError."""
    path, saved = folder / METRICS_FILE, folder / SAVED_METRICS
    if not progress.metrics or _has_rows_of(path, progress):
        return ""
    damaged = f"{path}: is missing, damaged or of another run, its rows aren't those of the state"
    if _has_rows_of(saved, progress):
        write_whole(path, saved.read_bytes())
        return f"{damaged}; they are back from {saved.name}"
    if not path.is_file():
        return f"{damaged}; a new one begins"
    path.replace(path.with_suffix(".damaged.csv"))
    return f"{damaged}; it is now {path.stem}.damaged.csv, and a new one begins"


def write_state(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the state with its checksum.

    Raises:
        WriteError: it can't be written; an earlier file is then still there.
    """
    try:
        own = np.frombuffer(digest(arrays).encode(), np.uint8)
        write_whole(path, encode_safetensors({**arrays, CHECKSUM: own}))
    except OSError as error:
        raise WriteError(f"can't be written: {error.strerror}", path=path) from error


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read the state.

    Raises:
        WeightsError: there is no readable state, or it is damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise WeightsError("does not exist, so there is nothing to resume", path=path) from None
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=path) from None
    if not looks_like_safetensors(data):
        raise WeightsError("is no state of a run; latest.pdstate would be", path=path)
    with at_path(path):
        arrays = dict(decode_safetensors(data))
        own = arrays.pop(CHECKSUM, None)
        if own is not None and bytes(own) != digest(arrays).encode():
            raise WeightsError("is damaged: its checksum isn't that of its content")
        return arrays


def read_newest_state(path: Path) -> tuple[dict[str, NDArray[Any]], str]:
    """Read the state; where it is damaged or of another run the one before it, and say so.

    Raises:
        WeightsError: there is no readable state.
    """
    arrays, wrong = None, WeightsError("is of another run than metrics.csv beside it", path=path)
    try:
        arrays = read_state(path)
        if path.name != STATE_FILE or _metrics_known(path.parent, saved_progress(arrays)):
            return arrays, ""
    except WeightsError as error:
        wrong = error
    with suppress(WeightsError):
        before = read_state(path.with_name(PREVIOUS_STATE)) if path.name == STATE_FILE else {}
        progress = saved_progress(before)
        if arrays is None or _metrics_known(path.parent, progress):
            name = f"{PREVIOUS_STATE} (step {progress.step})"
            return before, f"{wrong}; goes on with the state before it, {name}"
    if arrays is None:
        raise wrong
    return arrays, ""


def _metrics_known(folder: Path, progress: Progress) -> bool:
    """Return whether the run's metrics.csv, or its copy, has the rows that its state says."""
    files = folder / METRICS_FILE, folder / SAVED_METRICS
    return not progress.metrics or any(_has_rows_of(file, progress) for file in files)


def _has_rows_of(file: Path, progress: Progress) -> bool:
    with suppress(OSError):
        rows = progress.step, progress.evaluated_step
        return metrics_checksum(file, *rows) == progress.metrics
    return False


def state_path(where: str | Path) -> Path:
    """Return the state file of a run's folder, of its checkpoint ``latest``, or the file itself.

    Raises:
        WeightsError: there is no such path, or it has no state to continue from.
    """
    path = Path(where)
    if path.is_dir() and not any((path / name).exists() for name in (STATE_FILE, PREVIOUS_STATE)):
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
