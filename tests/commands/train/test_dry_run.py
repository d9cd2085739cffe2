"""``train --dry-run``: the run's rates and shrink ratio, drawn and written before it begins."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.train.cli import main
from ppocr_ft.commands.train.dry_run import KeyStep, RunSchedule, schedule_csv, schedule_png
from ppocr_ft.config import load_config
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.runs.folder import resume_hint
from ppocr_ft.weights import save_trained
from tests.support.small_run import STEPS, STEPS_PER_EPOCH, small_config, starting_weights

pytestmark = pytest.mark.slow

SGD = "Optimizer.name=Momentum"
STEPPED = (
    "Optimizer.lr={name: MultiStepDecay, learning_rate: 0.002, milestones: [1], gamma: 0.1, "
    "warmup_steps: 2}"
)
GROUPS = "Optimizer.param_groups=[{match: ^backbone, lr_mult: 0.1, freeze_epochs: 2}, {match: ''}]"


def dry(config: Path, *overrides: str) -> int:
    return main(["-c", str(config), "--dry-run", *(["-o", *overrides] if overrides else [])])


def test_weights_out_of_reach_are_done_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Port 9 of this machine answers nobody."""
    config = small_config(tmp_path)
    assert dry(config, "Global.pretrained_model=http://127.0.0.1:9/a.pdparams") == 0
    out = capsys.readouterr().out
    assert "Global.pretrained_model: http://127.0.0.1:9/a.pdparams: can't be reached" in out
    assert "download it elsewhere and name the file instead" in out
    drawn = (tmp_path / "run" / "schedule.csv").read_bytes()
    assert dry(config) == 0
    assert (tmp_path / "run" / "schedule.csv").read_bytes() == drawn


