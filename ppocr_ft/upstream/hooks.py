"""Wrappers around PaddleOCR's own functions, so that the clock shows the true epoch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ppocr_ft.transforms import EPOCH_CLOCK, ShrinkSchedule
from ppocr_ft.transforms.shrink_schedule import check_one_schedule, schedules

Function = Callable[..., Any]


class TrainingHooks:
    """Wrappers for three of PaddleOCR's functions; while not ``active`` they change nothing.

    So a wrapper that some module has kept after ``uninstall()`` does no harm.
    """

    def __init__(self) -> None:
        self.active = False
        self._loaders: WeakKeyDictionary[Any, type] = WeakKeyDictionary()
        self._announced: ShrinkSchedule | None = None

    def create_operators(self, original: Function) -> Function:
        """Wrap ``create_operators`` to check that the two map operators follow one schedule."""

        @functools.wraps(original)
        def create_operators(*args: Any, **kwargs: Any) -> Any:
            operators = original(*args, **kwargs)
            if self.active:
                check_one_schedule(operators)
            return operators

        return create_operators

    def build_dataloader(self, original: Function) -> Function:
        """Wrap ``build_dataloader`` so that a training loader that it builds moves the clock."""

        @functools.wraps(original)
        def build_dataloader(*args: Any, **kwargs: Any) -> Any:
            loader = original(*args, **kwargs)
            given = _arguments(original, args, kwargs)
            if self.active and given["mode"] == "Train":
                kind: Any = type(loader)
                self._loaders[loader] = kind
                loader.__class__ = _clocked(kind)
                self._announce(loader, given["logger"])
            return loader

        return build_dataloader

    def load_model(self, original: Function) -> Function:
        """Wrap ``load_model``, which begins a run, new or resumed at its ``start_epoch``.

        Trainers pass an optimizer. A call without one only reads weights (evaluation, export)
        and must not disturb a run in progress.
        """

        @functools.wraps(original)
        def load_model(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            training = _arguments(original, args, kwargs).get("optimizer") is not None
            if self.active and (training or not EPOCH_CLOCK.is_set):
                next_epoch = result.get("start_epoch", 1)
                if next_epoch > 1:
                    EPOCH_CLOCK.set(next_epoch - 1)
                else:
                    EPOCH_CLOCK.reset()
            return result

        return load_model

    def release(self) -> None:
        """Release the loaders and the clock."""
        for loader, kind in list(self._loaders.items()):
            loader.__class__ = kind
        self._loaders.clear()
        self._announced = None
        EPOCH_CLOCK.reset()

    def _announce(self, loader: Any, logger: Any) -> None:
        for schedule in schedules(getattr(loader.dataset, "ops", [])).values():
            if schedule != self._announced:
                self._announced = schedule
                logger.info(f"ppocr_ft: shrink ratio {schedule.describe()}, by the true epoch")


@functools.cache
def _clocked(kind: Any) -> Any:
    """Return a subclass of a loader's class: every new iteration is the next epoch."""

    def next_epoch(loader: Any) -> Any:
        EPOCH_CLOCK.advance()
        return kind.__iter__(loader)

    return type(kind.__name__, (kind,), {"__iter__": next_epoch})


def _arguments(function: Function, args: Any, kwargs: Any) -> dict[str, Any]:
    return inspect.signature(function).bind(*args, **kwargs).arguments
