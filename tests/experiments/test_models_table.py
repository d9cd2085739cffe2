"""The table of the released detectors: what it counts, and where it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import models_table
from experiments.models_table import installed, options_of, parameters, show
from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import released
from ppocr_ft.weights.released import DEFAULT_MODEL

SPEEDS = {
    "PP-OCRv4_mobile_det": (1_171_721, {"Paddle": 200.4, "OpenVINO": 40.0}),
    "PP-OCRv6_tiny_det": (500_000, {"Paddle": 90.0}),
}
RATES = {("receipts", "PP-OCRv6_tiny_det"): ("0.9 / 0.7", "0.93 / 0.8", "0.94 / 0.84")}


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
    show(SPEEDS, RATES, is_try=is_try)
    rows = (
        "| model | parameters | Paddle, ms | OpenVINO, ms |",
        "| PP-OCRv4_mobile_det | 1,171,721 | 200 | 40 |",
        "| PP-OCRv6_tiny_det | 500,000 | 90 | - |",
        "| receipts | PP-OCRv6_tiny_det | 0.9 / 0.7 | 0.93 / 0.8 | 0.94 / 0.84 |",
    )
    printed, after = capsys.readouterr().out, document.read_text(encoding="utf-8")
    for row in rows:
        assert row in printed
        assert (row in after) != is_try
