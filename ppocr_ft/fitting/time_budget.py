"""The length of a run by the time that it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ppocr_ft.errors import ConfigError
from ppocr_ft.utils.timing import duration_text

KEY = "Global.time_budget"
RESERVE = 0.05
"""Share of the budget that nothing is planned for: checkpoints, the report, a slower hour."""
WANTED_EVALUATIONS, FEWEST_EVALUATIONS = 6, 2
"""Enough to see a curve; the start and the end are always evaluated."""
EVALUATIONS_SHARE = 0.25
"""Share of the budget that evaluations may take, where that allows more than the fewest."""
UNUSED_SHARE = 0.1
"""If whole epochs would leave more of the steps that fit, one epoch more draws fewer images."""
WARMUP_SHARE = 0.1
"""Share of the run that the warm-up may take; in a short run the rate would hardly be reached."""
MOST_EPOCHS, ENOUGH_STEPS = 20, 200
"""A run is no longer than the longer of the two: a fine-tune that sees each image more often learns
these images by heart and gets no better on others."""
KEPT_EPOCHS = 4
"""Checkpoints iter_epoch_N that are kept at most."""


@dataclass(frozen=True)
class Speed:
    """Measured seconds of a training step, of an evaluation, and of a fit of post-processing.

    The latter two are for all images of ``Eval``.
    """

    step_seconds: float
    eval_seconds: float
    fit_seconds: float


@dataclass(frozen=True)
class RunPlan:
    """Whole epochs, the share of the images that each draws, and the number of evaluations."""

    epochs: int
    epoch_share: float
    evaluations: int


def plan_run(
    budget_seconds: float,
    spent_seconds: float,
    speed: Speed,
    steps_per_epoch: int,
    fits: int,
) -> RunPlan:
    """Return the run that fits the budget, with no more than MOST_EPOCHS or ENOUGH_STEPS.

    ``spent_seconds`` of it are gone already; ``fits`` of post-processing follow the training.

    Raises:
        ConfigError: not a single step fits, with the shortest budget that would do.
    """
    affordable = int(EVALUATIONS_SHARE * budget_seconds / speed.eval_seconds)
    evaluations = min(max(affordable, FEWEST_EVALUATIONS), WANTED_EVALUATIONS)
    around = spent_seconds + fits * speed.fit_seconds
    used = around + evaluations * speed.eval_seconds
    steps = int((budget_seconds * (1 - RESERVE) - used) / speed.step_seconds)
    if steps < 1:
        fewest = around + FEWEST_EVALUATIONS * speed.eval_seconds
        least = (fewest + speed.step_seconds * steps_per_epoch) / (1 - RESERVE)
        enough = duration_text(math.ceil(least / 60) * 60)
        raise ConfigError(
            f"{duration_text(budget_seconds)} is too short for a single step: "
            f"{duration_text(spent_seconds)} went by before the first one, evaluating the start "
            f"and the end takes {duration_text(FEWEST_EVALUATIONS * speed.eval_seconds)}, what "
            f"follows {duration_text(fits * speed.fit_seconds)}; an epoch fits into {enough}: "
            f"ppocr-ft train -o {KEY}={enough}",
            key=KEY,
        )
    steps = min(steps, most_steps(steps_per_epoch))
    epochs, unused = divmod(steps, steps_per_epoch)
    if unused <= UNUSED_SHARE * steps:
        return RunPlan(epochs, 1.0, evaluations)
    return RunPlan(epochs + 1, steps / ((epochs + 1) * steps_per_epoch), evaluations)


def most_steps(steps_per_epoch: int) -> int:
    """Return the steps that a run has at most."""
    return max(MOST_EPOCHS * steps_per_epoch, ENOUGH_STEPS)


def eval_every(total_steps: int, evaluations: int) -> int:
    """Return the steps between evaluations: so many, those of the start and the end included."""
    return max(-(-total_steps // (evaluations - 1)), 1)
