"""A detector's training pass on several CPU cores at once.

Paddle's own threads share the work of one operator after the other, which costs more than it saves
on the small maps of a mobile detector. Here each core takes some of the batch's images through
backbone and neck, and then some of the head's branches through all images.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import paddle
from paddle import nn

from ppocr_ft.engine.train_step import Backward, ForwardPass, Maps, gathered_statistics
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.cpu_operators import use_threads
from ppocr_ft.models.db import DBHead

Pair = tuple[paddle.Tensor, paddle.Tensor]


class ThreadedForward:
    """The training pass of a detector, in up to ``threads`` threads.

    If a batch norm of backbone or neck gathers statistics, these need all images at once; then the
    threads share the channels of the operators that can be shared so. The gradients of the parts
    are added in one order, so that the same number of threads always gives the same numbers;
    another number differs by rounding.
    """

    def __init__(self, network: DetectionNetwork, threads: int) -> None:
        self._network = network
        self._bodies = [network, *(copy.deepcopy(network) for _ in range(threads - 1))]
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="side-by-side")

    def __call__(self, images: paddle.Tensor) -> ForwardPass:
        bodies = self._bodies[: self._part_count(len(images))]
        use_threads(len(self._bodies) if len(bodies) == 1 else 1)
        for body in bodies[1:]:
            _share_weights(self._network, body)
        parts = _split(images, len(bodies))
        features = self._each([body.body for body in bodies], parts)  # of each body what it reads
        joined = [_leaves(pieces) for pieces in zip(*features, strict=True)]
        maps, head_backward = self._head(joined)

        def backward() -> None:
            head_backward()
            gradients = {i: _gradient(leaves) for i, leaves in enumerate(joined)}
            used = [i for i, gradient in gradients.items() if gradient is not None]
            if used:
                outputs = [[part[i] for i in used] for part in features]
                pieces = zip(*(_split(gradients[i], len(bodies)) for i in used), strict=True)
                list(self._pool.map(paddle.autograd.backward, outputs, map(list, pieces)))
                for body in bodies[1:]:
                    _add_gradients(body, self._network)

        return ForwardPass(maps, backward)

    def _each(
        self, layers: Sequence[Callable[..., Any]], inputs: Sequence[paddle.Tensor]
    ) -> list[paddle.Tensor]:
        """Call each layer in a thread of its own, with gradients if they are needed here."""
        needs_gradients = paddle.is_grad_enabled()

        def run(layer: Callable[..., Any], tensor: paddle.Tensor) -> Any:
            with paddle.set_grad_enabled(needs_gradients):
                return layer(tensor)

        return list(self._pool.map(run, layers, inputs))

    def _part_count(self, images: int) -> int:
        body = (self._network.backbone, self._network.neck)
        return 1 if any(map(gathered_statistics, body)) else min(len(self._bodies), images)

    def _head(self, joined: Sequence[Pair]) -> tuple[Maps, Backward]:
        """Run the head on ``joined``, which gets gradients; in one piece if it isn't DBHead.

        Of each input of the head there are two leaves: for its shrink and its threshold branch.
        """
        head = self._network.head
        if type(head) is not DBHead:
            return head(*(first for first, _ in joined)), lambda: None
        inputs = [leaf for leaves in joined for leaf in leaves]
        maps = self._each([branch for pair in head.branches for branch in pair], inputs)
        leaves = [_leaf(branch_map, branch_map.stop_gradient) for branch_map in maps]

        def backward() -> None:
            pairs = zip(maps, leaves, strict=True)
            used = [(branch_map, leaf.grad) for branch_map, leaf in pairs if leaf.grad is not None]
            list(self._pool.map(lambda pair: pair[0].backward(pair[1]), used))

        return head.together(list(zip(leaves[::2], leaves[1::2], strict=True))), backward


def _leaves(pieces: Sequence[paddle.Tensor]) -> Pair:
    whole = paddle.concat(pieces)
    return _leaf(whole, pieces[0].stop_gradient), _leaf(whole, pieces[0].stop_gradient)


def _gradient(leaves: Pair) -> paddle.Tensor | None:
    """Return the sum of the leaves' gradients; None if none has one."""
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    return sum(gradients[1:], gradients[0]) if gradients else None


def _leaf(tensor: paddle.Tensor, stop_gradient: bool) -> paddle.Tensor:
    """Return a tensor of the same values, at the start of a new graph."""
    leaf = tensor.detach()
    leaf.stop_gradient = stop_gradient
    return leaf


def _split(tensor: paddle.Tensor, count: int) -> list[paddle.Tensor]:
    """Split along the first axis into parts that differ by at most one."""
    bounds = [len(tensor) * i // count for i in range(count + 1)]
    return [tensor[start:end] for start, end in pairwise(bounds)]


def _share_weights(network: DetectionNetwork, body: DetectionNetwork) -> None:
    """Give ``body`` the network's weights in the same memory, and its training mode."""
    body.train() if network.training else body.eval()
    for tensor, other in zip(_tensors(network), _tensors(body), strict=True):
        if tensor.data_ptr() != other.data_ptr():
            tensor._share_buffer_to(other)
        other.stop_gradient = tensor.stop_gradient
    for layer, twin in zip(network.sublayers(), body.sublayers(), strict=True):
        if isinstance(layer, nn.BatchNorm2D):
            twin._use_global_stats = layer._use_global_stats


def _tensors(network: DetectionNetwork) -> Iterator[paddle.Tensor]:
    for part in (network.backbone, network.neck):
        yield from part.parameters()
        yield from part.buffers()


@paddle.no_grad()  # type: ignore[untyped-decorator]
def _add_gradients(body: DetectionNetwork, network: DetectionNetwork) -> None:
    """Move the gradients of ``body`` to the network."""
    for tensor, other in zip(_tensors(network), _tensors(body), strict=True):
        if other.grad is not None:
            tensor.grad.add_(other.grad)
            other.clear_gradient(set_to_zero=False)
