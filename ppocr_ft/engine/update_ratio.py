"""How far one step moves the weights, as a share of their size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import paddle

from ppocr_ft.optim.groups import ParamGroup


class UpdateRatios:
    """The update-to-weight ratio of each parameter group in one step, measured by copies.

    It takes its copies when it is made, before the step.
    """

    def __init__(self, groups: Sequence[ParamGroup]) -> None:
        self._groups = groups
        self._before = [[p.detach().clone() for p in group.parameters] for group in groups]

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def since(self) -> list[float | None]:
        """``|after - before| / |before|`` of each group, Euclidean norms over all its weights.

        None for a group that was all zeros.
        """
        squares = [
            paddle.stack(
                [_square(p - b for p, b in zip(group.parameters, own, strict=True)), _square(own)]
            )
            for group, own in zip(self._groups, self._before, strict=True)
        ]
        norms = paddle.stack(squares).sqrt().tolist()  # (groups, 2)
        return [update / weight if weight else None for update, weight in norms]


def _square(tensors: Iterable[paddle.Tensor]) -> paddle.Tensor:
    return paddle.stack([tensor.square().sum() for tensor in tensors]).sum()
