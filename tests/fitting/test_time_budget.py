"""The length of a run by measured seconds, against sums done by hand."""

from __future__ import annotations

import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.time_budget import RunPlan, Speed, eval_every, most_steps, plan_run


def speed(step: float, evaluation: float) -> Speed:
    """A fit takes as long as an evaluation."""
    return Speed(step, evaluation, evaluation)


@pytest.mark.parametrize(
    ("budget", "spent", "measured", "per_epoch", "after", "plan"),
    [
        # 1140 - 60 - 6 x 20 - 60 = 900 s are 450 steps: 18 epochs of 25
        pytest.param(1200, 60, Speed(2, 20, 60), 25, 1, RunPlan(18, 1.0, 6), id="whole epochs"),
        # a quarter of 1200 s are 3 evaluations of 90 s: 1140 - 6 x 90 = 600 s, 300 steps
        pytest.param(1200, 0, speed(2, 90), 300, 3, RunPlan(1, 1.0, 3), id="dear evaluations"),
        # 2 evaluations are always done: 1140 - 5 x 200 = 140 s, 70 steps of 100
        pytest.param(1200, 0, speed(2, 200), 100, 3, RunPlan(1, 0.7, 2), id="part of an epoch"),
        # 95 - 6 x 1 = 89 steps: the 29 over 60 are too many to leave unused, 2 epochs of 44.5
        pytest.param(100, 0, speed(1, 1), 60, 0, RunPlan(2, 89 / 120, 6), id="nearly two epochs"),
        # 89 steps: 4 over 85 are left unused
        pytest.param(100, 0, speed(1, 1), 85, 0, RunPlan(1, 1.0, 6), id="a few steps over"),
        # 1020 s are 1020 steps, but 20 epochs are enough, and 200 steps where those are fewer
        pytest.param(1200, 0, speed(1, 20), 30, 0, RunPlan(20, 1.0, 6), id="time enough"),
        pytest.param(1200, 0, speed(1, 20), 5, 0, RunPlan(40, 1.0, 6), id="few images"),
    ],
)
def test_the_plan(
    budget: float, spent: float, measured: Speed, per_epoch: int, after: int, plan: RunPlan
) -> None:
    found = plan_run(budget, spent, measured, per_epoch, after)
    assert found == RunPlan(plan.epochs, pytest.approx(plan.epoch_share), plan.evaluations)


@pytest.mark.parametrize("budget", [30, 60, 600, 7200])
@pytest.mark.parametrize("measured", [speed(0.01, 0.2), speed(0.3, 1), speed(1.7, 0.1)])
@pytest.mark.parametrize("per_epoch", [1, 7, 4000])
def test_a_plan_never_takes_longer_than_the_budget(
    budget: float, measured: Speed, per_epoch: int
) -> None:
    plan = plan_run(budget, 1.0, measured, per_epoch, 3)
    steps = plan.epochs * per_epoch * plan.epoch_share
    seconds = 1.0 + steps * measured.step_seconds + (plan.evaluations + 3) * measured.eval_seconds
    assert seconds <= budget * 0.95 + 1e-6
    if steps >= 0.9 * most_steps(per_epoch):
        return  # it is long enough
    unused = budget * 0.95 - seconds  # at most a step, and a tenth of the steps that fit
    assert unused <= measured.step_seconds + 0.1 * (unused + steps * measured.step_seconds) + 1e-6


def test_too_short_a_budget_names_one_that_would_do() -> None:
    with pytest.raises(ConfigError) as refused:
        plan_run(60, 10, speed(2, 20), 25, 3)
    # (10 + 5 x 20 + 25 x 2) / 0.95 = 168.4 s
    assert refused.value.key == "Global.time_budget"
    assert str(refused.value).startswith("Global.time_budget: 1m is too short for a single step")
    assert str(refused.value).endswith(
        "an epoch fits into 3m: ppocr-ft train -o Global.time_budget=3m"
    )
    assert plan_run(180, 10, speed(2, 20), 25, 3).epochs >= 1


@pytest.mark.parametrize(
    ("total", "evaluations", "every"), [(300, 6, 60), (301, 6, 61), (7, 2, 7), (3, 6, 1)]
)
def test_evaluations_between_start_and_end(total: int, evaluations: int, every: int) -> None:
    assert eval_every(total, evaluations) == every
    steps = {0, total, *range(every, total, every)}
    assert len(steps) <= evaluations
