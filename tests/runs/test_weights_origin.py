"""Which step of a run some weights are, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine.metrics_file import EVAL, MetricsFile
from tests.engine.test_eval_result import result
from tests.support.small_run import small_config

START = "the best weights are the starting weights (step 0), not fine-tuned by this run."
CASES = {
    "best, the start": ("best_accuracy", 0, f"No evaluation beat the start: {START}"),
    "with the file's ending": (
        "best_accuracy.pdparams", 0, f"No evaluation beat the start: {START}"
    ),
    "an epoch": ("iter_epoch_3", 12, "These are the weights of step 12, fine-tuned."),
    "an epoch's average": ("iter_epoch_3_ema", 12, "These are the weights of step 12, fine-tuned."),
    "another file": (
        "mine", None, "No run's files lie beside these weights, so their step is not known."
    ),
    "latest without a state": (
        "latest", None, "No run's files lie beside these weights, so their step is not known."
    ),
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    metrics = MetricsFile(folder)
    for step, hmean in ((0, 0.5), (4, 0.4)):
        for row in result(step, (hmean, 0.1)).rows():
            metrics.add(EVAL, row)
    (folder / "data.json").write_text(json.dumps({"steps_per_epoch": 4}))
    return folder


def origin_of(tmp_path: Path, **weights: Any) -> Any:
    pytest.importorskip("paddle", reason="paddle is not installed")
    from ppocr_ft.runs.weights_origin import weights_origin

    config = load_config(small_config(tmp_path))
    changed = config.Global.model_copy(update=weights)
    return weights_origin(config.model_copy(update={"Global": changed}))


@pytest.mark.parametrize(("name", "step", "sentence"), CASES.values(), ids=CASES.keys())
def test_by_the_files_beside_the_weights(
    name: str, step: int | None, sentence: str, run: Path, tmp_path: Path
) -> None:
    origin = origin_of(tmp_path, checkpoints=str(run / name))
    assert (origin.step, origin.sentence) == (step, sentence)


def test_released_weights_are_those_of_a_start(tmp_path: Path) -> None:
    origin = origin_of(tmp_path, pretrained_model="released")
    assert origin.sentence == "These are the starting weights (step 0), not fine-tuned."


@pytest.mark.parametrize("name", ["metrics.csv", "data.json"])
def test_a_file_that_is_broken_tells_nothing(name: str, run: Path, tmp_path: Path) -> None:
    (run / name).write_bytes(b"\xff")
    weights = {"metrics.csv": "best_accuracy", "data.json": "iter_epoch_3"}[name]
    assert origin_of(tmp_path, checkpoints=str(run / weights)).step is None
