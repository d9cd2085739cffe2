"""The learning rate over the steps, as pure functions ``step -> factor``; needs no Paddle.

``step`` counts from 0: ``schedule(0)`` is for the first update. A main schedule starts at its own
step 0; `with_warmup` puts a warm-up before it. A schedule holds no state, so a run that is
resumed at step n asks for ``schedule(n)`` and that is all. A run's rates are made in this order,
in which every rounding is PaddleOCR's::

    rate = with_warmup(scaled(Cosine(total_steps), learning_rate), warmup_steps)
    optimizer.set_lr(rate(step))
"""

from __future__ import annotations

import bisect
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ppocr_ft.constructor_keys import checked
from ppocr_ft.declaration import (
    Listed,
    NonNegativeFloat,
    OpenShare,
    PositiveFloat,
    PositiveInt,
    Share,
)
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import counted

Schedule = Callable[[int], float]


class _Curve(ABC):
    """A main schedule. Numbers that can't be used are a ConfigError, which names the key."""

    def __call__(self, step: int) -> float:
        if step < 0:
            raise ValueError(f"a step is 0 or above, not {step}")
        return self._factor(step)

    @abstractmethod
    def _factor(self, step: int) -> float: ...


@dataclass(frozen=True)
class Constant(_Curve):
    """Always 1."""

    def _factor(self, step: int) -> float:
        return 1.0


@checked
@dataclass(frozen=True)
class Cosine(_Curve):
    """Half a cosine from 1 to ``min_ratio`` (``min_lr / learning_rate``), which then stays.

    PaddleOCR's Cosine takes the whole run's steps as ``total_steps`` and starts after the
    warm-up, so it stops short of its end by the length of the warm-up.
    """

    total_steps: PositiveInt
    min_ratio: Share = 0.0

    def _factor(self, step: int) -> float:
        return _half_cosine(min(step, self.total_steps), self.total_steps, 1.0, self.min_ratio)


@checked
@dataclass(frozen=True)
class Polynomial(_Curve):
    """``(1 - step / total_steps) ** power`` from 1 to ``end_ratio``, which then stays.

    PaddleOCR's Linear (``power`` 1 by default), Poly and DecayLearningRate (0.9, as DeepLab's).
    """

    total_steps: PositiveInt
    power: PositiveFloat = 1.0
    end_ratio: Share = 0.0

    def _factor(self, step: int) -> float:
        left = 1.0 - float(min(step, self.total_steps)) / float(self.total_steps)
        return float((1.0 - self.end_ratio) * left**self.power + self.end_ratio)


