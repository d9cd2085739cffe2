"""Paddle's optimizers behind PaddleOCR's names and keys, over parameter groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import paddle
from paddle.nn.utils import clip_grad_norm_, clip_grad_value_

from ppocr_ft.errors import ConfigError, WeightsError
from ppocr_ft.messages import suggest
from ppocr_ft.optim.configs import OPTIMIZERS
from ppocr_ft.optim.groups import ParamGroup, ParamGroups, Penalty

_START = ".start"
"""How the key of a starting weight ends in an optimizer's state."""
_DECAY_KEYS = {"AdamW": "weight_decay", "Lamb": "lamb_weight_decay"}
"""Paddle's name of a decay that is decoupled from the gradient; the others have a penalty in it."""


def build_optimizer(
    name: str,
    groups: ParamGroups,
    arguments: Mapping[str, float | bool] | None = None,
    *,
    learning_rate: float,
    penalty: Literal["L1", "L2"] = "L2",
    clip: GradientClip | None = None,
    start_decay: StartDecay | None = None,
) -> Optimizer:
    """Build an optimizer over ``groups``, which it freezes as they say.

    AdamW and Lamb decay decoupled from the gradient, the others by a penalty in the gradient.
    A regularizer that the network gave a parameter is added to the gradient by every optimizer and
    replaces the penalty there, as in Paddle; AdamW and Lamb decay too.

    ``name`` is one of ``OPTIMIZERS``, which are Paddle's too; ``arguments`` are PaddleOCR's keys
    for it (``beta1``, ``momentum``, ...); ``learning_rate`` is that of the first step for groups
    with ``lr_mult`` 1.

    Raises:
        ConfigError: unknown name or argument, L1 for decoupled decay, or parameters that aren't
            float32.
    """
    if name not in OPTIMIZERS:
        message = f"{name!r} is not an optimizer{suggest(name, OPTIMIZERS)}"
        raise ConfigError(message, key="Optimizer.name")
    defaults, given = OPTIMIZERS[name].defaults, dict(arguments or {})
    for key in given.keys() - defaults.keys():
        message = f"unknown to {name}{suggest(key, defaults)}"
        raise ConfigError(message, key=f"Optimizer.{key}")
    decay_key = _DECAY_KEYS.get(name)
    if decay_key and penalty == "L1":
        message = f"{name} decays by itself and takes no L1; use L2 or another optimizer"
        raise ConfigError(message, key="Optimizer.regularizer.name")
    for group in groups.groups:
        for parameter_name, parameter in group.named():
            if parameter.dtype != paddle.float32:
                message = f"is {parameter.dtype}; parameters stay float32 (AMP level O1)"
                raise ConfigError(f"{parameter_name} {message}", key="Global.amp_level")
    groups.freeze()
    inner = getattr(paddle.optimizer, name)(
        learning_rate=1.0,
        parameters=[_paddle_group(decay_key, group, penalty) for group in groups.groups],
        **{**defaults, **given},
    )
    optimizer = Optimizer(inner, groups, clip, start_decay)
    optimizer.set_lr(learning_rate)
    return optimizer


@dataclass(frozen=True)
class GradientClip:
    """The limit on the gradients.

    The L2 norm of all together (PaddleOCR's ``clip_norm_global``), that of each tensor
    (``clip_norm``), or the size of each value (``clip_value``).

    Raises:
        ConfigError: ``limit`` is not a finite number above 0.
    """

    kind: Literal["global_norm", "norm", "value"]
    limit: float

    def __post_init__(self) -> None:
        if not 0 < self.limit < math.inf:
            message = f"must be a number above 0, is {self.limit!r}"
            raise ConfigError(message, key=f"Optimizer.clip_{self.kind}")


