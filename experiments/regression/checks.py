"""What must hold of a result."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.regression.arms import BROKEN, CONSTANT, OLD, REPAIRED
from experiments.regression.results import SHIPPED_UNCLIP, Result

LOSS_TOLERANCE = 0.005
"""Relative, a step: ours beside 2.6.1.3, which loses some pixels to NaN. Measured: 0.0016."""
REPAIRED_LOSS_TOLERANCE = 1e-6
"""Likewise, where 2.6.1.3 has true distances instead. Measured: 6e-8, float32's rounding."""
COLLAPSE = 0.6
"""2.7's arm ends below this share of its start."""
SPARED = 0.05
"""The other arms lose at most so much hmean."""
FALLING = 0.95
"""A loss has fallen to at most this share."""


def failures(result: Result) -> list[str]:
    """Return the checks that fail, one sentence each."""
    return [*_unequal_input(result), *_unequal_losses(result), *_outcomes(result)]


def _unequal_input(result: Result) -> Iterator[str]:
    expected = result.runs[OLD.name].seen
    for run in result.runs.values():
        if run.seen != expected or len(run.losses) != len(expected) - 1:
            yield f"{run.name} had other weights, images or steps than {OLD.name}"


def _unequal_losses(result: Result) -> Iterator[str]:
    old = result.runs[OLD.name]
    ours, repaired = old.twins[CONSTANT.name], old.twins[REPAIRED.name]
    for expected, what, tolerance in (
        (old.losses, OLD.name, LOSS_TOLERANCE),
        (repaired, REPAIRED.name, REPAIRED_LOSS_TOLERANCE),
    ):
        for step, (a, b) in enumerate(zip(expected, ours, strict=True), 1):
            if abs(a - b) > tolerance * a:
                yield f"step {step}: our maps make the loss {b:.9g}, those of {what} {a:.9g}"


def _outcomes(result: Result) -> Iterator[str]:
    for run in result.runs.values():
        start, end = (rates[SHIPPED_UNCLIP][0] for rates in (run.start, run.end))
        if run.last_loss > FALLING * run.first_loss:
            yield f"{run.name}: the loss did not fall: {run.first_loss:.3f} to {run.last_loss:.3f}"
        if run.name == BROKEN.name and end > COLLAPSE * start:
            yield f"{run.name}: hmean did not collapse: {start:.3f} to {end:.3f}"
        if run.name != BROKEN.name and end < start - SPARED:
            yield f"{run.name}: hmean fell: {start:.3f} to {end:.3f}"
    losses = [result.runs[arm.name].last_loss for arm in (BROKEN, OLD)]
    if losses[0] >= losses[1]:
        yield f"the loss of {BROKEN.name} is the higher one: {losses[0]:.3f}, not {losses[1]:.3f}"
