"""Whether a run's best weights beat the start: the kind, and the one sentence about it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from ppocr_ft.engine.outcome import ADVICE, advice, caption, outcome
from tests.engine.test_eval_result import Pair, result

UNBEATEN = "No evaluation beat the start:"
START = "the best weights are the starting weights (step 0), not fine-tuned by this run."
CASES = {
    "better": (
        [(0, (0.5, 0.4)), (10, (0.6, 0.3)), (20, (0.55, 0.3))],
        ("better", 10, 10, "The best weights (step 10) beat the start."),
    ),
    "better by the tie breaker": (
        [(0, (0.5, 0.4)), (10, (0.5, 0.41))],
        ("better", 10, 10, "The best weights (step 10) beat the start."),
    ),
    "a tie": (
        [(0, (0.5, 0.4)), (10, (0.5, 0.4)), (20, (0.4, 0.4))],
        (
            "equal",
            10,
            10,
            "No evaluation beat the start: the best weights (step 10) only equal it.",
        ),
    ),
    "worse": (
        [(0, (0.5, 0.4)), (10, (0.2, 0.9)), (20, (0.3, 0.1))],
        ("start", 0, 20, f"{UNBEATEN} {START}"),
    ),
    "worse by the tie breaker": (
        [(0, (0.5, 0.4)), (10, (0.5, 0.39))],
        ("start", 0, 10, f"{UNBEATEN} {START}"),
    ),
    "NaN afterwards": (
        [(0, (0.0, 0.0)), (10, (math.nan, math.nan))],
        ("start", 0, 10, f"{UNBEATEN} {START}"),
    ),
    "the start alone": (
        [(0, (0.5, 0.4))],
        ("unjudged", 0, None, f"Nothing was evaluated after the start: {START}"),
    ),
    "without the start": (
        [(10, (0.5, 0.4))],
        ("no-start", 10, 10, "The start was not evaluated; the best weights are those of step 10."),
    ),
}


@pytest.mark.parametrize(("evaluations", "wanted"), CASES.values(), ids=CASES.keys())
def test_outcome(
    evaluations: list[tuple[int, Pair]], wanted: tuple[str, int, int | None, str]
) -> None:
    found = outcome([result(step, pair) for step, pair in evaluations], "hmean")
    assert found is not None
    trained = found.trained and found.trained.step
    assert (found.kind, found.best.step, trained, found.sentence) == wanted
    assert found.is_start == (found.best.step == 0)


def test_the_gain_is_that_of_the_best_trained_weights() -> None:
    found = outcome(
        [result(0, (0.5, 0.4)), result(10, (0.4, 0.4)), result(20, (0.3, 0.4))], "hmean"
    )
    assert found is not None
    assert found.gain == pytest.approx(-0.1)


def test_nothing_is_said_of_no_evaluation() -> None:
    assert outcome([], "hmean") is None


def test_the_start_is_never_captioned_as_fine_tuned() -> None:
    captions = ("start (step 0)", "fine-tuned, 1 step", "fine-tuned, 20 steps")
    assert tuple(map(caption, (0, 1, 20))) == captions


# --- advice on what to try next


NAN = math.nan
ADVICE_CASES: dict[str, tuple[dict[int, float], Mapping[str, str], str]] = {
    "the start alone": ({0: 0.5}, {}, "unfinished"),
    "one evaluation after several epochs": ({0: 0.5, 30: 0.47}, {}, "few-evaluations"),
    "one evaluation after an epoch": ({0: 0.5, 10: 0.47}, {}, "short"),
    "far below the start at once": ({0: 0.5, 10: 0.4, 20: 0.41}, {}, "rate-high"),
    "nothing is left": ({0: 0.5, 10: 0.0}, {}, "rate-high"),
    "worse and worse": ({0: 0.5, 10: 0.47, 20: 0.45, 30: 0.3}, {}, "rate-high"),
    "NaN in the end": ({0: 0.5, 10: 0.45, 20: NAN}, {}, "rate-high"),
    "up, then down": ({0: 0.5, 10: 0.6, 20: 0.65, 30: 0.55}, {}, "overfitting"),
    "up at once, then down": ({0: 0.5, 10: 0.6, 20: 0.55}, {}, "overfitting"),
    "below the start, up, then down": ({0: 0.5, 10: 0.46, 20: 0.47, 30: 0.46}, {}, "overfitting"),
    "collapsed at the only evaluation": ({0: 0.94, 30: 0.0}, {}, "rate-high"),
    "better, then nothing is left": ({0: 0.5, 10: 0.6, 20: 0.65, 30: 0.1}, {}, "rate-high"),
    "perfect from the start on": ({0: 1.0, 10: 1.0, 20: 1.0}, {}, "perfect"),
    "perfect at the start": ({0: 1.0, 30: 0.96}, {}, "perfect"),
    "perfect at last": ({0: 0.5, 10: 0.9, 20: 1.0}, {}, "perfect"),
    "perfect, then nothing": ({0: 1.0, 10: 0.0}, {}, "rate-high"),
    "still rising": ({0: 0.5, 10: 0.6, 20: 0.7}, {}, "rising"),
    "still rising below the start": ({0: 0.5, 10: 0.43, 20: 0.46}, {}, "rising"),
    "level above the start": ({0: 0.5, 10: 0.6, 20: 0.598}, {}, "errors"),
    "level below the start": ({0: 0.5, 10: 0.46, 20: 0.458}, {}, "labels"),
    "level with the start": ({0: 0.5, 10: 0.5, 20: 0.5}, {}, "labels"),
    "wrong targets": ({0: 0.5, 10: 0.4}, {"nan": "a", "targets-wrong": "Set it."}, "verdict"),
    "a verdict that cost nothing": ({0: 0.5, 10: 0.6, 20: 0.6}, {"nan": "Lower it."}, "errors"),
    "a verdict that explains nothing": ({0: 0.5, 10: 0.47}, {"loader-bound": "Set it."}, "short"),
}


@pytest.mark.parametrize(
    ("hmeans", "remedies", "wanted"), ADVICE_CASES.values(), ids=ADVICE_CASES.keys()
)
def test_advice(hmeans: dict[int, float], remedies: Mapping[str, str], wanted: str) -> None:
    results = [result(step, (hmean, 0.1)) for step, hmean in hmeans.items()]
    found = outcome(results, "hmean")
    assert found is not None
    given = advice(found, results, remedies)
    assert given.name == wanted
    assert given.sentence


def test_the_sentences_have_the_figures_of_the_run() -> None:
    """Ten steps are an epoch."""
    sentences = {}
    for hmeans in (
        {0: 0.5, 10: 0.6, 20: 0.65, 30: 0.55},
        {0: 0.5, 10: 0.6, 20: 0.7},
        {0: 0.5, 4: 0.47},
    ):
        results = [result(step, (hmean, 0.1)) for step, hmean in hmeans.items()]
        found = outcome(results, "hmean")
        assert found is not None
        given = advice(found, results, {})
        sentences[given.name] = given.sentence
    assert sentences == {
        "overfitting": "hmean fell from 0.6500 after step 20 to 0.5500 at the end: train shorter "
        "(Global.epoch_num=2), augment more, or add images.",
        "rising": "hmean still rose at the end: train longer (Global.epoch_num=4).",
        "short": "The run was short, it ended at step 4: raise Global.epoch_num.",
    }


@pytest.mark.parametrize(
    ("hmeans", "wanted"),
    [
        ({0: 0.5}, "unfinished"),
        ({0: 0.5, 10: 0.6}, "unfinished"),
        ({0: 0.5, 30: 0.6}, "unfinished"),
        ({0: 0.5, 10: 0.6, 20: 0.7}, "unfinished"),
        ({0: 0.5, 10: 0.2}, "rate-high"),
        ({0: 0.5, 10: 0.65, 20: 0.55}, "overfitting"),
        ({0: 0.5, 10: 0.46, 20: 0.458}, "labels"),
    ],
)
def test_a_run_that_was_broken_off_goes_on_unless_more_steps_make_it_worse(
    hmeans: dict[int, float], wanted: str
) -> None:
    results = [result(step, (hmean, 0.1)) for step, hmean in hmeans.items()]
    found = outcome(results, "hmean")
    assert found is not None
    assert advice(found, results, {}, is_over=False).name == wanted


@pytest.mark.parametrize(
    ("hmeans", "wanted"),
    [
        ({0: 0.5, 4: 0.47}, "minutes"),
        ({0: 0.5, 30: 0.6}, "minutes"),
        ({0: 0.5, 10: 0.6, 20: 0.7}, "minutes"),
        ({0: 0.5, 10: 0.2}, "rate-high"),
        ({0: 0.5, 10: 0.46, 20: 0.458}, "labels"),
    ],
)
def test_a_run_of_a_time_budget_is_told_of_minutes(hmeans: dict[int, float], wanted: str) -> None:
    """Its epochs and evaluations follow from them."""
    results = [result(step, (hmean, 0.1)) for step, hmean in hmeans.items()]
    found = outcome(results, "hmean")
    assert found is not None
    given = advice(found, results, {}, budget="8m")
    assert given.name == wanted
    assert ("8m" in given.sentence) == (wanted == "minutes")


def test_every_sentence_can_be_given() -> None:
    assert {wanted for _, _, wanted in ADVICE_CASES.values()} == {*ADVICE} - {"minutes"}
