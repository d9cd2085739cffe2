"""The shrink ratio over the epochs: a pure schedule, and the epoch that processes share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.context import assert_spawning
from multiprocessing.sharedctypes import RawValue
from operator import index
from typing import Any

from ppocr_ft.errors import ConfigError
from ppocr_ft.geometry import check_ratio

PADDLEOCR_RISE = 0.2
"""What PaddleOCR's ``total_epoch`` adds to ``shrink_ratio`` by its last epoch (2.7 on)."""


@dataclass(frozen=True)
class ShrinkSchedule:
    """``ratio(e) = start + (end - start) * min(e / total_epoch, 1)``.

    A schedule is constant where ``start == end``; ``total_epoch`` is then without effect.
    PaddleOCR computes ``shrink_ratio + 0.2 * epoch / total_epoch`` without the bound.
    """

    start: float
    end: float
    total_epoch: float = 1.0

    @classmethod
    def from_keys(
        cls,
        shrink_ratio: float = 0.4,
        shrink_ratio_end: float | None = None,
        total_epoch: float | None = None,
        epoch_num: float | None = None,
    ) -> ShrinkSchedule:
        """The schedule that a YAML's keys ask for.

        ``total_epoch`` alone means what PaddleOCR meant: up by 0.2 over ``total_epoch`` epochs.
        ``shrink_ratio_end`` alone ramps over the run's ``epoch_num``. Neither: constant.

        Raises:
            ConfigError: a ratio outside (0, 1), a horizon that isn't above 0, or a ramp
                without a horizon; it names the key.
        """
        start = check_ratio(shrink_ratio, "shrink_ratio")
        if shrink_ratio_end is None and total_epoch is None:
            return cls(start, start)
        end = _end_of(start, shrink_ratio_end)
        if total_epoch is not None:
            return cls(start, end, _check_horizon(total_epoch, "total_epoch"))
        if epoch_num is not None:
            return cls(start, end, _check_horizon(epoch_num, "Global.epoch_num"))
        if end == start:
            return cls(start, start)
        raise ConfigError(
            "not given, but shrink_ratio_end needs to know over how many epochs to ramp; "
            "set total_epoch, or Global.epoch_num",
            key="total_epoch",
        )

    @property
    def is_constant(self) -> bool:
        return self.start == self.end

    def ratio(self, epoch: float) -> float:
        """The ratio in the true epoch 1, 2, ...; 0 stands for "before training"."""
        if epoch < 0:
            raise ValueError(f"an epoch is 0 or above, not {epoch}")
        return self.start + (self.end - self.start) * min(epoch / self.total_epoch, 1.0)

    def describe(self) -> str:
        if self.is_constant:
            return f"constant {self.start:g}"
        return f"{self.start:g} -> {self.end:g} over {self.total_epoch:g} epochs"


def check_same(border: ShrinkSchedule, shrink: ShrinkSchedule) -> None:
    """
    Raises:
        ConfigError: the two map operators of a pipeline follow different schedules.
    """
    if border != shrink:
        raise ConfigError(
            f"MakeShrinkMap's is {shrink.describe()}, MakeBorderMap's {border.describe()}; both "
            "maps describe the same text, so give both the same shrink_ratio, shrink_ratio_end "
            "and total_epoch",
            key="shrink_ratio",
        )


def _end_of(start: float, shrink_ratio_end: float | None) -> float:
    if shrink_ratio_end is not None:
        return check_ratio(shrink_ratio_end, "shrink_ratio_end")
    end = start + PADDLEOCR_RISE
    if end >= 1.0:
        raise ConfigError(
            f"found {start:g}; with total_epoch it rises by {PADDLEOCR_RISE:g} to {end:g}, which "
            "must stay below 1: lower shrink_ratio or set shrink_ratio_end",
            key="shrink_ratio",
        )
    return end


def _check_horizon(value: float, key: str) -> float:
    try:
        horizon = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"found {value!r}, which is not a number of epochs", key=key) from None
    if not 0.0 < horizon < float("inf"):
        raise ConfigError(f"found {value!r}; it must be a number of epochs above 0", key=key)
    return horizon


_NOT_SET = 0


