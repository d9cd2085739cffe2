"""The learning rate over the steps, as pure functions ``step -> factor``. No paddle in here.

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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ppocr_ft.errors import ConfigError

Schedule = Callable[[int], float]


class _Curve(ABC):
    """A main schedule."""

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


@dataclass(frozen=True)
class Cosine(_Curve):
    """Half a cosine from 1 to ``min_ratio`` (``min_lr / learning_rate``), which then stays.

    PaddleOCR's Cosine takes the whole run's steps as ``total_steps`` and starts after the
    warm-up, so it stops short of its end by the length of the warm-up.

    Raises:
        ConfigError: ``total_steps`` below 1, or ``min_ratio`` outside [0, 1].
    """

    total_steps: int
    min_ratio: float = 0.0

    def __post_init__(self) -> None:
        _check_count(self.total_steps, "total_steps")
        _check_share(self.min_ratio, "min_ratio")

    def _factor(self, step: int) -> float:
        return _half_cosine(min(step, self.total_steps), self.total_steps, 1.0, self.min_ratio)


@dataclass(frozen=True)
class Polynomial(_Curve):
    """``(1 - step / total_steps) ** power`` from 1 to ``end_ratio``, which then stays.

    PaddleOCR's Linear (``power`` 1 by default), Poly and DecayLearningRate (0.9, as DeepLab's).

    Raises:
        ConfigError: ``total_steps`` below 1, ``power`` not above 0, ``end_ratio`` outside [0, 1].
    """

    total_steps: int
    power: float = 1.0
    end_ratio: float = 0.0

    def __post_init__(self) -> None:
        _check_count(self.total_steps, "total_steps")
        _check_share(self.end_ratio, "end_ratio")
        if not self.power > 0:
            raise ConfigError(f"must be above 0, is {self.power!r}", key="power")

    def _factor(self, step: int) -> float:
        left = 1.0 - float(min(step, self.total_steps)) / float(self.total_steps)
        return float((1.0 - self.end_ratio) * left**self.power + self.end_ratio)


@dataclass(frozen=True)
class Step(_Curve):
    """``gamma ** n`` after n times ``step_size_epochs``; constant within an epoch.

    Raises:
        ConfigError: a count below 1, or ``gamma`` outside (0, 1).
    """

    step_size_epochs: int
    gamma: float
    steps_per_epoch: int

    def __post_init__(self) -> None:
        _check_count(self.step_size_epochs, "step_size")
        _check_count(self.steps_per_epoch, "steps_per_epoch")
        _check_gamma(self.gamma)

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return float(self.gamma ** (epoch // self.step_size_epochs))


@dataclass(frozen=True)
class MultiStep(_Curve):
    """``gamma ** n`` once n of the milestones are reached; constant within an epoch.

    Milestone m acts from the first step of the epoch that follows m whole epochs.

    Raises:
        ConfigError: milestones that don't rise, or beyond ``epochs``; ``gamma`` outside (0, 1).
    """

    milestones_epochs: tuple[int, ...]
    gamma: float
    steps_per_epoch: int
    epochs: int

    def __post_init__(self) -> None:
        _check_count(self.steps_per_epoch, "steps_per_epoch")
        _check_gamma(self.gamma)
        _check_milestones(self.milestones_epochs, self.steps_per_epoch, self.epochs, "milestones")

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return float(self.gamma ** bisect.bisect_right(self.milestones_epochs, epoch))


@dataclass(frozen=True)
class Piecewise(_Curve):
    """``values[n]`` once n of ``decay_epochs`` are reached; constant within an epoch.

    PaddleOCR's ``values`` are rates, not factors: then leave out `scaled`.

    Raises:
        ConfigError: ``decay_epochs`` that don't rise, or beyond ``epochs``; not one value more
            than ``decay_epochs``; a negative value.
    """

    decay_epochs: tuple[int, ...]
    values: tuple[float, ...]
    steps_per_epoch: int
    epochs: int

    def __post_init__(self) -> None:
        _check_count(self.steps_per_epoch, "steps_per_epoch")
        _check_milestones(self.decay_epochs, self.steps_per_epoch, self.epochs, "decay_epochs")
        if len(self.values) != len(self.decay_epochs) + 1:
            raise ConfigError(
                f"has {len(self.values)} value(s) for {len(self.decay_epochs)} decay_epochs; "
                f"give {len(self.decay_epochs) + 1}",
                key="values",
            )
        if not all(value >= 0 for value in self.values):
            raise ConfigError(f"must all be 0 or above, are {list(self.values)}", key="values")

    def _factor(self, step: int) -> float:
        epoch = step // self.steps_per_epoch
        return self.values[bisect.bisect_right(self.decay_epochs, epoch)]


@dataclass(frozen=True)
class Exponential(_Curve):
    """``gamma ** epochs``, smooth: it falls with every step and by ``gamma`` over an epoch.

    Raises:
        ConfigError: ``gamma`` outside (0, 1), ``steps_per_epoch`` below 1.
    """

    gamma: float
    steps_per_epoch: int

    def __post_init__(self) -> None:
        _check_count(self.steps_per_epoch, "steps_per_epoch")
        _check_gamma(self.gamma)

    def _factor(self, step: int) -> float:
        return float(self.gamma ** (step / self.steps_per_epoch))


@dataclass(frozen=True)
class OneCycle(_Curve):
    """Up from ``1 / div_factor`` to 1 and down to ``1 / (div_factor * final_div_factor)``.

    The factor is relative to ``max_lr``. The peak lies at step ``rise_ratio * total_steps - 1``,
    the end at the last step; with ``three_phase`` the way down first mirrors the way up.
    Smith and Topin, "Super-Convergence" (2018), with PaddleOCR's OneCycle's numbers.

    Raises:
        ConfigError: too few steps for the phases, a ratio or a factor that makes no sense.
    """

    total_steps: int
    anneal_strategy: Literal["cos", "linear"] = "cos"
    three_phase: bool = False
    rise_ratio: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        _check_count(self.total_steps, "total_steps")
        for name in ("div_factor", "final_div_factor"):
            if not getattr(self, name) >= 1:
                raise ConfigError(f"must be 1 or above, is {getattr(self, name)!r}", key=name)
        limit = 0.5 if self.three_phase else 1.0
        if not 0 < self.rise_ratio < limit:
            message = f"must lie between 0 and {limit:g}, is {self.rise_ratio!r}"
            raise ConfigError(message, key="rise_ratio")
        ends = [step for step, _ in self._corners()]
        if not all(a < b for a, b in itertools.pairwise(ends)):
            message = f"is {self.total_steps}, too few for the phases of OneCycle"
            raise ConfigError(message, key="total_steps")

    def _corners(self) -> list[tuple[float, float]]:
        """Step and factor where the phases meet."""
        start, last = 1.0 / self.div_factor, float(self.total_steps - 1)
        rise = self.rise_ratio * self.total_steps - 1
        back = [(2 * rise, start)] if self.three_phase else []
        return [(0.0, start), (rise, 1.0), *back, (last, start / self.final_div_factor)]

    def _factor(self, step: int) -> float:
        corners = self._corners()
        for (left, high), (right, low) in itertools.pairwise(corners):
            if step <= right:
                return self._between(step - left, right - left, high, low)
        return corners[-1][1]

    def _between(self, done: float, length: float, start: float, end: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * done / length
        return _half_cosine(done, length, start, end)


@dataclass(frozen=True)
class CosineRestarts(_Curve):
    """Cosines from 1 to ``min_ratio``, each ``growth`` times as long as the one before.

    Loshchilov and Hutter, "SGDR" (2017): T_0 = ``cycle_steps``, T_mult = ``growth``.

    Raises:
        ConfigError: a count below 1, or ``min_ratio`` outside [0, 1].
    """

    cycle_steps: int
    growth: int = 1
    min_ratio: float = 0.0

    def __post_init__(self) -> None:
        _check_count(self.cycle_steps, "cycle_steps")
        _check_count(self.growth, "growth")
        _check_share(self.min_ratio, "min_ratio")

    def _factor(self, step: int) -> float:
        length = self.cycle_steps
        if self.growth == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * self.growth
        return _half_cosine(step, length, 1.0, self.min_ratio)


def scaled(schedule: Schedule, learning_rate: float) -> Schedule:
    """Rates instead of factors.

    Raises:
        ConfigError: ``learning_rate`` is not a finite number above 0.
    """
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"must be above 0, is {learning_rate!r}", key="learning_rate")
    return _Scaled(schedule, learning_rate)


def with_warmup(
    schedule: Schedule,
    warmup_steps: int,
    delay_steps: int | None = None,
    start: float = 0.0,
) -> Schedule:
    """Go in a straight line from ``start`` to where the schedule is at step ``warmup_steps``.

    The schedule itself begins after ``delay_steps``: by default after the warm-up, as in
    PaddleOCR, which so moves all its milestones back by the warm-up; 0 keeps them where they
    are; `whole_epochs` of the warm-up keeps an epoch schedule constant within each epoch.

    Raises:
        ConfigError: a number of steps below 0.
    """
    delay = warmup_steps if delay_steps is None else delay_steps
    for key, steps in (("warmup_steps", warmup_steps), ("delay_steps", delay)):
        if steps < 0:
            raise ConfigError(f"must be 0 or above, is {steps}", key=key)
    return _WithWarmup(schedule, warmup_steps, delay, start)


def whole_epochs(steps: int, steps_per_epoch: int) -> int:
    """Steps, made up to the end of their epoch."""
    return -(-steps // steps_per_epoch) * steps_per_epoch


@dataclass(frozen=True)
class _Scaled:
    schedule: Schedule
    learning_rate: float

    def __call__(self, step: int) -> float:
        return self.learning_rate * self.schedule(step)


@dataclass(frozen=True)
class _WithWarmup:
    schedule: Schedule
    warmup_steps: int
    delay_steps: int
    start: float

    def __call__(self, step: int) -> float:
        if 0 <= step < self.warmup_steps:
            target = self.schedule(max(self.warmup_steps - self.delay_steps, 0))
            return self.start + (target - self.start) * step / self.warmup_steps
        return self.schedule(step if step < 0 else max(step - self.delay_steps, 0))


def _half_cosine(done: float, length: float, start: float, end: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done / length)) / 2


def _check_count(value: int, key: str) -> None:
    if value < 1:
        raise ConfigError(f"must be 1 or above, is {value!r}", key=key)


def _check_share(value: float, key: str) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"must lie between 0 and 1, is {value!r}", key=key)


def _check_gamma(gamma: float) -> None:
    if not 0 < gamma < 1:
        raise ConfigError(f"must lie between 0 and 1, is {gamma!r}", key="gamma")


def _check_milestones(
    milestones: tuple[int, ...], steps_per_epoch: int, epochs: int, key: str
) -> None:
    if any(a >= b for a, b in itertools.pairwise((0, *milestones))):
        message = f"must be epochs from 1 on, each later than the one before: {list(milestones)}"
        raise ConfigError(message, key=key)
    beyond = [milestone for milestone in milestones if milestone > epochs]
    if beyond:
        in_epochs = ", ".join(f"{step / steps_per_epoch:.4g}" for step in milestones)
        raise ConfigError(
            f"{', '.join(map(str, beyond))} lies beyond the {epochs} epoch(s) of the run; did you "
            f"mean steps? milestones are epochs, and an epoch has {steps_per_epoch} step(s): "
            f"as steps they would be the epochs {in_epochs}",
            key=key,
        )
