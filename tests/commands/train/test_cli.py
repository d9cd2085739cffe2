"""`train`: what it leaves, killed and resumed, stopped, and every way a user can get it wrong."""

from __future__ import annotations

import errno
import html
import json
import os
import re
import shlex
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppocr_ft.commands.find_lr.cli import main as find_lr
from ppocr_ft.commands.train.cli import main, options_of
from ppocr_ft.config import load_config
from ppocr_ft.engine import trainer as trainer_module
from ppocr_ft.errors import ConfigError
from ppocr_ft.weights import read_weights
from tests.support.processes import holder, python
from tests.support.same_run import assert_same_run, calling, figures
from tests.support.small_run import STEPS, STEPS_PER_EPOCH, assert_refused, small_config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run from beginning to end."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(["-c", str(small_config(folder, fit=True))]) == 0
    return folder / "run"


def test_leaves_its_files(whole_run: Path) -> None:
    left = {path.name for path in whole_run.iterdir()}
    assert left == {
        "config.resolved.yml", "metrics.csv", "train.log", "verdicts.jsonl",
        "best_accuracy.pdparams", "latest.pdparams", "latest.pdstate", "iter_epoch_2.pdparams",
        "previous.pdstate", "latest_metrics.csv",
        "val_before.jpg", "val_best.jpg", "before_after.jpg",
        "evaluations", "weights.json", "data.json", "environment.json",
        "report.html", "results.png",
        "fitted.yml", "fit_postprocess.csv", "fit_postprocess.json", "heatmap.png",
    }  # fmt: skip
    resolved = load_config(whole_run / "config.resolved.yml")
    assert resolved == load_config(whole_run.parent / "c.yml")
    outcome = "No evaluation beat the start: the best weights (step 12) only equal it."
    assert outcome in (whole_run / "fitted.yml").read_text(encoding="utf-8")
    verdict = outcome.replace("equal it.", "equal it, hmean ")
    log = (whole_run / "train.log").read_text(encoding="utf-8")
    assert verdict in re.sub(r"\n\S+ \S+ ", " ", log)
    keys = read_weights(whole_run / "latest.pdparams").keys()
    assert "head.binarize.conv1.weight" in keys


def test_the_environment_names_command_and_machine(whole_run: Path) -> None:
    facts = json.loads((whole_run / "environment.json").read_text(encoding="utf-8"))
    assert facts["command"] == f"{'python ' * sys.argv[0].endswith('.py')}{shlex.join(sys.argv)}"
    assert facts["processor"]
    assert facts["device"] == "cpu"
    assert "gpu" not in facts
    page = (whole_run / "report.html").read_text(encoding="utf-8")
    assert facts["processor"] in html.unescape(page)


