"""Adam and AdamW with one update for each parameter group instead of one for each parameter.

Paddle has the kernel (``fused_adam_``), but no optimizer of its own that calls it for AdamW, and
Adam's ``use_multi_tensor`` goes wrong where a parameter has no gradient in some step.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import paddle

CHUNK_VALUES = 2048 * 32
"""How many values one block of the kernel takes on."""
Pair = tuple[paddle.Tensor, paddle.Tensor]
"""A parameter and its gradient."""


class _Age(NamedTuple):
    """Parameters of one age have equal powers of beta, which the kernel takes for all at once."""

    restored_power: float | None
    updates: int


class _Fused:
    """Overrides how Paddle's Adam and AdamW apply the gradients of a group."""

    _decoupled: bool
    _ages: dict[str, _Age]

    def forget_ages(self) -> None:
        """The moments were replaced: read the powers of beta anew."""
        powers = self._accumulators.get(self._beta1_pow_acc_str, {})  # type: ignore[attr-defined]
        self._ages = {name: _Age(power.item(), 0) for name, power in powers.items()}

    def _create_optimization_pass(self, group: dict[str, Any], param_group_idx: int = 0) -> None:
        pairs = [(p, g) for p, g in group["params"] if g is not None and not p.stop_gradient]
        block = paddle.static.default_main_program().global_block()
        self._create_global_learning_rate()  # type: ignore[attr-defined]
        self._create_accumulators(  # type: ignore[attr-defined]
            block, {**group, "params": [parameter for parameter, _ in pairs]}
        )
        for alike in self._of_one_age(pairs):
            self._update(alike)

    def _of_one_age(self, pairs: list[Pair]) -> Iterator[list[Pair]]:
        ages = self.__dict__.setdefault("_ages", {})
        by_age: dict[_Age, list[Pair]] = {}
        for pair in pairs:
            age = ages.get(pair[0].name, _Age(None, 0))
            by_age.setdefault(age, []).append(pair)
            ages[pair[0].name] = age._replace(updates=age.updates + 1)
        yield from by_age.values()

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _update(self, pairs: list[Pair]) -> None:
        own: Any = self
        parameters, gradients = zip(*pairs, strict=True)

        def moments(kind: str) -> list[paddle.Tensor]:
            return [own._get_accumulator_master(kind, parameter) for parameter in parameters]

        paddle._C_ops.fused_adam_(
            list(parameters),
            list(gradients),
            own._create_param_lr(pairs[0]),
            moments(own._moment1_acc_str),
            moments(own._moment2_acc_str),
            None,
            moments(own._beta1_pow_acc_str),
            moments(own._beta2_pow_acc_str),
            None,
            None,
            own._beta1,
            own._beta2,
            own._epsilon,
            CHUNK_VALUES,
            own._weight_decay if self._decoupled else 0.0,
            self._decoupled,
            False,
            False,
            False,
        )


class FusedAdam(_Fused, paddle.optimizer.Adam):  # type: ignore[misc]
    _decoupled = False


class FusedAdamW(_Fused, paddle.optimizer.AdamW):  # type: ignore[misc]
    _decoupled = True


def adam(**arguments: Any) -> Any:
    """paddle.optimizer.Adam, fused where that gives the same."""
    kind = FusedAdam if _is_sound(FusedAdam, paddle.get_device()) else paddle.optimizer.Adam
    return kind(**arguments)


def adamw(**arguments: Any) -> Any:
    """paddle.optimizer.AdamW, fused where that gives the same."""
    kind = FusedAdamW if _is_sound(FusedAdamW, paddle.get_device()) else paddle.optimizer.AdamW
    return kind(**arguments)


@cache
def _is_sound(kind: Any, device: str) -> bool:
    """Whether the kernel is there, on this device, and does what Paddle's own class does."""
    try:
        fused, plain = _after_three_steps(kind), _after_three_steps(kind.__mro__[2])
    except Exception:
        return False  # another Paddle's kernel, which takes other arguments
    return all(np.allclose(a, b, rtol=1e-5, atol=0) for a, b in zip(fused, plain, strict=True))


def _after_three_steps(kind: Any) -> list[Any]:
    sizes = (1, 70_000)
    with paddle.utils.unique_name.guard("sound_"):
        ones = paddle.nn.initializer.Constant(1.0)
        parameters = [
            paddle.create_parameter([size], "float32", default_initializer=ones) for size in sizes
        ]
        optimizer = kind(learning_rate=0.1, parameters=[{"params": parameters}], weight_decay=0.1)
    for step in range(3):
        for size, parameter in zip(sizes, parameters, strict=True):
            parameter.grad = paddle.linspace(-1.0, 0.5 + step, size)
        optimizer.step()
    return [parameter.numpy() for parameter in parameters]
