"""Which weights are delivered: the start unless others beat it on images held out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ppocr_ft.commands.fit_postprocess.choice import Choice, Judged, choose
from ppocr_ft.commands.fit_postprocess.choice_text import choice_record, choice_text
from ppocr_ft.commands.fit_postprocess.search import Fitted, folds_of, held_out
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.fitting.grid import Cell, Grid
from ppocr_ft.fitting.tally import FLAT, Tally, best_cell

TEXTS = 1000
"""Texts and boxes of an image, so that a match more is a thousandth of its hmean."""
OWN = Cell(0, 0, 0, 0, 0)
Rows = Sequence[Sequence[int]] | np.ndarray


def judged(name: str, half: Rows, strict: Rows | None = None, distance: float = 1.0) -> Judged:
    """Weights by their matches (image, box_thresh) at IoU 0.5 and at 0.7, the same if not given."""
    matched = np.asarray(half)
    matched_70 = matched if strict is None else np.asarray(strict)
    counts = np.stack([np.full_like(matched, TEXTS), matched, matched_70], axis=-1)
    images, columns = matched.shape
    grid = Grid((0.3,), ("fast",), (1.0,), tuple(0.1 * (i + 1) for i in range(columns)))
    whole = counts[:, None, None, None, None]
    tally = Tally(("own",), grid, whole, np.full(images, TEXTS))
    best, held = best_cell(tally.values("mean"), OWN), held_out(tally, OWN, "mean", folds=5, seed=1)
    return Judged(name, Fitted(tally, "mean", OWN, OWN, best, held, must_be_sure=False), distance)


def start(rows: Rows) -> Judged:
    return judged("the start", rows, distance=0.0)


def of(*weights: Judged) -> Choice:
    return choose(weights, folds=5, seed=1)


def same_rows(*row: int, images: int = 10) -> list[list[int]]:
    return [list(row)] * images


def test_better_weights_are_taken() -> None:
    choice = of(start(same_rows(700)), judged("half", same_rows(800)), judged("1", same_rows(750)))
    assert choice.chosen.name == "half"
    assert choice.gain.gain == pytest.approx(0.1)
    assert [gain.gain for gain in choice.gains] == pytest.approx([0, 0.1, 0.05])


def test_the_start_is_taken_with_its_own_values_where_training_lost() -> None:
    """Trained weights beat the start with the config's values, not with the start's own best."""
    choice = of(start(same_rows(600, 800)), judged("trained", same_rows(750, 650)))
    assert choice.chosen.name == "the start"
    assert choice.chosen.fitted.chosen == Cell(0, 0, 0, 0, 1)
    assert choice.gains[1].gain == pytest.approx(-0.05)
    assert "the final weights are the start: nothing beat it" in choice_text(choice, 10)


def test_weights_are_compared_with_the_values_that_suit_each() -> None:
    choice = of(start(same_rows(800, 700)), judged("trained", same_rows(700, 850)))
    assert choice.chosen.name == "trained"
    assert choice.gain.gain == pytest.approx(0.05)


def test_few_images_compare_weights_with_the_config_s_values() -> None:
    """With 7 images no values are fitted: what they would gain counts for neither side."""
    few = of(start(same_rows(700, 790, images=7)), judged("trained", same_rows(690, 900, images=7)))
    assert few.chosen.name == "the start"
    assert few.gains[1].gain == pytest.approx(-0.01)
    better = of(start(same_rows(700, images=7)), judged("trained", same_rows(750, images=7)))
    assert better.chosen.name == "trained"
    assert "7 images can't show that this is more than chance" in choice_text(better, 7)


@pytest.mark.parametrize(("images", "wanted"), [(1, "the start"), (2, "trained")])
def test_one_image_is_not_enough(images: int, wanted: str) -> None:
    choice = of(
        start(same_rows(700, images=images)), judged("trained", same_rows(800, images=images))
    )
    assert choice.chosen.name == wanted


@pytest.mark.parametrize(("strict", "wanted"), [(697, "the start"), (699, "trained")])
def test_neither_hmean_may_fall(strict: int, wanted: str) -> None:
    """A rise at IoU 0.5 does not make up for a fall of more than 0.002 at 0.7."""
    trained = judged("trained", same_rows(800), same_rows(strict))
    assert pytest.approx(0.002) == FLAT
    assert of(start(same_rows(700)), trained).chosen.name == wanted


def test_of_equals_the_nearest_to_the_start() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(600, 700, (20, 1))
    better = base + rng.integers(40, 80, (20, 1))  # the gain's standard error is about 0.0025
    far, near = judged("far", better, distance=4), judged("near", better - [[0]], distance=2)
    slightly_less = better.copy()
    slightly_less[0] -= 2  # 0.0001 in the mean
    nearest = judged("nearest", slightly_less, distance=1)
    much_less = judged("start-like", better - 5, distance=0.5)
    assert of(start(base), far, near, nearest, much_less).chosen.name == "nearest"
    assert of(start(base), far, near, much_less).chosen.name == "near"


def test_a_gain_on_one_image_alone_does_not_count() -> None:
    """Without that image the start is the better one, so the weights chosen without it lose it."""
    counts = np.full((10, 1), 690)
    counts[0] = 900
    choice = of(start(same_rows(700)), judged("lucky", counts))
    assert choice.gains[1].gain > 0
    assert choice.gain.gain <= 0
    assert choice.chosen.name == "the start"


def test_the_gain_is_of_weights_chosen_without_the_image() -> None:
    """Every fold's images love weights of their own; none of that may come back to them."""
    others = []
    for fold, members in enumerate(folds_of(10, 5)):
        counts = np.full((10, 1), 640)
        counts[members] = 1000
        others.append(judged(f"of fold {fold}", counts))
    choice = of(start(same_rows(700)), *others)
    assert all(gain.gain > 0 for gain in choice.gains[1:])
    assert choice.gain.gain == pytest.approx(-0.06)
    assert choice.at == 0


def test_noise_alone_wins_seldom_and_little() -> None:
    """Six weights as good as the start: the best of them seems better on the images."""
    seeming, told = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        first, *others = (rng.binomial(TEXTS, 0.7, (10, 1)) for _ in range(7))
        choice = of(start(first), *(judged(str(i), each) for i, each in enumerate(others)))
        seeming.append(max(gain.gain for gain in choice.gains))
        told.append(choice.gain.gain)
    assert np.mean(seeming) > 0.005
    assert np.mean(told) < np.mean(seeming) / 2


def test_the_record_has_what_was_tried() -> None:
    choice = of(start(same_rows(700, 600)), judged("half", same_rows(600, 800), distance=3))
    record = choice_record(choice, Delivered(0.5, 240))
    assert record["name"] == "half way (0.5) between the start and step 240"
    assert (record["alpha"], record["step"], record["averaged"]) == (0.5, 240, 1)
    candidates: list[dict[str, object]] = record["candidates"]  # type: ignore[assignment]
    assert [each["box_thresh"] for each in candidates] == [0.1, 0.2]
    assert [each["hmean"] for each in candidates] == pytest.approx([0.7, 0.8])
    text = choice_text(choice, 10)
    assert "in 2 passes over 10 images" in text
    assert "* half" in text
    assert "+0.1000 +- 0.0000 over the start" in text