class StartDecay:
    """Takes parameters back towards their starting weights after each step (L2-SP).

    ``w -= rate * factor * (w - w_start)`` with the rate of the parameter's group. The penalty is
    that of Li et al., Explicit Inductive Bias for Transfer Learning with Convolutional Networks,
    2018, ``factor / 2 * |w - w_start|^2``; it is decoupled from the gradient, as AdamW's decay.

    Args:
        factor: decay per step at rate 1.
        parameters: those that decay, by name; they are at their start now.
    """

    def __init__(self, factor: float, parameters: Mapping[str, paddle.Tensor]) -> None:
        self.factor = factor
        self._starts = {name: tensor.detach().clone() for name, tensor in parameters.items()}

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def apply(self, parameters: Mapping[str, paddle.Tensor], rate: paddle.Tensor) -> None:
        """Act on those of a group's ``parameters`` that decay; ``rate`` is a float32 scalar."""
        share = rate * self.factor
        for name in parameters.keys() & self._starts.keys():
            parameters[name].lerp_(self._starts[name], share)

    def describe(self) -> str:
        """Return a line for the log."""
        values = sum(start.size for start in self._starts.values())
        return (
            f"after each step {values:,} values decay towards the weights that they started from "
            f"(L2-SP, start_decay {self.factor:g} x rate)"
        )

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """Return the starting weights by name."""
        return dict(self._starts)

    def check(self, starts: Mapping[str, paddle.Tensor]) -> None:
        """Check that ``starts`` are the starting weights of these parameters.

        Raises:
            WeightsError: they are not.
        """
        ours, theirs = (
            {name: list(tensor.shape) for name, tensor in named.items()}
            for named in (self._starts, starts)
        )
        if ours != theirs:
            raise WeightsError(
                "holds starting weights of other parameters; resume with the config that the run "
                "began with (config.resolved.yml beside it)"
            )

    def restore(self, starts: Mapping[str, paddle.Tensor]) -> None:
        """Take over ``state_dict()`` of the run's earlier part."""
        for name, tensor in self._starts.items():
            tensor.set_value(starts[name])


