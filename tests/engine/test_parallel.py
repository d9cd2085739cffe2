"""Several processes: they train as one, one of them speaks, and what ends one ends all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import paddle
import pytest

from ppocr_ft.commands.train.cli import main
from ppocr_ft.engine.checkpoints import read_state
from tests.support import ROOT
from tests.support.pictures import text
from tests.support.processes import TEAM_WORKER, TIMEOUT_S, environment, team
from tests.support.same_run import assert_same_run, figures
from tests.support.small_run import IMAGES, small_config
from tests.support.team_worker import Outcome, Scenario

pytestmark = pytest.mark.slow

needs_gloo = pytest.mark.skipif(
    not hasattr(paddle.base.core, "ProcessGroupGloo"), reason="this Paddle has no gloo"
)
EVEN = 8
"""Images that two processes share evenly: 3 epochs of 2 steps, batches of 2 in each process."""
STEPS = 6
ACCUMULATED = "Optimizer.gradient_accumulation_steps=2"
RICH = [
    "Global.use_ema=true",
    "Optimizer={name: AdamW, gradient_accumulation_steps: 2, lr: {name: Const, learning_rate: "
    "0.002}, param_groups: [{match: '^backbone', freeze_epochs: 1}, {match: '.'}]}",
]
STANDING = "Optimizer={name: AdamW, weight_decay: 0, lr: {name: Const, learning_rate: 1.0e-12}}"
Outcomes = list[dict[str, Outcome]]
"""By rank and scenario."""


def scenario(
    root: Path, name: str, event: str = "none", rank: int = 1, call: int = 2, images: int = EVEN
) -> Scenario:
    (root / name).mkdir()
    arguments = ["-c", str(small_config(root / name, images, fit=name == "whole"))]
    return {"name": name, "arguments": arguments, "event": event, "rank": rank, "call": call}


def with_faults(made: Scenario) -> Scenario:
    """An image that is none, and a line that is none."""
    folder = Path(made["arguments"][1]).parent
    (folder / "1.png").write_bytes(b"no picture")
    with (folder / "label.txt").open("a") as file:
        file.write("no delimiter\n")
    return made


def scenarios(root: Path) -> list[Scenario]:
    stopped = scenario(root, "stopped", "terminated", call=3)
    resumed = [*stopped["arguments"], "--resume"]
    rich, wrong = scenario(root, "rich"), scenario(root, "wrong config")
    early = scenario(root, "early")
    early["arguments"] += ["-o", "Global.patience=1", STANDING]
    rich["arguments"] += ["-o", *RICH]
    wrong["arguments"] += ["-o", "Global.nonsense=1"]
    return [
        scenario(root, "whole"),
        stopped,
        {**stopped, "name": "resumed", "arguments": resumed, "event": "none"},
        scenario(root, "bad data", "bad data"),
        scenario(root, "crashed", "crashed"),
        scenario(root, "full disk", "full disk", rank=0, call=3),
        scenario(root, "nan", "nan"),
        with_faults(scenario(root, "faults", images=IMAGES)),
        scenario(root, "other start", "other start"),
        rich,
        early,
        wrong,
        scenario(root, "killed", "killed"),  # the last: nothing comes after
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("team")


@pytest.fixture(scope="module")
def outcomes(root: Path) -> Outcomes:
    """All scenarios, one after the other in the same two processes."""
    (root / "scenarios.json").write_text(json.dumps(scenarios(root)))
    worker, plan = str(TEAM_WORKER), str(root / "scenarios.json")
    first, second = team(2, worker, plan, str(root))
    assert first.returncode == 0, first.stderr
    assert second.returncode == -signal.SIGKILL, second.stderr
    return [json.loads((root / f"{rank}.json").read_text()) for rank in range(2)]


def trained(run: Path) -> list[dict[str, str]]:
    return [row for row in figures(run) if row["kind"] == "train"]


@needs_gloo
def test_two_processes_are_one_that_accumulates_both_their_batches(
    outcomes: Outcomes, root: Path, tmp_path: Path
) -> None:
    """Losses, gradients and weights, though DBLoss is no mean over images; the statistics of
    batch norms that aren't frozen are averages of another kind."""
    assert main(["-c", str(small_config(tmp_path, EVEN)), "-o", ACCUMULATED]) == 0
    ours, wanted = root / "whole" / "run", tmp_path / "run"
    assert len(trained(ours)) == STEPS
    for row, other in zip(trained(ours), trained(wanted), strict=True):
        for name in ("loss", "loss_shrink_maps", "grad_norm", "lr", "shrink_ratio"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-5), name
    states = [read_state(run / "latest.pdstate") for run in (ours, wanted)]
    for key, value in states[1].items():
        if key.startswith("network/") and not key.endswith(("._mean", "._variance")):
            np.testing.assert_allclose(states[0][key], value, atol=1e-5, err_msg=key)