class EpochClock:
    """The training's true epoch: 1, 2, ...; 0 until somebody sets it.

    Whoever drives the training calls ``set`` once per epoch, before the loader is iterated.
    Worker processes see the new value at once, persistent ones too: the number lies in memory
    that forked workers share and that spawned ones are handed when they start. Copying a clock
    (``copy.deepcopy`` of a data set, say) gives the same clock; pickling it for anything but
    the start of a worker is a RuntimeError.
    """

    def __init__(self) -> None:
        self._value = RawValue("q", _NOT_SET)

    @property
    def epoch(self) -> int:
        return int(self._value.value)

    @property
    def is_set(self) -> bool:
        return self.epoch != _NOT_SET

    def set(self, epoch: int) -> None:
        """Say that epoch ``epoch`` (1 or above) begins.

        Raises:
            ValueError: ``epoch`` is below 1.
            TypeError: ``epoch`` is not a whole number.
        """
        whole = index(epoch)
        if whole < 1:
            raise ValueError(f"epochs count from 1, so the clock can't be set to {epoch}")
        self._value.value = whole

    def advance(self) -> int:
        """Go on to the next epoch and return it."""
        self.set(self.epoch + 1)
        return self.epoch

    def reset(self) -> None:
        """Back to "not set"."""
        self._value.value = _NOT_SET

    def __reduce__(self) -> tuple[object, ...]:
        assert_spawning(self)  # a pickle that outlives this moment would be cut off the memory
        return _attach, (self._value,)

    def __copy__(self) -> EpochClock:
        return self

    def __deepcopy__(self, memo: object) -> EpochClock:
        return self


def _attach(value: object) -> EpochClock:
    clock = EpochClock()
    clock._value = value
    return clock


EPOCH_CLOCK = EpochClock()
"""The clock of this training; operators read it unless they are given another."""


def set_epoch(epoch: int) -> None:
    """Tell the operators of this process and its workers that epoch 1, 2, ... begins."""
    EPOCH_CLOCK.set(epoch)


class EpochRatio:
    """A shrink schedule read at the clock's epoch.

    Until the clock is set, the ``epoch`` that PaddleOCR 2.7 and 2.8 pass to the constructor
    counts; it is bounded by the schedule's horizon, since they pass the random seed.
    """

    def __init__(
        self, schedule: ShrinkSchedule, epoch: int | None = None, clock: EpochClock | None = None
    ) -> None:
        self.schedule = schedule
        self.clock = EPOCH_CLOCK if clock is None else clock
        self._given_epoch = epoch
        self._warned = False

    @classmethod
    def from_keys(
        cls, shrink_ratio: float, keys: Mapping[str, Any], clock: EpochClock | None = None
    ) -> EpochRatio:
        """From an operator's YAML keys, with all of PaddleOCR's ``Global`` poured in."""
        schedule = ShrinkSchedule.from_keys(
            shrink_ratio,
            keys.get("shrink_ratio_end"),
            keys.get("total_epoch"),
            keys.get("epoch_num"),
        )
        return cls(schedule, _epoch_of(keys.get("epoch")), clock)

    def __call__(self) -> float:
        if self.schedule.is_constant:
            return self.schedule.start
        return self.schedule.ratio(self._epoch())

    def _epoch(self) -> int:
        if self.clock.is_set:
            return self.clock.epoch
        if self._given_epoch is not None:
            return self._given_epoch
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"the shrink ratio is to ramp ({self.schedule.describe()}), but nobody has said "
                "which epoch this is: call ppocr_ft.set_epoch(epoch) before each epoch. "
                f"Until then it stays at {self.schedule.start:g}",
                stacklevel=2,
            )
        return 0


class FollowsSchedule:
    """An operator whose shrink ratio follows a schedule."""

    def __init__(self, ratio: EpochRatio) -> None:
        self._ratio = ratio

    @property
    def schedule(self) -> ShrinkSchedule:
        return self._ratio.schedule

    @property
    def shrink_ratio(self) -> float:
        """The ratio of the current epoch."""
        return self._ratio()


def _epoch_of(value: Any) -> int | None:
    if value is None or value == "None":  # PaddleOCR writes the word where it knows no epoch
        return None
    try:
        epoch = index(value)
    except TypeError:
        raise ConfigError(f"found {value!r}; it must be a whole number", key="epoch") from None
    if epoch < 0:
        raise ConfigError(f"found {value!r}; it must be 0 or above", key="epoch")
    return epoch
