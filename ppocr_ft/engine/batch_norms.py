"""The statistics of batch norms: which of them training changes."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import paddle

_MEAN = "_mean"


def freeze_statistics(network: paddle.nn.Layer, loaded_keys: Collection[str]) -> list[str]:
    """Let batch norms normalise by the loaded statistics, and keep these.

    Small batches of crops give poor estimates of the statistics that the released weights were
    trained with. Scale and offset still learn. A layer whose statistics are not among
    ``loaded_keys`` (state dict keys) still gathers its own. Returns the names of the frozen layers.
    """
    frozen = []
    for name, layer in network.named_sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D) and f"{name}.{_MEAN}" in loaded_keys:
            layer._use_global_stats = True
            frozen.append(name)
    if frozen:
        _expect_kept_statistics()
    return frozen


def _expect_kept_statistics() -> None:
    """Silence Paddle's warning of a batch norm that keeps its statistics in training."""
    warnings.filterwarnings("ignore", message="When training, we now always track")


class FrozenNorms:
    """Keeps batch norms with frozen scale and offset in eval mode, in any mode of the network.

    They normalise by their current statistics and don't change them. When their parameters learn
    again they work as before.
    """

    def __init__(self, network: paddle.nn.Layer) -> None:
        norms = (layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D))
        self._own = [(norm, norm._use_global_stats) for norm in norms]

    def update(self) -> None:
        """Find the parameters that are frozen now."""
        for norm, use_global_stats in self._own:
            norm._use_global_stats = True if _is_frozen(norm) else use_global_stats
        _expect_kept_statistics()


def _is_frozen(norm: paddle.nn.BatchNorm2D) -> bool:
    parameters = [parameter for parameter in (norm.weight, norm.bias) if parameter is not None]
    return bool(parameters) and all(parameter.stop_gradient for parameter in parameters)