@needs_gloo
def test_the_copies_of_the_network_stay_equal_bit_for_bit(outcomes: Outcomes) -> None:
    """Statistics included; with frozen groups, an average of the weights and accumulation too."""
    first, second = outcomes
    assert len(first["rich"]["digests"]) == 3
    for name in second:
        assert first[name]["digests"] == second[name]["digests"], name
    assert len(set(first["whole"]["digests"])) == STEPS
    assert first["other start"]["digests"] == first["whole"]["digests"], "process 0's weights"


@needs_gloo
def test_all_hear_the_verdict_on_every_image(outcomes: Outcomes) -> None:
    for process in outcomes:
        assert process["whole"]["judged_images"] == [EVEN] * 3
        assert process["faults"]["judged_images"] == [IMAGES - 1] * 3


@needs_gloo
def test_process_0_writes_and_speaks_for_all(outcomes: Outcomes, root: Path) -> None:
    first, second = outcomes
    for name in second:
        assert (second[name]["out"], second[name]["err"]) == ("", ""), name
        assert second[name]["ended"] == first[name]["ended"] or name == "crashed"
    out = first["whole"]["out"]
    assert "device: CPU for each of 2 processes" in out
    assert "steps of 4 images (batches of 2 x 2 processes)" in out
    for step in range(1, STEPS + 1):
        assert out.count(f" step {step}/{STEPS} ") == 1
    assert {path.name for path in (root / "whole" / "run").iterdir()} == {
        "config.resolved.yml", "metrics.csv", "train.log", "verdicts.jsonl",
        "best_accuracy.pdparams", "latest.pdparams", "latest.pdstate", "iter_epoch_2.pdparams",
        "previous.pdstate", "latest_metrics.csv",
        "val_before.jpg", "val_best.jpg", "before_after.jpg",
        "evaluations", "data.json", "environment.json", "weights.json",
        "report.html", "results.png",
        "fitted.yml", "fit_postprocess.csv", "fit_postprocess.json", "heatmap.png",
    }  # fmt: skip


@needs_gloo
def test_process_0_ends_the_run_early_for_all(outcomes: Outcomes, root: Path) -> None:
    early = [each["early"] for each in outcomes]
    assert [each["ended"] for each in early] == [0, 0]
    assert [len(each["digests"]) for each in early] == [5, 5]
    assert "stopped early after step 5 of 6 since 1 evaluation without gain" in early[0]["out"]
    assert (root / "early" / "run" / "latest.pdstate").exists()


@needs_gloo
def test_a_signal_to_one_stops_all_after_the_same_step(outcomes: Outcomes, root: Path) -> None:
    """The launcher sends it more than once; what is saved, once, the run goes on from exactly."""
    stopped = [each["stopped"] for each in outcomes]
    assert [each["ended"] for each in stopped] == [143, 143]
    assert [len(each["digests"]) for each in stopped] == [3, 3]
    assert stopped[0]["out"].count("stopped by SIGTERM after step 3") == 1
    assert "paddle.distributed.launch" in stopped[0]["out"]
    assert "goes on after step 3" in outcomes[0]["resumed"]["out"]
    assert_same_run(root / "stopped" / "run", root / "whole" / "run")


@needs_gloo
@pytest.mark.parametrize(
    ("name", "ended", "said"),
    [
        ("bad data", [2, 2], "label.txt:3: is bad"),
        ("wrong config", [2, 2], "Global.nonsense: unknown key"),
        ("full disk", [1, 1], "No space left on device; the last good checkpoint is"),
        ("crashed", [1, "ZeroDivisionError('made up')"], "ZeroDivisionError: made up"),
    ],
)
def test_an_error_of_one_ends_all_and_is_said_once(
    name: str, ended: list[int | str], said: str, outcomes: Outcomes
) -> None:
    assert [each[name]["ended"] for each in outcomes] == ended
    assert outcomes[0][name]["err"].count(said) == 1
    assert "Traceback" not in outcomes[0][name]["err"]


@needs_gloo
def test_a_nan_in_one_leaves_the_step_out_in_all(outcomes: Outcomes, root: Path) -> None:
    digests = outcomes[0]["nan"]["digests"]
    assert digests[1] == digests[0], "as before the step, statistics included"
    assert digests[2] != digests[1]
    assert [row["skipped_steps"] for row in trained(root / "nan" / "run")] == list("011111")
    assert outcomes[0]["nan"]["out"].count("step 2: NaN") == 1


