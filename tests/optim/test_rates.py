"""When the first steps, in which fresh parameters learn alone, end; ReduceLROnPlateau."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import paddle
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.optim.rates import (
    Evaluated,
    FreshFirst,
    LrSchedules,
    ReduceOnPlateau,
    longest,
    plateau_drops,
    settled,
)
from ppocr_ft.optim.schedules import scaled, with_warmup


@pytest.mark.parametrize(
    ("losses", "is_settled"),
    [
        ([], False),
        ([1.0] * 19, False),
        ([1.0] * 20, True),
        ([1.0] * 10 + [0.949] * 10, False),
        ([1.0] * 10 + [0.951] * 10, True),
        ([10.0 - 0.1 * i for i in range(40)], False),  # 6.55 after 7.55
        ([9.0] * 30 + [2.0] * 10 + [1.99] * 10, True),
        ([1.0] * 10 + [2.0] * 10, True),
    ],
    ids=["none", "19", "flat", "5.1 % less", "4.9 % less", "falls", "after a fall", "rises"],
)
def test_settled(losses: Sequence[float], is_settled: bool) -> None:
    assert settled(losses) == is_settled


@pytest.mark.parametrize(
    ("total", "most"), [(2, 1), (12, 3), (120, 30), (400, 100), (401, 100), (9000, 100)]
)
def test_auto_takes_a_quarter_of_the_run_at_most(total: int, most: int) -> None:
    assert longest(total) == most


def test_a_number_of_steps_ends_at_it_and_auto_earlier_if_the_loss_has_settled() -> None:
    flat = [1.0] * 25
    assert [FreshFirst(30, 0.1).is_over(step, flat) for step in (25, 29, 30)] == [0, 0, 1]
    assert FreshFirst(30, 0.1, auto=True).is_over(25, flat)
    assert not FreshFirst(30, 0.1, auto=True).is_over(19, flat[:19])
    assert FreshFirst(15, 0.1, auto=True).is_over(15, flat[:15])


@pytest.mark.parametrize(
    ("names", "auto", "said"),
    [
        (("head.", "neck"), False, "head, neck alone, 30 steps at rate 0.1 "),
        (("a.", "b.", "c."), False, "a, b, c alone, 30 steps at"),
        (("a.", "b.", "c.", "d."), False, "a, b, c and 1 more alone, 30 steps at"),
        (("a.", "b.", "c.", "d.", "e."), True, "a, b, c and 2 more alone, until loss settles, at "
         "most 30 steps at"),
    ],
)  # fmt: skip
def test_the_first_steps_in_words(names: tuple[str, ...], auto: bool, said: str) -> None:
    assert f"fresh parts first: {said}" in FreshFirst(30, 0.1, auto, names).describe()


@pytest.mark.parametrize(("step", "alone"), [(0, True), (3, True), (4, False)])
def test_in_which_steps_fresh_parts_learn_alone(step: int, alone: bool) -> None:
    assert LrSchedules(lambda step: 0.1, fresh_steps=lambda: 4).is_fresh_alone(step) == alone
    assert not LrSchedules(lambda step: 0.1).is_fresh_alone(step)


# --- ReduceLROnPlateau: how often the rate has fallen, and when that is felt

# what happens | values | patience | cooldown | falls after 1, 2, ... of them
COUNTS = [
    ("it rises", [0.1, 0.2, 0.3, 0.4], 0, 0, [0, 0, 0, 0]),
    ("one bad is too many", [0.3, 0.2, 0.4, 0.4], 0, 0, [0, 1, 1, 2]),
    ("an equal one is no better", [0.3, 0.3, 0.3, 0.3], 1, 0, [0, 0, 1, 1]),
    ("two bad in a row are borne", [0.3, 0.1, 0.2, 0.1, 0.1], 2, 0, [0, 0, 0, 1, 1]),
    ("a better one starts anew", [0.3, 0.1, 0.4, 0.1, 0.1], 1, 0, [0, 0, 0, 0, 1]),
    ("it falls again and again", [0.3, 0.1, 0.1, 0.1, 0.1], 1, 0, [0, 0, 1, 1, 2]),
    ("after a fall two don't count", [0.3, 0.1, 0.1, 0.1, 0.1], 0, 2, [0, 1, 1, 1, 2]),
    ("but may be the best", [0.3, 0.1, 0.5, 0.4, 0.4], 0, 1, [0, 1, 1, 2, 2]),
    ("no evaluation yet", [], 0, 0, []),
]


@pytest.mark.parametrize(
    ("values", "patience", "cooldown", "falls"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_falls(values: list[float], patience: int, cooldown: int, falls: list[int]) -> None:
    counted = [plateau_drops(values[: n + 1], patience, cooldown) for n in range(len(values))]
    assert counted == falls
    assert plateau_drops([], patience, cooldown) == 0


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_without_a_cooldown_it_falls_when_paddles_does(patience: int) -> None:
    lr = paddle.optimizer.lr
    values = [random.Random(patience).randint(0, 9) / 10 for _ in range(60)]
    paddles = lr.ReduceOnPlateau(
        1.0, mode="max", factor=0.5, patience=patience, threshold=0.0, threshold_mode="abs",
        epsilon=0.0,
    )  # fmt: skip
    for count, value in enumerate(values, start=1):
        paddles.step(value)
        assert paddles() == 0.5 ** plateau_drops(values[:count], patience, 0), count


def over(
    history: Sequence[Evaluated], first_step: int = 0, min_ratio: float = 0.0
) -> ReduceOnPlateau:
    """Epochs of 4 steps, half the rate after each evaluation without a new best."""
    return ReduceOnPlateau(lambda: history, 4, 0.5, 0, min_ratio=min_ratio, first_step=first_step)


# what is evaluated when | history | first step | factors by step
FELT = [
    ("within an epoch: at the next one", [(2, 0.5), (3, 0.4)], 0, {0: 1, 3: 1, 4: 0.5, 9: 0.5}),
    ("at an epoch's end: at once", [(4, 0.5), (8, 0.4)], 0, {4: 1, 7: 1, 8: 0.5, 11: 0.5}),
    ("before training: not at all", [(0, 0.9), (4, 0.5), (8, 0.6)], 0, {4: 1, 8: 1, 20: 1}),
    ("in the warm-up: not at all", [(2, 0.9), (6, 0.8), (8, 0.5)], 6, {8: 1, 40: 1}),
    ("twice", [(4, 0.5), (8, 0.4), (12, 0.4)], 0, {8: 0.5, 11: 0.5, 12: 0.25, 15: 0.25}),
    ("nothing yet", [], 0, {0: 1, 100: 1}),
]


@pytest.mark.parametrize(
    ("history", "first_step", "factors"), [f[1:] for f in FELT], ids=[f[0] for f in FELT]
)
def test_a_fall_is_felt_where_an_epoch_begins(
    history: list[Evaluated], first_step: int, factors: dict[int, float]
) -> None:
    schedule = over(history, first_step)
    assert {step: schedule(step) for step in factors} == factors


def test_never_below_the_lowest() -> None:
    history = [(4 * n, 0.5) for n in range(1, 9)]
    assert [over(history, min_ratio=0.2)(4 * n) for n in (1, 2, 3, 4, 8)] == [
        1,
        0.5,
        0.25,
        0.2,
        0.2,
    ]


def test_there_is_no_lowest_unless_one_is_named() -> None:
    schedule = ReduceOnPlateau(lambda: [(n, 0.5) for n in range(1, 12)], 1, 0.5, 0)
    assert schedule(11) == 0.5**10


def test_what_comes_later_changes_no_earlier_rate() -> None:
    """So a resumed run, and a log that is written afterwards, ask for the same."""
    history: list[Evaluated] = []
    rate = with_warmup(scaled(over(history, first_step=2), 0.1), 2, 0)
    at_the_time = []
    for step in range(20):
        at_the_time.append(rate(step))
        if step % 3 == 2:
            history.append((step + 1, 0.5 - 0.01 * step))
    assert [rate(step) for step in range(20)] == at_the_time
    assert at_the_time[:3] == pytest.approx([0, 0.05, 0.1])
    assert min(at_the_time[2:]) < 0.1


WRONG: list[tuple[str, Callable[[], object], str]] = [
    ("factor 1", lambda: ReduceOnPlateau(tuple, 4, 1.0, 0), "factor"),
    ("factor NaN", lambda: ReduceOnPlateau(tuple, 4, math.nan, 0), "factor"),
    ("patience", lambda: ReduceOnPlateau(tuple, 4, 0.5, -1), "patience"),
    ("cooldown", lambda: ReduceOnPlateau(tuple, 4, 0.5, 0, -1), "cooldown"),
    ("lowest above the start", lambda: ReduceOnPlateau(tuple, 4, 0.5, 0, 0, 1.5), "min_ratio"),
    ("no steps", lambda: ReduceOnPlateau(tuple, 0, 0.5, 0), "steps_per_epoch"),
]


@pytest.mark.parametrize(("make", "key"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_numbers_are_named(make: Callable[[], object], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.key == key


def test_a_step_below_zero_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="-1"):
        over([])(-1)
