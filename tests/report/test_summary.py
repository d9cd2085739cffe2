"""What stands beside the verdict: facts of the run, advice, commands, fitted post-processing."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.commands.predict.cli import options_of
from ppocr_ft.commands.report.run import read_run, training_time
from ppocr_ft.engine.monitor.history import VERDICT_NAMES
from ppocr_ft.engine.outcome import ADVICE
from ppocr_ft.report.evaluations import write_evaluation
from ppocr_ft.report.page.comparison import compare_with_start
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.run import Run
from ppocr_ft.report.page.summary import (
    advice_text,
    alert_text,
    evaluation_rows,
    facts,
    fitted_rows,
    fitted_sentences,
    next_steps,
    other_rates,
)
from ppocr_ft.report.page.translation import Label, Translated, text_of, texts
from tests.support.report_run import Hmeans, evaluation, rows_of, run_folder

LOG = """\
2026-01-31 22:00:00 weights: released
2026-01-31 22:00:00 goes on after nothing: it is a new run
2026-01-31 23:30:00 epoch 1/2
a line without a time
2026-01-31 23:30:30 stopped
2026-02-02 08:00:00 weights: released
2026-02-02 08:00:00 goes on after step 4
2026-02-02 08:01:05 done
"""


def words(labels: list[Label] | list[Translated], language: str = "en") -> list[object]:
    return [text_of(label, language) for label in labels]


def test_the_time_of_a_run_leaves_the_pause_before_a_resume_out(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text(LOG)
    began, seconds = training_time(log)
    assert f"{began}" == "2026-01-31 22:00:00"
    assert seconds == 90 * 60 + 30 + 65
    log.write_text(f"{LOG}2025-01-31 22:00:00 the clock was set back\n2025-01-31 22:00:07 step\n")
    assert training_time(log)[1] == seconds + 7
    log.write_text("nothing\n")
    with pytest.raises(ValueError, match="no line begins with a time"):
        training_time(log)


def test_date_duration_machine_and_memory_are_said(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    for row in rows:
        row["memory_mb"] = "" if row["kind"] == "eval" else 512 * row["step"]
    folder = run_folder(tmp_path / "run", rows=rows, boxes=False)
    assert words(facts(read_run(folder))) == ["4 steps", "cpu", "up to 2.0 GB of memory"]
    (folder / "train.log").write_text(LOG)
    environment = {
        "device": "gpu:0",
        "gpu": "A card",
        "processor": "A CPU",
        "command": "x -o 'a b'",
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    run = read_run(folder)
    assert words(facts(run)) == [
        "2026-01-31 22:00", "1 h 31 min", "4 steps", "A card", "up to 2.0 GB of memory"
    ]  # fmt: skip
    assert words(facts(replace(run, seconds=182.6)), "zh")[1] == "3 分 3 秒"
    page = render(run)
    assert "x -o &#39;a b&#39;</pre>" in page
    assert ">command<" not in page


def test_precision_and_recall_are_those_of_the_ratio_that_hmean_is_best_at(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.3), 1.0: (0.55, 0.45)}})
    for row in rows:
        if row["kind"] == "eval":
            row |= {"precision": row["hmean"] + 0.1, "recall_70": row["hmean_70"] - 0.1}
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    half, strict = ([(a, b) for _, a, b in other_rates(run, p)] for p in compare_with_start(run))
    assert half == [pytest.approx((0.6, 0.7)), pytest.approx((0.5, 0.6))]
    assert strict == [pytest.approx((0.4, 0.45)), pytest.approx((0.3, 0.35))]


def test_advice_and_verdicts_have_a_text_each_in_both_languages() -> None:
    english = texts("en")
    assert {key[7:]: text for key, text in english.items() if key.startswith("advice.")} == ADVICE
    for group in ("alert.", "remedy."):
        named = {key.removeprefix(group) for key in english if key.startswith(group)}
        assert named == set(VERDICT_NAMES)


def test_advice_about_a_verdict_has_its_remedy_in_chinese(tmp_path: Path) -> None:
    run = read_run(run_folder(tmp_path / "a run", rows=rows_of(UNBEATEN), boxes=False))
    alert = {"step": 4, "name": "nan", "sentence": "It is NaN.", "remedy": "Lower the rate."}
    advice = advice_text(replace(run, alerts=[alert]))
    assert advice is not None
    assert advice.text("en") == "nan was the trouble: Lower the rate."
    assert advice.text("zh").startswith("问题在于 nan")
    assert "请降低 Optimizer.lr.learning_rate" in advice.text("zh")


def test_a_verdict_is_said_in_english_as_it_was_and_translated_with_its_numbers() -> None:
    alert = {"name": "overfitting", "sentence": "It rose to 2.5.", "remedy": "Stop."}
    assert text_of(alert_text(alert), "en") == "It rose to 2.5. Stop."
    chinese = str(text_of(alert_text(alert), "zh"))
    assert "过拟合" in chinese
    assert "2.5" in chinese
    assert alert_text({**alert, "name": "my-own"}) == "It rose to 2.5. Stop."


UNBEATEN: Hmeans = {0: {1.5: (0.5, 0.4)}, 2: {1.5: (0.4, 0.3)}, 4: {1.5: (0.3, 0.2)}}


def run_of(tmp_path: Path, hmeans: Hmeans) -> Run:
    return read_run(run_folder(tmp_path / "a run", rows=rows_of(hmeans), boxes=False))


def test_advice_and_commands_for_weights_that_are_the_start_too(tmp_path: Path) -> None:
    run = run_of(tmp_path, UNBEATEN)
    assert [text.key for text, _ in next_steps(run)] == ["next.predict", "next.export"]
    assert next_steps(replace(run, running=True)) == next_steps(replace(run, rows=[])) == []
    advice = advice_text(run)
    assert advice
    assert run.advice
    assert advice.text("en") == run.advice.sentence
    assert run.advice.sentence in render(run)


@pytest.mark.parametrize("fitted", [False, True])
def test_commands_to_go_on_with_can_be_typed(
    fitted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tools/train.py"])
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    run = replace(run, fitted={"config": {}, "chosen": {}} if fitted else None)
    folder = str(run.folder)
    predict, export = (shlex.split(line) for _, line in next_steps(run))
    config = ["-c", f"{folder}/{'fitted' if fitted else 'config.resolved'}.yml"]
    weights = [] if fitted else ["-o", f"Global.checkpoints={folder}/best_accuracy"]
    assert predict == [
        "python", "tools/predict.py", *config, *weights, "--images", "photo.jpg", "--out", "found"
    ]  # fmt: skip
    assert export[:4] == ["python", "tools/export.py", *config]
    assert export[4:] == [*(weights or ["-o"]), f"Global.save_inference_dir={folder}/inference"]
    assert options_of(predict[2:]).images == ["photo.jpg"]


FIT: dict[str, Any] = {
    "objective": "mean",
    "config": {"thresh": 0.3, "unclip_ratio": 1.0, "resize": "960:max", "hmean": 0.5,
               "hmean_70": 0.25, "precision": 0.5},
    "chosen": {"thresh": 0.25, "unclip_ratio": 1.0, "resize": "960:max", "hmean": 0.75,
               "hmean_70": 0.5, "precision": 0.5},
    "held_out": {"gain": 0.0125, "gain_error": 0.005},
}  # fmt: skip


def test_the_fitted_post_processing_is_said_in_words(tmp_path: Path) -> None:
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}})
    assert fitted_rows(run) == fitted_sentences(run) == []
    assert fitted_sentences(replace(run, fitted={"chosen": {}, "config": {}})) == []
    run = replace(run, fitted=FIT)
    assert [[text_of(cell, "en") for cell in row] for row in fitted_rows(run)] == [
        ["how far boxes grow (unclip_ratio)", "1", "1"],
        ["lowest value of text on the map (thresh)", "0.3", "0.25"],
        ["size of the image for the network (resize)", "960:max", "960:max"],
        ["hmean @ 0.5", "0.5", "0.75"],
        ["hmean @ 0.7", "0.25", "0.5"],
    ]
    assert words(fitted_sentences(run)) == [
        "With the fitted post-processing hmean is 0.7500 at IoU 0.5 and 0.5000 at IoU 0.7; "
        "with the config's values it is 0.5000 and 0.2500.",
        "On images held out from the fit, fitted values change the mean of hmean at IoU 0.5 "
        "and 0.7 by +0.0125 ± 0.0050.",
    ]
    kept = replace(run, fitted={**FIT, "chosen": FIT["config"], "held_out": None})
    (sentence,) = words(fitted_sentences(kept))
    assert str(sentence).startswith("The config's post-processing stays: hmean 0.5000 at IoU 0.5")


def test_the_table_has_every_evaluation_and_names_the_best(tmp_path: Path) -> None:
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.3), 1.0: (0.55, 0.45)}})
    first, best = evaluation_rows(run)
    assert text_of(first[0], "en") == "step 0"
    assert text_of(best[0], "en") == "step 4 · best"
    assert best[1:] == ["1.5", "0.6000", "0.3000", "0.6000 (1.5)", "0.4500 (1.0)"]


@pytest.mark.parametrize("trained", [True, False])
def test_nothing_that_is_the_start_is_called_fine_tuned(trained: bool, tmp_path: Path) -> None:
    """The best weights are the start; of those trained, the boxes are kept or not."""
    folder = run_folder(tmp_path / "run", rows=rows_of(UNBEATEN))
    names = {"before": (0, 0.0), "best": (0, 0.0)} | ({"trained": (2, 14.0)} if trained else {})
    for name, (step, shift_px) in names.items():
        kept = evaluation(tmp_path, step, shift_px)
        write_evaluation(folder / "evaluations" / f"{name}.jsonl", kept.about, kept.images)
    page = render(read_run(folder))
    assert '<span lang="en">fine-tuned</span>' not in page
    assert "+0.000<" not in page
    assert page.count("<figcaption>") > 3
    named = page.count('<span lang="en">best of training</span>')
    assert (named > 6) == trained
    assert ("there is nothing to compare" in page) != trained
