"""The page and the last lines of a run that chose its final weights."""

from __future__ import annotations

import json
import re
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

BETTER = "mean of hmean at IoU 0.5 and 0.7 +0.0900 (95 % interval +0.0822 to +0.0978)"
HALF_WAY = "half way (0.5) between the start and step 4"


def tried(alpha: float, hmean: float, gain: float, *, step: int = 4, of: int = 1) -> dict[str, Any]:
    """What final.json says of weights; held-out rates are 0.01 lower than those of all images."""
    held_out = {"hmean": hmean - 0.01, "hmean_70": hmean - 0.11, "gain": gain, "gain_error": 0.003}
    rates = {"hmean": hmean, "hmean_70": hmean - 0.1, "unclip_ratio": 1.2}
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
    gain = {"objective": "mean", "gain": 0.09, "gain_error": 0.004, "gain_low": 0.02, "images": 8}
    record = {**about, **gain, "candidates": CANDIDATES}
    (folder / "final.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def test_the_page_says_what_was_chosen_from_what(tmp_path: Path) -> None:
    run = read_run(folder_with(tmp_path, 1))
    page = render(run)
    assert f"The final weights, {HALF_WAY}, beat the start: {BETTER}, each with its own" in page
    assert ">Better than the start<" in page
    first = page[page.index('class="cards"') : page.index("During training")]
    figures = re.findall(r"[+-]0\.\d{4}|<b>(0\.\d{4})</b>", first)
    assert figures == ["", "0.6900", "0.7900", "", "0.5900", "0.6900"], "the fitted figures first"
    assert first.count("Each with its own fitted post-processing, on held-out images.") == 2
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
    assert "The final weights are the start, which nothing beat by more than chance: mean" in page
    assert ">No better than the start<" in page


def test_a_mean_lies_on_no_way(tmp_path: Path) -> None:
    run = read_run(folder_with(tmp_path, 4))
    assert final_charts(run)[0].mark is None
    assert "the mean of 3 checkpoints up to step 8" in render(run)


def test_a_run_without_a_choice_has_none_of_it(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "run"))
    assert final_charts(run) == final_rows(run) == []
    assert "Which weights were chosen" not in render(run)


CLOSING = {
    "better": (1, {}, f", {HALF_WAY}, beat the start: {BETTER}, each with its own", ""),
    "few images": (1, {"is_sure": False}, "+0.0978, may be chance), each with its own", ""),
    "a wide interval": (1, {"gain_error": 0.1}, "-0.1060 to +0.2860, may be chance), each", ""),
    "the start": (
        0,
        {},
        "+0.1000 at best (95 % interval +0.0941 to +0.1059), each",
        " (the start)",
    ),
}


@pytest.mark.parametrize(("chosen", "more", "said", "file"), CLOSING.values(), ids=CLOSING.keys())
def test_the_last_lines_are_one_sentence_and_name_the_final_weights(
    chosen: int, more: dict[str, Any], said: str, file: str, tmp_path: Path
) -> None:
    folder = folder_with(tmp_path, chosen)
    record = json.loads((folder / "final.json").read_text(encoding="utf-8")) | more
    (folder / "final.json").write_text(json.dumps(record), encoding="utf-8")
    run = read_run(folder)
    lines = outcome_lines(run)
    text = " ".join(lines)
    assert text.startswith("The final weights")
    assert text.endswith(" fitted post-processing, on held-out images (8).")
    assert text.count(". ") == 0
    assert said in text
    assert max(map(len, lines)) <= 80
    files = "\n".join(closing_lines(run.folder, 1, trained=not file, final=run.delivered))
    assert f"final weights: {run.folder}/final.pdparams{file}\n" in files
    assert "best weights:" not in files
    assert ("next:" in files) == (not file)


def test_what_was_left_out_does_not_count_beside_the_start(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, 0)
    record = json.loads((folder / "final.json").read_text(encoding="utf-8"))
    record["candidates"][1]["left_out"] = True
    (folder / "final.json").write_text(json.dumps(record), encoding="utf-8")
    assert "+0.0800 at best" in " ".join(outcome_lines(read_run(folder)))
