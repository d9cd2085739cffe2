"""Learning rates suggested by the losses of an LR range test. Needs no Paddle.

The test raises the rate from step to step: Smith, "Cyclical Learning Rates for Training Neural
Networks", 2017, section 3.3. Two rates are looked for, by the words of fast.ai's documentation of
``lr_find``: where the loss falls steepest, and two thirds through the longest valley.

Batches differ more from each other than one step changes a network. So each loss is set against
what the same batch costs with the weights that the test began with: the *relative loss* is 1 until
the rate is high enough to change anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.messages import counted

Floats = NDArray[np.float64]
Ending = Literal["the last rate", "a rising loss", "NaN or infinity"]

SMOOTHING_DECADES = 0.3
"""Losses at rates a factor 2 apart weigh 1/e in each other's mean, however many the steps."""
VALLEY_BEGINS = 0.1
"""Share of the whole fall at the beginning of the valley."""
VALLEY_SHARE = 2 / 3
MIN_FALL = 0.05
"""Of the relative loss; less is no fall to choose a rate by."""
MIN_STANDARD_ERRORS = 4.0
"""A fall of fewer is noise: the bottom is the lowest of many points."""
MAX_RATIO_OF_HALVES = 10.0
"""Between what the even and what the odd steps speak for."""
MIN_STEPS = 10
HIGHEST_RELATIVE_LOSS = 2.0
"""A batch's loss counts as so many times that of the start at most: one that exploded would drag
its neighbours up, decades away."""
LOST_SHARE, MIN_RISE = 0.5, 0.2
"""Diverged: half of the fall is lost again, and at least a fifth of the loss."""


@dataclass(frozen=True)
class LrCurve:
    """The measurements of an LR range test, (n,) each.

    rates: rising by one factor. losses: what each step's batch cost before its update.
    start_losses: what it costs with the weights that the test began with.
    Raises ValueError for shapes that differ, and for numbers that are not finite.
    """

    rates: Floats
    losses: Floats
    start_losses: Floats

    def __post_init__(self) -> None:
        arrays = (self.rates, self.losses, self.start_losses)
        if len({array.shape for array in arrays}) > 1 or self.rates.ndim != 1:
            raise ValueError(f"shapes must be (n,), are {[array.shape for array in arrays]}")
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError("a rate or a loss is not finite")

    def __len__(self) -> int:
        return len(self.rates)

    def every_second(self, first: int) -> LrCurve:
        chosen = slice(first, None, 2)
        return LrCurve(self.rates[chosen], self.losses[chosen], self.start_losses[chosen])


@dataclass(frozen=True)
class LrSuggestion:
    """Suggested base rates.

    ``valley`` is the one to take. The valley is between ``begin`` and ``bottom``, where the
    loss is lowest.
    """

    steepest: float
    valley: float
    begin: float
    bottom: float


@dataclass(frozen=True)
class NoLrSuggestion:
    """No suggestion; ``reason`` says why, and what to do about it."""

    reason: str


def relative_loss(curve: LrCurve) -> tuple[Floats, Floats]:
    """Return mean loss over mean start loss around each rate (n,), and its standard error.

    The means are weighted exponentially to both sides, so that the curve does not lag behind the
    rates. Their bias at the ends, a sum of weights below 1, is divided out.
    """
    if not len(curve):
        return np.empty(0), np.empty(0)
    positions = np.log10(curve.rates)
    weights = np.exp(-np.abs(positions[:, None] - positions) / SMOOTHING_DECADES)  # (n, n)
    weights /= weights.sum(axis=1, keepdims=True)
    start = weights @ curve.start_losses
    losses = np.minimum(curve.losses, HIGHEST_RELATIVE_LOSS * curve.start_losses)
    relative = weights @ losses / start
    residuals = losses - relative * curve.start_losses
    return relative, np.sqrt(weights**2 @ residuals**2) / start


