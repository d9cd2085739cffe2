"""TensorBoard, VisualDL, MLflow: the scalars of ``metrics.csv``, once, also after a resume."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.scalar_log import Kind, MlflowWriter, ScalarLog, check_installed, scalars_of
from ppocr_ft.errors import ConfigError
from tests.support.recorded_runs import further, judged, train

KINDS: tuple[Kind, ...] = ("tensorboard", "visualdl", "mlflow")


def test_tags_are_the_columns_and_other_unclip_ratios_have_their_own() -> None:
    row = {**train(5, loss=2.5, lr=None), "grad_norm": "inf"}
    tags = scalars_of(row, 1.5)
    assert tags["train/loss"] == 2.5
    assert not {"train/lr", "train/grad_norm", "train/step", "train/kind"} & set(tags)
    assert scalars_of(judged(5, 0.5), 1.5) == {"eval/hmean": 0.5, "eval/hmean_70": 0.25}
    assert set(scalars_of(judged(5, 0.5, 1.2), 1.5)) == {
        "eval_unclip_1.2/hmean",
        "eval_unclip_1.2/hmean_70",
    }
    assert set(scalars_of(further(5, "old", 0.5), 1.5)) == {"also_old/hmean", "also_old/hmean_70"}


def read(kind: Kind, folder: Path, tag: str) -> list[tuple[int, float]]:
    if kind == "mlflow":
        client = importlib.import_module("mlflow").MlflowClient(tracking_uri=folder.as_uri())
        (experiment,) = client.search_experiments(filter_string="name = 'ppocr_ft'")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FINISHED"
        return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, tag)]
    (path,) = folder.iterdir()
    if kind == "tensorboard":
        package = "tensorboard.backend.event_processing.event_accumulator"
        events = importlib.import_module(package).EventAccumulator(str(path))
        events.Reload()
        return [(each.step, each.value) for each in events.Scalars(tag)]
    reader = importlib.import_module("visualdl").LogReader(file_path=str(path))
    return [(each.id, each.value) for each in reader.get_data("scalar", tag)]


def log_rows(kind: Kind, folder: Path, losses: Sequence[float], done: int) -> None:
    """A run that goes on after step ``done``, whose steps have these losses."""
    metrics = MetricsFile(folder, done, done)
    log = ScalarLog(kind, folder, metrics, 1.5)
    for step, loss in enumerate(losses, done + 1):
        metrics.add("train", {"step": step, "epoch": 1, "loss": loss})
    metrics.add("eval", {"step": done + len(losses), "unclip_ratio": 1.5, "hmean": 0.5})
    log.close()


@pytest.mark.parametrize(
    ("kind", "place"), [("tensorboard", "tensorboard"), ("visualdl", "vdl"), ("mlflow", "mlruns")]
)
def test_a_resumed_run_has_each_step_once(kind: Kind, place: str, tmp_path: Path) -> None:
    pytest.importorskip(kind, reason=f"{kind} is not installed")
    log_rows(kind, tmp_path, [4.0, 3.0, 2.0], 0)
    assert read(kind, tmp_path / place, "train/loss") == [(1, 4), (2, 3), (3, 2)]
    assert read(kind, tmp_path / place, "eval/hmean") == [(3, 0.5)]
    log_rows(kind, tmp_path, [2.5], 2)
    assert read(kind, tmp_path / place, "train/loss") == [(1, 4), (2, 3), (3, 2.5)]


def test_a_name_that_mlflow_would_refuse(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    log = MlflowWriter(tmp_path / "mlruns", "run")
    log.add_scalar("also_old (2024)/hmean", 0.5, 1)
    log.close()
    assert read("mlflow", tmp_path / "mlruns", "also_old _2024_/hmean") == [(1, 0.5)]


def test_neither_tensorflow_nor_pytorch_is_imported() -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    check_installed("tensorboard")
    assert not {"tensorflow", "torch"} & set(sys.modules)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_package_is_said_with_its_extra(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = [name for name in sys.modules if name == kind or name.startswith(f"{kind}.")]
    for name in [*loaded, kind]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        check_installed(kind)
    assert caught.value.key == f"Global.use_{kind}"
    assert f"pip install '.[{kind}]' in the clone of ppocr_ft" in caught.value.message
