"""Every command refuses a data set of no use before its first step, and makes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ppocr_ft.commands.check.cli import main as check
from ppocr_ft.commands.compare.cli import main as compare
from ppocr_ft.commands.eval import main as evaluate
from ppocr_ft.commands.find_lr.cli import main as find_lr
from ppocr_ft.commands.fit_postprocess.cli import main as fit
from ppocr_ft.commands.train.cli import main as train
from tests.support.pictures import text, write_set
from tests.support.small_run import small_config

Main = Callable[[Sequence[str]], int]

TRAINING: dict[str, tuple[Main, tuple[str, ...]]] = {
    "train": (train, ()),
    "dry run": (train, ("--dry-run",)),
    "find_lr": (find_lr, ()),
    "compare": (compare, ("--arm", "a: Global.use_ema=true")),
}
JUDGING: dict[str, tuple[Main, tuple[str, ...]]] = {"eval": (evaluate, ()), "fit": (fit, ())}
ALL = {**TRAINING, **JUDGING}


def run(command: str, config: Path, *overrides: str) -> int:
    main, more = ALL[command]
    return main(["-c", str(config), *more, "-o", *overrides])


def refused(capsys: pytest.CaptureFixture[str], command: str, config: Path, *overrides: str) -> str:
    """What the command says that ends with exit code 2 and makes no folder."""
    capsys.readouterr()
    if command != "compare":  # it reads all files first, to know equal runs
        # what is wrong with the data comes before what is wrong with the weights
        overrides = (f"Global.pretrained_model={config.parent / 'none.pdparams'}", *overrides)
    assert run(command, config, *overrides) == 2
    assert not (config.parent / "run").exists()
    return capsys.readouterr().err


def labels(folder: Path, transcription: str) -> Path:
    texts = [text(transcription, 10, 10), text(transcription, 20, 50)]
    return write_set(folder, {"a.png": texts, "b.png": texts[:1]})


def of(split: str, label_file: Path) -> tuple[str, str]:
    return (
        f"{split}.dataset.data_dir={label_file.parent}",
        f"{split}.dataset.label_file_list=[{label_file}]",
    )


@pytest.mark.parametrize("command", ALL)
def test_nothing_counts_in_eval(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, ignored = small_config(tmp_path), labels(tmp_path / "ignored", "###")
    words = refused(capsys, command, config, *of("Eval", ignored))
    assert f"no text of Eval counts, so that every network's hmean is 0: {ignored}: " in words
    assert "2 images with 3 texts, 3 of them ignored" in words


@pytest.mark.parametrize("command", TRAINING)
def test_nothing_counts_in_train_nor_in_eval(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, ignored = small_config(tmp_path), labels(tmp_path / "ignored", "*")
    words = refused(capsys, command, config, *of("Train", ignored), *of("Eval", ignored))
    assert "no text of Train counts, so that nothing can be learnt" in words
    assert "no text of Eval counts" in words


@pytest.mark.parametrize("command", ALL)
def test_one_of_two_label_files_is_not_there(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, gone = small_config(tmp_path), tmp_path / "part2.txt"
    both = f"dataset.label_file_list=[{tmp_path / 'label.txt'},{gone}]"
    splits = ("Train", "Eval") if command in TRAINING else ("Eval",)
    words = refused(capsys, command, config, *(f"{split}.{both}" for split in splits))
    if command == "compare":
        assert f"{gone}: the label file can't be read" in words
    else:
        for split in splits:
            assert f"{split}.dataset: {gone}: the label file can't be read" in words


@pytest.mark.parametrize("command", TRAINING)
@pytest.mark.parametrize(("own", "other"), [("Train", "Eval"), ("Eval", "Train")])
def test_the_other_split_is_still_the_sample_data_set(
    command: str, own: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(tmp_path)
    name = {"Train": "train.txt", "Eval": "val.txt"}[other]
    sample = f"{other}.dataset.data_dir=sample", f"{other}.dataset.label_file_list=[{name}]"
    words = refused(capsys, command, config, *sample)
    assert f"{other}.dataset.data_dir: is still the built-in sample data set" in words
    assert f"{own}.dataset.data_dir is {tmp_path}" in words


def test_an_evaluation_of_own_images_needs_no_training_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = "Train.dataset.data_dir=sample", "Train.dataset.label_file_list=[train.txt]"
    words = refused(capsys, "eval", small_config(tmp_path), *sample)
    assert "none.pdparams" in words
    assert "sample data set" not in words


def test_check_names_the_same_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, ignored = small_config(tmp_path), labels(tmp_path / "ignored", "###")
    found = {}
    for name, overrides in {
        "nothing counts": of("Eval", ignored),
        "sample": ("Eval.dataset.data_dir=sample", "Eval.dataset.label_file_list=[val.txt]"),
    }.items():
        words = ["-c", str(config), "--no-weights", "--samples", "0", "--json", "-o", *overrides]
        assert check(words) == 2
        issues = json.loads(capsys.readouterr().out)["issues"]
        found[name] = {each["rule"] for each in issues if each["severity"] == "error"}
    assert found == {"nothing counts": {"texts-none"}, "sample": {"one-data-set"}}


def test_bad_lines_beside_good_ones_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(tmp_path)
    bad = labels(tmp_path / "more", "a")
    bad.write_text(f"no tab\n{bad.read_text(encoding='utf-8')}gone.png\t[]\n", encoding="utf-8")
    assert run("dry run", config, *of("Train", bad)) == 0
    out = capsys.readouterr().out
    assert f"goes on without 2 label lines of Train that can't be used: {bad}:1, {bad}:4" in out
    assert "of Eval" not in out


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "dry run", "find_lr", "eval"])
def test_images_found_elsewhere_are_said_in_a_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels from another machine, whose paths lead nowhere here."""
    config, label = small_config(tmp_path), tmp_path / "label.txt"
    lines = label.read_text(encoding="utf-8").splitlines(keepends=True)
    moved = "".join(f"C:\\me\\data\\{line}" for line in lines)
    label.write_text(moved, encoding="utf-8")
    code = run(command, config, "Global.epoch_num=1", "Global.fit_postprocess=false")
    # eval needs weights, too; whether random weights have a rate to suggest hangs on rounding
    assert code in {"eval": {2}, "find_lr": {0, 1}}.get(command, {0})
    said = "".join(capsys.readouterr())
    note = f"note: {label}: 7 of 7 images found by the end of their path: C:\\me\\data\\0.png is "
    assert said.count(note) == 1
