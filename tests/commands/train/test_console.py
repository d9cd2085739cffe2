"""The words with which a training ends, for a run that beat its start and one that didn't."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ppocr_ft.commands.report.run import read_run
from ppocr_ft.commands.train.console import (
    closing_lines,
    closing_table,
    outcome_lines,
    summary_table,
)
from ppocr_ft.engine.outcome import Advice
from ppocr_ft.report.evaluations import write_evaluation
from tests.engine.test_eval_result import result
from tests.support.report_run import evaluation, rows_of, run_folder, with_further_set


def test_the_final_table_fits_80_columns() -> None:
    rates = {1.5: (0.9, 0.2), 1.0: (0.95, 0.7)}
    names = ("before training", "best", "at the end")
    results = {name: replace(result(100_000, rates)) for name in names}
    table = summary_table(results, "hmean").splitlines()
    assert len(table) == 7
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize("taken", [True, False])
def test_the_closing_table_has_start_best_end_and_what_was_fitted(
    taken: bool, tmp_path: Path
) -> None:
    rows = rows_of({0: {1.5: (0.6, 0.4)}, 2: {1.5: (0.7, 0.5)}, 4: {1.5: (0.65, 0.45)}})
    folder = run_folder(tmp_path / "run", rows=rows, boxes=False)
    start = {"unclip_ratio": 1.1, "hmean": 0.61, "hmean_70": 0.51}
    fitted = {"unclip_ratio": 1.2, "hmean": 0.8, "hmean_70": 0.7}
    config = {"unclip_ratio": 1.5, "hmean": 0.7, "hmean_70": 0.5}
    held_out = {"hmean": 0.79, "hmean_70": 0.69, "gain": 0.1, "gain_error": 0.01}
    fit = {"config": config, "fitted": fitted, "chosen": fitted if taken else config}
    (folder / "fit_postprocess.json").write_text(json.dumps(fit | {"held_out": held_out}))
    about = {"alpha": 1, "step": 2, "averaged": 1}
    held = {"held_out": held_out}
    gain = {"gain": 0.1, "gain_error": 0.01, "objective": "mean", "images": 9}
    final = {
        **about,
        **gain,
        "candidates": [about | start | held | {"alpha": 0}, about | fitted | held],
    }
    (folder / "final.json").write_text(json.dumps(final))
    table = closing_table(read_run(folder)).splitlines()
    assert max(map(len, table)) <= 80
    assert [line.split() for line in table[1:]] == [
        ["before", "training", "(step", "0)", "1.50", "0.6000", "0.4000"],
        ["best", "(step", "2)", "1.50", "0.7000", "0.5000"],
        ["at", "the", "end", "(step", "4)", "1.50", "0.6500", "0.4500"],
        ["before", "training,", "fitted", "1.10", "0.6100", "0.5100"],
        f"final weights, fitted {'1.20 0.8000 0.7000' if taken else '1.50 0.7000 0.5000'}".split(),
        *([["on", "images", "held", "out", "0.7900", "0.6900"]] if taken else []),
    ]


def test_the_commands_are_tried_on_an_image_that_is_there(tmp_path: Path) -> None:
    lines = closing_lines(tmp_path, 1, image="my photos/a.jpg")
    (predict,) = [line for line in lines if " predict " in line]
    assert "--images 'my photos/a.jpg' --out found" in predict


@pytest.mark.parametrize("after", [(0.71, 0.6), (0.4, 0.3)])
def test_better_or_worse_is_said_in_one_sentence_with_interval(
    after: tuple[float, float], tmp_path: Path
) -> None:
    rows = rows_of({0: {1.5: (0.61, 0.4)}, 4: {1.5: after}})
    folder = run_folder(tmp_path / "run", rows=rows)
    if after < (0.61, 0.4):
        for name, step, shift_px in (("best", 0, 8.0), ("trained", 4, 14.0)):
            kept = evaluation(tmp_path, step, shift_px)
            write_evaluation(folder / "evaluations" / f"{name}.jsonl", kept.about, kept.images)
    lines = outcome_lines(read_run(folder))
    assert max(map(len, lines)) <= 80
    assert not any(line.endswith("(step") for line in lines)
    text = " ".join(lines)
    worse = (
        "No evaluation beat the start, so that the best weights are the starting weights (step 0): "
        "the best of training (step 4) has hmean -0.2100 at IoU 0.5 (95 % interval "
    )
    better = "The best weights (step 4) beat the start: hmean +0.1000 at IoU 0.5 (95 % interval "
    assert text.startswith(better if after > (0.61, 0.4) else worse)
    assert text.count("95 % interval") == 2
    assert text.endswith(", on validation images (9).")
    assert text.count(". ") == 0, "one sentence"


@pytest.mark.parametrize("start", [(1.0, 0.9), (0.8, 0.9)])
def test_a_tie_at_another_unclip_ratio_is_no_gain(
    start: tuple[float, float], tmp_path: Path
) -> None:
    rows = rows_of({0: {1.5: (1.0, 0.0), 1.0: start}, 4: {1.5: (1.0, 0.9), 1.0: (1.0, 0.9)}})
    text = " ".join(outcome_lines(read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))))
    assert text == (
        "No evaluation beat the start: the best weights (step 4) only equal it, "
        "hmean +0.0000 at IoU 0.5 and +0.0000 at IoU 0.7."
    )


def test_the_start_is_not_offered_as_trained(tmp_path: Path) -> None:
    text = "\n".join(closing_lines(tmp_path, 1, trained=False))
    assert "best_accuracy.pdparams (the start)" in text
    assert "next, with the start's weights:\n  ppocr-ft predict -c " in text
    assert "next:" not in text


def test_the_report_comes_first_and_the_commands_name_what_is_there(tmp_path: Path) -> None:
    without = "\n".join(closing_lines(tmp_path, 266.2))
    assert without.index("report.html") < without.index("before_after.jpg")
    assert f"config.resolved.yml -o Global.checkpoints={tmp_path}/best_accuracy --images" in without
    assert "done in 0:04:26" in without
    (tmp_path / "fitted.yml").touch()
    assert f"-c {tmp_path}/fitted.yml --images" in "\n".join(closing_lines(tmp_path, 1))


def test_a_table_says_what_was_gained_and_what_lost_elsewhere(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.6, 0.4)}, 4: {1.5: (0.7, 0.5)}})
    rows = with_further_set(rows, "scenes", {0: {1.0: (0.9, 0.8)}, 4: {1.5: (0.88, 0.81)}})
    folder = run_folder(tmp_path / "run", rows=rows, boxes=False)
    for name, step, shift_px in (("before", 0, 0.0), ("best", 4, 3.0)):
        kept = evaluation(tmp_path, step, shift_px)
        write_evaluation(folder / f"evaluations/scenes/{name}.jsonl", kept.about, kept.images)
    lines = outcome_lines(read_run(folder))
    assert max(map(len, lines)) <= 80
    start = lines.index("") + 1
    head, *table = (line.split() for line in lines[start:])
    assert head == ["hmean", "on", "IoU", "before", "after", "change", "95", "%", "interval"]
    assert [cells[:7] for cells in table] == [
        ["Eval", "0.5", "0.6000", "(1.5)", "0.7000", "(1.5)", "+0.1000"],
        ["Eval", "0.7", "0.4000", "(1.5)", "0.5000", "(1.5)", "+0.1000"],
        ["scenes", "0.5", "0.9000", "(1.0)", "0.8800", "(1.5)", "-0.0200"],
        ["scenes", "0.7", "0.8000", "(1.0)", "0.8100", "(1.5)", "+0.0100"],
    ]
    assert [len(cells) for cells in table] == [7, 7, 10, 10]


def test_what_to_try_next_follows_the_commands(tmp_path: Path) -> None:
    advice = Advice("short", {"step": 4})
    lines = closing_lines(tmp_path, 1, advice=advice)
    assert lines[-2:] == [
        "To try next: The run was short, it ended at step 4: raise Global.epoch_num.",
        "done in 0:00:01 (h:mm:ss)",
    ]
