"""`compare`: each arm as if it had run alone, none run twice, none lost; faults before any run."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from ppocr_ft.commands.compare import fingerprint
from ppocr_ft.commands.compare import run as compare_module
from ppocr_ft.commands.compare.cli import main
from ppocr_ft.commands.compare.fingerprint import run_fingerprint
from ppocr_ft.commands.compare.run import plan, training_minutes
from ppocr_ft.commands.compare.variants import Arm, load_arms, parse_arm
from ppocr_ft.commands.train import cli as train
from ppocr_ft.engine import trainer as trainer_module
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.errors import ConfigError
from ppocr_ft.runs.eval_runner import EvalRunner
from tests.support.same_run import assert_same_run, calling
from tests.support.small_run import STEPS_PER_EPOCH, small_config

pytestmark = pytest.mark.slow

AS_IT_IS = "as it is:"
SGD = "SGD: Optimizer.name=Momentum Optimizer.lr.learning_rate=1e-2"
WILD = "wild: 'Optimizer={name: Momentum, momentum: 0, lr: {name: Const, learning_rate: 1.0e+30}}'"
EPOCHS = 2
SHRINK = "Train.dataset.transforms.{}.shrink_ratio_end=0.5"


def arguments(folder: Path, *arms: str, more: Sequence[str] = ()) -> list[str]:
    """The command on the config in ``folder``, its runs in ``folder``/out."""
    named = [word for arm in arms for word in ("--arm", arm)]
    out = ["-o", f"Global.save_model_dir={folder / 'out'}"]
    return ["-c", str(folder / "c.yml"), *named, "--epochs", str(EPOCHS), *more, *out]


def run_folder(folder: Path, name: str) -> Path:
    (found,) = (folder / "out").glob(f"{name}-seed*")
    return found


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three arms, the last of which diverges."""
    folder = tmp_path_factory.mktemp("compared")
    small_config(folder)
    assert main(arguments(folder, SGD, AS_IT_IS, WILD)) == 0
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train`, with the same config."""
    folder = tmp_path_factory.mktemp("alone")
    config = small_config(folder)
    assert train.main(["-c", str(config), "-o", f"Global.epoch_num={EPOCHS}"]) == 0
    return folder / "run"


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("SGD: a.b=1 c.d=2", Arm("SGD", ("a.b=1", "c.d=2"))),
        ("as it is:", Arm("as it is")),
        ("lr=1e-3: a.b=1e-3", Arm("lr=1e-3", ("a.b=1e-3",))),
        ("all: 'a={b: 1, c: 2}'", Arm("all", ("a={b: 1, c: 2}",))),
        ("lines: a.b=1\n   c.d=2", Arm("lines", ("a.b=1", "c.d=2"))),
    ],
)
def test_arms_are_read_as_a_shell_would(text: str, arm: Arm) -> None:
    assert parse_arm(text) == arm


@pytest.mark.parametrize("text", ["Optimizer.name=Adam", ": a.b=1", "", "a: 'b.c=1"])
def test_an_arm_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="--arm: found"):
        parse_arm(text)


def test_leaves_table_figures_and_picture(
    compared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = compared / "out"
    text = (out / "compare.md").read_text()
    for part in (
        "| SGD ",
        "| as it is ",
        "diverged (seed 5)",
        "wild, seed 5, diverged: the losses",
    ):
        assert part in text
    assert "SGD: `Optimizer.name=Momentum Optimizer.lr.learning_rate=1e-2`" in text
    with (out / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    last = {row["arm"]: row["step"] for row in rows if row["evaluation"] == "last"}
    assert last == {"SGD": "8", "as it is": "8", "wild": "0"}
    assert (out / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_an_arm_is_the_run_that_train_would_make_alone(compared: Path, alone: Path) -> None:
    """Though its start was taken from the arm before it and other networks were there first."""
    arm = run_folder(compared, "as_it_is")
    assert_same_run(arm, alone)
    for name in ("val_before.jpg", "val_best.jpg", "before_after.jpg"):
        assert (arm / name).read_bytes() == (alone / name).read_bytes()


def test_one_start_is_evaluated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All diverge before their second evaluation; two have one start, the third another."""
    small_config(tmp_path)
    calls = []
    original = EvalRunner._evaluate

    def counted(runner: EvalRunner) -> EvalResult:
        calls.append(1)
        return original(runner)

    monkeypatch.setattr(EvalRunner, "_evaluate", counted)
    wilder, judged_otherwise = f"{WILD} Global.print_batch_step=2", "PostProcess.box_thresh=0.2"
    arms = [
        WILD,
        wilder.replace("wild", "wilder"),
        f"{wilder} {judged_otherwise}".replace("wi", "ki"),
    ]
    assert main(arguments(tmp_path, *arms)) == 0
    assert len(calls) == 2
    first, second = (run_folder(tmp_path, name) / "val_before.jpg" for name in ("wild", "wilder"))
    assert first.read_bytes() == second.read_bytes()
    first.unlink()  # as if it had been killed before it drew its pictures
    assert main(arguments(tmp_path, f"third{WILD} Global.print_batch_step=3")) == 0
    assert len(calls) == 3
    assert (run_folder(tmp_path, "thirdwild") / "val_before.jpg").exists()


def test_called_again_it_runs_nothing_and_says_the_same(
    compared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("compare.md", "compare.csv", "compare.png")
    before = [(compared / "out" / name).read_bytes() for name in names]

    def never(*args: object) -> None:
        raise AssertionError("nothing is to be built or run")

    for name in ("prepare", "training"):
        monkeypatch.setattr(compare_module, name, never)
    assert main(arguments(compared, SGD, AS_IT_IS, WILD)) == 0
    assert capsys.readouterr().out.count("finished before") == 3
    assert [(compared / "out" / name).read_bytes() for name in names] == before


def test_a_new_name_for_a_finished_run_does_not_run_it(
    compared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare_module, "training", None)
    assert main(arguments(compared, "other name: Train.loader.num_workers=0")) == 0
    out = capsys.readouterr().out
    assert f"finished before {run_folder(compared, 'as_it_is')}" in out
    assert "\nother name  " in out


def test_a_run_by_other_sources_is_said(
    compared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare_module, "code_digest", lambda: "another")
    assert main(arguments(compared, SGD)) == 0
    assert "begun by other sources of ppocr_ft; to run it anew, delete" in capsys.readouterr().out


def first_training_row(path: Path) -> str:
    return next(row for row in path.read_text().splitlines() if row.startswith("train,"))


def test_seeds_are_runs_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_config(tmp_path)
    shrink = " ".join(SHRINK.format(name) for name in ("MakeBorderMap", "MakeShrinkMap"))
    more = ["--seeds", "2", "--epochs", "1"]
    assert main(arguments(tmp_path, f"0.5: {shrink}", more=more)) == 0
    names = sorted(path.name[:-13] for path in (tmp_path / "out").glob("*-seed*"))
    assert names == ["0.5-seed5", "0.5-seed6"]
    assert "Means over 2 seeds" in capsys.readouterr().out
    losses = {
        path.name[:-13]: first_training_row(path / "metrics.csv")
        for path in (tmp_path / "out").glob("*-seed*")
    }
    assert len(set(losses.values())) == 2


def test_a_signal_saves_and_the_same_command_goes_on(
    alone: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small_config(tmp_path)
    command = arguments(tmp_path, AS_IT_IS)
    with monkeypatch.context() as patched:
        send = calling(7, lambda: signal.raise_signal(signal.SIGTERM))
        patched.setattr(trainer_module, "train_step", send)
        assert main(command) == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; the same command goes on" in capsys.readouterr().out
    assert main(command) == 0
    assert "goes on after step 7" in capsys.readouterr().out
    assert_same_run(run_folder(tmp_path, "as_it_is"), alone)


@pytest.mark.parametrize(
    ("arms", "parts"),
    [
        pytest.param(
            ["a: Optimizer.nam=1 Global.seed=x", AS_IT_IS, "b: Train.loader.shuffel=1"],
            ["arm 'a': -o Optimizer.nam", "arm 'a': -o Global.seed", "arm 'b': -o Train.loader"],
            id="faults of two arms",
        ),
        pytest.param(
            ["a: Global.pretrained_model=nowhere", "b: Train.dataset.label_file_list=[no.txt]"],
            ["model: nowhere: does not exist", "arm 'b': no.txt: the label file can't"],
            id="weights and labels that aren't there",
        ),
        pytest.param(
            ["r: Train.dataset.ratio_list=0.0",
             "b: Train.loader.batch_size_per_card=8 Train.loader.drop_last=true"],
            ["arm 'r': ", "ratio_list leaves no sample", "arm 'b': 7 samples, no batch of 8"],
            id="what only the data set can tell",
        ),
        pytest.param(["a:", "a: Global.seed=2"], ["two arms bear the name 'a'"], id="names"),
        pytest.param([], ["--arm: missing"], id="no arm"),
        pytest.param(["Global.seed=2", "a: 'b"], ["found 'Global.seed=2'", "quotation"], id="form"),
        pytest.param(
            ["a:", "b: Global.save_model_dir=other"], ["Global.save_model_dir: the"], id="folder"
        ),
        pytest.param(["a: Global.resume=latest"], ["Global.resume: is set"], id="resume"),
    ],
)  # fmt: skip
def test_every_fault_is_said_before_anything_runs(
    arms: Sequence[str], parts: Sequence[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_config(tmp_path)
    assert main(arguments(tmp_path, *arms)) == 2
    captured = capsys.readouterr()
    for part in parts:
        assert part in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out
    assert not (tmp_path / "out").exists()


def test_what_all_arms_lack_is_said_once(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    common = ["Global.epoch_num=0", "Global.nonsense=1"]
    with pytest.raises(ConfigError) as caught:
        load_arms(config, [Arm("a"), Arm("b", ("Global.seed=-1",))], common)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [*["every arm"] * 2, "arm 'b'"]


@pytest.mark.parametrize(
    ("overrides", "differs"),
    [
        (["Global.save_model_dir=elsewhere"], False),
        (["Global.save_epoch_step=7"], False),
        (["Train.loader.num_workers=0"], False),
        (["Eval.loader.num_workers=3"], False),
        (["Train.loader.shuffle=true"], False),  # as the file has it
        (["Global.seed=6"], True),
        (["Optimizer.lr.learning_rate=0.003"], True),
        (["PostProcess.unclip_ratio=1.2"], True),
        (["Eval.dataset.transforms.DetResizeForTest.limit_side_len=64"], True),
        (["Global.print_batch_step=2"], True),  # of which losses there are to draw
    ],
)
def test_fingerprint(overrides: list[str], differs: bool, tmp_path: Path) -> None:
    path = small_config(tmp_path)
    plain, changed = (
        load_arms(path, [Arm("a"), Arm("b", ())]),
        load_arms(path, [Arm("c")], overrides),
    )
    own = run_fingerprint(plain[0])
    assert own == run_fingerprint(plain[1])
    assert (run_fingerprint(changed[0]) != own) == differs


def test_fingerprint_follows_the_labels_and_the_judgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config,) = load_arms(small_config(tmp_path), [Arm("a")])
    before = run_fingerprint(config)
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "UNCLIP_RATIOS", (1.0, 1.2))
        assert run_fingerprint(config) != before
    label = tmp_path / "label.txt"
    label.write_text(label.read_text() + "\n")
    assert run_fingerprint(config) != before


def test_minutes_are_those_of_training(compared: Path) -> None:
    """7 images an epoch in batches of 2: after 4 steps all 7, after 6 steps 11."""
    (config,) = load_arms(
        compared / "c.yml", [Arm("a")],
        [f"Global.save_model_dir={compared / 'out'}", f"Global.epoch_num={EPOCHS}"],
    )  # fmt: skip
    (run,) = plan([Arm("a")], [config])
    record = run.record
    assert record is not None
    assert record.steps_per_epoch == STEPS_PER_EPOCH
    assert [record.images_after(step) for step in (0, 3, 4, 6, 8)] == [0, 6, 7, 11, 14]
    rows = [
        {"kind": "train", "step": "4", "images_per_second": "7"},
        {"kind": "eval", "step": "4", "images_per_second": ""},
        {"kind": "train", "step": "6", "images_per_second": "0.5"},
    ]
    assert training_minutes(rows, record) == pytest.approx((1 + 8) / 60)


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    small_config(tmp_path)
    arm = "twice: Optimizer.gradient_accumulation_steps=2"
    assert main(arguments(tmp_path, arm, more=["--epochs", "1"])) == 0
    record = json.loads((run_folder(tmp_path, "twice") / "arm.json").read_text())
    assert (record["batch_size"], record["steps_per_epoch"], record["total_steps"]) == (4, 2, 2)


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert "--seeds" in capsys.readouterr().out