@needs_gloo
def test_what_is_wrong_with_any_share_of_the_data_is_said_once(outcomes: Outcomes) -> None:
    """7 images are no even share, either: both processes make the same steps."""
    out = outcomes[0]["faults"]["out"]
    assert outcomes[0]["faults"]["ended"] == 0
    for what in ("epoch 1: 2 bad samples", "evaluation: 2 bad samples"):
        assert out.count(what) == 1
        assert "label.txt:2: " in out.partition(what)[2]
        assert "label.txt:8: " in out.partition(what)[2]


@needs_gloo
def test_a_process_that_is_killed_ends_the_others(outcomes: Outcomes) -> None:
    killed = outcomes[0]["killed"]
    assert killed["ended"] == 1
    assert killed["err"].count("stopped: process 1 has ended without a word") == 1
    assert len(killed["digests"]) == 1
    assert "killed" not in outcomes[1]


def write_pages(folder: Path, name: str, count: int, seed: int) -> None:
    """``name``.txt: dark pages of 120 x 90 px with two bright bars each, the texts."""
    rng = np.random.default_rng(seed)
    lines = []
    for index in range(count):
        page, texts = rng.normal(60, 12, (90, 120, 3)), []
        for top in (8, 50):
            w, h = int(rng.integers(40, 65)), int(rng.integers(14, 20))
            x, y = int(rng.integers(5, 45)), top + int(rng.integers(0, 12))
            page[y : y + h, x : x + w] += rng.integers(100, 180)
            texts.append(text("a", x, y, w, h))
        cv2.imwrite(str(folder / f"{name}{index}.png"), page.clip(0, 255).astype(np.uint8))
        lines.append(f"{name}{index}.png\t{json.dumps(texts)}\n")
    (folder / f"{name}.txt").write_text("".join(lines))


def fine_tuning(folder: Path, name: str, *more: str) -> list[str]:
    """Arguments of a run that learns from ``train.txt`` and is judged on 96 texts."""
    maps = ("MakeBorderMap", "MakeShrinkMap")
    return [
        *("-c", str(folder / "c.yml"), "-o", f"Global.save_model_dir={folder / name}"),
        *(f"Train.dataset.transforms.{each}.shrink_ratio_end=0.4" for each in maps),
        "Train.dataset.transforms.ScaledCrop.size=[96,64]",
        f"Train.dataset.label_file_list=[{folder / 'train.txt'}]",
        f"Eval.dataset.label_file_list=[{folder / 'val.txt'}]",
        "Global.eval_batch_step=[0,1000]",
        "PostProcess.unclip_ratio=1.2",
        *more,
    ]


def judged(run: Path) -> dict[tuple[str, str], tuple[float, float]]:
    """hmean at IoU 0.5 and 0.7 by step and unclip ratio."""
    rows = [row for row in figures(run) if row["kind"] == "eval"]
    return {
        (row["step"], row["unclip_ratio"]): (float(row["hmean"]), float(row["hmean_70"]))
        for row in rows
    }


@needs_gloo
def test_hmean_is_that_of_one_process_with_the_same_total_batch(tmp_path: Path) -> None:
    """A fine-tune of a small pretrained network with frozen statistics, by the real launcher."""
    small_config(tmp_path)
    write_pages(tmp_path, "train", 16, seed=0)
    write_pages(tmp_path, "val", 48, seed=1)
    rate, start = "Optimizer.lr.learning_rate=0.01", "Global.pretrained_model"
    four = "Train.loader.batch_size_per_card=4"
    few, long = "Eval.dataset.ratio_list=0.1", "Global.epoch_num=30"
    assert main(fine_tuning(tmp_path, "pretrained", long, rate, four, few)) == 0
    tuned = ["Global.epoch_num=6", f"{start}={tmp_path}/pretrained/latest.pdparams"]
    assert main(fine_tuning(tmp_path, "one", *tuned, four)) == 0
    launcher = [
        *(sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"),
        *("--backend", "gloo", "--log_dir", str(tmp_path / "log")),
    ]
    done = subprocess.run(
        [*launcher, str(ROOT / "tools/train.py"), *fine_tuning(tmp_path, "two", *tuned)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = judged(tmp_path / "one"), judged(tmp_path / "two")
    assert one.keys() == two.keys()
    at_start = [key for key in one if key[0] == "0"]
    assert [two[key] for key in at_start] == [one[key] for key in at_start], "every image once"
    assert one["24", "1.2"][1] > one["0", "1.2"][1] + 0.2, "there was something to learn"
    # each process has a Dice of its own batch; a missed text of the 48 is 0.0104
    assert two["24", "1.2"][0] == pytest.approx(one["24", "1.2"][0], abs=0.025)
    assert (tmp_path / "log" / "workerlog.1").read_text() == ""