@dataclass(eq=False)
class Optimizer:
    """A Paddle optimizer, clipped over all its groups, with a state that names the parameters.

    Paddle clips each parameter group by itself, and its own state is keyed by counters that
    differ between two networks of one process; hence this class. Paddle also multiplies the
    rate by each parameter's factor, parameter by parameter; here each group has its rate in a
    tensor that its parameters share, and Paddle's own rate is 1.

    With loss scaling: ``scaler.unscale_(optimizer.inner)``, ``optimizer.clip_gradients()``,
    ``optimizer.step(scaler)``.
    """

    inner: Any
    groups: ParamGroups
    gradient_clip: GradientClip | None = None
    start_decay: StartDecay | None = None
    _base: tuple[float, float] = field(default=(0.0, 0.0), init=False)
    _flat: bool = field(default=False, init=False)
    _group_lrs: tuple[paddle.Tensor, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._group_lrs = tuple(paddle.zeros([]) for _ in self.groups.groups)
        for group, rate in zip(self.groups.groups, self._group_lrs, strict=True):
            for parameter in group.parameters:
                parameter.optimize_attr["learning_rate"] = rate

    def set_lr(
        self, learning_rate: float, bias_lr: float | None = None, *, flat: bool = False
    ) -> None:
        """Set the rate of the next steps, for groups with ``lr_mult`` 1; ``flat``: for all.

        ``bias_lr`` is that of groups that hold biases alone (``split_biases``); None: the same.
        """
        self._base = float(learning_rate), float(learning_rate if bias_lr is None else bias_lr)
        self._flat = flat
        for group, rate in zip(self.groups.groups, self._group_lrs, strict=True):
            base, lr_mult = self._factors(group)
            rate.fill_(float(np.float32(base) * np.float32(lr_mult)))  # rounded as Paddle rounds

    def get_lr(self) -> float:
        return self._base[0]

    def group_lrs(self) -> dict[str, float]:
        """Return the rate of each group by its label; 0 while it is frozen."""
        return {
            group.label: 0.0 if group.is_frozen else math.prod(self._factors(group))
            for group in self.groups.groups
        }

    def _factors(self, group: ParamGroup) -> tuple[float, float]:
        """Return the base rate and the factor of a group."""
        return self._base[group.settings.biases], 1.0 if self._flat else group.settings.lr_mult

    def clip_gradients(self) -> paddle.Tensor:
        """Limit the gradients in place, over all groups together.

        Returns the L2 norm that all of them together had before, a float32 scalar on the device;
        0 without any. Where it isn't finite the gradients are of no use.
        """
        parameters = [p for group in self.groups.groups for p in group.parameters]
        clip = self.gradient_clip
        if clip is not None and clip.kind == "global_norm":
            return clip_grad_norm_(parameters, clip.limit)
        norm = clip_grad_norm_(parameters, math.inf)
        if clip is not None and clip.kind == "norm":
            for parameter in parameters:
                clip_grad_norm_(parameter, clip.limit)
        elif clip is not None:
            clip_grad_value_(parameters, clip.limit)
        return norm

    def step(self, scaler: Any = None) -> None:
        """Update the parameters by their gradients, as they are now; then ``start_decay`` acts."""
        self.inner.step() if scaler is None else scaler.step(self.inner)
        if self.start_decay is not None:
            for group, rate in zip(self.groups.groups, self._group_lrs, strict=True):
                if not group.is_frozen:
                    self.start_decay.apply(dict(group.named()), rate)

    def clear_grad(self) -> None:
        """Drop the gradients; a parameter that then gets none is left alone by `step`."""
        self.inner.clear_grad(set_to_zero=False)

    def state_dict(self) -> dict[str, paddle.Tensor]:
        """Return copies of the moments, ``<parameter name>.<moment>``; none before the first step.

        With ``start_decay`` the starting weights are there too, ``<parameter name>.start``. The
        learning rate is not in it: it follows from the step.
        """
        starts = {} if self.start_decay is None else self.start_decay.state_dict()
        moments = {key: slot.clone() for key, slot in self._slots()}
        return {**moments, **{name + _START: tensor for name, tensor in starts.items()}}

    def set_state_dict(self, state: Mapping[str, paddle.Tensor]) -> None:
        """Take over ``state_dict()`` of an optimizer of this kind, also from another process.

        Parameters that aren't in it start from 0.

        Raises:
            WeightsError: a key that isn't known here, one that is missing, or another shape; or
                only one of the two has a ``start_decay``. Nothing was changed then but to "start
                anew".
        """
        starts = {key.removesuffix(_START): state[key] for key in state if key.endswith(_START)}
        state = {key: value for key, value in state.items() if not key.endswith(_START)}
        _check_starts(self.start_decay, starts)
        given = {key.rpartition(".")[0] for key in state}
        self.inner._accumulators.clear()
        self.inner._already_create_accumulator.clear()
        for group, inner_group in zip(self.groups.groups, self.inner._param_groups, strict=True):
            known = [parameter for name, parameter in group.named() if name in given]
            for parameter in known:
                self.inner._create_accumulators(
                    paddle.static.default_main_program().global_block(),
                    {**inner_group, "params": [parameter]},
                )
        slots = dict(self._slots())
        _check_state(slots, state)
        for key, slot in slots.items():
            slot.set_value(state[key])
        if self.start_decay is not None:
            self.start_decay.restore(starts)

    def _slots(self) -> Iterator[tuple[str, paddle.Tensor]]:
        """Yield the moments that there are, ``<parameter name>.<moment>``."""
        for group in self.groups.groups:
            for name, parameter in group.named():
                for kind, tensors in self.inner._accumulators.items():
                    if parameter.name in tensors:
                        yield f"{name}.{kind}", tensors[parameter.name]


def _paddle_group(
    decay_key: str | None, group: ParamGroup, penalty: Literal["L1", "L2"]
) -> dict[str, Any]:
    settings = group.settings
    common = {"params": list(group.parameters), "learning_rate": settings.lr_mult}
    if decay_key is None:
        effective = settings.own_penalty or Penalty(penalty, settings.weight_decay)
        return {**common, "weight_decay": _regularizer(effective)}
    own_regularizer = _regularizer(settings.own_penalty)
    for parameter in group.parameters:  # AdamW reads it there, where others may have written
        parameter.regularizer = own_regularizer
    return {**common, "weight_decay": own_regularizer, decay_key: settings.weight_decay}


def _regularizer(penalty: Penalty | None) -> Any:
    if penalty is None or penalty.factor == 0:
        return None
    make = paddle.regularizer.L1Decay if penalty.kind == "L1" else paddle.regularizer.L2Decay
    return make(penalty.factor)


def _check_starts(ours: StartDecay | None, saved: Mapping[str, paddle.Tensor]) -> None:
    if ours is None and saved:
        raise WeightsError(
            "is of a run that decays towards its starting weights; resume with the run's "
            "Optimizer.start_decay"
        )
    if ours is not None and not saved:
        raise WeightsError(
            "is of a run without Optimizer.start_decay, so its starting weights are not in it; "
            "resume with Optimizer.start_decay=0, or start anew from its weights by "
            "Global.pretrained_model"
        )
    if ours is not None:
        ours.check(saved)


def _check_state(slots: Mapping[str, paddle.Tensor], state: Mapping[str, paddle.Tensor]) -> None:
    unknown, missing = sorted(set(state) - set(slots)), sorted(set(slots) - set(state))
    if unknown or missing:
        problem = f"{unknown[0]!r} is not known" if unknown else f"{missing[0]!r} is missing"
        raise WeightsError(
            f"not a state of this optimizer and network: {problem} ({len(unknown)} unknown, "
            f"{len(missing)} missing)"
        )
    for key, slot in slots.items():
        if list(state[key].shape) != list(slot.shape):
            message = f"{key} has shape {list(state[key].shape)}, needs {list(slot.shape)}"
            raise WeightsError(f"not a state of this optimizer and network: {message}")
