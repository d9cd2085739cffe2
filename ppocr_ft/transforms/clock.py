"""The epoch that every data-loader worker reads, kept in shared memory."""

from __future__ import annotations

from multiprocessing.context import assert_spawning
from multiprocessing.sharedctypes import RawValue
from operator import index

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
