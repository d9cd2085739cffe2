"""Which shrink ratio an operator uses right now."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from operator import index
from typing import Any

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.clock import EPOCH_CLOCK, EpochClock
from ppocr_ft.transforms.schedule import ShrinkSchedule


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