@checked
@dataclass(frozen=True)
class Step(_Curve):
    """``gamma ** n`` after n times ``step_size`` epochs; constant within an epoch."""

    step_size: PositiveInt
    gamma: OpenShare
    steps_per_epoch: PositiveInt

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return float(self.gamma ** (epoch // self.step_size))


@checked
@dataclass(frozen=True)
class MultiStep(_Curve):
    """``gamma ** n`` once n of the milestones are reached; constant within an epoch.

    Milestone m acts from the first step of the epoch that follows m whole epochs.
    """

    milestones: Listed[PositiveInt]
    gamma: OpenShare
    steps_per_epoch: PositiveInt
    epochs: PositiveInt

    @staticmethod
    def check_keys(keys: Any) -> None:
        _check_milestones(keys.milestones, keys.epochs, "milestones")

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return float(self.gamma ** bisect.bisect_right(self.milestones, epoch))


@checked
@dataclass(frozen=True)
class Piecewise(_Curve):
    """``values[n]`` once n of ``decay_epochs`` are reached; constant within an epoch.

    PaddleOCR's ``values`` are rates, not factors: then leave out `scaled`.
    """

    decay_epochs: Listed[PositiveInt]
    values: Listed[NonNegativeFloat]
    steps_per_epoch: PositiveInt
    epochs: PositiveInt

    @staticmethod
    def check_keys(keys: Any) -> None:
        _check_milestones(keys.decay_epochs, keys.epochs, "decay_epochs")
        fault = values_fault(keys.values, keys.decay_epochs)
        if fault:
            raise ConfigError(fault, key="values")

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return self.values[bisect.bisect_right(self.decay_epochs, epoch)]


@checked
@dataclass(frozen=True)
class Exponential(_Curve):
    """``gamma ** epochs``, smooth: it falls with every step and by ``gamma`` over an epoch."""

    gamma: OpenShare
    steps_per_epoch: PositiveInt

    def _factor(self, step: int) -> float:
        return float(self.gamma ** (step / self.steps_per_epoch))


@checked
@dataclass(frozen=True)
class OneCycle(_Curve):
    """Up from 1 / 25 to 1 and down to 1 / 250,000, relative to ``max_lr``.

    The peak is at step ``0.3 * total_steps - 1``, the end at the last step; with ``three_phase``
    the way down first mirrors the way up. Smith and Topin, "Super-Convergence" (2018), with
    PaddleOCR's OneCycle's numbers.
    """

    total_steps: PositiveInt
    anneal_strategy: Literal["cos", "linear"] = "cos"
    three_phase: bool = False

    @staticmethod
    def check_keys(keys: Any) -> None:
        corners = _one_cycle_corners(keys.total_steps, three_phase=keys.three_phase)
        if not all(left < right for (left, _), (right, _) in itertools.pairwise(corners)):
            message = f"found {keys.total_steps}, too few for the phases of OneCycle"
            raise ConfigError(message, key="total_steps")

    def _factor(self, step: int) -> float:
        corners = _one_cycle_corners(self.total_steps, three_phase=self.three_phase)
        for (left, high), (right, low) in itertools.pairwise(corners):
            if step <= right and self.anneal_strategy == "linear":
                return high + (low - high) * (step - left) / (right - left)
            if step <= right:
                return _half_cosine(step - left, right - left, high, low)
        return corners[-1][1]


def _one_cycle_corners(total_steps: int, *, three_phase: bool) -> list[tuple[float, float]]:
    """Return step and factor at the ends of the phases."""
    start, rise = 1.0 / 25.0, 0.3 * total_steps - 1
    back = [(2 * rise, start)] if three_phase else []
    return [(0.0, start), (rise, 1.0), *back, (float(total_steps - 1), start / 1e4)]


@checked
@dataclass(frozen=True)
class CosineRestarts(_Curve):
    """Cosines from 1 to ``min_ratio``, each ``growth`` times as long as the one before.

    Loshchilov and Hutter, "SGDR" (2017): T_0 = ``cycle_steps``, T_mult = ``growth``.
    """

    cycle_steps: PositiveInt
    growth: PositiveInt = 1
    min_ratio: Share = 0.0

    def _factor(self, step: int) -> float:
        length = self.cycle_steps
        if self.growth == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.growth
        return _half_cosine(step, length, 1.0, self.min_ratio)


def scaled(schedule: Schedule, learning_rate: float) -> Schedule:
    """Return a schedule of rates instead of factors.

    Raises:
        ConfigError: ``learning_rate`` is not a finite number above 0.
    """
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"must be above 0, is {learning_rate!r}", key="learning_rate")
    return lambda step: learning_rate * schedule(step)


def with_warmup(
    schedule: Schedule,
    warmup_steps: int,
    delay_steps: int | None = None,
    start: float = 0.0,
    first_step: int = 0,
) -> Schedule:
    """Rise in a straight line from ``start`` to the schedule's value after ``warmup_steps``.

    The warm-up begins at ``first_step``. The schedule itself begins after ``delay_steps``: by
    default after the warm-up, as in PaddleOCR, which so moves all its milestones back by the
    warm-up; 0 begins it at step 0; `whole_epochs` of the warm-up keeps an epoch schedule constant
    within each epoch.

    Raises:
        ConfigError: a number of steps below 0.
    """
    delay = first_step + warmup_steps if delay_steps is None else delay_steps
    for key, steps in (("warmup_steps", warmup_steps), ("delay_steps", delay)):
        if steps < 0:
            raise ConfigError(f"must be 0 or above, is {steps}", key=key)
    end_step = first_step + warmup_steps

    def rate(step: int) -> float:
        if first_step <= step < end_step:
            target = schedule(max(end_step - delay, 0))
            return start + (target - start) * (step - first_step) / warmup_steps
        return schedule(step if step < 0 else max(step - delay, 0))

    return rate


def product(first: Schedule, second: Schedule) -> Schedule:
    """Return the schedule whose values are the products of two schedules' values."""
    return lambda step: first(step) * second(step)


def whole_epochs(steps: int, steps_per_epoch: int) -> int:
    """Round steps up to the end of their epoch."""
    return -(-steps // steps_per_epoch) * steps_per_epoch


def _half_cosine(done: float, length: float, start: float, end: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done / length)) / 2


def values_fault(values: Sequence[float], decay_epochs: Sequence[int]) -> str:
    """Return what is wrong with the number of Piecewise's values; nothing: ''."""
    if len(values) == len(decay_epochs) + 1:
        return ""
    count = len(decay_epochs)
    return f"has {counted(len(values), 'rate')} for {count} decay_epochs; give {count + 1}"


def milestones_faults(
    milestones: Sequence[int], epochs: int, moved_by_epochs: int = 0
) -> list[str]:
    """Return what is wrong with the milestones of a run of ``epochs``.

    A milestone acts after its epoch and those by which the warm-up moves it, so one at the end of
    the run is never reached.
    """
    faults = []
    if any(later <= earlier for earlier, later in itertools.pairwise(milestones)):
        faults.append(f"found {list(milestones)}; each must be later than the one before")
    beyond = [milestone for milestone in milestones if milestone >= epochs]
    moved = [m for m in milestones if m < epochs <= m + moved_by_epochs]
    if beyond:
        faults.append(
            f"{_never_reached(beyond)}: the run has {counted(epochs, 'epoch')} (Global.epoch_num), "
            "and milestones are epochs: did you mean steps? Then divide them by the steps of an "
            "epoch, which --dry-run prints"
        )
    if moved:
        faults.append(
            f"{_never_reached(moved)}: the warm-up moves milestones back by "
            f"{counted(moved_by_epochs, 'epoch')}, as in PaddleOCR, and the run has {epochs} "
            "(Global.epoch_num). Shorten the warm-up, or take name: MultiStep, whose milestones "
            "the warm-up doesn't move"
        )
    return faults


def _never_reached(milestones: Sequence[int]) -> str:
    return (
        f"{', '.join(map(str, milestones))} {'is' if len(milestones) == 1 else 'are'} never reached"
    )


def _check_milestones(milestones: Sequence[int], epochs: int, key: str) -> None:
    for fault in milestones_faults(milestones, epochs):
        raise ConfigError(fault, key=key)
