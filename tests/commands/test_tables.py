"""Every table that a command prints fits a terminal of 80 columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from experiments.faults.case import Ran, captured
from ppocr_ft.commands.check.cli import main as check
from ppocr_ft.commands.compare.cli import main as compare
from ppocr_ft.commands.eval import main as evaluate
from ppocr_ft.commands.export.cli import main as export
from ppocr_ft.commands.find_lr.cli import main as find_lr
from ppocr_ft.commands.fit_postprocess.cli import main as fit_postprocess
from ppocr_ft.commands.main import COMMANDS
from ppocr_ft.commands.main import main as program
from ppocr_ft.commands.predict.cli import main as predict
from ppocr_ft.commands.rank.cli import main as rank
from ppocr_ft.commands.train.cli import main as train
from ppocr_ft.utils.console import WIDTH
from tests.support.small_run import small_config, starting_weights

ROW = re.compile(r"^\|.*\|$|\S {2,}\S")
"""A line with two cells."""
NAMES = ("a_name_that_somebody_chose_for_it=1e-4", "a_name_that_somebody_chose_for_it=5e-4")
FITTED = "run/fitted.yml"
TABLES: dict[str, tuple[Callable[[Sequence[str]], int], Sequence[str], str]] = {
    "check": (check, ["-c", FITTED], "its shrink, best unclip"),
    "eval": (evaluate, ["-c", FITTED], "precision   recall    hmean"),
    "fit-postprocess": (
        fit_postprocess,
        ["-c", FITTED, "--out", "again.yml", "--resizes", "1280:resize_long"],
        "best with         1280:resize_long",
    ),
    "compare": (
        compare,
        ["-c", FITTED, "--epochs", "1", "--seeds", "2", "-o", "Global.save_model_dir=compared",
         "Global.checkpoints=null", *(word for name in NAMES for word in ("--arm", f"{name}:"))],
        "chose_for_it=1e-4",
    ),
    "find-lr": (find_lr, ["-c", FITTED, "--steps", "10"], ""),
    "predict": (predict, ["-c", FITTED, "--images", "0.png", "--out", "found"], ""),
    "rank": (rank, ["-c", "fresh.yml", "--images", "more", "--out", "next"], ""),
    "export": (
        export, ["-c", FITTED, "-o", "Global.save_inference_dir=model"], "final weights",
    ),
    "train --dry-run": (train, ["-c", FITTED, "--dry-run"], ""),
}  # fmt: skip
"""Commands, and a part of what they must have printed."""


def wide_rows(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if len(line) > WIDTH and ROW.search(line)]


def test_a_wide_row_is_known_from_prose() -> None:
    prose, row = "a word " * 20, "a cell  " * 20
    assert wide_rows(f"{prose}\n{row}\n| {prose}|\na  b") == [row, f"| {prose}|"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tables")
    config = small_config(place, fit=True)
    text = config.read_text(encoding="utf-8").replace(
        "pretrained_model: null", f"pretrained_model: {starting_weights(place)}"
    )
    text = text.replace("fit_postprocess:", "interpolate: true\n  fit_postprocess:")
    (place / "fresh.yml").write_text(text, encoding="utf-8")
    (place / "more").mkdir()
    (place / "more" / "new.png").write_bytes((place / "1.png").read_bytes())
    return place


@pytest.fixture(scope="module")
def trained(folder: Path) -> Ran:
    """The run that all commands are about, with a choice of its final weights."""
    return captured(lambda: train(["-c", "fresh.yml"]), folder)


@pytest.mark.slow
def test_a_run_fits_80_columns(trained: Ran) -> None:
    assert trained.code == 0, trained.text
    for part in ("over the start", "before training (step 0)", "The final weights"):
        assert part in trained.text
    assert wide_rows(trained.text) == []


@pytest.mark.slow
@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(("run", "words", "part"), TABLES.values(), ids=TABLES.keys())
def test_a_command_fits_80_columns(
    run: Callable[[Sequence[str]], int], words: Sequence[str], part: str, folder: Path
) -> None:
    ran = captured(lambda: run(words), folder)
    assert part in ran.text
    assert "Traceback" not in ran.text
    assert wide_rows(ran.text) == []


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with suppress(SystemExit):  # a command's help ends the program
        program(["help", name] if name else ["help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert [line for line in lines if len(line) > WIDTH] == []
