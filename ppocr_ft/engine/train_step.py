"""One step of training: forward, backward, and the update if every number is finite.

Also which of the batch norms' statistics it changes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import paddle

from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.losses.db import DBTargets
from ppocr_ft.optim.optimizers import Optimizer

Losses = dict[str, paddle.Tensor]
LossFunction = Callable[[Mapping[str, paddle.Tensor], DBTargets], Losses]
Maps = dict[str, paddle.Tensor]
Backward = Callable[[], None]


class ForwardPass(NamedTuple):
    """A network's maps, and a function that continues the gradients to the weights.

    The function is called after the loss's ``backward``.
    """

    maps: Maps
    backward: Backward


Forward = Callable[[paddle.Tensor], ForwardPass]
"""From images (n, 3, h, w) to a training pass."""


def plain_forward(network: paddle.nn.Layer) -> Forward:
    """Return the pass of any network, in one piece: the loss's ``backward`` goes through it all."""
    return lambda images: ForwardPass(network(images), lambda: None)


@dataclass(frozen=True)
class TrainBatch:
    """A batch on the device: ``images`` (n, 3, h, w) float32, normalised; ``targets`` of (n, h, w).

    ``has_text``: whether any of its texts counts in the loss. ``share`` is its part, 0 to 1, of the
    images that this process has in the step.
    """

    images: paddle.Tensor
    targets: DBTargets
    has_text: bool = True
    share: float = 1.0


