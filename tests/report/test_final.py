"""The page and the last lines of a run that chose its final weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.commands.report.run import read_run
from ppocr_ft.commands.train.console import closing_lines, outcome_lines
from ppocr_ft.report.page.charts import final_charts
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.summary import final_rows
from ppocr_ft.report.page.translation import text_of
from tests.support.report_run import run_folder

HALF_WAY = "half way (0.5) between the start and step 4"


def tried(alpha: float, hmean: float, gain: float, *, step: int = 4, of: int = 1) -> dict[str, Any]:
    """What final.json says of weights; held-out rates are 0.01 lower than those of all images."""
    held_out = {"hmean": hmean - 0.01, "hmean_70": hmean - 0.11, "gain": gain, "gain_error": 0.003}
    rates = {"hmean": hmean, "hmean_70": hmean - 0.1}
    also = {"general": hmean / 2} if alpha in (0, 0.5) else {}
    about = {"alpha": alpha, "step": step, "averaged": of}
    return {**about, **rates, "held_out": held_out, "also": also}


CANDIDATES = [
    tried(0, 0.7, 0), tried(0.5, 0.8, 0.1), tried(1, 0.75, 0.05), tried(1, 0.6, -0.1, step=8),
    tried(1, 0.65, -0.05, step=8, of=3), tried(0.25, 0.78, 0.08),
]  # fmt: skip


def folder_with(place: Path, chosen: int) -> Path:
    folder = run_folder(place / "run")
    about = {key: CANDIDATES[chosen][key] for key in ("alpha", "step", "averaged")}
    gain = {"objective": "mean", "gain": 0.09, "gain_error": 0.004, "gain_low": 0.02}
    record = {**about, **gain, "candidates": CANDIDATES}
    (folder / "final.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_page_says_what_was_chosen_from_what(tmp_path: Path) -> None:
    run = read_run(folder_with(tmp_path, 1))
    page = render(run)
    assert f"The final weights are {HALF_WAY}, which beat the start, with its own fitted" in page
    assert ">Better than the start<" in page
    assert "their hmean is 0.7900 at IoU 0.5 and 0.6900 at IoU 0.7; the start" in page
    assert "0.6900 and 0.5900; on images that the values were not chosen on" in page
    assert "+0.0900 ± 0.0040 over the start (mean of hmean at IoU 0.5 and 0.7)" in page
    assert "On general hmean is 0.4000 with the final weights, 0.3500 with the start." in page
    rows = [[text_of(cell, "en") for cell in row] for row in final_rows(run)]
    assert rows[1] == [HALF_WAY, "0.8000", "0.7000", "0.7900", "0.6900", "+0.1000 ± 0.0030"]
    assert rows[4][0] == "the mean of 3 checkpoints up to step 8"


def test_the_chart_has_a_line_for_each_way_and_rate(tmp_path: Path) -> None:
    (chart,) = final_charts(read_run(folder_with(tmp_path, 1)))
    names = [text_of(series.name, "en") for series in chart.series]
    assert names == [f"IoU {iou}, to step {step}" for step in (4, 8) for iou in (0.5, 0.7)]
    first, *_, last = chart.series
    np.testing.assert_allclose(first.points, [(0, 0.69), (0.25, 0.77), (0.5, 0.79), (1, 0.74)])
    np.testing.assert_allclose(last.points, [(0, 0.59), (1, 0.49)])
    assert chart.mark is not None
    assert chart.mark[0] == 0.5


def test_the_headline_is_of_what_is_delivered(tmp_path: Path) -> None:
    """The evaluation after step 4 beats the start's, the choice took the start nevertheless."""
    page = render(read_run(folder_with(tmp_path, 0)))
    assert "The final weights are the start: nothing beat it" in page
    assert ">No better than the start<" in page
    assert "their hmean is" not in page


def test_a_mean_lies_on_no_way(tmp_path: Path) -> None:
    run = read_run(folder_with(tmp_path, 4))
    assert final_charts(run)[0].mark is None
    assert "the mean of 3 checkpoints up to step 8" in render(run)


def test_a_run_without_a_choice_has_none_of_it(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "run"))
    assert final_charts(run) == final_rows(run) == []
    assert "Which weights were chosen" not in render(run)


@pytest.mark.parametrize(
    ("chosen", "said", "file"),
    [
        (1, f"are {HALF_WAY}, which beat the start", f"final.pdparams ({HALF_WAY})"),
        (
            0,
            "are the start: nothing beat it by more than chance, with its own",
            "final.pdparams (the start)",
        ),
    ],
)
def test_the_last_lines_name_the_final_weights(
    chosen: int, said: str, file: str, tmp_path: Path
) -> None:
    run = read_run(folder_with(tmp_path, chosen))
    lines = outcome_lines(run)
    assert " ".join(lines).startswith(f"The final weights {said}")
    assert "The best weights (step 4) beat the start." in " ".join(lines)
    assert ("With the fitted post-processing their hmean is 0.7900" in " ".join(lines)) == chosen
    assert max(map(len, lines)) <= 80
    files = "\n".join(closing_lines(run.folder, 1, trained=False, final=run.delivered))
    assert file in files
    assert "next:" in files
