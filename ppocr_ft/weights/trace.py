"""The operators of a network, noted while it runs once, by its state dict keys."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import paddle
from paddle import nn

from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.weights.graph import Kind, Operator

_BATCH_NORM_ORDER = ("bias", "_mean", "weight", "_variance")  # as an Operator has them
_SMALLEST_INPUT = (1, 3, 32, 32)
_KERNEL, _BIAS = ".reparam_conv.weight", ".reparam_conv.bias"


def tensor_order(network: DetectionNetwork) -> list[str]:
    """Return state dict keys in the order in which an inference program's operators read them."""
    return [key for operator in operators_of(network) for key in operator.tensors]


def operators_of(network: DetectionNetwork) -> list[Operator]:
    """Return the operators that read a network's tensors, by their state dict keys.

    An exported program lists its operators as they ran, so the network runs once, on zeros, and
    notes each layer that owns tensors; Paddle's record for gradients tells what its input was made
    of. What eval mode doesn't run, the threshold head, is not in it. For the folded PP-OCRv4
    mobile detector these read the 234 tensors of the released model. The network is left as it was.
    """
    traced: list[Operator] = []
    alive: list[object] = []  # so that no two tensors have one id
    makers: dict[int, str] = {}  # nodes of the record -> the operators that they are the result of

    def noting(name: str, layer: nn.Layer) -> Callable[..., None]:
        def note(_: nn.Layer, inputs: tuple[Any, ...], output: Any) -> None:
            alive.extend((inputs, output))
            after = frozenset(_made_of(inputs[0].grad_fn, makers))
            traced.extend(_operators(name, layer, id(inputs[0]), id(output), after))
            makers[output.grad_fn.node_ptr()] = traced[-1].name

        return note

    modes = [(layer, layer.training) for layer in network.sublayers(include_self=True)]
    handles = [
        layer.register_forward_post_hook(noting(name, layer))
        for name, layer in network.named_sublayers()
        if layer.parameters(include_sublayers=False)
    ]
    try:
        network.eval()
        with paddle.enable_grad():
            images = paddle.zeros(_SMALLEST_INPUT)
            images.stop_gradient = False
            network(images)
    finally:
        for handle in handles:
            handle.remove()
        for layer, training in modes:
            layer.training = training
    return traced


def _made_of(node: Any, makers: dict[int, str]) -> Iterator[str]:
    """Yield the operators whose results a node of Paddle's record for gradients is made of."""
    waiting, seen = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or node.node_ptr() in seen:
            continue
        seen.add(node.node_ptr())
        if node.node_ptr() in makers:
            yield makers[node.node_ptr()]
        else:
            waiting += node.next_functions


def _operators(
    name: str, layer: nn.Layer, takes: Hashable, gives: Hashable, after: frozenset[str]
) -> Iterator[Operator]:
    """Yield the operators of a layer, one for each tensor of its own but for a batch norm."""
    if isinstance(layer, nn.BatchNorm2D):
        keys = tuple(f"{name}.{leaf}" for leaf in _BATCH_NORM_ORDER)
        yield Operator("batch norm", keys, takes, gives, after)
        return
    tensors = layer.state_dict(include_sublayers=False)
    for index, (leaf, tensor) in enumerate(tensors.items(), start=1):
        result = gives if index == len(tensors) else (gives, index)
        key = f"{name}.{leaf}"
        yield Operator(_kind(layer, leaf, tensor.ndim), (key,), takes, result, after)
        takes, after = result, frozenset({key})


def _kind(layer: nn.Layer, leaf: str, dimensions: int) -> Kind:
    if dimensions == 4:
        is_transposed = isinstance(layer, nn.Conv2DTranspose)
        return "transposed convolution" if is_transposed else "convolution"
    return "offset" if leaf == "bias" else "scale"


def rep_layers(keys: Iterable[str]) -> list[str]:
    """Return the re-parameterised layers whose folded kernel and bias are both among the keys."""
    names = set(keys)
    layers = [key.removesuffix(_KERNEL) for key in names if key.endswith(_KERNEL)]
    return [layer for layer in layers if layer + _BIAS in names]


def folded_operators(operators: Iterable[Operator], folded: Iterable[str]) -> list[Operator]:
    """Turn the operators of a network in branches into those of the same network folded."""
    names = set(folded)
    layers = tuple(f"{layer}." for layer in rep_layers(names))

    def new_name(key: str) -> str:
        if key in names:
            return key
        inside = (layer for layer in layers if key.startswith(layer))
        return max(inside, key=len).removesuffix(".") + _BIAS

    renamed: list[Operator] = []
    sums: set[str] = set()
    for operator in operators:
        name = new_name(operator.name)
        after = frozenset(map(new_name, operator.after))
        if name == operator.name:
            # what takes the sum of a layer's branches, a value that no branch gives
            is_next = len(after) == 1 and after <= sums and operator.kind == "scale"
            takes = next(iter(after)) if is_next else operator.takes
            renamed.append(operator._replace(takes=takes, after=after))
        elif name not in sums:
            sums.add(name)
            kernel = name.removesuffix(_BIAS) + _KERNEL
            renamed.append(Operator("convolution", (kernel,), operator.takes, kernel, after))
            renamed.append(Operator("offset", (name,), kernel, name, frozenset({kernel})))
    return renamed