@dataclass(frozen=True)
class Precision:
    """Mixed precision, with the arguments of ``paddle.amp.auto_cast``; ``scaler`` for float16."""

    enabled: bool = False
    level: Literal["O1", "O2"] = "O1"
    dtype: Literal["float16", "bfloat16"] = "bfloat16"
    scaler: Any = None

    def auto_cast(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = paddle.amp.auto_cast(
            enable=self.enabled, level=self.level, dtype=self.dtype
        )
        return context


@dataclass(frozen=True)
class StepResult:
    """Scalars that are still on the device, and whether the weights were changed.

    ``losses`` are DBLoss's, means over the step's batches and processes; ``grad_norm`` is that of
    all gradients together, before clipping.
    ``overflowed``: not applied because a loss that is finite was scaled too high for float16,
    which a dynamic scaler corrects by itself. ``images``: their number in all processes.
    ``has_text``: whether any of their texts counts in the loss.
    """

    losses: Losses
    grad_norm: paddle.Tensor
    applied: bool
    overflowed: bool = False
    images: int = 0
    has_text: bool = True


def train_step(
    network: paddle.nn.Layer,
    batches: Iterable[TrainBatch],
    loss: LossFunction,
    optimizer: Optimizer,
    precision: Precision | None = None,
    group: ProcessGroup = SINGLE_PROCESS,
    forward: Forward | None = None,
) -> StepResult:
    """Change the network's weights once, by the mean gradient of some batches and processes.

    ``forward`` is how images pass through the network, in one piece by default.

    Each batch's loss counts by its ``share``, each process's the same. For a mean over images that
    is the loss of one large batch. DBLoss's sums run over a batch, so each batch has a dice, a mask
    and hard negatives of its own; but two processes with a batch each give the result of one that
    accumulates both.

    Batch norms that aren't frozen normalise by the statistics of each batch, as in Paddle's
    DataParallel; their running statistics are averaged over the processes, so that all hold the
    same.

    With a NaN or infinite loss or gradient in any process, or if an exception is raised, neither
    weights, batch norm statistics nor optimizer change. That decision is the one number that is
    read from the device; under a dynamic scaler, where it is no, also whether the loss is finite.
    """
    precision = precision or Precision()
    network.train()
    statistics = [(tensor, tensor.clone()) for tensor in gathered_statistics(network)]
    applied = False
    try:
        done = _backward(forward or plain_forward(network), batches, loss, precision)
        done = _over_processes(network, done, group)
        grad_norm, applied = _update(done.losses["loss"], optimizer, precision.scaler)
    finally:
        if not applied:
            for tensor, before in statistics:
                tensor.set_value(before)
        optimizer.clear_grad()
    dynamic = precision.scaler is not None and precision.scaler.is_use_dynamic_loss_scaling()
    overflowed = dynamic and not applied and bool(paddle.isfinite(done.losses["loss"]))
    return StepResult(done.losses, grad_norm, applied, overflowed, done.images, done.has_text)


@dataclass(frozen=True)
class _Done:
    """The sums of a forward and backward pass: losses weighted by share, images, and text."""

    losses: Losses
    images: int
    has_text: bool


def _backward(
    forward: Forward,
    batches: Iterable[TrainBatch],
    loss: LossFunction,
    precision: Precision,
) -> _Done:
    """Add up the gradients of all batches, under float16 still scaled."""
    sums: Losses = {}
    images, has_text = 0, False
    for batch in batches:
        with precision.auto_cast():
            maps, backward = forward(batch.images)
            losses = loss(maps, batch.targets)
        if batch.share != 1:
            losses = {name: value * batch.share for name, value in losses.items()}
        total = losses["loss"]
        (total if precision.scaler is None else precision.scaler.scale(total)).backward()
        backward()
        detached = {name: value.detach() for name, value in losses.items()}
        sums = {name: sums[name] + detached[name] for name in sums} or detached
        images += len(batch.images)
        has_text |= batch.has_text
    return _Done(sums, images, has_text)


def _over_processes(network: paddle.nn.Layer, done: _Done, group: ProcessGroup) -> _Done:
    """Combine all processes: gradients and statistics become their means."""
    if group.size == 1:
        return done
    images, texts = zip(*group.gather((done.images, done.has_text)), strict=True)
    losses = paddle.stack(list(done.losses.values()))
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    group.average([losses, *gradients, *gathered_statistics(network)])
    means = dict(zip(done.losses, paddle.unbind(losses), strict=True))
    return _Done(means, sum(images), any(texts))


def _update(total: paddle.Tensor, optimizer: Optimizer, scaler: Any) -> tuple[paddle.Tensor, bool]:
    """Apply the gradients if their norm and the loss ``total`` are finite.

    Returns that norm, before clipping, and whether they were applied.
    """
    if scaler is not None:
        scaler.unscale_(optimizer.inner)
    grad_norm = optimizer.clip_gradients()
    applied = bool(paddle.isfinite(grad_norm + total))
    if applied:
        optimizer.step(scaler)
    if scaler is not None:
        scaler.update()
    return grad_norm, applied


def freeze_statistics(network: paddle.nn.Layer, loaded_keys: Collection[str]) -> list[str]:
    """Let batch norms normalise by the loaded statistics, and keep these.

    Small batches of crops give poor estimates of the statistics that the released weights were
    trained with. Scale and offset still learn. A layer whose statistics are not among
    ``loaded_keys`` (state dict keys) still gathers its own. Returns the names of the frozen layers.
    """
    frozen = []
    for name, layer in network.named_sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D) and f"{name}._mean" in loaded_keys:
            layer._use_global_stats = True
            frozen.append(name)
    if frozen:
        _expect_kept_statistics()
    return frozen


def _expect_kept_statistics() -> None:
    """Silence Paddle's warning of a batch norm that keeps its statistics in training."""
    warnings.filterwarnings("ignore", message="When training, we now always track")


def gathered_statistics(network: paddle.nn.Layer) -> list[paddle.Tensor]:
    """Return the batch norms' means and variances that a forward pass in training changes."""
    norms = [norm for norm in _batch_norms(network) if not norm._use_global_stats]
    return [tensor for norm in norms for tensor in (norm._mean, norm._variance)]


def _batch_norms(network: paddle.nn.Layer) -> list[paddle.nn.BatchNorm2D]:
    return [layer for layer in network.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]


class FrozenNorms:
    """Keeps batch norms with frozen scale and offset in eval mode, in any mode of the network.

    They normalise by their current statistics and don't change them. When their parameters learn
    again they work as before.
    """

    def __init__(self, network: paddle.nn.Layer) -> None:
        self._own = [(norm, norm._use_global_stats) for norm in _batch_norms(network)]

    def update(self) -> None:
        """Find the parameters that are frozen now."""
        for norm, use_global_stats in self._own:
            parameters = [tensor for tensor in (norm.weight, norm.bias) if tensor is not None]
            is_frozen = bool(parameters) and all(tensor.stop_gradient for tensor in parameters)
            norm._use_global_stats = True if is_frozen else use_global_stats
        _expect_kept_statistics()