def test_metrics_hold_every_step_and_evaluation(whole_run: Path) -> None:
    rows = figures(whole_run)
    trained = [row for row in rows if row["kind"] == "train"]
    assert [int(row["step"]) for row in trained] == list(range(1, STEPS + 1))
    judged = [int(row["step"]) for row in rows if row["kind"] == "eval"]
    assert list(dict.fromkeys(judged)) == [0, 5, 10, 12]
    ratio_by_epoch = {int(row["epoch"]): float(row["shrink_ratio"]) for row in trained}
    assert ratio_by_epoch == pytest.approx({1: 0.4 + 0.2 / 3, 2: 0.4 + 0.4 / 3, 3: 0.6})
    rates = [float(row["lr"]) for row in trained]
    assert rates[:3] == pytest.approx([0, 0.001, 0.002])
    assert float(trained[-1]["loss"]) < float(trained[0]["loss"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_resume(
    number: signal.Signals,
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(small_config(tmp_path))
    with monkeypatch.context() as patched:
        send = calling(7, lambda: signal.raise_signal(number))
        patched.setattr(trainer_module, "train_step", send)
        assert main(["-c", config]) == 128 + number
    out = capsys.readouterr().out
    assert f"stopped by {number.name} after step 7" in out
    assert f"train --resume {tmp_path}/run\n" in out
    assert main(["--resume", str(tmp_path / "run")]) == 0
    assert "goes on after step 7" in capsys.readouterr().out
    assert_same_run(tmp_path / "run", whole_run)


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """SIGINT as a shell's foreground has it; in the background it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("precheck", "nothing was saved yet; the same command begins anew"),
        ("report", "train --resume {run}\n"),
    ],
    ids=["before the first step", "while the page is made"],
)
def test_a_signal_outside_of_the_steps_says_what_is_left(
    place: str,
    words: str,
    number: signal.Signals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent = f"ppocr_ft.commands.train.run.{place}"
    monkeypatch.setattr(sent, lambda _: signal.raise_signal(number))
    config, run = str(small_config(tmp_path)), tmp_path / "run"
    assert main(["-c", config, "-o", "Global.epoch_num=1"]) == 128 + number
    err = capsys.readouterr().err
    assert words.format(run=run) in err
    last = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM"}
    assert err.splitlines()[-1] == last[number]
    assert not (run / ".lock").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("moved", [False, True])
def test_a_resumed_run_says_that_labels_have_changed(
    moved: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    assert main(["-c", config, "-o", "Global.epoch_num=1"]) == 0
    labels = tmp_path / "label.txt"
    text = labels.read_text()
    changed = text.replace("[[20", "[[21") if moved else f"{text}\n"
    assert changed != text
    labels.write_text(changed)
    capsys.readouterr()
    assert main(["-c", config, "--resume", "--force", "-o", "Global.epoch_num=2"]) == 0
    said = "Train's labels have changed since the run began" in capsys.readouterr().out
    assert said == moved


def test_a_finished_run_resumed_only_says_its_result(
    whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = figures(whole_run)
    assert main(["-c", str(whole_run.parent / "c.yml"), "--resume"]) == 0
    out = capsys.readouterr().out
    assert "goes on after step 12: the run is finished; to train on, raise Global.epoch_num" in out
    assert "best weights" in out
    assert figures(whole_run) == before


def test_a_new_run_in_the_folder_of_another_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    short = ["-c", config, "-o", "Global.epoch_num=1"]
    assert main(short) == 0
    (tmp_path / "run" / "notes.txt").write_text("mine")
    first = (tmp_path / "run" / "best_accuracy.pdparams").read_bytes()
    assert main([*short, "Global.seed=6"]) == 0
    assert "an earlier run's files are now in" in capsys.readouterr().out
    aside = tmp_path / "run" / "earlier_1"
    assert (aside / "best_accuracy.pdparams").read_bytes() == first
    assert (tmp_path / "run" / "best_accuracy.pdparams").read_bytes() != first
    assert (tmp_path / "run" / "notes.txt").exists()


def test_runs_number_their_folders_and_latest_is_the_newest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    folder = f"Global.save_model_dir={tmp_path}/runs/run{{n}}"
    numbered = ["-c", config, "-o", "Global.epoch_num=1", "Global.fit_postprocess=false", folder]
    assert main(["--resume", *numbered]) == 2
    assert "no such folder yet" in capsys.readouterr().err
    assert main(numbered) == 0
    assert main(numbered) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["latest", "run1", "run2"]
    assert (tmp_path / "runs" / "latest").resolve() == (tmp_path / "runs" / "run2").resolve()
    assert load_config(tmp_path / "runs/run1/config.resolved.yml").Global.save_model_dir == str(
        tmp_path / "runs" / "run1"
    )
    capsys.readouterr()
    assert main(["--resume", *numbered]) == 0
    assert main(["--resume", str(tmp_path / "runs" / "run1"), *numbered]) == 0
    assert capsys.readouterr().out.count("the run is finished") == 2
    assert not (tmp_path / "runs" / "run3").exists()


def test_three_nans_in_a_row_stop_the_run_and_name_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    wild = "Optimizer={name: Momentum, momentum: 0, lr: {name: Const, learning_rate: 1.0e+30}}"
    assert main(["-c", config, "-o", wild, "Global.eval_batch_step=[0,100]"]) == 1
    out = capsys.readouterr().out
    assert "NaN or infinite" in out
    assert "latest.pdstate (step 0)" in out


def test_a_disk_that_fills_up_loses_no_earlier_checkpoint(
    whole_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(small_config(tmp_path))

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        fill_up = calling(7, lambda: patched.setattr(os, "fsync", full))
        patched.setattr(trainer_module, "train_step", fill_up)
        assert main(["-c", config]) == 1
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert "latest.pdstate (step 5)" in err
    assert main(["-c", config, "--resume"]) == 0
    assert_same_run(tmp_path / "run", whole_run)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--resume", "nowhere"], "nowhere: does not exist; give the folder of a run"),
        (["--resume", "."], "holds no latest.pdstate"),
        (["--resume"], "latest.pdstate: does not exist, so there is nothing to resume"),
        (["--resume", "run/best_accuracy.pdparams"], "best_accuracy.pdparams: does not exist"),
        (["--resume", "c.yml"], "holds weights only"),
        (["-o", "Train.loader.drop_last=true", "Train.loader.batch_size_per_card=8"], "no batch"),
        (["-o", "Global.save_model_dir=c.yml/run"], "Global.save_model_dir: c.yml/run can't be"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    more: list[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(main, more, part, tmp_path, monkeypatch, capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_said_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert main(["-c", config]) == 2
    assert "can't be written to" in capsys.readouterr().err


def test_a_resume_with_other_data_is_refused(
    whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-c", str(whole_run.parent / "c.yml"), "--resume", "--force"]
    assert main([*arguments, "-o", "Train.loader.batch_size_per_card=1"]) == 2
    assert f"{STEPS_PER_EPOCH} as steps per epoch, this one has 7" in capsys.readouterr().err
    assert main([*arguments, "-o", "Global.seed=6"]) == 2
    assert "latest.pdstate" in capsys.readouterr().err
    assert main([*arguments, "-o", "Architecture.Neck.out_channels=48"]) == 2
    assert "another network" in capsys.readouterr().err


def test_other_values_are_listed_and_bending_ones_need_force(
    whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = figures(whole_run)
    resolved = (whole_run / "config.resolved.yml").read_bytes()
    arguments = ["--resume", str(whole_run), "-o", "Optimizer.lr.learning_rate=0.001"]
    assert main([*arguments, "Global.print_batch_step=2", "Global.epoch_num=4"]) == 2
    err = capsys.readouterr().err
    assert "  Optimizer.lr.learning_rate: 0.001, the run's 0.002\n" in err
    assert "  Global.epoch_num: 4, the run's 3\n" in err
    assert "print_batch_step" not in err
    assert (whole_run / "config.resolved.yml").read_bytes() == resolved
    assert main(["--resume", str(whole_run), "-o", "Global.epoch_num=2", "--force"]) == 2
    err = capsys.readouterr().err
    assert "Global.epoch_num: found 2, which are 8 steps; the run has already done 12" in err
    assert (whole_run / "config.resolved.yml").read_bytes() == resolved
    assert main(["--resume", str(whole_run), "-o", "Global.print_batch_step=2"]) == 0
    assert "  Global.print_batch_step: 2, the run's 1" in capsys.readouterr().out
    (whole_run / "config.resolved.yml").write_bytes(resolved)
    assert figures(whole_run) == before


@pytest.mark.parametrize(
    ("before", "now", "images", "overrides", "said"),
    [
        (1, 2, 8, ["Train.loader.batch_size_per_card=1"], ""),
        (2, 1, 8, ["Optimizer.gradient_accumulation_steps=2"], ""),
        (1, 2, 8, [], "2 processes with 2 images each would make other steps, .*; set it to 1"),
        (1, 3, 9, [], "3 processes with 2 images each would .*; go on with 1"),
        (
            1,
            2,
            7,
            ["Train.loader.batch_size_per_card=1"],
            "7 images .* shared evenly by 2",
        ),
        (2, 1, 7, ["Train.loader.batch_size_per_card=4"], "can't be shared evenly .* go on with 2"),
    ],
)
def test_another_number_of_processes_goes_on_with_the_same_steps_only(
    before: int, now: int, images: int, overrides: list[str], said: str, tmp_path: Path
) -> None:
    from ppocr_ft.commands.train.run import check_same_run

    path, run = small_config(tmp_path), tmp_path / "run"
    run.mkdir()
    (run / "config.resolved.yml").write_text(load_config(path).to_yaml())
    (run / "data.json").write_text(json.dumps({"images_per_epoch": images}))
    (run / "environment.json").write_text(json.dumps({"processes": before}))
    config, state = load_config(path, overrides), run / "latest.pdstate"
    if said:
        with pytest.raises(ConfigError, match=said):
            check_same_run(config, state, now, force=False)
        check_same_run(config, state, now, force=True)
    else:
        assert "1 key other than the run's:" in check_same_run(config, state, now, force=False)
    other = load_config(path, [*overrides, "Optimizer.lr.learning_rate=0.5"])
    with pytest.raises(ConfigError, match=r"learning_rate: 0\.5"):
        check_same_run(other, state, before, force=False)


def test_a_config_of_another_folder_does_not_go_on_with_the_run(
    whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(whole_run.parent / "c.yml")
    other = f"Global.save_model_dir={whole_run.parent}/other"
    assert main(["-c", config, "--resume", str(whole_run), "-o", other]) == 2
    assert f"the run to go on with is in {whole_run}" in capsys.readouterr().err


def test_a_second_run_in_the_folder_is_refused_and_nothing_moves(
    whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(whole_run.parent / "c.yml")
    with holder(whole_run) as first:
        before = {path.name for path in whole_run.iterdir()}
        for arguments in (["-c", config], ["-c", config, "--resume"], ["--resume", str(whole_run)]):
            assert main(arguments) == 2
            err = capsys.readouterr().err
            assert f"Global.save_model_dir: {whole_run} is in use: process {first.pid} on" in err
        assert find_lr(["-c", config]) == 2
        assert f"process {first.pid}" in capsys.readouterr().err
        assert {path.name for path in whole_run.iterdir()} == before
        first.kill()


def test_without_a_config_or_a_run_the_command_says_what_is_needed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in ([], ["--resume"]):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        assert "-c FILE or --model NAME is required, or --resume FOLDER" in capsys.readouterr().err


def test_a_released_models_name_picks_its_config(capsys: pytest.CaptureFixture[str]) -> None:
    for model, file in (
        ("PP-OCRv6_small_det", "det_v6_small_ft"),
        ("PP-OCRv4_mobile_det", "det_v4_ft"),
    ):
        options = options_of(["--model", model, "-o", "Global.seed=3"])
        assert Path(options.config).name == f"{file}.yml"
        assert load_config(options.config).Global.model_name == model
        assert f"{file}.yml, which comes with the package" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "PP-OCRv6_smal_det"], "did you mean 'PP-OCRv6_small_det'?"),
        (["--model", "PP-OCRv7_small_det"], "is for 'PP-OCRv7_small_det'; known: PP-OCRv3_mobile_"),
        (["--model", "PP-OCRv6_tiny_det", "-c", "x.yml"], "-c and --model both name a config"),
    ],
)
def test_a_model_that_has_no_config_or_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert "--resume" in out
    assert "exit codes" in out


QUIET = """
import sys
from ppocr_ft.commands.common import in_numbered_folder
from ppocr_ft.config import load_config
config = load_config(sys.argv[1], [f"Global.save_model_dir={sys.argv[2]}/run{{n}}"])
print(in_numbered_folder(config).Global.save_model_dir)
"""


def test_counting_run_folders_prints_nothing_of_a_library(
    tmp_path: Path,
) -> None:
    """It imports paddle, which warns where ccache is not installed."""
    done = python("-c", QUIET, str(small_config(tmp_path)), str(tmp_path))
    assert (done.stdout, done.stderr) == (f"{tmp_path}/run1\n", "")
