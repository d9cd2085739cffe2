"""Which weights are delivered: the start unless others beat it on images held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from ppocr_ft.commands.fit_postprocess.choice import (
    JudgedWeights,
    WeightsChoice,
    choice_record,
    choice_text,
    choose,
)
from ppocr_ft.commands.fit_postprocess.search import Fitted, held_out
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.fitting.grid import Cell, Grid
from ppocr_ft.fitting.tally import FLAT, Tally, best_cell

TEXTS = 1000
"""Texts and boxes of an image, so that a match more is a thousandth of its hmean."""
OWN = Cell(0, 0, 0, 0, 0)
Rows = Sequence[Sequence[int]] | np.ndarray


def judged(
    half: Rows, strict: Rows | None = None, *, distance: float = 1.0, empty: int = 0
) -> JudgedWeights:
    """Weights by their matches (image, box_thresh) at IoU 0.5 and at 0.7, the same if not given.

    So many images more are ``empty``: they have neither text nor box.
    """
    matched = np.asarray(half)
    matched_70 = matched if strict is None else np.asarray(strict)
    counts = np.stack([np.full_like(matched, TEXTS), matched, matched_70], axis=-1)
    counts = np.concatenate([counts, np.zeros((empty, *counts.shape[1:]), counts.dtype)])
    gts = np.repeat([TEXTS, 0], [len(matched), empty])
    columns = matched.shape[1]
    grid = Grid((0.3,), ("fast",), (1.0,), tuple(0.1 * (i + 1) for i in range(columns)))
    whole = counts[:, None, None, None, None]
    tally = Tally(("own",), grid, whole, gts)
    best, held = best_cell(tally.values("mean"), OWN), held_out(tally, OWN, "mean", folds=5, seed=1)
    fitted = Fitted(tally, "mean", OWN, OWN, best, held, must_be_sure=False)
    return JudgedWeights(Delivered(min(distance, 1.0), 240), fitted, distance)


def start(rows: Rows) -> JudgedWeights:
    return judged(rows, distance=0.0)


def of(*weights: JudgedWeights) -> WeightsChoice:
    return choose(weights, seed=1)


def same_rows(*row: int, images: int = 10) -> list[list[int]]:
    return [list(row)] * images


def test_better_weights_are_taken() -> None:
    choice = of(start(same_rows(700)), judged(same_rows(800)), judged(same_rows(750)))
    assert choice.at == 1
    assert choice.gain.gain == pytest.approx(0.1)
    assert [gain.gain for gain in choice.gains] == pytest.approx([0, 0.1, 0.05])


def test_the_start_is_taken_with_its_own_values_where_training_lost() -> None:
    """Trained weights beat the start with the config's values, not with the start's own best."""
    choice = of(start(same_rows(600, 800)), judged(same_rows(750, 650)))
    assert choice.at == 0
    assert choice.chosen.fitted.chosen == Cell(0, 0, 0, 0, 1)
    assert choice.gains[1].gain == pytest.approx(-0.05)
    assert "* start" in choice_text(choice, 10)


def test_weights_are_compared_with_the_values_that_suit_each() -> None:
    choice = of(start(same_rows(800, 700)), judged(same_rows(700, 850)))
    assert choice.at == 1
    assert choice.gain.gain == pytest.approx(0.05)


def test_few_images_compare_weights_with_the_config_s_values() -> None:
    """With 7 images no values are fitted: what they would gain counts for neither side."""
    few = of(start(same_rows(700, 790, images=7)), judged(same_rows(690, 900, images=7)))
    assert few.at == 0
    assert few.gains[1].gain == pytest.approx(-0.01)
    better = of(start(same_rows(700, images=7)), judged(same_rows(750, images=7)))
    assert better.at == 1
    assert better.gain.gain_low > 0
    assert not better.is_sure


@pytest.mark.parametrize(("images", "wanted"), [(1, 0), (2, 1)])
def test_one_image_is_not_enough(images: int, wanted: int) -> None:
    choice = of(start(same_rows(700, images=images)), judged(same_rows(800, images=images)))
    assert choice.at == wanted


@pytest.mark.parametrize(("strict", "wanted"), [(697, 0), (699, 1)])
def test_neither_hmean_may_fall(strict: int, wanted: int) -> None:
    """A rise at IoU 0.5 does not make up for a fall of more than 0.002 at 0.7."""
    trained = judged(same_rows(800), same_rows(strict))
    assert pytest.approx(0.002) == FLAT
    choice = of(start(same_rows(700)), trained)
    assert choice.at == wanted
    assert choice.left_out == ({1} if wanted == 0 else set())


def equals(base: np.ndarray, rise: int) -> list[JudgedWeights]:
    """Weights far and near, better in the mean by chance alone; the last is worse in all images."""
    better = base + np.random.default_rng(1).integers(rise - 20, rise + 20, (20, 1))
    by_chance = better.copy()
    by_chance[:4] -= [[20], [-18], [20], [-18]]  # 0.0002 less in the mean, in some images more
    return [
        judged(better, distance=4),
        judged(by_chance, distance=1),
        judged(better.copy(), distance=2),
        judged(better - 5, distance=0.5),
    ]


def test_of_equals_the_farthest_where_training_surely_helped() -> None:
    base = np.random.default_rng(0).integers(600, 700, (20, 1))
    assert of(start(base), *equals(base, 60)).at == 1
    averaged = equals(base, 60)
    averaged[1] = replace(averaged[1], weights=Delivered(1.0, 240, averaged=5))
    assert of(start(base), *averaged).at == 2


@pytest.mark.parametrize(
    ("averaged", "worse", "better", "wanted"), [(5, 6, 3, 2), (1, 6, 3, 1), (5, 8, 3, 1)]
)
def test_an_average_may_be_a_little_worse_where_training_surely_helped(
    averaged: int, worse: int, better: int, wanted: int
) -> None:
    """In half of the images it is worse, in half better: in the mean by 1.5 and 2.1 errors."""
    base = np.random.default_rng(0).integers(600, 700, (20, 1)) + 60
    rows = base + np.where(np.arange(20) % 2, -worse, better)[:, None]
    mean = replace(judged(rows, distance=2), weights=Delivered(1.0, 240, averaged=averaged))
    assert of(start(base - 60), judged(base, distance=4), mean).at == wanted


def test_of_equals_the_nearest_to_the_start_where_that_may_be_chance() -> None:
    base = np.random.default_rng(0).integers(600, 700, (20, 1))
    noisy = base - 6 + np.random.default_rng(2).integers(-9, 10, (20, 1))
    choice = of(start(noisy), *equals(base, 0))
    assert choice.gains[1].gain_low <= 0 < choice.gains[1].gain - choice.gains[1].gain_error
    assert choice.at == 2


@pytest.mark.parametrize(("images", "empty", "wanted"), [(8, 0, 2), (7, 0, 1), (7, 5, 1)])
def test_eight_images_with_text_make_a_gain_sure(images: int, empty: int, wanted: int) -> None:
    """Both gain 0.1 in each image: the nearest is taken, where it is sure the farthest."""
    rows = [same_rows(n, images=images) for n in (700, 800, 800)]
    distances = (0.0, 0.5, 4.0)
    choice = of(*(judged(r, distance=d, empty=empty) for r, d in zip(rows, distances, strict=True)))
    assert (choice.at, choice.images) == (wanted, images)


def test_a_lead_over_the_start_that_may_be_chance_is_none() -> None:
    rng = np.random.default_rng(0)
    counts = 703 + rng.integers(-30, 31, (10, 1))  # 0.003 +- 0.006
    assert of(start(same_rows(700)), judged(counts)).at == 0
    assert of(start(same_rows(700)), judged(counts + 20)).at == 1


def test_a_gain_on_one_image_alone_does_not_count() -> None:
    counts = np.full((10, 1), 690)
    counts[0] = 900
    choice = of(start(same_rows(700)), judged(counts))
    assert choice.gains[1].gain > 0
    assert choice.at == 0


def test_weights_that_are_worse_are_hardly_ever_taken() -> None:
    """Six weights that are worse by a standard error of the gain: noise seldom hides that."""
    taken = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        first, *others = (rng.binomial(TEXTS, p, (10, 1)) for p in (0.7, *[0.6935] * 6))
        taken += of(start(first), *(judged(each) for each in others)).at > 0
    assert taken <= 4


def test_a_sure_gain_is_taken_though_no_fold_alone_shows_it() -> None:
    """Half of the images gain much, the others lose a little: the mean leads by 2.5 errors."""
    counts = np.array([[790 if image % 2 else 680] for image in range(20)])
    choice = of(start(same_rows(700, images=20)), judged(counts))
    assert choice.at == 1
    assert choice.gain.gain == pytest.approx(0.035)


def test_the_record_has_what_was_tried() -> None:
    choice = of(start(same_rows(700, 600)), judged(same_rows(600, 800), distance=0.5))
    record = choice_record(choice)
    assert record["name"] == "half way (0.5) between the start and step 240"
    assert (record["alpha"], record["step"], record["averaged"]) == (0.5, 240, 1)
    candidates: list[dict[str, object]] = record["candidates"]  # type: ignore[assignment]
    assert [each["box_thresh"] for each in candidates] == [0.1, 0.2]
    assert [each["hmean"] for each in candidates] == pytest.approx([0.7, 0.8])
    text = choice_text(choice, 10)
    assert "in 2 passes over 10 images" in text
    assert "* 0.5 to step 240" in text
    assert "+0.1000 +- 0.0000" in text
    assert record["is_sure"]
    assert [each["left_out"] for each in candidates] == [False, False]


def test_the_table_fits_80_columns() -> None:
    long = Delivered(1.0, 100_000, averaged=20), Delivered(0.25, 100_000)
    others = [replace(judged(same_rows(800)), weights=weights) for weights in long]
    lines = choice_text(of(start(same_rows(700)), *others), 1000).splitlines()
    assert [line.split("  ")[0] for line in lines[2:4]] == ["", "* mean of 20 to step 100000"]
    assert max(map(len, lines)) <= 80


def test_weights_that_forget_too_much_are_left_out_and_named() -> None:
    first = replace(start(same_rows(700)), also={"general": 0.8})
    best = replace(judged(same_rows(900)), also={"general": 0.75}, is_out=True)
    second = replace(judged(same_rows(800), distance=0.5), also={"general": 0.79})
    choice = of(first, best, second, judged(same_rows(750), distance=0.25))
    assert choice.at == 2
    assert choice.gain.gain == pytest.approx(0.1)
    lines = choice_text(choice, 10).splitlines()
    assert [line for line in lines if line.startswith("on ")] == [
        "on general: hmean 0.7500 with step 240, 0.8000 with the start, more than "
        "Global.keep_general below it: left out",
        "on general: hmean 0.7900 with half way (0.5) between the start and step 240, 0.8000 with "
        "the start",
    ]
