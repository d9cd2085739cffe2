"""Gradient clipping over all parameters, in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import paddle

from ppocr_ft.errors import ConfigError


@dataclass(frozen=True)
class GradientClip:
    """What is limited: the L2 norm of all gradients together (PaddleOCR's ``clip_norm_global``),
    that of each tensor (``clip_norm``), or each value's size.

    Raises:
        ConfigError: ``limit`` is not a finite number above 0.
    """

    kind: Literal["global_norm", "norm", "value"]
    limit: float

    def __post_init__(self) -> None:
        if not 0 < self.limit < float("inf"):
            message = f"must be a number above 0, is {self.limit!r}"
            raise ConfigError(message, key=f"Optimizer.clip_{self.kind}")


def gradient_norm(gradients: Sequence[paddle.Tensor]) -> float:
    """The L2 norm of all gradients together; 0 without any."""
    if not gradients:
        return 0.0
    norms = paddle.stack([paddle.linalg.norm(gradient) for gradient in gradients])
    return float(paddle.linalg.norm(norms))


@paddle.no_grad()  # type: ignore[untyped-decorator]
def clip_gradients(gradients: Sequence[paddle.Tensor], clip: GradientClip) -> None:
    """Limit the gradients; a norm that isn't finite leaves gradients that aren't, either."""
    if clip.kind == "value":
        for gradient in gradients:
            gradient.clip_(-clip.limit, clip.limit)
    elif clip.kind == "norm":
        for gradient in gradients:
            _scale_to([gradient], clip.limit)
    else:
        _scale_to(gradients, clip.limit)


def _scale_to(gradients: Sequence[paddle.Tensor], limit: float) -> None:
    norm = gradient_norm(gradients)
    if norm > limit:
        for gradient in gradients:
            gradient.scale_(limit / norm)
