"""The learning rate over the steps: PaddleOCR's numbers, and hand-computed ones at boundaries."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.optim.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    Schedule,
    Step,
    scaled,
    whole_epochs,
    with_warmup,
)
from tests.support import REFERENCE

REFERENCE = json.loads((REFERENCE / "lr_schedules.json").read_text(encoding="utf-8"))
"""Per-step rates of PaddleOCR (main, December 2025) under PaddlePaddle 3.3.1."""


def paddleocr_schedule(name: str) -> Schedule:
    """The schedule of a reference entry, made from its own arguments."""
    keys = REFERENCE[name]["args"]
    per_epoch, warmup_steps = (
        keys["step_each_epoch"],
        keys["warmup_epoch"] * keys["step_each_epoch"],
    )
    total_steps = keys.get("epochs", 0) * per_epoch
    if name == "Piecewise":
        values, epochs = tuple(keys["values"]), tuple(keys["decay_epochs"])
        return with_warmup(Piecewise(epochs, values, per_epoch, 6), warmup_steps)
    main: dict[str, Callable[[], Schedule]] = {
        "Cosine": lambda: Cosine(total_steps),
        "Linear": lambda: Polynomial(total_steps, keys["power"]),
        "Poly0.9": lambda: Polynomial(total_steps, keys["power"]),
        "Step": lambda: Step(keys["step_size"], keys["gamma"], per_epoch),
    }
    return with_warmup(scaled(main[name](), keys["learning_rate"]), warmup_steps)


@pytest.mark.parametrize("name", REFERENCE)
def test_paddleocrs_rates_to_the_last_bit(name: str) -> None:
    wanted = REFERENCE[name]["values"]
    rate = paddleocr_schedule(name)
    assert [rate(step) for step in range(len(wanted))] == wanted


SQRT_HALF = math.sqrt(0.5)
CURVES: list[tuple[str, Schedule, dict[int, float]]] = [
    ("constant", Constant(), {0: 1, 10**6: 1}),
    ("cosine", Cosine(4), {0: 1, 1: (1 + SQRT_HALF) / 2, 2: 0.5, 3: (1 - SQRT_HALF) / 2, 4: 0}),
    ("cosine stays at its end", Cosine(4, 0.1), {2: 0.55, 4: 0.1, 5: 0.1, 8: 0.1}),
    ("linear", Polynomial(4), {0: 1, 1: 0.75, 3: 0.25, 4: 0, 5: 0}),
    ("linear to an end above 0", Polynomial(4, end_ratio=0.2), {0: 1, 2: 0.6, 4: 0.2, 9: 0.2}),
    ("square", Polynomial(4, power=2), {1: 0.5625, 2: 0.25, 3: 0.0625}),
    ("DeepLab's 0.9", Polynomial(2, power=0.9), {0: 1, 1: 0.5358867312681466, 2: 0}),
    ("step before and after", Step(2, 0.5, 5), {9: 1, 10: 0.5, 19: 0.5, 20: 0.25, 29: 0.25}),
    (
        "milestones before and after",
        MultiStep((2, 3), 0.1, steps_per_epoch=5, epochs=4),
        {0: 1, 9: 1, 10: 0.1, 14: 0.1, 15: 0.01, 99: 0.01},
    ),
    ("no milestones", MultiStep((), 0.1, 5, 3), {14: 1}),
    (
        "pieces before and after",
        Piecewise((1, 3), (0.2, 0.4, 0.1), steps_per_epoch=4, epochs=4),
        {0: 0.2, 3: 0.2, 4: 0.4, 11: 0.4, 12: 0.1},
    ),
    ("exponential is smooth", Exponential(0.25, 2), {0: 1, 1: 0.5, 2: 0.25, 4: 0.0625}),
    (
        "one cycle: peak at 0.3 * 20 - 1, end at 19",
        OneCycle(20, anneal_strategy="linear"),
        {0: 0.04, 5: 1, 12: 0.5 + 0.5 * 4e-6, 19: 4e-6, 20: 4e-6},
    ),
    (
        "one cycle by cosines",
        OneCycle(30),
        {0: 0.04, 2: 0.04 + 0.96 * (1 - SQRT_HALF) / 2, 4: 0.52, 8: 1, 29: 4e-6},
    ),
    (
        "one cycle in three phases",
        OneCycle(20, "linear", three_phase=True),
        {0: 0.04, 5: 1, 10: 0.04, 19: 4e-6},
    ),
    ("restarts of equal length", CosineRestarts(4), {0: 1, 2: 0.5, 4: 1, 6: 0.5, 4001: 0.853553}),
    (
        "restarts twice as long each",
        CosineRestarts(2, growth=2, min_ratio=0.2),
        {0: 1, 1: 0.6, 2: 1, 4: 0.6, 6: 1, 10: 0.6, 14: 1},
    ),
    (
        "warm-up hands over once",
        with_warmup(Step(1, 0.5, 2), 4),
        {0: 0, 3: 0.75, 4: 1, 5: 1, 6: 0.5},
    ),
    ("warm-up without delay", with_warmup(Polynomial(8), 4, 0), {0: 0, 2: 0.25, 4: 0.5, 5: 0.375}),
    (
        "warm-up of half an epoch, the schedule delayed to the epoch's end",
        with_warmup(Step(1, 0.5, 4), 2, whole_epochs(2, 4)),
        {0: 0, 1: 0.5, 2: 1, 3: 1, 7: 1, 8: 0.5, 11: 0.5, 12: 0.25},
    ),
    ("no warm-up", with_warmup(Constant(), 0), {0: 1}),
    (
        "warm-up from above, YOLOv5's for biases",
        with_warmup(Constant(), 4, start=10),
        {0: 10, 1: 7.75, 3: 3.25, 4: 1, 5: 1},
    ),
    (
        "warm-up to a slope, each step by hand",
        with_warmup(Polynomial(8), 2, start=0.5),
        {0: 0.5, 1: 0.75, 2: 1, 3: 0.875, 10: 0},
    ),
    ("warm-up to the first value", with_warmup(Piecewise((1,), (0.5, 0.1), 4, 2), 2), {1: 0.25}),
    (
        "warm-up that begins later",
        with_warmup(Polynomial(8), 2, first_step=3),
        {0: 1, 2: 1, 3: 0, 4: 0.5, 5: 1, 6: 0.875},
    ),
    (
        "warm-up that begins later, without delay",
        with_warmup(Polynomial(8), 2, 0, first_step=2),
        {0: 1, 1: 0.875, 2: 0, 3: 0.25, 4: 0.5, 5: 0.375},
    ),
    ("a rate", scaled(Polynomial(4), 0.2), {0: 0.2, 1: 0.15, 4: 0}),
]


@pytest.mark.parametrize(
    ("schedule", "factors"), [c[1:] for c in CURVES], ids=[c[0] for c in CURVES]
)
def test_factors(schedule: Schedule, factors: dict[int, float]) -> None:
    assert {step: schedule(step) for step in factors} == pytest.approx(factors, abs=1e-6, rel=1e-9)


@pytest.mark.parametrize("schedule", [c[1] for c in CURVES], ids=[c[0] for c in CURVES])
def test_a_step_asked_for_out_of_order_has_the_same_factor(schedule: Schedule) -> None:
    """As after a resume: the factor depends on the step alone."""
    in_order = [schedule(step) for step in range(24)]
    assert [schedule(step) for step in reversed(range(24))] == in_order[::-1]


@pytest.mark.parametrize("schedule", [c[1] for c in CURVES], ids=[c[0] for c in CURVES])
def test_a_step_below_zero_is_a_mistake(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="-1"):
        schedule(-1)


@pytest.mark.parametrize(("steps", "made_up"), [(0, 0), (1, 4), (4, 4), (5, 8)])
def test_whole_epochs(steps: int, made_up: int) -> None:
    assert whole_epochs(steps, 4) == made_up


WRONG: list[tuple[str, Callable[[], object], str, str]] = [
    ("milestones in steps", lambda: MultiStep((500, 800), 0.1, 100, 10), "milestones", "steps?"),
    (
        "the last is beyond",
        lambda: MultiStep((2, 11), 0.1, 100, 10),
        "milestones",
        "11 is never reached",
    ),
    (
        "the last is the run's end",
        lambda: MultiStep((2, 10), 0.1, 100, 10),
        "milestones",
        "10 is never reached",
    ),
    ("decay_epochs in steps", lambda: Piecewise((700,), (1, 0), 100, 9), "decay_epochs", "steps?"),
    ("milestones fall", lambda: MultiStep((4, 2), 0.1, 100, 10), "milestones", "[4, 2]"),
    ("milestone twice", lambda: MultiStep((2, 2), 0.1, 100, 10), "milestones", "[2, 2]"),
    (
        "milestone 0",
        lambda: MultiStep((0, 2), 0.1, 100, 10),
        "milestones.0",
        "found 0, must be 1 or more",
    ),
    ("a value too few", lambda: Piecewise((1, 2), (1, 0.1), 5, 9), "values", "give 3"),
    ("a negative value", lambda: Piecewise((1,), (1, -0.1), 5, 9), "values.1", "-0.1"),
    ("gamma 1", lambda: Step(1, 1.0, 5), "gamma", "1.0"),
    ("gamma NaN", lambda: Exponential(math.nan, 5), "gamma", "nan"),
    ("no steps", lambda: Cosine(0), "total_steps", "0"),
    ("no steps per epoch", lambda: Step(1, 0.5, 0), "steps_per_epoch", "0"),
    ("power 0", lambda: Polynomial(5, 0), "power", "0"),
    ("an end above the start", lambda: Cosine(5, 1.5), "min_ratio", "1.5"),
    ("too few steps for a cycle", lambda: OneCycle(3), "total_steps", "3"),
    ("restarts that shrink", lambda: CosineRestarts(4, growth=0), "growth", "0"),
    ("negative warm-up", lambda: with_warmup(Constant(), -1), "warmup_steps", "-1"),
    ("negative delay", lambda: with_warmup(Constant(), 1, -1), "delay_steps", "-1"),
    ("rate 0", lambda: scaled(Constant(), 0.0), "learning_rate", "0.0"),
]


@pytest.mark.parametrize(("make", "key", "part"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_wrong_numbers_are_named(make: Callable[[], object], key: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.key == key
    assert part in str(caught.value)
