"""`make receipts`: its sequence of commands, and what it calls equal; no network is run."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
EQUAL = {"hmean": 0.9, "hmean_70": 0.8}


@pytest.fixture
def receipts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    from experiments import receipts

    monkeypatch.chdir(ROOT)
    return receipts


def overrides(command: list[str]) -> dict[str, str]:
    return dict(text.split("=", 1) for text in command if "=" in text)


def test_train_fit_and_export_hand_on_to_each_other(receipts: ModuleType, tmp_path: Path) -> None:
    train, fit, new, old = receipts.Plan(tmp_path, 2, None, False).commands()
    assert [each[0] for each in (train, fit, new, old)] == [
        "tools/train.py",
        "tools/fit_postprocess.py",
        "tools/export.py",
        "tools/export.py",
    ]
    assert overrides(train)["Global.save_model_dir"] == str(tmp_path)
    assert overrides(train)["Global.epoch_num"] == "2"
    assert overrides(fit)["Global.save_model_dir"] == str(tmp_path)
    assert overrides(fit)["Global.checkpoints"] == str(tmp_path / "best_accuracy")
    fitted = str(tmp_path / "fitted.yml")
    assert (new[2], old[2]) == (fitted, fitted)
    assert "--onnx" in new
    assert "--legacy" in old
    folders = [overrides(each)["Global.save_inference_dir"] for each in (new, old)]
    assert folders == [str(tmp_path / "inference"), str(tmp_path / "inference_legacy")]


def test_released_weights_are_not_trained(receipts: ModuleType, tmp_path: Path) -> None:
    fit, *exports = receipts.Plan(tmp_path, 2, None, True).commands()
    assert fit[0] == "tools/fit_postprocess.py"
    assert "Global.checkpoints" not in overrides(fit)
    assert len(exports) == 2


def test_a_short_run_takes_the_first_images(
    receipts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train.txt", "val.txt"):
        (data / name).write_text(f"{name} 1\n{name} 2\n{name} 3\n", encoding="utf-8")
    monkeypatch.setattr(receipts, "DATA", data)
    named = overrides(receipts.Plan(tmp_path / "run", 1, 2, False).commands()[0])
    short = tmp_path / "run" / "val.txt"
    assert named["Eval.dataset.label_file_list"] == f"[{short}]"
    assert short.read_text(encoding="utf-8") == "val.txt 1\nval.txt 2\n"


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        pytest.param(EQUAL, 0, id="equal"),
        pytest.param({"hmean": 0.904, "hmean_70": 0.796}, 0, id="within 0.005"),
        pytest.param({"hmean": 0.906, "hmean_70": 0.8}, 1, id="apart at 0.5"),
        pytest.param({"hmean": 0.9, "hmean_70": 0.794}, 1, id="apart at 0.7"),
    ],
)
def test_who_is_apart_is_said(
    theirs: dict[str, float],
    code: int,
    receipts: ModuleType,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = {receipts.OURS: EQUAL, "theirs": theirs}
    assert receipts.verdict(results) == code
    assert ("theirs: more than 0.005" in capsys.readouterr().err) == bool(code)
    apart = receipts.difference(theirs, EQUAL)
    assert receipts.table(results).rows[1][3] == f"{apart:.4f}"


def test_a_command_that_fails_ends_it(receipts: ModuleType) -> None:
    with pytest.raises(receipts.CommandFailed, match=r"tools/eval\.py: exit code 2"):
        receipts.run(["tools/eval.py", "-c", "nowhere.yml"], quiet=True)
