"""Runs whose config is fitted before the first step, by seconds that the test gives."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ppocr_ft.commands.common import say_not_fitted
from ppocr_ft.commands.train import run as train_run
from ppocr_ft.commands.train.cli import main
from ppocr_ft.config import load_config
from ppocr_ft.config.load import values_of, with_values
from ppocr_ft.engine import trainer as trainer_module
from ppocr_ft.engine.distributed import ProcessGroup
from ppocr_ft.fitting.targets import Page
from ppocr_ft.fitting.time_budget import Speed
from ppocr_ft.runs import adapt
from ppocr_ft.runs.adapt import adapted
from ppocr_ft.runs.speed import measured_speed
from tests.support.config_files import SHIPPED
from tests.support.same_run import assert_same_run, calling
from tests.support.small_run import assert_refused, small_config

pytestmark = pytest.mark.slow

BUDGET = ["-o", "Global.time_budget=18s", "Global.epoch_num=7", "Global.fit_postprocess=false"]
"""18 x 0.95 - 4 evaluations are 13 steps, of which 3 epochs of 4 take 12."""
EFFECTIVE = {
    "Global.epoch_num": 3,
    "Global.eval_batch_step": [0, 4],
    "Optimizer.lr.warmup_steps": 1,
}
"""What follows of it; a warm-up of 2 steps would be more than a tenth of the run."""


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing takes time but steps and evaluations: a second each."""
    monkeypatch.setattr(train_run, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(adapt, "measured_speed", lambda *_: Speed(1.0, 1.0, 1.0))


def unmeasured(*_: object) -> Speed:
    raise AssertionError("a resumed run measures nothing")


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was told its length."""
    folder = tmp_path_factory.mktemp("plain")
    keys = [f"{key}={value}" for key, value in EFFECTIVE.items()]
    options = ["-o", *keys, "Global.fit_postprocess=false"]
    assert main(["-c", str(small_config(folder)), *options]) == 0
    return folder / "run"


def test_after_measuring_it_is_an_ordinary_run(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured_first(*arguments: object) -> Speed:
        speed = measured_speed(*arguments)  # type: ignore[arg-type]
        assert min(speed.step_seconds, speed.eval_seconds) > 0
        return Speed(1.0, 1.0, 1.0)

    monkeypatch.setattr(adapt, "measured_speed", measured_first)
    assert main(["-c", str(small_config(tmp_path)), *BUDGET]) == 0
    assert_same_run(tmp_path / "run", plain_run)
    kept = json.loads((tmp_path / "run" / "adapted.json").read_text())
    assert kept["after"] == EFFECTIVE
    before = {"Global.epoch_num": 7, "Global.eval_batch_step": [0, 5]}
    assert kept["before"] == {**before, "Optimizer.lr.warmup_steps": 2}
    log = (tmp_path / "run" / "train.log").read_text()
    assert "time budget 18s: 3 epochs of 4 steps; a step takes 1s, an evaluation 1s" in log


@pytest.mark.parametrize("own_config", [False, True])
def test_a_resumed_run_keeps_its_length(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_config: bool
) -> None:
    command = ["-c", str(small_config(tmp_path)), *BUDGET]
    stop = calling(6, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with monkeypatch.context() as stopped:
        stopped.setattr(trainer_module, "train_step", stop)
        assert main(command) == 128 + signal.SIGTERM
    monkeypatch.setattr(adapt, "measured_speed", unmeasured)
    resume = ["--resume", str(tmp_path / "run")]
    assert main(resume if own_config else [*command, *resume]) == 0
    assert_same_run(tmp_path / "run", plain_run)
    resolved = load_config(tmp_path / "run" / "config.resolved.yml").Global
    assert (resolved.epoch_num, resolved.time_budget) == (3, "18s")


def test_another_length_than_the_chosen_one_is_taken_by_force_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    budget = ["-o", "Global.time_budget=6s", "Global.fit_postprocess=false"]
    # 5.7 - 2 = 3 steps: an epoch of three quarters of the images
    assert main(["-c", config, *budget]) == 0
    run = str(tmp_path / "run")
    longer = ["--resume", run, "-o", "Global.epoch_num=2"]
    capsys.readouterr()
    assert main(longer) == 2
    assert "Global.epoch_num: 2, the run's 1" in capsys.readouterr().err
    assert main([*longer, "--force"]) == 0
    assert load_config(tmp_path / "run" / "config.resolved.yml").Global.epoch_num == 2
    assert main(["--resume", run, "-o", "Global.time_budget=1h"]) == 2
    assert "Global.time_budget: 1h, the run's 6s" in capsys.readouterr().err


class Worker(ProcessGroup):
    """Process 1 of two, that is told what process 0 chose."""

    def __init__(self, told: object) -> None:
        super().__init__(rank=1, size=2)
        self._told = told

    def broadcast(self, item: object) -> Any:
        assert item is None
        return self._told


def test_other_processes_are_told_and_measure_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt, "measured_speed", unmeasured)
    config = load_config(small_config(tmp_path), ["Global.time_budget=18s"])
    found = adapt.adapted(config, group=Worker(EFFECTIVE))
    assert values_of(found.config, list(EFFECTIVE)) == EFFECTIVE
    before = {
        "Global.epoch_num": 3,
        "Global.eval_batch_step": [0, 5],
        "Optimizer.lr.warmup_steps": 2,
    }
    kept = {"before": before, "after": EFFECTIVE}
    again = adapt.adapted(config, tmp_path / "latest.pdstate", Worker(kept))
    assert again.config == found.config


def test_less_than_an_epoch_draws_fewer_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", "Global.time_budget=6s", "Global.fit_postprocess=false", "Global.seed=6"]
    options.append("Optimizer.lr={name: Cosine, learning_rate: 0.001, warmup_epoch: 0.5}")
    assert main(["-c", str(small_config(tmp_path)), *options, "--dry-run"]) == 0
    out = capsys.readouterr().out
    # 5 of 7 images, in batches of 2, are 3 steps
    assert "1 epoch of 3 steps, 75% of the images in each" in out
    assert "1 epoch x 3 steps = 3 steps" in out
    assert not (tmp_path / "run" / "adapted.json").exists()


def test_a_budget_that_is_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["-o", "Global.time_budget=3s"]
    part = "Global.time_budget: 3s is too short for a single step"
    assert_refused(main, more, part, tmp_path, monkeypatch, capsys)
    assert not (tmp_path / "run").exists()


def test_milestones_that_the_chosen_length_does_not_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule = "{name: MultiStep, learning_rate: 0.001, milestones: [5], gamma: 0.1}"
    more = ["-o", "Global.time_budget=18s", "Global.epoch_num=9", f"Optimizer.lr={schedule}"]
    part = "Global.time_budget: gives 3 epochs, which other keys don't fit: Optimizer.lr.milestones"
    assert_refused(main, more, part, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("Global.time_budget=20", "found 20, expected a duration such as 90s, 20m or 1h30m"),
        ("Global.time_budget=20 min", "found '20 min', expected a duration such as 90s"),
    ],
)
def test_wrong_keys(
    override: str,
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(main, ["-o", override], part, tmp_path, monkeypatch, capsys)


def test_random_weights_leave_the_scale(tmp_path: Path) -> None:
    config = load_config(small_config(tmp_path), ["Global.fit_scale=true"])
    found = adapted(config)
    assert found.lines == ("fit_scale: random weights find no text, so the scale stays as it is",)
    assert found.config == config


def test_commands_that_fit_nothing_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = small_config(tmp_path)
    say_not_fitted([load_config(path, ["Global.fit_postprocess=true"])])
    assert capsys.readouterr().err == ""
    given = [["Global.time_budget=1h"], ["Global.fit_targets=true"]]
    say_not_fitted([load_config(path, overrides) for overrides in given])
    assert "note: Global.fit_targets, Global.time_budget: only" in capsys.readouterr().err


CONSTANT = [
    f"Train.dataset.transforms.Make{name}Map={{shrink_ratio: 0.4}}" for name in ("Shrink", "Border")
]


def test_scale_and_targets_are_chosen_and_kept(plain_run: Path, tmp_path: Path) -> None:
    weights = f"Global.pretrained_model={plain_run / 'best_accuracy.pdparams'}"
    resize = "Eval.dataset.transforms.DetResizeForTest.limit_type=resize_long"  # which enlarges
    fit = ["Global.fit_scale=true", "Global.fit_targets=true", "Global.epoch_num=1", resize]
    command = ["-c", str(small_config(tmp_path)), "-o", *fit, weights, *CONSTANT]
    assert main(command) == 0
    run = tmp_path / "run"
    with (run / "fit_scale.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    (taken,) = [row for row in rows if row["taken"] == "1"]
    config = load_config(run / "config.resolved.yml")
    operators = {
        op.name: op for op in (*config.Train.dataset.transforms, *config.Eval.dataset.transforms)
    }
    resize, crop = operators["DetResizeForTest"], operators["ScaledCrop"]
    assert f"{resize.limit_side_len}:{resize.limit_type}" == taken["scale"]
    assert (crop.limit_side_len, crop.limit_type) == (resize.limit_side_len, resize.limit_type)
    # a network of a few steps finds nothing: the smallest scale with texts of 16 px, or the largest
    heights = [float(row["small_px"]) for row in rows]
    assert float(taken["small_px"]) == min([h for h in heights if h >= 16] or [max(heights)])
    # texts of 60 x 16 px or so, in words of under 4 times their height
    shrink_map, border_map = operators["MakeShrinkMap"], operators["MakeBorderMap"]
    assert shrink_map.shrink_ratio == border_map.shrink_ratio == 0.4
    assert shrink_map.min_text_size == 8
    assert config.PostProcess.unclip_ratio != 1.5
    assert config.Loss.main_loss_type == "DiceFocalLoss"
    log = (run / "train.log").read_text()
    assert f"scale {taken['scale']}" in log
    assert "shrink_ratio 0.4: the texts are words" in log
    before = (run / "fit_scale.csv").read_bytes()
    assert main([*command, "--resume"]) == 0
    assert load_config(run / "config.resolved.yml") == config
    assert (run / "fit_scale.csv").read_bytes() == before


def test_a_ramp_and_other_crops_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-o", "Global.fit_targets=true", "--dry-run"]
    assert main(["-c", str(small_config(tmp_path)), *options]) == 0
    assert "shrink_ratio stays a ramp, to 0.6" in capsys.readouterr().out


def test_rotation_follows_the_labels() -> None:
    """Those of the sample data set are tilted a little; what is set to 0 stays so."""
    key = "Train.dataset.transforms.IaaAugment.augmenter_args.1.args.rotate"
    for given, chosen in (([-9.0, 9.0], [-4.0, 4.0]), ([0.0, 0.0], [0.0, 0.0])):
        config = load_config(SHIPPED / "det_v4_ft.yml", ["Global.fit_scale=false"])
        found = adapted(with_values(config, {key: given}))
        assert values_of(found.config, [key]) == {key: chosen}
    assert key not in found.after


@pytest.mark.parametrize(
    ("given", "weight", "aspect", "loss", "gap_weight"),
    [
        ("DiceLoss", 1, 3, "DiceFocalLoss", 1),
        ("DiceLoss", 1, 8, "DiceLoss", 4),
        ("DiceLoss", 2, 3, "DiceLoss", 2),
        ("DiceLoss", 2, 8, "DiceLoss", 2),
        ("BCELoss", 1, 3, "BCELoss", 1),
        ("BCELoss", 1, 8, "BCELoss", 1),
    ],
)
def test_words_take_another_loss_and_lines_weigh_gaps(
    given: str,
    weight: float,
    aspect: int,
    loss: str,
    gap_weight: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = np.array([[0, 0], [30 * aspect, 0], [30 * aspect, 30], [0, 30]], float)
    monkeypatch.setattr(adapt, "labelled", lambda _: [Page((640, 480), [text])])
    own_weight = f"Train.dataset.transforms.MakeShrinkMap.gap_weight={weight}"
    options = ["Global.fit_scale=false", f"Loss.main_loss_type={given}", own_weight]
    found = adapted(load_config(SHIPPED / "det_v4_ft.yml", options)).config
    (shrink_map,) = [op for op in found.Train.dataset.transforms if op.name == "MakeShrinkMap"]
    assert (found.Loss.main_loss_type, shrink_map.gap_weight) == (loss, gap_weight)
