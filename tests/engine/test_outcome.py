"""Whether a run's best weights beat the start: the kind, and the one sentence about it."""

from __future__ import annotations

import math

import pytest

from ppocr_ft.engine.outcome import caption, outcome
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
