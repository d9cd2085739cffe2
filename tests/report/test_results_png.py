"""The curves as a picture: which panels there are, what is in them, and that a dot is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from ppocr_ft.commands.report.run import read_run
from ppocr_ft.report.page import figures as module
from ppocr_ft.report.page.figures import results_png
from tests.support.report_run import rows_of, run_folder


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn."""
    kept: list[Figure] = []
    as_png = module.as_png
    monkeypatch.setattr(module, "as_png", lambda figure: (kept.append(figure), as_png(figure))[1])
    return kept


def drawn(folder: Path, rows: list[dict[str, Any]], figures: list[Figure]) -> dict[str, Any]:
    """By panel's title: its names and lines."""
    results_png(read_run(run_folder(folder, rows=rows, boxes=False)))
    return {
        axes.get_title(loc="left"): {line.get_label(): line for line in axes.lines}
        for axes in figures[-1].axes
    }


def test_panels_are_those_of_the_report(tmp_path: Path, figures: list[Figure]) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    for row in rows:
        row |= {"val_loss": 2.5} if row["kind"] == "eval" else {"lr/head": row["lr/backbone"]}
    panels = drawn(tmp_path / "a$b$", rows, figures)
    losses = "losses (means over Global.log_smooth_window steps)"
    assert list(panels) == ["hmean", losses, "learning rate of each parameter group"]
    assert list(panels[losses]) == ["loss", "shrink map", "validation loss"]
    assert list(panels["learning rate of each parameter group"]) == ["backbone and 1 more"]
    assert "best weights: step 4" in panels["hmean"]
    assert figures[-1].get_suptitle() == "a$b$"
    next(row for row in rows if row["step"] == 2)["shrink_ratio"] = 0.5
    assert "shrink ratio" in drawn(tmp_path / "moving", rows, figures)


def test_a_single_row_is_a_dot_on_an_axis_from_0(tmp_path: Path, figures: list[Figure]) -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "train", "step": 1, "loss": 2.5, "lr": 0.001, "shrink_ratio": 0.4}
    ]
    for panel in drawn(tmp_path / "run", rows, figures).values():
        (line,) = panel.values()
        assert line.get_marker() == "o"
    low, high = figures[-1].axes[0].get_xlim()
    assert low < 0.1
    assert high > 1
    assert figures[-1].axes[0].get_ylim()[0] == 0


def test_a_run_of_nothing_but_a_name_has_a_picture(tmp_path: Path, figures: list[Figure]) -> None:
    assert drawn(tmp_path / "run", [{"kind": "train", "step": 1}], figures) == {}
