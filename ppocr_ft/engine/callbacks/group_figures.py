"""Figures of each parameter group: its learning rate, and how far a step moves its weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import paddle

from ppocr_ft.engine.metrics_file import LR, UPDATE_RATIO
from ppocr_ft.optim.groups import ParamGroup, group_names
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
        """Copy the weights before a step that is measured."""
        if self._before is None:
            self._before = UpdateRatios(self._groups)

    def end(self) -> dict[str, float | None]:
        """Return figures by column; None for a ratio of zero weights, or without `begin`."""
        rates = self._optimizer.group_lrs()
        unknown: list[float | None] = [None] * len(self._groups)
        ratios = unknown if self._before is None else self._before.since()
        self._before = None
        values = [*(rates[group.label] for group in self._groups), *ratios]
        return dict(zip(self.columns, values, strict=True))


class UpdateRatios:
    """The update-to-weight ratio of each parameter group in one step, measured by copies.

    It takes its copies when it is made, before the step.
    """

    def __init__(self, groups: Sequence[ParamGroup]) -> None:
        self._groups = groups
        self._before = [[p.detach().clone() for p in group.parameters] for group in groups]

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def since(self) -> list[float | None]:
        """Return ``|after - before| / |before|`` of each group, norms over all its weights.

        None for a group that was all zeros.
        """
        squares = [
            paddle.stack(
                [
                    _square(p - b for p, b in zip(group.parameters, before, strict=True)),
                    _square(before),
                ]
            )
            for group, before in zip(self._groups, self._before, strict=True)
        ]
        norms = paddle.stack(squares).sqrt().tolist()  # (groups, 2)
        return [update / weight if weight else None for update, weight in norms]


def _square(tensors: Iterable[paddle.Tensor]) -> paddle.Tensor:
    return paddle.stack([tensor.square().sum() for tensor in tensors]).sum()
