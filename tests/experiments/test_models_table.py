"""The table of the released detectors: what it counts, and where it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import models_table
from experiments.models_table import installed, keep_speed, options_of, parameters, show
from experiments.models_table import released as released_arm
from experiments.real_sets import runs
from experiments.real_sets.runs import AS_SHIPPED, JUDGED, Record
from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import released
from ppocr_ft.weights.released import DEFAULT_MODEL

TINY = "PP-OCRv6_tiny_det"
SPEEDS = {
    "PP-OCRv4_mobile_det": (1_171_721, {"Paddle": 200.4, "OpenVINO": 40.0}),
    TINY: (500_000, {"Paddle": 90.0}),
}


def record(arm: str, matched: int, seed: int, **more: int) -> Record:
    """One image with 10 texts, as many boxes, and this many matches; half of them tight."""
    judged = {JUDGED: [[10, 10, matched, matched // 2]]}
    judged |= {name: [[10, 10, count, count]] for name, count in more.items()}
    return Record("receipts", arm, seed, judged, minutes=4.0 + seed)


def test_parameters_are_those_of_the_released_program() -> None:
    assert parameters(DEFAULT_MODEL) == 1_171_721


def test_a_model_that_is_not_installed_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def only_tiny(name: str) -> Path:
        if name != "PP-OCRv6_tiny_det":
            raise WeightsError("is not installed")
        return Path()

    monkeypatch.setattr(released, "released_model", only_tiny)
    found = installed(options_of([]).models)
    assert {name: path.name for name, path in found.items()} == {
        "PP-OCRv6_tiny_det": "det_v6_tiny_ft.yml"
    }
    assert "PP-OCRv4_mobile_det: left out, is not installed" in capsys.readouterr().err


@pytest.mark.parametrize("is_try", [True, False])
def test_the_document_has_the_tables_but_for_a_try(
    is_try: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = models_table.DOCUMENT.read_text(encoding="utf-8")
    document = tmp_path / "models.md"
    document.write_text(before, encoding="utf-8")
    monkeypatch.setattr(models_table, "DOCUMENT", document)
    monkeypatch.setattr(runs, "RECORDS", tmp_path)
    root = tmp_path / "output" / "models" if is_try else runs.MODEL_RUNS
    for name, (count, times) in SPEEDS.items():
        keep_speed(root, name, count, times)
    bar = record(released_arm(TINY), 6, 0, **{AS_SHIPPED: 4})
    for each in (bar, *(record(TINY, matched, seed) for seed, matched in enumerate((8, 2, 9)))):
        runs.kept(root / "receipts" / f"{each.arm}-a" / f"seed{each.seed}", lambda: each)  # noqa: B023
    of_real_sets = record(runs.RELEASED, 8, 0, **{AS_SHIPPED: 4}), record("ours", 10, 1)
    for each in of_real_sets if not is_try else ():
        runs.kept(runs.RUNS / "receipts" / f"{each.arm}-a" / f"seed{each.seed}", lambda: each)  # noqa: B023
    show(root, is_try=is_try)
    of_v4 = (
        f"| receipts | {DEFAULT_MODEL} | 0.4000 / 0.4000 | 0.8000 / 0.4000 | 1.0000 / 0.5000 "
        "| 1 | 5.0 |"
    )
    rows = (
        "| model | parameters | Paddle, ms | OpenVINO, ms |",
        "| PP-OCRv4_mobile_det | 1,171,721 | 200 | 40 |",
        "| PP-OCRv6_tiny_det | 500,000 | 90 | - |",
        "| receipts | PP-OCRv6_tiny_det | 0.4000 / 0.4000 | 0.6000 / 0.3000 | 0.8000 / 0.4000 "
        "| 3 | 5.0 |",
    )
    printed, after = capsys.readouterr().out, document.read_text(encoding="utf-8")
    assert (of_v4 in printed, of_v4 in after) == (not is_try, not is_try)
    for row in rows:
        assert row in printed
        assert (row in after) != is_try