def smoothed_loss(curve: LrCurve) -> Floats:
    """Return the relative loss (n,) in the losses' unit, as if all batches were equally hard."""
    relative, _ = relative_loss(curve)
    return relative * curve.start_losses.mean() if len(curve) else relative


def suggest_lr(curve: LrCurve, ending: Ending) -> LrSuggestion | NoLrSuggestion:
    """Suggest the rates that the curve supports, or say why it supports none.

    ``ending`` says what ended the test.
    """
    reason = _unclear(curve, ending)
    if reason:
        return NoLrSuggestion(reason)
    low, high = sorted(_suggestion(curve.every_second(first)).valley for first in (0, 1))
    if high > MAX_RATIO_OF_HALVES * low:
        return NoLrSuggestion(
            f"the losses are too noisy: every second step speaks for {low:.1e}, the others for "
            f"{high:.1e}; raise --steps or Train.loader.batch_size_per_card"
        )
    return _suggestion(curve)


def _unclear(curve: LrCurve, ending: Ending) -> str | None:
    """Return why the curve has no valley; None if it has one."""
    if len(curve) < MIN_STEPS:
        return (
            f"{ending} ended the test after {counted(len(curve), 'step')}, too few to judge by "
            f"({MIN_STEPS} are needed); lower --start or raise --steps"
        )
    relative, errors = relative_loss(curve)
    bottom = int(relative.argmin())
    fall, clear = 1 - relative[bottom], max(MIN_FALL, MIN_STANDARD_ERRORS * errors[bottom])
    if fall < clear:
        advice = "raise --end or --steps" if ending == "the last rate" else "lower --start"
        return (
            f"no rate lowered the loss clearly: by {max(fall, 0):.1%} at most, where {clear:.1%} "
            f"would stand out of the noise; {advice}, or there is little left to learn"
        )
    if relative[0] + MIN_STANDARD_ERRORS * errors[0] < 1 - VALLEY_BEGINS * fall:
        return f"the loss falls from the first rate on, {curve.rates[0]:.1e}; lower --start"
    reached = curve.rates[-1] / curve.rates[bottom]
    if ending == "the last rate" and reached < 10**SMOOTHING_DECADES:
        return f"the loss still falls at the last rate, {curve.rates[-1]:.1e}; raise --end"
    return None


def _suggestion(curve: LrCurve) -> LrSuggestion:
    relative, _ = relative_loss(curve)
    positions = np.log10(curve.rates)
    bottom = max(int(relative.argmin()), 1)
    level = 1 - VALLEY_BEGINS * (1 - relative[bottom])
    begin = int(np.flatnonzero(relative[:bottom] >= level).max(initial=0))
    slopes = np.gradient(relative, positions)[begin : bottom + 1]
    valley = positions[begin] + VALLEY_SHARE * (positions[bottom] - positions[begin])
    return LrSuggestion(
        steepest=float(curve.rates[begin + int(slopes.argmin())]),
        valley=float(10**valley),
        begin=float(curve.rates[begin]),
        bottom=float(curve.rates[bottom]),
    )


class DivergenceWatch:
    """Decides when a range test can end: the loss has diverged.

    That is when the relative loss, smoothed over the steps so far, has risen again. A multiple of
    the lowest loss, the usual sign, may never come: DBLoss is bounded (its Dice terms by their
    weights), and fine-tuning starts low. So the share of the fall counts.
    """

    def __init__(self, steps_per_decade: float) -> None:
        self._kept = math.exp(-1 / (SMOOTHING_DECADES * steps_per_decade))
        self._loss = self._start_loss = 0.0
        self._lowest = 1.0

    def has_diverged(self, loss: float, start_loss: float) -> bool:
        """Return whether the loss has diverged with this step's losses."""
        self._loss = self._kept * self._loss + loss
        self._start_loss = self._kept * self._start_loss + start_loss
        relative = self._loss / self._start_loss
        self._lowest = min(self._lowest, relative)
        return relative > self._lowest + max(LOST_SHARE * (1 - self._lowest), MIN_RISE)
