"""The shrink ratio over the epochs: a pure schedule, and the epoch that processes share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.context import assert_spawning
from multiprocessing.sharedctypes import RawValue
from operator import index
from typing import Annotated, Any

from pydantic import BeforeValidator

from ppocr_ft.declaration import PositiveInt
from ppocr_ft.errors import ConfigError
from ppocr_ft.shrinking import check_ratio

PADDLEOCR_RISE = 0.2
"""What PaddleOCR's ``total_epoch`` adds to ``shrink_ratio`` by its last epoch (2.7 on)."""


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WholeEpochs = Annotated[PositiveInt, BeforeValidator(_whole)]
"""A number of epochs; 500.0 is one too."""


@dataclass(frozen=True)
class ShrinkSchedule:
    """The schedule ``ratio(e) = start + (end - start) * min(e / total_epoch, 1)``.

    A schedule is constant if ``start == end``; ``total_epoch`` then has no effect.
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
        """Return the schedule that a YAML's keys ask for.

        ``total_epoch`` alone means what PaddleOCR meant: up by 0.2 over ``total_epoch`` epochs.
        ``shrink_ratio_end`` alone ramps over the run's ``epoch_num``. Neither: constant. A ramp of
        ``total_epoch`` alone may lead to 1 or above if the run ends before it gets there, as in
        PaddleOCR's YAMLs for seals (0.8, 500 epochs, a run of 100).

        Raises:
            ConfigError: a ratio outside (0, 1), a horizon that isn't above 0, or a ramp
                without a horizon; it names the key.
        """
        start = check_ratio(shrink_ratio, "shrink_ratio")
        horizon = None if total_epoch is None else _check_horizon(total_epoch, "total_epoch")
        end = ramp_end(start, shrink_ratio_end, horizon)
        if shrink_ratio_end is not None:
            check_ratio(end, "shrink_ratio_end")
        elif horizon is not None:
            reached = end if epoch_num is None else cls(start, end, horizon).ratio(epoch_num)
            if reached >= 1.0:
                raise ConfigError(
                    f"found {start:g}; with total_epoch {horizon:g} and no shrink_ratio_end it "
                    f"rises by {PADDLEOCR_RISE:g} to {end:g}, which must stay below 1: lower it "
                    "or set shrink_ratio_end",
                    key="shrink_ratio",
                )
        if end == start:
            return cls(start, start)
        if horizon is None and epoch_num is None:
            raise ConfigError(
                "not given, but shrink_ratio_end needs to know over how many epochs to ramp; "
                "set total_epoch, or Global.epoch_num",
                key="total_epoch",
            )
        return cls(start, end, horizon or _check_horizon(epoch_num, "Global.epoch_num"))

    @property
    def is_constant(self) -> bool:
        return self.start == self.end

    def ratio(self, epoch: float) -> float:
        """Return the ratio in the true epoch 1, 2, ...; 0 means "before training"."""
        if epoch < 0:
            raise ValueError(f"an epoch is 0 or above, not {epoch}")
        return self.start + (self.end - self.start) * min(epoch / self.total_epoch, 1.0)

    def equals(self, other: ShrinkSchedule) -> bool:
        """Return whether both give the same ratios, except for the last digits of a float."""
        ours, theirs = (
            (schedule.start, schedule.end, 0.0 if schedule.is_constant else schedule.total_epoch)
            for schedule in (self, other)
        )
        return all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(ours, theirs, strict=True))

    def describe(self) -> str:
        if self.is_constant:
            return f"constant {self.start:g}"
        return f"{self.start:g} -> {self.end:g} over {self.total_epoch:g} epochs"


def ramp_end(
    shrink_ratio: float, shrink_ratio_end: float | None, total_epoch: float | None
) -> float:
    """Return the ratio at the end of a ramp; the start's if there is no ramp."""
    if shrink_ratio_end is not None:
        return shrink_ratio_end
    return shrink_ratio + (PADDLEOCR_RISE if total_epoch is not None else 0.0)


def _check_horizon(value: Any, key: str) -> float:
    try:
        horizon = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"found {value!r}, which is not a number of epochs", key=key) from None
    if not 0.0 < horizon < float("inf"):
        raise ConfigError(f"found {value!r}; it must be a number of epochs above 0", key=key)
    return horizon


