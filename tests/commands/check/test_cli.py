"""`check`: exit codes, what goes to stdout, and that it only looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.check.cli import described, grouped, main
from ppocr_ft.commands.check.run import precheck
from ppocr_ft.commands.train import run as train
from ppocr_ft.config import load_config
from ppocr_ft.errors import Finding
from tests.commands.check.test_data_rules import picture
from tests.support.config_files import SHIPPED, SMALL
from tests.support.pictures import text, write_set
from tests.support.small_run import small_config

TAKE_960 = "Eval.dataset.transforms.2.DetResizeForTest.limit_side_len=960"
CROP_960 = "Train.dataset.transforms.2.ScaledCrop.limit_side_len=960"
OFTEN = "Global.eval_batch_step=[0, 5]"
WITHOUT_PADDLE = """
import sys
sys.modules["paddle"] = None
from ppocr_ft.commands.check.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A run's config with a data set of its own for evaluation, and nothing wrong with it."""
    path = small_config(tmp_path)
    lines = (tmp_path / "label.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    write_set(tmp_path / "val", {"v.png": [text("c", 30, 30, 60, 20)]})
    (tmp_path / "label.txt").write_text("".join(lines), encoding="utf-8")
    return path


def overrides(config_file: Path) -> list[str]:
    folder = config_file.parent / "val"
    return [
        TAKE_960,
        CROP_960,
        "PostProcess.unclip_ratio=1.15",
        f"Eval.dataset.data_dir={folder}",
        f"Eval.dataset.label_file_list=[{folder / 'label.txt'}]",
    ]


def check(
    config_file: Path,
    capsys: pytest.CaptureFixture[str],
    *more: str,
    swaps: list[str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """Exit code, and the one object on stdout."""
    words = ["-c", str(config_file), "-o", *overrides(config_file), *(swaps or [])]
    code = main([*words, "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def rules(result: dict[str, Any], severity: str = "") -> set[str]:
    return {each["rule"] for each in result["issues"] if severity in ("", each["severity"])}


def test_one_object_with_everything(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, result = check(config_file, capsys)
    assert code == 0
    assert rules(result, "error") == set()
    assert set(result) == {
        "issues", "ratios", "data", "geometry", "weights", "changes", "files", "notes",
    }  # fmt: skip
    assert [each["version"] for each in result["ratios"]["versions"]][-1] == "ppocr_ft"
    assert result["ratios"]["versions"][-1]["last"] == pytest.approx(0.6)
    assert result["geometry"]["ceiling"]["configured"]["shrink_ratio"] == pytest.approx(0.6)
    assert result["data"][str(config_file.parent / "label.txt")]["lines"] == 7
    drawn = [Path(name) for name in result["files"]]
    assert [path.name for path in drawn] == ["geometry.png", "samples.png"]
    assert all(path.is_file() for path in drawn)
    assert {path.name for path in drawn[0].parent.iterdir()} == {"geometry.png", "samples.png"}


def test_pictures_that_cannot_be_written(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, result = check(config_file, capsys, "--no-weights")
    for name in result["files"]:
        Path(name).unlink()
        Path(name).mkdir()
    code, result = check(config_file, capsys, "--no-weights")
    assert code == 2
    assert [each["rule"] for each in result["issues"] if each["severity"] == "error"] == [
        "pictures",
        "pictures",
    ]


# what is left out | option | the part that is not there
LEFT_OUT = [
    ("images", "--no-images", "samples.png"),
    ("samples", "--samples=0", "samples.png"),
]


@pytest.mark.parametrize(
    ("option", "part"), [r[1:] for r in LEFT_OUT], ids=[r[0] for r in LEFT_OUT]
)
def test_parts_can_be_left_out(
    option: str, part: str, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, result = check(config_file, capsys, option)
    assert code == 0
    assert part not in {Path(name).name for name in result["files"]}
    assert result["geometry"]["image_sizes_known"] == (option != "--no-images")


def test_without_images_the_labels_alone_are_checked(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box = {"transcription": "a", "points": [[1, 1], [40, 1], [40, 20], [1, 20]]}
    label = tmp_path / "labels_alone.txt"
    label.write_text("".join(f"nowhere/absent{n}.png\t{json.dumps([box])}\n" for n in range(3)))
    swaps = [
        f"{section}.dataset.{key}"
        for section in ("Train", "Eval")
        for key in (f"data_dir={tmp_path}", f"label_file_list=[{label}]")
    ]
    _, result = check(config_file, capsys, "--no-images", "--no-weights", swaps=swaps)
    rules = {one["rule"] for one in result["issues"] if one["severity"] == "error"}
    assert rules <= {"leak"}
    _, result = check(config_file, capsys, "--no-weights", "--samples=0", swaps=swaps)
    assert "image-missing" in {one["rule"] for one in result["issues"]}


def test_weights_are_looked_at_without_training(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_config(SHIPPED / "det_v4_ft.yml").Architecture
    swaps = [
        f"Architecture={json.dumps(network.model_dump())}",
        "Global.pretrained_model=released",
    ]
    code, result = check(config_file, capsys, "--samples=0", swaps=swaps)
    assert code == 0
    assert result["weights"]["parts"]["backbone"] == 1
    assert 0 < result["weights"]["parts"]["head"] < 1
    code, result = check(config_file, capsys, "--no-weights", "--samples=0", swaps=swaps)
    assert result["weights"] is None


def test_weights_that_are_not_there_are_an_error(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swaps = ["Global.pretrained_model=gone.pdparams"]
    code, result = check(config_file, capsys, "--samples=0", swaps=swaps)
    assert code == 2
    (found,) = [each for each in result["issues"] if each["severity"] == "error"]
    assert found["rule"] == "weights"
    assert found["message"] == "-o Global.pretrained_model: gone.pdparams: does not exist"
    assert check(config_file, capsys, "--no-weights", "--samples=0", swaps=swaps)[0] == 0


def test_random_weights_are_noted(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = check(config_file, capsys, "--samples=0", swaps=["Global.pretrained_model=null"])[1]
    assert "random weights: Global.pretrained_model is null" in result["notes"]


def test_milestones_that_the_warm_up_moves_are_noted(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lr = "learning_rate: 2e-4, milestones: [5, 9], gamma: 0.1, warmup_epoch: 1.5}"
    moved = "the rate falls after epochs 7, 11; with name: MultiStep it falls after 5, 9"
    for name, count in (("MultiStepDecay", 1), ("MultiStep", 0)):
        swaps = ["Global.epoch_num=20", f"Optimizer.lr={{name: {name}, {lr}"]
        result = check(config_file, capsys, "--no-weights", "--samples=0", swaps=swaps)[1]
        notes = [note for note in result["notes"] if "milestones" in note]
        assert [moved in note for note in notes] == [True] * count


def test_a_bad_label_line_is_an_error_with_its_place(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = config_file.parent / "label.txt"
    label.write_text(f"{label.read_text(encoding='utf-8')}no tab here\n", encoding="utf-8")
    code, result = check(config_file, capsys, "--samples=0")
    assert code == 2
    (found,) = [each for each in result["issues"] if each["severity"] == "error"]
    assert (found["rule"], found["file"], found["line"]) == ("label-delimiter", str(label), 8)
    assert found["remedy"]
    for seed in range(7):  # no image of the training is the evaluation's
        picture(config_file.parent / f"{seed}.png", (120, 90), seed)
    out = config_file.parent / "fixed"
    code, result = check(config_file, capsys, "--samples=0", "--fix", str(out))
    assert result["changes"]
    assert "no tab here" not in (out / "label.txt").read_text(encoding="utf-8")


def test_without_images_the_labels_are_not_blamed(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("label.txt", "val/label.txt"):
        path = config_file.parent / name
        lines = path.read_text(encoding="utf-8").replace(".png\t", "_gone.png\t")
        path.write_text(lines, encoding="utf-8")
    code, result = check(config_file, capsys)
    assert code == 2
    assert "labels' geometry needs images: none of the labels' is found" in result["notes"]


def test_config_and_labels_are_judged_together(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swaps = ["Loss.alfa=3", "Global.eval_batch_step=[0, 1000]"]
    code, result = check(config_file, capsys, swaps=swaps)
    assert code == 2
    assert {"unknown-key", "evaluation-interval"} <= rules(result)
    assert result["geometry"] is not None
    assert result["weights"] is None
    assert any("without errors" in note for note in result["notes"])


def test_another_detector_s_data_is_checked_too(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swaps = ["Architecture.algorithm=PSE", "PostProcess={name: PSEPostProcess}"]
    code, result = check(config_file, capsys, swaps=swaps)
    assert code == 2
    assert rules(result, "error") == {"other-task"}
    assert "not-checked" in rules(result)
    assert result["data"]
    assert result["geometry"] is None


def test_the_text_is_grouped_and_counted(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-c", str(config_file), "-o", *overrides(config_file)]
    swaps = ["Global.save_epoch_step=9", "Loss.alfa=1"]
    assert main([*words, *swaps, "--samples=0"]) == 2
    out = capsys.readouterr().out
    assert "error unknown-key\n" in out
    assert "warning save-interval\n" in out
    assert out.index("error unknown-key") < out.index("warning save-interval")
    assert "a perfect network" in out
    assert out.rstrip().splitlines()[-1].startswith("1 error, ")


def test_config_and_labels_need_no_paddle(config_file: Path) -> None:
    words = ["-c", str(config_file), "--json", "-o", *overrides(config_file)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PADDLE, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["geometry"] is not None
    assert result["weights"] is None
    assert any("paddle" in note for note in result["notes"])


def test_a_training_is_told_beforehand(config_file: Path) -> None:
    label = config_file.parent / "label.txt"
    label.write_text(f"{label.read_text(encoding='utf-8')}no tab here\n", encoding="utf-8")
    late = "Global.eval_batch_step=[0, 1000]"
    config = load_config(config_file, [*overrides(config_file), late])
    found = {finding.rule: finding.severity for finding in precheck(config)}
    assert found == {"evaluation-interval": "warning", "label-delimiter": "error"}
    own = ["Global.eval_batch_step=[0, 60]", "Global.save_epoch_step=10", "Global.epoch_num=4"]
    shipped = precheck(load_config(config_file, [*overrides(config_file), *own]))
    assert {finding.rule for finding in shipped} == {"label-delimiter"}, "the shipped values"


def test_a_training_is_told_of_a_pair_that_does_not_match(config_file: Path) -> None:
    """Shrink ratio 0.6 at the end of the run, boxes unclipped as for 0.4."""
    swaps = [*overrides(config_file), "PostProcess.unclip_ratio=2.6"]
    (found,) = precheck(load_config(config_file, swaps))
    assert found.rule == "unclip-ratio"
    assert "found 2.6, with shrink ratio 0.6" in found.message
    assert "with these labels" in found.message


def test_without_labels_the_pair_is_judged_by_typical_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    swaps = ["PostProcess.unclip_ratio=2.6", "PostProcess.unclip_ratio=1.6"]
    found = []
    for swap in swaps:
        words = ["-c", str(SMALL), "--no-weights", "--json", "-o", swap]
        assert main(words) == 2  # its label files aren't there
        issues = json.loads(capsys.readouterr().out)["issues"]
        found.append([each["message"] for each in issues if each["rule"] == "unclip-ratio"])
    assert len(found[0]) == 1
    assert "lines of 2 to 16 times their height" in found[0][0]
    assert found[1] == []


def test_what_a_training_is_told_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    train.tell([])
    assert capsys.readouterr() == ("", "")
    train.tell([Finding("leak", "warning", "both", "take it out", "val.txt", 3)])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "warning leak\n  val.txt:3: both\n  -> take it out\n" in captured.err


def test_warnings_are_cut_short_and_errors_are_not() -> None:
    many = [Finding("r", "error", f"no {i}", "mend it", "f", i) for i in range(1, 4)]
    few = [Finding("a", "warning", f"w {i}", "look") for i in range(1, 5)]
    errors = ["error r (3)", "  f:1: no 1", "  f:2: no 2", "  f:3: no 3", "  -> mend it"]
    warnings = ["warning a (4)", "  w 1", "  w 2", "  ... and 2 more", "  -> look"]
    assert grouped([*many, *few], at_most=2) == [*errors, *warnings]
    assert grouped(many, at_most=2, cut_errors=True)[1:4] == [*errors[1:3], "  ... and 1 more"]
    assert len(grouped(few, None)) == 6
    assert described([*many, few[0]]) == "3 errors, 1 warning"


def test_lines_with_the_same_fault_share_a_line() -> None:
    alike = [Finding("r", "error", "no tab", "mend it", "f", line) for line in (1, 2, 3, 7, 9)]
    other = Finding("r", "error", "no tab", "mend it", "g", 2)
    assert grouped([*alike, other]) == [
        "error r (6)", "  f:1-3, 7, 9: no tab", "  g:2: no tab", "  -> mend it",
    ]  # fmt: skip


def test_all_warnings_are_in_a_file_where_the_output_cuts_them(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = config_file.parent / "label.txt"
    label.write_text(label.read_text(encoding="utf-8") * 2, encoding="utf-8")
    words = ["-c", str(config_file), "--no-weights", "--samples=0", "-o", *overrides(config_file)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "warning image-duplicate (13)\n" in out
    assert "... and 8 more\n" in out
    written = Path(out.partition("every warning is in ")[2].splitlines()[0])
    assert written.name == "check.txt"
    said = written.read_text(encoding="utf-8")
    assert all(f"{label}:{line}: " in said.replace("\n", " ") for line in range(2, 15))
    assert "more" not in said


def test_what_was_read_is_a_line_for_each_label_file(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = config_file.parent / "val" / "label.txt"
    easy, hard = text("c", 30, 30, 60, 20), {**text("d", 30, 60, 60, 20), "difficult": True}
    texts = json.dumps([easy, hard, text("###", 10, 5)])
    label.write_text(f"val/v.png\t{texts}\n", encoding="utf-8")
    words = ["-c", str(config_file), "--no-weights", "--samples=0", "-o", *overrides(config_file)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "[text, score]" not in out
    lines = out.splitlines()
    assert f"read: {label}: 1 image, 0 images without text; 3 texts, 1 ignored (33%)" in lines
    assert f"note: {label}: 1 of 3 texts marked difficult: learnt as PaddleOCR does" in lines
    assert any(
        line.startswith(f"note: {label}: 1 of 1 image found beside the label file: val/v.png is ")
        for line in lines
    )


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-c", str(SMALL.with_name("none.yml")), "--json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert [each["rule"] for each in result["issues"]] == ["yaml"]
    assert result["ratios"] is None


def test_a_training_is_told_of_texts_too_small_for_its_crops(config_file: Path) -> None:
    keys = [*overrides(config_file), "Train.dataset.transforms.MakeShrinkMap.min_text_size=500"]
    (found,) = precheck(load_config(config_file, keys))
    assert found.rule == "small-texts"
    assert "100% of the texts in training's crops are under min_text_size 500 px" in found.message


def test_what_ends_a_run_by_itself_is_not_said_twice(config_file: Path) -> None:
    keys = ["Train.loader.batch_size_per_card=500", "Train.loader.drop_last=true"]
    found = precheck(load_config(config_file, [*overrides(config_file), *keys]))
    assert [finding.rule for finding in found if finding.severity == "error"] == []


def test_a_training_is_not_told_of_a_label_file_that_ends_it(config_file: Path) -> None:
    """Its own message names the lines; said before too, they would stand there twice."""
    label = config_file.parent / "no_images.txt"
    box = {"transcription": "a", "points": [[1, 1], [40, 1], [40, 20], [1, 20]]}
    label.write_text(f"absent.png\t{json.dumps([box])}\n", encoding="utf-8")
    swaps = [*overrides(config_file), f"Train.dataset.label_file_list=[{label}]"]
    found = precheck(load_config(config_file, swaps))
    assert str(label) not in {finding.file for finding in found}


def test_further_sets_are_looked_at_as_eval_is(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, ignored = tmp_path / "good", tmp_path / "ignored"
    write_set(good, {"g.png": [text("g", 40, 20)], "h.png": [text("h", 20, 40)]})
    write_set(ignored, {"i.png": [text("###", 40, 20)]})
    bad = good / "label.txt"
    bad.write_text(f"{bad.read_text(encoding='utf-8')}no tab\n", encoding="utf-8")
    sets = {"good": bad, "ignored": ignored / "label.txt", "train": tmp_path / "label.txt"}
    swaps = [
        f"Eval.also.{name}.{key}"
        for name, label in sets.items()
        for key in (f"data_dir={label.parent}", f"label_file_list=[{label}]")
    ]
    swaps.append("Global.val_ratio=0")
    _, before = check(config_file, capsys, "--no-weights", "--samples=0")
    _, result = check(config_file, capsys, "--no-weights", "--samples=0", swaps=swaps)
    known = {each["message"] for each in before["issues"]}
    found = {
        (each["rule"], each["file"], each["line"])
        for each in result["issues"]
        if each["message"] not in known
    }
    assert ("leak", str(sets["train"]), None) in found
    assert ("label-delimiter", str(bad), 3) in found
    (none,) = (each for each in result["issues"] if each["rule"] == "texts-none")
    assert none["message"].startswith("no text of Eval.also.ignored counts")
    assert result["geometry"] == before["geometry"]  # of Train and Eval alone
    quick = precheck(load_config(config_file, [*overrides(config_file), *swaps]))
    assert {(one.rule, one.file) for one in quick} >= {("leak", str(sets["train"]))}
    assert any((one.file, one.line) == (str(bad), 3) for one in quick)
