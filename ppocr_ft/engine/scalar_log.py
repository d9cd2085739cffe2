"""The rows of ``metrics.csv`` as scalars of TensorBoard and VisualDL, and as metrics of MLflow."""

from __future__ import annotations

import importlib
import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ppocr_ft.engine.metrics_file import FURTHER, SET, TRAIN, MetricsFile
from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.program import how_to_install

Kind = Literal["tensorboard", "visualdl", "mlflow"]
FOLDERS: dict[Kind, str] = {"tensorboard": "tensorboard", "visualdl": "vdl", "mlflow": "mlruns"}
"""In the run's folder; VisualDL's as in PaddleOCR, MLflow's as it names its own."""
_MODULES: dict[Kind, tuple[str, ...]] = {
    "tensorboard": (
        "tensorboard.summary.writer.event_file_writer",
        "tensorboard.compat.proto.event_pb2",
        "tensorboard.compat.proto.summary_pb2",
    ),
    "visualdl": ("visualdl",),
    "mlflow": ("mlflow",),
}
_FOLDER_ALLOWED = "MLFLOW_ALLOW_FILE_STORE"
"""MLflow 3 writes to a folder only if this variable is set."""
_NOT_IN_NAMES = re.compile(r"[^\w\-. /]")
"""Signs that MLflow refuses in a metric's name."""
_KEYS = ("kind", "step", "unclip_ratio", SET)


def check_installed(kind: Kind) -> None:
    """Check that the package of the log is installed.

    Raises:
        ConfigError: it isn't, naming the key and how to get it.
    """
    try:
        _modules(kind)
    except ImportError as error:
        raise ConfigError(
            f"is true, but {kind} can't be imported ({error}); install it with "
            f"{how_to_install(kind)}, or set the key to false",
            key=f"Global.use_{kind}",
        ) from error


def _modules(kind: Kind) -> list[Any]:
    return [importlib.import_module(name) for name in _MODULES[kind]]


class TensorBoardWriter:
    """TensorBoard's event file, with the methods of VisualDL's LogWriter.

    TensorBoard's own writer needs neither TensorFlow nor PyTorch.
    """

    def __init__(self, folder: Path) -> None:
        writers, self._events, self._summaries = _modules("tensorboard")
        self._writer = writers.EventFileWriter(str(folder))
        self.flush, self.close = self._writer.flush, self._writer.close

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        scalar = self._summaries.Summary.Value(tag=tag, simple_value=value)
        summary = self._summaries.Summary(value=[scalar])
        event = self._events.Event(step=step, wall_time=time.time(), summary=summary)
        self._writer.add_event(event)


class MlflowWriter:
    """The run of the experiment ppocr_ft in a local folder, with the methods of LogWriter.

    Those that are there are deleted, as MLflow deletes: it holds on to a folder that it has opened.
    """

    def __init__(self, folder: Path, run_name: str) -> None:
        os.environ.setdefault(_FOLDER_ALLOWED, "true")
        (mlflow,) = _modules("mlflow")
        self._client = mlflow.MlflowClient(tracking_uri=folder.resolve().as_uri())
        found = self._client.get_experiment_by_name("ppocr_ft")
        experiment = found.experiment_id if found else self._client.create_experiment("ppocr_ft")
        for earlier in self._client.search_runs([experiment]):
            self._client.delete_run(earlier.info.run_id)
        self._run = self._client.create_run(experiment, run_name=run_name).info.run_id

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self._client.log_metric(self._run, _NOT_IN_NAMES.sub("_", tag), value, step=step)

    def flush(self) -> None:
        """Do nothing: each figure is written at once."""

    def close(self) -> None:
        self._client.set_terminated(self._run)


class ScalarLog:
    """Writes each row of ``metrics.csv`` as scalars.

    A resumed run writes all rows again, so that no step is there twice.

    Args:
        folder: the run's; the log is in ``tensorboard``, ``vdl`` or ``mlruns`` in it.
        unclip_ratio: the config's; figures with others have it in their tags.
    """

    def __init__(self, kind: Kind, folder: Path, metrics: MetricsFile, unclip_ratio: float) -> None:
        place = folder / FOLDERS[kind]
        if kind != "mlflow":
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        self._writer: Any
        if kind == "tensorboard":
            self._writer = TensorBoardWriter(place)
        elif kind == "mlflow":
            self._writer = MlflowWriter(place, folder.resolve().name)
        else:
            (visualdl,) = _modules(kind)
            self._writer = visualdl.LogWriter(logdir=str(place))
        self._unclip_ratio = unclip_ratio
        self._is_replay = True
        metrics.listen(self._write)
        self._is_replay = False
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, row: Mapping[str, str]) -> None:
        for tag, value in scalars_of(row, self._unclip_ratio).items():
            self._writer.add_scalar(tag=tag, value=value, step=int(row["step"]))
        if not self._is_replay:
            self._writer.flush()


def scalars_of(row: Mapping[str, str], unclip_ratio: float) -> dict[str, float]:
    """Return a row's finite figures by tag: ``train/loss``, ``eval/hmean``.

    The tag is ``eval_unclip_1.2/hmean`` for an unclip ratio that isn't the config's; of a further
    set it begins with ``also_NAME``.
    """
    group = f"{FURTHER}_{row[SET]}" if row["kind"] == FURTHER else row["kind"]
    if group != TRAIN and float(row["unclip_ratio"]) != unclip_ratio:
        group = f"{group}_unclip_{float(row['unclip_ratio']):g}"
    cells = {name: text for name, text in row.items() if text and name not in _KEYS}
    values = {f"{group}/{name}": float(text) for name, text in cells.items()}
    return {tag: value for tag, value in values.items() if math.isfinite(value)}
