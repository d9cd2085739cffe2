"""One step of training: forward, backward, and the update if every number is finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import paddle

from ppocr_ft.engine.norms import gathered_statistics
from ppocr_ft.losses import DBTargets
from ppocr_ft.optim import Optimizer

Losses = dict[str, paddle.Tensor]
LossFunction = Callable[[Mapping[str, paddle.Tensor], DBTargets], Losses]


@dataclass(frozen=True)
class Batch:
    """``images`` (n, 3, h, w) float32, normalised; ``targets`` of (n, h, w)."""

    images: paddle.Tensor
    targets: DBTargets


@dataclass(frozen=True)
class Precision:
    """Mixed precision, as ``paddle.amp.auto_cast`` takes it; ``scaler`` for float16."""

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
    """Scalars that still lie on the device, and whether the weights were changed.

    ``losses`` are DBLoss's; ``grad_norm`` is that of all gradients together, before clipping.
    ``overflowed``: not applied because a loss that is finite was scaled too high for float16,
    which a dynamic scaler puts right by itself.
    """

    losses: Losses
    grad_norm: paddle.Tensor
    applied: bool
    overflowed: bool = False


def train_step(
    network: paddle.nn.Layer,
    batch: Batch,
    loss: LossFunction,
    optimizer: Optimizer,
    precision: Precision | None = None,
) -> StepResult:
    """Change the network's weights by one batch.

    With a NaN or infinite loss or gradient neither weights, batch norm statistics nor optimizer
    change. That decision is the one number that is read from the device.
    """
    precision = precision or Precision()
    network.train()
    statistics = [(tensor, tensor.clone()) for tensor in gathered_statistics(network)]
    with precision.auto_cast():
        predictions = network(batch.images)
        losses = loss(predictions, batch.targets)
    total = losses["loss"]
    scaler = precision.scaler
    (total if scaler is None else scaler.scale(total)).backward()
    if scaler is not None:
        scaler.unscale_(optimizer.inner)
    grad_norm = gradient_norm(network)
    applied = bool(paddle.isfinite(grad_norm + total.detach()))
    if applied:
        optimizer.step() if scaler is None else _scaled_step(optimizer, scaler)
    if scaler is not None:
        scaler.update()
    if not applied:
        for tensor, before in statistics:
            tensor.set_value(before)
    optimizer.clear_grad()
    dynamic = scaler is not None and scaler.is_use_dynamic_loss_scaling()
    overflowed = dynamic and not applied and bool(paddle.isfinite(total.detach()))
    detached = {name: value.detach() for name, value in losses.items()}
    return StepResult(detached, grad_norm, applied, overflowed)


def _scaled_step(optimizer: Optimizer, scaler: Any) -> None:
    """The update with gradients that ``scaler.unscale_`` has brought back."""
    optimizer.clip()
    scaler.step(optimizer.inner)


def gradient_norm(network: paddle.nn.Layer) -> paddle.Tensor:
    """The Euclidean norm of all gradients, a float32 scalar; 0 without any."""
    squares = [
        parameter.grad.astype("float32").square().sum()
        for parameter in network.parameters()
        if parameter.grad is not None
    ]
    total = paddle.stack(squares).sum() if squares else paddle.zeros([])
    return total.sqrt().detach()