_NOT_SET = 0
TRUE_EPOCH = "true_epoch"
"""The field of a sample that says which epoch 1, 2, ... it is drawn in. (PaddleOCR since
PP-OCRv6 writes an ``epoch`` of its own, which stands still unless ratio_list has one below 1.)"""


class SharedEpoch:
    """The training's true epoch: 1, 2, ...; 0 until it is set.

    The code that drives the training calls ``set`` once per epoch, before the loader is iterated.
    Worker processes see the new value at once, persistent ones too: the number is in memory that
    forked workers share and that spawned ones get when they start. Copying a clock
    (``copy.deepcopy`` of a data set, for example) gives the same clock; pickling it for anything
    but the start of a worker is a RuntimeError.
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
        """Begin epoch ``epoch`` (1 or above).

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
        """Set it back to "not set"."""
        self._value.value = _NOT_SET

    def __reduce__(self) -> tuple[object, ...]:
        assert_spawning(self)  # a pickle that outlives this moment would be cut off the memory
        return _attach, (self._value,)

    def __copy__(self) -> SharedEpoch:
        return self

    def __deepcopy__(self, memo: object) -> SharedEpoch:
        return self


def _attach(value: object) -> SharedEpoch:
    clock = SharedEpoch()
    clock._value = value
    return clock


EPOCH_CLOCK = SharedEpoch()
"""The epoch of a training in PaddleOCR; operators read it if a sample doesn't say the epoch."""
EpochClock = SharedEpoch
"""Its earlier name."""


def set_epoch(epoch: int) -> None:
    """Tell the operators of this process and its workers that epoch 1, 2, ... begins."""
    EPOCH_CLOCK.set(epoch)


class ShrinkScheduled:
    """An operator whose shrink ratio follows a schedule.

    The epoch is the sample's ``true_epoch``, which ``SimpleDataSet`` writes. In PaddleOCR, whose
    samples know none that can be trusted, it is the shared clock's; until that is set, the
    ``epoch`` that PaddleOCR 2.7 and 2.8 pass to the constructor counts. It is bounded by the
    schedule's horizon, since they pass the random seed.

    ``run`` is what a constructor was given beside its keys: ``epoch_num`` (the length of a ramp
    that has none of its own), ``epoch`` and ``clock`` (in the place of the process's own).
    """

    def __init__(
        self,
        shrink_ratio: float,
        shrink_ratio_end: float | None,
        total_epoch: float | None,
        run: Mapping[str, Any],
    ) -> None:
        keys = shrink_ratio, shrink_ratio_end, total_epoch
        self.schedule = ShrinkSchedule.from_keys(*keys, run.get("epoch_num"))
        self.clock: SharedEpoch = run.get("clock") or EPOCH_CLOCK
        self._given_epoch = _epoch_of(run.get("epoch"))
        self._warned = False

    @property
    def shrink_ratio(self) -> float:
        """The ratio of the clock's epoch."""
        return self.ratio_of({})

    def ratio_of(self, data: Mapping[str, Any]) -> float:
        """Return the shrink ratio for a sample."""
        if self.schedule.is_constant:
            return self.schedule.start
        epoch = data.get(TRUE_EPOCH)
        return self.schedule.ratio(self._shared_epoch() if epoch is None else epoch)

    def _shared_epoch(self) -> int:
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


def schedules(operators: Iterable[Any]) -> dict[str, ShrinkSchedule]:
    """Return the schedules of the map operators among these, by the operators' names."""
    return {type(op).__name__: op.schedule for op in operators if isinstance(op, ShrinkScheduled)}


def check_one_schedule(operators: Iterable[Any]) -> None:
    """Compare the map operators of a pipeline.

    Raises:
        ConfigError: two of them follow different schedules.
    """
    scheduled = list(schedules(operators).items())
    for name, schedule in scheduled[1:]:
        first, expected = scheduled[0]
        if not schedule.equals(expected):
            raise ConfigError(
                f"{name}'s is {schedule.describe()}, {first}'s {expected.describe()}; both maps "
                "describe the same text, so give both the same shrink_ratio, shrink_ratio_end "
                "and total_epoch",
                key="shrink_ratio",
            )
