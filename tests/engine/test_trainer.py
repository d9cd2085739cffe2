"""The loop: when it evaluates and stops, and what depends on the step alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.engine.eval_result import results_of
from ppocr_ft.engine.metrics_file import MetricsFile, read_metrics
from ppocr_ft.engine.stop import Stopped, StopRequest
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.trainer import Callback, Timing, Trainer, seed_step
from ppocr_ft.errors import DataError
from ppocr_ft.runs import assemble, parts
from tests.support.config_files import written
from tests.support.pictures import text, write_set
from tests.support.small_run import CONFIG, STEPS_PER_EPOCH, small_config


@pytest.mark.parametrize(
    ("timing", "wanted"),
    [
        (Timing(), [0, 12]),
        (Timing(0, 5), [0, 5, 10, 12]),
        (Timing(4, 3), [0, 7, 10, 12]),
        (Timing(0, 6), [0, 6, 12]),
        (Timing(0, 5, epochs=2), [0, 8, 12]),
    ],
    ids=["ends only", "every 5", "every 3 after 4", "the end is due anyway", "epochs go first"],
)
def test_timing(timing: Timing, wanted: list[int]) -> None:
    assert [step for step in range(13) if timing.is_due(step, 12, 4)] == wanted


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(paddle.rand([]))  # noqa: NPY002


def test_random_numbers_are_functions_of_seed_and_step() -> None:
    seed_step(1, 7)
    wanted = drawn()
    drawn()
    seed_step(1, 7)
    assert drawn() == wanted
    for other in ((1, 8), (2, 7)):
        seed_step(*other)
        assert not set(drawn()) & set(wanted)


def images(loader: TrainLoader, epoch: int, first_step: int = 0) -> list[np.ndarray]:
    return [batch.images.numpy() for batch in loader.epoch(epoch, first_step)]


def test_a_feed_gives_the_same_batches_whatever_was_read_before(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path))
    loader = parts.train_loader(config)
    assert loader.steps_per_epoch == STEPS_PER_EPOCH
    second = images(loader, 2)
    assert [len(batch) for batch in second] == [2, 2, 2, 1]
    images(loader, 1)
    tail = images(parts.train_loader(config), 2, first_step=2)
    for batch, wanted in zip(tail, second[2:], strict=True):
        np.testing.assert_array_equal(batch, wanted)
    assert not np.array_equal(images(loader, 3)[0], second[0])


def test_bad_samples_are_listed_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_config(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with (tmp_path / "label.txt").open("a") as file:
        file.write("no delimiter\n")
    config = load_config(path, ["Global.epoch_num=1", "Train.dataset.strict=false"])
    run = assemble.training(config)
    run.trainer.run()
    out = capsys.readouterr().out
    assert "epoch 1: 2 bad samples" in out
    assert out.count("evaluation: 2 bad samples") == 1, "two evaluations tell of them once"
    assert "label.txt:2: " in out
    assert "label.txt:8: " in out


def test_two_epochs_without_text_stop_the_run_with_the_reason(tmp_path: Path) -> None:
    """Each text is smaller than MakeShrinkMap takes, which the labels don't tell."""
    write_set(tmp_path, {f"{i}.png": [text("a", 20, 15)] for i in range(4)})
    path = written(tmp_path, CONFIG.format(folder=tmp_path, fit="false"))
    small = "Train.dataset.transforms.MakeShrinkMap.min_text_size=60"
    run = assemble.training(load_config(path, ["Global.epoch_num=5", small]))
    with pytest.raises(DataError, match=r"no batch of 2 epochs held a text that counts"):
        run.trainer.run()
    assert run.trainer.progress.step == 4
    assert run.trainer.progress.textless_steps == 4


@pytest.mark.parametrize("loss", ["DiceLoss", "BCELoss", "DiceFocalLoss"])
def test_images_without_text_are_trained_on_and_judged(
    loss: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the images; of two in a batch there may be none with text."""
    write_set(tmp_path, {f"{i}.png": [text("a", 20, 15)] * (i % 2) for i in range(8)})
    path = written(tmp_path, CONFIG.format(folder=tmp_path, fit="false"))
    config = load_config(path, ["Global.epoch_num=2", f"Loss.main_loss_type={loss}"])
    run = assemble.training(config)
    run.trainer.run()
    rows = read_metrics(tmp_path / "run" / "metrics.csv")[1]
    steps = [row for row in rows if row["kind"] == "train"]
    assert len(steps) == 8
    assert all(np.isfinite(float(row["loss"])) for row in steps)
    assert int(steps[-1]["skipped_steps"]) == 0
    assert 0 < int(steps[-1]["textless_steps"]) < 8
    judged = [row for row in rows if row["kind"] == "eval"]
    assert all(float(row["textless_boxes"]) >= 0 for row in judged)
    assert capsys.readouterr().out.count("boxes per image without text") >= 2


class StopAt(Callback):
    """Asks to stop once ``step`` steps are done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def after_step(self, trainer: Trainer, batch: Any, result: Any) -> None:
        if trainer.progress.step == self.step:
            trainer.stop.signal_number = 2


def test_a_stop_is_heeded_after_the_step_and_within_an_evaluation(tmp_path: Path) -> None:
    run = assemble.training(load_config(small_config(tmp_path)))
    run.trainer.callbacks = [StopAt(5), *run.trainer.callbacks]
    with pytest.raises(Stopped):
        run.trainer.run()
    assert run.trainer.progress.step == 5
    assert run.trainer.progress.evaluated_step == 0, "the evaluation of step 5 was broken off"


def test_nothing_is_heard_when_nobody_listens() -> None:
    request = StopRequest()
    assert list(request.heeding([1, 2])) == [1, 2]
    request.signal_number = 15
    with pytest.raises(Stopped, match="SIGTERM"):
        list(request.heeding([1]))


def metrics_file(folder: Path, cut: Callable[[str], str]) -> MetricsFile:
    """Rows of steps 1 to 4 and evaluations of 0, 2, 4, changed by ``cut``, opened at step 3."""
    metrics = MetricsFile(folder)
    for step in range(5):
        if step:
            metrics.add("train", {"step": step, "epoch": 1, "loss": 0.1 * step})
        if step % 2 == 0:
            metrics.add("eval", {"step": step, "epoch": 1, "unclip_ratio": 1.5, "hmean": 0.5})
    metrics.path.write_text(cut(metrics.path.read_text()))
    return MetricsFile(folder, step=3, evaluated_step=2)


@pytest.mark.parametrize(
    "cut",
    [lambda text: text, lambda text: text + "train,5,2,0.0", lambda text: text + "train,\n"],
    ids=["whole", "cut in a line", "a short line"],
)
def test_metrics_after_the_resumed_step_are_dropped(
    cut: Callable[[str], str], tmp_path: Path
) -> None:
    metrics = metrics_file(tmp_path, cut)
    rows = [line.split(",")[:2] for line in metrics.path.read_text().splitlines()[1:]]
    assert rows == [["eval", "0"], ["train", "1"], ["train", "2"], ["eval", "2"], ["train", "3"]]
    assert [result.step for result in results_of(metrics.rows())] == [0, 2]


def test_a_float32_survives_the_metrics_file(tmp_path: Path) -> None:
    value = float(np.float32(0.1) * np.float32(3))
    metrics = MetricsFile(tmp_path)
    metrics.add("eval", {"step": 0, "hmean": value})
    assert np.float32(metrics.rows()[0]["hmean"]) == np.float32(value)
