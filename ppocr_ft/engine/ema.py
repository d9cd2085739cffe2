"""An exponential moving average (EMA) of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paddle
from numpy.typing import NDArray

Array = NDArray[Any]


def ema_decay(decay: float, updates: int) -> float:
    """Return the share that update 0, 1, ... keeps: ``min(decay, (1 + updates) / (10 + updates))``.

    The rise to 0.98 takes 440 updates. Source: PaddleDetection's ``ModelEMA`` with
    ``ema_decay_type: threshold``, ppdet/optimizer/ema.py.
    """
    return min(decay, (1 + updates) / (10 + updates))


class Ema:
    """The average of every floating point tensor of a network's state dict.

    It starts from the network's current weights, unlike PaddleDetection's, which starts at zero.
    Batch norm statistics are averaged like the weights; tensors that don't change stay equal, bit
    for bit.

    Args:
        decay: share that an update keeps of the average, 0 to 1, after the rise of `ema_decay`.
    """

    def __init__(self, network: paddle.nn.Layer, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        tensors = network.state_dict()
        self._weights = {
            key: tensor for key, tensor in tensors.items() if tensor.is_floating_point()
        }
        self._averages = _copies(self._weights)

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def update(self) -> None:
        """Add the current weights; to be called after each step that changed them."""
        share = paddle.full([], 1 - ema_decay(self.decay, self.updates))
        for key, average in self._averages.items():
            average.lerp_(self._weights[key], share)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the averages inside this context, then its own weights again."""
        weights = _copies(self._weights)
        _copy(self._averages, self._weights)
        try:
            yield
        finally:
            _copy(weights, self._weights)

    def describe(self) -> str:
        """Return a line for the log."""
        return f"an average of the weights (EMA, decay {self.decay:g}) is judged and saved"

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """Return the averages by the network's keys."""
        return dict(self._averages)

    def restore(self, averages: Mapping[str, paddle.Tensor | Array], updates: int) -> None:
        """Restore the average from ``state_dict`` and ``updates``."""
        _copy(averages, self._averages)
        self.updates = updates


def _copies(tensors: Mapping[str, paddle.Tensor]) -> dict[str, paddle.Tensor]:
    return {key: tensor.detach().clone() for key, tensor in tensors.items()}


def _copy(source: Mapping[str, paddle.Tensor | Array], target: Mapping[str, paddle.Tensor]) -> None:
    for key, tensor in target.items():
        tensor.set_value(source[key])
