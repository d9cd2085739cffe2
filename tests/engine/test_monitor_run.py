"""A run with the monitor: what it writes, ends and goes on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.train.cli import main
from ppocr_ft.engine import trainer as trainer_module
from ppocr_ft.engine.checkpoints import read_state
from tests.support.small_run import assert_refused, small_config

pytestmark = pytest.mark.slow

STANDING = "Optimizer={name: AdamW, weight_decay: 0, lr: {name: Const, learning_rate: 1.0e-12}}"
WARMING = "Optimizer.lr={name: Cosine, learning_rate: 0.001, warmup_steps: 100}"
WILD = "Optimizer={name: Momentum, momentum: 0, lr: {name: Const, learning_rate: 1.0e+30}}"
BY_CLOCK = {"loader-bound", "memory-growing"}


def verdicts(run: Path) -> list[tuple[int, str]]:
    """Step and name; without those that a clock or the machine decides."""
    lines = [json.loads(line) for line in (run / "verdicts.jsonl").read_text().splitlines()]
    assert all(set(each) == {"step", "name", "sentence", "remedy"} for each in lines)
    return [(each["step"], each["name"]) for each in lines if each["name"] not in BY_CLOCK]


def train(folder: Path, *more: str, resume: bool = False) -> int:
    folder.mkdir(exist_ok=True)
    arguments = ["-c", str(small_config(folder)), *["--resume"] * resume]
    return main([*arguments, "-o", *more] if more else arguments)


def test_a_run_that_goes_well_has_an_empty_file_and_its_figures(tmp_path: Path) -> None:
    logs = "Global.use_tensorboard=true", "Global.use_visualdl=true"
    for package in ("tensorboard", "visualdl"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    assert train(tmp_path, "Global.print_batch_step=5", *logs) == 0
    assert verdicts(tmp_path / "run") == []
    header, *rows = [line.split(",") for line in (tmp_path / "run/metrics.csv").read_text().split()]
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    evals = [row for row in cells if row["kind"] == "eval"]
    assert all(float(row["val_loss"]) > 0 for row in evals)
    assert len({row["val_loss"] for row in evals}) == 4, "one value an evaluation"
    ratios = [row["drawn_shrink_ratio"] for row in evals]
    assert ratios == [row["shrink_ratio"] for row in evals]
    assert all(0 <= float(row[share]) <= 1 for row in evals for share in ("merged", "split"))
    assert all(float(row["memory_mb"]) > 50 for row in cells if row["kind"] == "train")
    for name in ("tensorboard", "vdl"):
        (written,) = (tmp_path / "run" / name).iterdir()
        assert written.stat().st_size > 1000


def test_stop_on_ends_the_run_with_its_state_and_exit_code_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_on = "Global.stop_on=[warming-up, nan]"
    assert train(tmp_path, WARMING, stop_on) == 0
    out = capsys.readouterr().out
    assert "stopped early after step 5 of 12 by warming-up (Global.stop_on)" in out
    assert "at the end (step 5)" in out
    assert verdicts(tmp_path / "run") == [(5, "warming-up")]
    assert b'"step": 5' in bytes(read_state(tmp_path / "run" / "latest.pdstate")["progress"])

    assert train(tmp_path, WARMING, stop_on, resume=True) == 0
    out = capsys.readouterr().out
    assert "stopped early after step 5 of 12 by warming-up" in out
    assert ": warming-up: " not in out, "said once"

    assert train(tmp_path, WARMING, resume=True) == 0
    assert "at the end (step 12)" in capsys.readouterr().out
    assert verdicts(tmp_path / "run") == [(5, "warming-up")]


def test_patience_ends_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, STANDING, "Global.patience=2", "Global.eval_batch_step=[0, 3]") == 0
    out = capsys.readouterr().out
    stopped = "stopped early after step 6 of 12 since 2 evaluations without gain over that after"
    assert f"{stopped} step 0 (Global.patience)" in out
    assert "best (step 6)" in out, "of equals the later weights are kept"


class Killed(BaseException):
    """As if the process had ended."""


@pytest.mark.parametrize("step", [6, 9])
def test_a_killed_run_says_and_stops_as_one_that_was_not(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = WARMING, "Global.stop_on=[below-start]"
    assert train(tmp_path / "whole", *options) == 0
    original, calls = trainer_module.train_step, iter(range(1, 100))

    def killed(*arguments: Any, **more: Any) -> Any:
        if next(calls) == step:
            raise Killed
        return original(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(trainer_module, "train_step", killed)
        with pytest.raises(Killed):
            train(tmp_path / "killed", *options)
    (tmp_path / "killed" / "run" / "verdicts.jsonl").open("a").write('{"step": 1')
    assert train(tmp_path / "killed", *options, resume=True) == 0
    wanted = verdicts(tmp_path / "whole" / "run")
    assert wanted[0] == (5, "warming-up")
    assert verdicts(tmp_path / "killed" / "run") == wanted


def test_nan_is_written_down_though_no_row_tells_of_it(tmp_path: Path) -> None:
    rare = "Global.print_batch_step=100", "Global.eval_batch_step=[0,100]"
    assert train(tmp_path, WILD, *rare) == 1
    (last,) = verdicts(tmp_path / "run")
    assert last[1] == "nan"


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("Global.stop_on=[targets-rong]", "Global.stop_on"),
        ("Global.patience=0", "Global.patience"),
    ],
)
def test_wrong_keys_are_refused(
    option: str,
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(main, ["-o", option], part, tmp_path, monkeypatch, capsys)
    assert not (tmp_path / "run").exists()


def test_a_missing_writer_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "visualdl", None)
    refused = ["-o", "Global.use_visualdl=true"], "pip install '.[visualdl]' in the clone"
    assert_refused(main, *refused, tmp_path, monkeypatch, capsys)
    assert not (tmp_path / "run").exists()
