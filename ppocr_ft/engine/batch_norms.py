"""Batch norms' statistics: which of them training changes."""

from __future__ import annotations

import warnings
from collections.abc import Collection

import paddle

_MEAN = "_mean"


def freeze_statistics(network: paddle.nn.Layer, loaded_keys: Collection[str]) -> list[str]:
    """Let batch norms normalise by the statistics that were loaded, and keep them.

    Small batches of crops give poor estimates of what the released weights were trained with.
    Scale and offset still learn. A layer whose statistics are not among ``loaded_keys`` (state
    dict keys) goes on gathering its own. Returns the names of the frozen layers.
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
    """Paddle warns of a batch norm that keeps its statistics in training; here it is meant so."""
    warnings.filterwarnings("ignore", message="When training, we now always track")


class FrozenNorms:
    """Batch norms whose scale and offset are frozen stay in eval mode, whatever the network's.

    They normalise by the statistics that they have and don't change them. Once their parameters
    learn they do as they did before.
    """

    def __init__(self, network: paddle.nn.Layer) -> None:
        norms = (layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D))
        self._own = [(norm, norm._use_global_stats) for norm in norms]

    def update(self) -> None:
        """See which parameters are frozen now."""
        for norm, own in self._own:
            norm._use_global_stats = True if _is_frozen(norm) else own
        _expect_kept_statistics()


def _is_frozen(norm: paddle.nn.BatchNorm2D) -> bool:
    parameters = [each for each in (norm.weight, norm.bias) if each is not None]
    return bool(parameters) and all(each.stop_gradient for each in parameters)
