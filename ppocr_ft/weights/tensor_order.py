"""The order of a network's tensors in an exported inference program."""

from __future__ import annotations

import paddle
from paddle import nn

from ppocr_ft.models.layers import Layer

_BATCH_NORM_ORDER = ("bias", "_mean", "weight", "_variance")  # the operator's inputs, by name
_SMALLEST_INPUT = (1, 3, 32, 32)


def tensor_order(network: Layer) -> list[str]:
    """Return state dict keys in the order in which an inference program's operators read them.

    An exported program lists its operators as they ran, so the network runs once, on zeros, and
    notes each layer that owns tensors. What eval mode doesn't run, the threshold head, is not
    in it. For the folded PP-OCRv4 mobile detector these are the 234 tensors of the released
    model. The network is left as it was.
    """
    order: list[str] = []
    modes = [(layer, layer.training) for layer in network.sublayers(include_self=True)]
    handles = [
        layer.register_forward_post_hook(_note(order, _own_keys(name, layer)))
        for name, layer in network.named_sublayers()
        if layer.parameters(include_sublayers=False)
    ]
    try:
        network.eval()
        with paddle.no_grad():
            network(paddle.zeros(_SMALLEST_INPUT))
    finally:
        for handle in handles:
            handle.remove()
        for layer, training in modes:
            layer.training = training
    return order


def _own_keys(name: str, layer: nn.Layer) -> list[str]:
    is_batch_norm = isinstance(layer, nn.BatchNorm2D)
    leaves = _BATCH_NORM_ORDER if is_batch_norm else list(layer.state_dict(include_sublayers=False))
    return [f"{name}.{leaf}" for leaf in leaves]


def _note(order: list[str], keys: list[str]) -> object:
    def hook(layer: nn.Layer, inputs: object, outputs: object) -> None:
        order.extend(keys)

    return hook
