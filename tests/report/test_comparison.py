"""What the page says of the best weights against the start: outcome, sentences, cards, table."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ppocr_ft.commands.report.run import read_run
from ppocr_ft.engine.outcome import NOT_TRAINED
from ppocr_ft.report.evaluations import write_evaluation
from ppocr_ft.report.page.comparison import (
    Comparison,
    compare_with_start,
    forgetting,
    forgetting_rows,
    outcome_of,
    sentences,
)
from ppocr_ft.report.page.render import render
from ppocr_ft.report.page.run import BestRate, Run
from ppocr_ft.report.page.translation import text_of
from tests.support.report_run import (
    Hmeans,
    evaluation,
    rows_of,
    run_folder,
    with_further_set,
)

UNBEATEN = "No evaluation beat the start, so that the best weights are the starting weights"
BETTER = "The best weights (step 4) beat the start: hmean "
EQUAL = "the best weights (step 4) only equal it, hmean "
NOTHING = f"Nothing was evaluated after the start: {NOT_TRAINED}"
NO_START = "The start was not evaluated; the best weights are those of step"
OUTCOMES = {
    "both rates rise": ({0: (0.5, 0.4), 4: (0.6, 0.5)}, "better", BETTER),
    "one rises, the other stays": ({0: (0.5, 0.4), 4: (0.6, 0.4)}, "better", BETTER),
    "one rises, the other falls": ({0: (0.5, 0.4), 4: (0.6, 0.3)}, "mixed", BETTER),
    "the start was never beaten": ({0: (0.5, 0.4), 4: (0.4, 0.5)}, "same", UNBEATEN),
    "a tie is no gain": ({0: (0.5, 0.4), 4: (0.5, 0.4)}, "same", EQUAL),
    "a tie, but tighter": ({0: (0.5, 0.4), 4: (0.5, 0.45)}, "better", BETTER),
    "no evaluation before training": ({4: (0.5, 0.4)}, "unknown", NO_START),
    "two of them": ({2: (0.4, 0.3), 4: (0.5, 0.4)}, "unknown", NO_START),
    "no evaluation but the first": ({0: (0.5, 0.4)}, "unknown", NOTHING),
}
HEADLINES = {
    "better": "Better than the start",
    "mixed": "Better at one IoU, worse at the other",
    "same": "No better than the start",
    "unknown": "Not judged yet",
}


def run_of(tmp_path: Path, hmeans: Hmeans, *, boxes: bool = False) -> Run:
    return read_run(run_folder(tmp_path / "run", rows=rows_of(hmeans), boxes=boxes))


def said(run: Run) -> list[tuple[str, dict[str, object]]]:
    """Keys and values of the sentences."""
    return [(s.key, s.values) for s in sentences(run, compare_with_start(run))]


@pytest.mark.parametrize(("hmeans", "wanted", "sentence"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_each_outcome_has_its_headline_and_sentence_and_no_other(
    hmeans: dict[int, tuple[float, float]], wanted: str, sentence: str, tmp_path: Path
) -> None:
    run = run_of(tmp_path, {step: {1.5: pair} for step, pair in hmeans.items()})
    assert outcome_of(run, compare_with_start(run)) == wanted
    page = render(run)
    assert [name for name, words in HEADLINES.items() if f">{words}<" in page] == [wanted]
    all_of_them = (UNBEATEN, BETTER, EQUAL, NOTHING, NO_START)
    assert [words for words in all_of_them if words in page] == [sentence]
    after_training = {UNBEATEN: ["best of training"], NOTHING: [], NO_START: []}
    cards = re.findall(r'<span lang="en">(best of training|fine-tuned)</span>', page)
    assert sorted(set(cards)) == after_training.get(sentence, ["fine-tuned"])


def test_worse_weights_that_were_kept_are_called_worse(tmp_path: Path) -> None:
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.4, 0.3)}}, boxes=True)
    assert run.best_step == 4
    page = render(run)
    assert ">Worse than the start<" in page
    assert page.count("▼ -0.1000") == 2
    assert "▲" not in page[: page.index('id="curves"')]


def test_the_best_trained_one_is_shown_where_none_beat_the_start(tmp_path: Path) -> None:
    hmeans = {0: (0.5, 0.4), 2: (0.4, 0.5), 4: (0.3, 0.2)}
    run = run_of(tmp_path, {step: {1.5: pair} for step, pair in hmeans.items()})
    at_50, at_70 = compare_with_start(run)
    assert (at_50.start.step, at_50.after.step) == (0, 2)
    assert (at_50.sign, at_70.sign) == (-1, 1)
    ((key, values), extent) = said(run)
    assert (key, values["step"]) == ("said.start", 2)
    texts = [str(text_of(values[name], "en")) for name in ("half", "strict")]
    assert texts == ["-0.1000 at IoU 0.5", "+0.1000 at IoU 0.7"]
    assert extent == ("verdict.broken_off", {"step": 4, "total": 8})


def test_a_run_that_reached_its_end_was_not_broken_off(tmp_path: Path) -> None:
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    rows.append({"kind": "train", "step": 8, "loss": 1})
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    assert [key for key, _ in said(run)] == ["said.better"]


@pytest.mark.parametrize(("after", "advised"), [((0.6, 0.5), True), ((0.4, 0.3), False)])
def test_an_unclip_ratio_is_advised_for_weights_that_beat_the_start(
    after: tuple[float, float], advised: bool, tmp_path: Path
) -> None:
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.1, 0.1), 1.0: after}})
    advice = ("verdict.set_ratio", {"ratio": "1.0", "config_ratio": "1.5"})
    assert (advice in said(run)) == advised


def test_no_unclip_ratio_is_advised_where_the_ious_want_two(tmp_path: Path) -> None:
    after = {1.5: (0.6, 0.1), 1.0: (0.1, 0.5)}
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: after})
    assert "verdict.set_ratio" not in dict(said(run))


def test_each_evaluation_is_judged_by_its_own_best_unclip_ratio(tmp_path: Path) -> None:
    before, after = {1.5: (0.5, 0.4), 1.0: (0.6, 0.3)}, {1.5: (0.7, 0.2), 1.0: (0.55, 0.45)}
    run = run_of(tmp_path, {0: before, 4: after})
    half, strict = compare_with_start(run)
    assert (half.start, half.after) == (BestRate(0, 0.6, 1.0), BestRate(4, 0.7, 1.5))
    assert (strict.start, strict.after) == (BestRate(0, 0.4, 1.5), BestRate(4, 0.45, 1.0))
    assert half.gain == pytest.approx(0.1)
    assert run.unclip_ratio(4) == 1.0


CERTAIN = {(0.01, 0.02): True, (-0.02, -0.01): True, (-0.01, 0.02): False, (0.0, 0.02): False}


@pytest.mark.parametrize(("interval", "certain"), CERTAIN.items())
def test_an_interval_that_leaves_out_0_is_certain(
    interval: tuple[float, float], certain: bool
) -> None:
    comparison = Comparison(0.5, BestRate(0, 0.5, 1.5), BestRate(4, 0.6, 1.5), interval)
    assert comparison.certain == certain


@pytest.mark.parametrize(
    ("shift_px", "certain", "doubt"), [(14, [False, True], ""), (2, [False] * 2, ", may be chance")]
)
def test_differences_that_may_be_chance_are_said_to_be(
    shift_px: float, certain: list[bool], doubt: str, tmp_path: Path
) -> None:
    """The made-up boxes of the start fit at IoU 0.5, but not at 0.7 where they lie 14 px aside."""
    folder = run_folder(tmp_path / "run")
    before = evaluation(tmp_path, 0, shift_px)
    write_evaluation(folder / "evaluations" / "before.jsonl", before.about, before.images)
    run = read_run(folder)
    pairs = compare_with_start(run)
    assert [pair.certain for pair in pairs] == certain
    assert pairs[0].interval == (0, 0)
    ((key, values), _) = said(run)
    assert (key, text_of(values["doubt"], "en")) == ("said.better", doubt)
    assert text_of(values["images"], "en") == ", on validation images (9)"
    page = render(run)
    assert page.count("beyond chance.") == certain.count(True)
    assert page.count("may be chance.") == certain.count(False)


def test_worse_than_the_start_has_an_interval_too(tmp_path: Path) -> None:
    """The boxes of the start are kept as the best, those of step 4 beside them."""
    rows = rows_of({0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.4, 0.3)}})
    folder = run_folder(tmp_path / "run", rows=rows)
    names = {"before": (0, 0), "best": (0, 0), "trained": (4, 14)}
    for name, (step, shift_px) in names.items():
        kept = evaluation(tmp_path, step, shift_px)
        write_evaluation(folder / "evaluations" / f"{name}.jsonl", kept.about, kept.images)
    half, strict = compare_with_start(read_run(folder))
    assert (half.after.step, half.interval) == (4, (0, 0))
    assert strict.interval is not None
    assert strict.interval[1] < -0.5
    write_evaluation(folder / "evaluations" / "trained.jsonl", replace(kept.about, step=2), ())
    assert compare_with_start(read_run(folder))[0].interval is None, "it is out of date"


def test_no_interval_where_the_kept_boxes_are_of_other_steps(tmp_path: Path) -> None:
    run = run_of(tmp_path, {0: {1.5: (0.5, 0.4)}, 4: {1.5: (0.6, 0.5)}})
    assert [pair.interval for pair in compare_with_start(run)] == [None, None]


GAINED: Hmeans = {0: {1.5: (0.6, 0.4)}, 4: {1.5: (0.7, 0.5), 1.0: (0.65, 0.55)}}
LOST = "Lost on other images (Eval.also) by the weights of step 4, in hmean at IoU 0.5 / 0.7: "
KEPT = "The weights of step 4 lost nothing on the other images (Eval.also): "
FORGOTTEN = {
    "lost at IoU 0.5": ((0.88, 0.8), f"{LOST}general -0.0200 / +0.0000."),
    "lost at IoU 0.7": ((0.9, 0.75), f"{LOST}general +0.0000 / -0.0500."),
    "nothing lost": ((0.9, 0.81), f"{KEPT}general."),
}


@pytest.mark.parametrize(("after", "sentence"), FORGOTTEN.values(), ids=FORGOTTEN.keys())
def test_what_was_lost_on_a_further_set_stands_beside_the_gain(
    after: tuple[float, float], sentence: str, tmp_path: Path
) -> None:
    further: Hmeans = {0: {1.5: (0.5, 0.3), 2.2: (0.9, 0.8)}, 4: {1.5: after}}
    rows = with_further_set(rows_of(GAINED), "general", further)
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    page, told = render(run), forgetting(run)
    assert told
    assert f">{sentence}<" in page
    gains = [f"{now - before:+.4f}" for now, before in zip(after, (0.9, 0.8), strict=True)]
    assert forgetting_rows(run) == [
        ["Eval", "0.5", "0.6000 (1.5)", "0.7000 (1.5)", "+0.1000", ""],
        ["Eval", "0.7", "0.4000 (1.5)", "0.5500 (1.0)", "+0.1500", ""],
        ["general", "0.5", "0.9000 (2.2)", f"{after[0]:.4f} (1.5)", gains[0], ""],
        ["general", "0.7", "0.8000 (2.2)", f"{after[1]:.4f} (1.5)", gains[1], ""],
    ]
    assert "<td>0.9000 (2.2)</td>" in page
    assert outcome_of(run, compare_with_start(run)) == "better"


def test_kept_boxes_of_a_further_set_give_its_interval(tmp_path: Path) -> None:
    further: Hmeans = {0: {1.5: (0.9, 0.8)}, 4: {1.5: (0.5, 0.3)}}
    rows = with_further_set(rows_of(GAINED), "general", further)
    folder = run_folder(tmp_path / "run", rows=rows, boxes=False)
    for name, step, shift_px in (("before", 0, 0.0), ("best", 4, 60.0)):
        kept = evaluation(tmp_path, step, shift_px)
        write_evaluation(folder / f"evaluations/general/{name}.jsonl", kept.about, kept.images)
    intervals = [row[-1] for row in forgetting_rows(read_run(folder))]
    assert intervals[:2] == ["", ""]
    assert all(re.fullmatch(r"-\d\.\d{4} \.\.\. -\d\.\d{4}", text) for text in intervals[2:])


def test_a_set_that_was_not_judged_at_the_start_is_left_out(tmp_path: Path) -> None:
    rows = with_further_set(rows_of(GAINED), "late", {4: {1.5: (0.9, 0.8)}})
    run = read_run(run_folder(tmp_path / "run", rows=rows, boxes=False))
    assert forgetting(run) is None
    assert forgetting_rows(run) == []
    assert "lost elsewhere" not in render(run)