@pytest.mark.parametrize("where", ["other", "other/latest", "other/best_accuracy.pdparams"])
def test_a_run_that_could_go_on_is_named(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(small_config(tmp_path))
    other = tmp_path / "other"
    for name in ("latest", "best_accuracy"):
        save_trained(
            starting_network(config)[0],
            other / f"{name}.pdparams",
            config.Architecture.arguments(),
        )
    checkpoint = f"Global.checkpoints={tmp_path / where}"
    assert dry(tmp_path / "c.yml", checkpoint) == 0
    assert "--resume" not in capsys.readouterr().out
    (other / "latest.pdstate").touch()
    assert dry(tmp_path / "c.yml", checkpoint) == 0
    assert f"--resume {other} goes on with that run" in capsys.readouterr().out


def test_a_run_that_was_moved_aside_is_named_where_it_is_now(tmp_path: Path) -> None:
    run, aside = tmp_path / "run", tmp_path / "run" / "earlier_1"
    aside.mkdir(parents=True)
    (aside / "latest.pdstate").touch()
    config = load_config(small_config(tmp_path), [f"Global.checkpoints={run}/latest"])
    assert resume_hint(config) == []
    (hint,) = resume_hint(config, aside)
    assert f"--resume {aside} " in hint


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def by_step(path: Path, column: str) -> dict[int, float]:
    return {int(row["step"]): float(row[column]) for row in rows(path)}


def test_table_and_key_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warm-up of 2 steps; a milestone after 1 epoch, moved back by the warm-up's one."""
    assert dry(small_config(tmp_path), SGD, STEPPED, GROUPS) == 0
    table = tmp_path / "run" / "schedule.csv"
    first, *_ = found = rows(table)
    assert [int(row["step"]) for row in found] == list(range(1, STEPS + 1))
    assert [int(row["epoch"]) for row in found] == [1] * 4 + [2] * 4 + [3] * 4
    assert by_step(table, "shrink_ratio") == pytest.approx(
        {step: 0.4 + 0.2 * -(-step // STEPS_PER_EPOCH) / 3 for step in range(1, STEPS + 1)}
    )
    names = [column for column in first if column.startswith("lr/")]
    head = next(name for name in names if "backbone" not in name and "weights" in name)
    bias = next(name for name in names if "backbone" not in name and "biases" in name)
    body = next(name for name in names if name.startswith("lr/backbone") and "weights" in name)
    slow = {9: 2e-4, 12: 2e-4}
    full = {1: 0, 2: 0.001, 3: 0.002, 8: 0.002, **slow}
    assert {step: by_step(table, head)[step] for step in full} == pytest.approx(full)
    warm = {1: 0.02, 2: 0.011, 3: 0.002, **slow}
    assert {step: by_step(table, bias)[step] for step in warm} == pytest.approx(warm)
    late = {8: 0, 9: 2e-5}
    assert {step: by_step(table, body)[step] for step in late} == pytest.approx(late)

    out = capsys.readouterr().out
    for line in (
        "3 epochs x 4 steps = 12 steps",
        "step 3 (epoch 1): the warm-up is over: rate 0.002",
        "step 9 (epoch 3): milestone: rate 0.002 -> 0.0002",
        "step 9 (epoch 3): begins to learn: backbone",
        "step 9 (epoch 3): the shrink ratio's ramp is at its end: 0.6",
        "step 12 (epoch 3): the last one: rate 0.0002",
        "the warm-up moves milestones back by 1 epoch, as in PaddleOCR: the rate falls after "
        "epochs 2; with name: MultiStep it falls after 1",
        "schedule.png and ",
    ):
        assert line in out


@pytest.mark.parametrize("asked", ["3", "auto"])
def test_steps_of_fresh_parts(
    asked: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """3 steps, auto's longest of 12; a warm-up of 2; a cosine that is so much shorter."""
    start = f"Global.pretrained_model={starting_weights(tmp_path)}"
    keys = (f"Optimizer.fresh_first={asked}", "Optimizer.fresh_lr_mult=5", start)
    assert dry(tmp_path / "c.yml", *keys) == 0
    table = tmp_path / "run" / "schedule.csv"
    columns = [column for column in rows(table)[0] if column.startswith("lr/")]
    fresh = next(column for column in columns if "head.thresh" in column)
    body = next(column for column in columns if "backbone" in column)
    rate = {1: 0.003, 3: 0.003, 4: 0, 5: 0.005, 6: 0.01}
    assert {step: by_step(table, fresh)[step] for step in rate} == pytest.approx(rate)
    rate = {1: 0, 3: 0, 4: 0, 5: 0.001, 6: 0.002, 12: 0.002 * (1 + np.cos(np.pi * 6 / 9)) / 2}
    assert {step: by_step(table, body)[step] for step in rate} == pytest.approx(rate)
    out = capsys.readouterr().out
    latest = ", at the latest" if asked == "auto" else ""
    assert f"step 4 (epoch 1): all parameters learn{latest}: rate 0\n" in out
    assert "step 6 (epoch 2): the warm-up is over: rate 0.002\n" in out
    length = "until loss_threshold_maps settles, at most 3 steps" if asked == "auto" else "3 steps"
    assert f"fresh parts first: head.thresh alone, {length} at rate 0.003" in out


# Optimizer.lr | what is printed
KEY_STEPS = [
    ("{name: Const, learning_rate: 1e-4}", ["step 12 (epoch 3): the last one: rate 0.0001"]),
    (
        "{name: CosineRestarts, learning_rate: 1e-4, cycle: 1, warmup_steps: 2}",
        ["step 7 (epoch 2): restart: rate 0.0001", "step 11 (epoch 3): restart: rate 0.0001"],
    ),
    ("{name: OneCycle, max_lr: 1e-4}", ["the rate is highest: "]),
    (
        "{name: Const, learning_rate: 1e-4, warmup_steps: 12}",
        ["the warm-up of 12 steps doesn't end in this run"],
    ),
    (
        "{name: ReduceLROnPlateau, learning_rate: 1e-4}",
        ["the rate falls where hmean stops rising, which nobody knows before the run"],
    ),
    (
        "{name: Const, learning_rate: 1e-4, scale_lr: linear, base_batch_size: 4}",
        ["x 2 / 4 (scale_lr: linear", "becomes 5e-05"],
    ),
]


@pytest.mark.parametrize(("lr", "lines"), KEY_STEPS, ids=[lr for lr, _ in KEY_STEPS])
def test_key_steps(
    lr: str, lines: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dry(small_config(tmp_path), f"Optimizer.lr={lr}") == 0
    out = capsys.readouterr().out
    assert not [line for line in lines if line not in out], out


@pytest.mark.slow
def test_a_run_in_the_folder_is_not_disturbed_and_does_what_was_drawn(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    overrides = [SGD, STEPPED, GROUPS, "Global.eval_batch_step=[0,100]"]
    assert main(["-c", str(config), "-o", *overrides]) == 0
    folder = tmp_path / "run"
    files = [path for path in folder.rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    assert dry(config, *overrides) == 0
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert after == before
    new = {path.name for path in folder.rglob("*") if path.is_file() and path not in before}
    assert new == {"schedule.png", "schedule.csv"}

    trained = [row for row in rows(folder / "metrics.csv") if row["kind"] == "train"]
    for drawn, done in zip(rows(folder / "schedule.csv"), trained, strict=True):
        assert {key: float(value) for key, value in drawn.items()} == {
            key: pytest.approx(float(done[key])) for key in drawn
        }


def test_a_dry_run_begins_nothing(tmp_path: Path) -> None:
    assert dry(small_config(tmp_path)) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"schedule.png", "schedule.csv"}


def schedule(
    steps: int = 100, warmup: int = 10, factors: Sequence[float] = (1.0, 0.1)
) -> RunSchedule:
    rates = np.minimum(np.arange(steps) / max(warmup, 1), 1.0)[:, None] * np.array(factors)
    ratios = np.linspace(0.4, 0.6, steps // 10)
    names = [f"group{index}" for index in range(len(factors))]
    return RunSchedule(names, rates, ratios, 10, warmup, [KeyStep(warmup + 1, "warm")])


def pixels(run: RunSchedule) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(schedule_png(run, "title"), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def color_share(picture: np.ndarray, rgb: Sequence[int], columns: slice = slice(None)) -> float:
    part = picture[: picture.shape[0] * 2 // 3, columns]
    return float((np.abs(part.astype(int) - np.array(rgb[::-1])).max(axis=2) < 8).mean())


BLUE, ORANGE = (31, 119, 180), (255, 127, 14)
LEFT = slice(90, 400)


def test_each_rate_has_its_line_and_a_short_warm_up_its_own_axes() -> None:
    picture = pixels(schedule())
    assert color_share(picture, BLUE, LEFT) > 0.001
    assert color_share(picture, ORANGE, LEFT) > 0.001
    assert color_share(pixels(schedule(factors=(1.0, 1.0))), ORANGE) == 0, "one line, not two"
    height, width, _ = picture.shape
    assert width > 1200
    assert height > 800


@pytest.mark.parametrize(
    "run",
    [
        schedule(warmup=0),
        schedule(warmup=90),
        schedule(warmup=1),
        schedule(10, 2),
        schedule(factors=(1.0, 1e-4)),
        schedule(factors=(0.0,)),
        schedule(20_000, 30, factors=tuple(np.linspace(0.1, 3, 14))),
    ],
    ids=["no warm-up", "long", "one step", "one epoch", "far apart", "frozen", "many"],
)
def test_any_run_can_be_drawn(run: RunSchedule) -> None:
    assert pixels(run).std() > 5


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_run_of_one_step_is_a_dot_without_a_warning(warmup: int) -> None:
    run = RunSchedule(["all"], np.full((1, 1), 1e-3), np.array([0.4]), 1, warmup, [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert color_share(pixels(run), BLUE) > 1e-5


def test_the_tables_numbers_are_float32s() -> None:
    text = schedule_csv(schedule(10, 3))
    assert text.splitlines()[:3] == [
        "step,epoch,shrink_ratio,lr/group0,lr/group1",
        "1,1,0.4,0,0",
        "2,1,0.4,0.333333333,0.0333333333",
    ]


def test_not_together_with_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["-c", str(small_config(tmp_path)), "--dry-run", "--resume"])
    assert exit_.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_wrong_input_leaves_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = "Optimizer.param_groups=[{match: bakbone}, {match: ''}]"
    assert dry(small_config(tmp_path), groups) == 2
    err = capsys.readouterr().err
    assert "Optimizer.param_groups[0].match: 'bakbone': matches nothing" in err
    assert not (tmp_path / "run").exists()
