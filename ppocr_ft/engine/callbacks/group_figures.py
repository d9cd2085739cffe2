"""Figures of each parameter group: its learning rate, and how far a step moves its weights."""

from __future__ import annotations

from ppocr_ft.engine.metrics_file import LR, UPDATE_RATIO
from ppocr_ft.engine.update_ratio import UpdateRatios
from ppocr_ft.optim.group_names import group_names
from ppocr_ft.optim.optimizers import Optimizer


class GroupFigures:
    """``lr/NAME`` and ``update_ratio/NAME`` of the step between `begin` and `end`."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups = optimizer.groups.groups
        self._names = group_names(self._groups)
        self._before: UpdateRatios | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(kind + name for kind in (LR, UPDATE_RATIO) for name in self._names)

    def begin(self) -> None:
        """Copy the weights; a step comes that will be measured."""
        if self._before is None:
            self._before = UpdateRatios(self._groups)

    def end(self) -> dict[str, float | None]:
        """By column; None for the ratio of weights that were zeros, or that `begin` didn't copy."""
        rates = self._optimizer.group_lrs()
        unknown: list[float | None] = [None] * len(self._groups)
        ratios = unknown if self._before is None else self._before.since()
        self._before = None
        values = [*(rates[group.label] for group in self._groups), *ratios]
        return dict(zip(self.columns, values, strict=True))
