"""The keys of ``Optimizer``: optimizer, learning rate and regularizer, by PaddleOCR's names.

The config, the optimizers and the schedules read them, so there is no paddle in here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt
from pydantic import BeforeValidator, PlainValidator

from ppocr_ft.declaration import (
    Listed,
    NonNegativeFloat,
    NonNegativeInt,
    OneOf,
    OpenShare,
    PositiveFloat,
    PositiveInt,
    Section,
    Text,
)
from ppocr_ft.messages import show
from ppocr_ft.optim.group_rules import GroupItem
from ppocr_ft.optim.rates import AUTO


@dataclass(frozen=True)
class OptimizerKind:
    """An optimizer's own keys with Paddle's defaults, and its decay if none is given.

    ``group_keys`` are those of its keys that are about parameter groups.
    """

    defaults: Mapping[str, float | bool]
    weight_decay: float = 0.0
    group_keys: tuple[str, ...] = ()


_BETAS = {"beta1": 0.9, "beta2": 0.999}
OPTIMIZERS = {
    "Adam": OptimizerKind({**_BETAS, "epsilon": 1e-8}),
    "AdamW": OptimizerKind(
        {**_BETAS, "epsilon": 1e-8},
        weight_decay=0.01,
        group_keys=("no_weight_decay_name", "one_dim_param_no_weight_decay"),
    ),
    "Momentum": OptimizerKind({"momentum": 0.9, "use_nesterov": False}),
    "RMSProp": OptimizerKind({"momentum": 0.0, "rho": 0.95, "epsilon": 1e-6, "centered": False}),
    "Adagrad": OptimizerKind({"epsilon": 1e-6, "initial_accumulator_value": 0.0}),
    "Lamb": OptimizerKind({**_BETAS, "epsilon": 1e-6}, weight_decay=0.01),
}
SCHEDULES = {
    "Const": ("learning_rate",),
    "Cosine": ("learning_rate", "min_lr"),
    "CosineRestarts": ("learning_rate", "cycle", "cycle_growth", "min_lr"),
    "CyclicalCosine": ("learning_rate", "cycle", "cycle_growth", "min_lr"),
    "Linear": ("learning_rate", "end_lr", "power"),
    "Poly": ("learning_rate", "end_lr", "power"),
    "DecayLearningRate": ("learning_rate", "end_lr", "factor"),
    "Step": ("learning_rate", "step_size", "gamma"),
    "MultiStep": ("learning_rate", "milestones", "gamma"),
    "MultiStepDecay": ("learning_rate", "milestones", "gamma"),
    "Piecewise": ("decay_epochs", "values"),
    "Exponential": ("learning_rate", "gamma"),
    "OneCycle": ("max_lr", "anneal_strategy", "three_phase"),
    "ReduceLROnPlateau": ("learning_rate", "factor", "patience", "cooldown", "min_lr"),
}
"""Each schedule's keys."""

DecayRate = Annotated[float, Ge(0), Lt(1)]
"""How much of a running mean a step keeps."""


def _steps_or_auto(value: object) -> object:
    if value is None or value == AUTO or (type(value) is int and value >= 0):
        return value or 0
    raise ValueError(f"found {show(value)}, expected a number of steps, or auto; 0: none")


def _without_suffix(value: object) -> object:
    return value.removesuffix("Decay") if isinstance(value, str) else value


class Regularizer(Section):
    """Penalty that is added to the gradient."""

    name: Annotated[Literal["L1", "L2"], BeforeValidator(_without_suffix)]
    factor: NonNegativeFloat = 0.0
    """Its coefficient, 1 per step at learning rate 1."""


class LearningRate(Section):
    """The rate over the run. Keys that another schedule uses are accepted with a warning.

    The schedules are PaddleOCR's but for three: CosineRestarts, its CyclicalCosine by the field's
    name, MultiStep, its MultiStepDecay whose milestones a warm-up doesn't move, and
    ReduceLROnPlateau.
    """

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "epochs": "Global.epoch_num says it",
        "step_each_epoch": "the data set says it",
    }
    USED: ClassVar[Mapping[str, tuple[str, ...]]] = SCHEDULES
    REQUIRED: ClassVar[frozenset[str]] = frozenset((
        "learning_rate", "cycle", "step_size", "gamma", "milestones", "decay_epochs", "values",
        "max_lr",
    ))  # fmt: skip
    """Of the keys that a schedule uses, those that have no default."""

    name: Annotated[str, OneOf(tuple(SCHEDULES))] = "Const"
    learning_rate: PositiveFloat | None = None
    """Rate after warm-up."""
    scale_lr: Literal["linear", "sqrt", "none"] = "none"
    """Whether all rates here are multiplied by total batch / base_batch_size, or by its root.
    The total batch is cards * batch_size_per_card * gradient_accumulation_steps."""
    base_batch_size: PositiveInt | None = None
    """Images per step that the rates here are for."""
    warmup_epoch: NonNegativeFloat | None = None
    """Linear warm-up, epochs."""
    warmup_steps: NonNegativeInt | None = None
    """Linear warm-up, steps."""
    warmup_percent: Annotated[float, Ge(0), Lt(100)] | None = None
    """Linear warm-up, percent of the run's steps."""
    warmup_start_lr: NonNegativeFloat = 0.0
    """Rate of the first step of a warm-up."""
    warmup_bias_lr: NonNegativeFloat | None = None
    """That of biases. Absent: 10 times the rate with Momentum, as YOLOv5 warms up (0.1 to 0.01);
    warmup_start_lr with the others, whose first steps are as long as the rate itself."""
    min_lr: NonNegativeFloat | None = None
    """Lowest rate."""
    cycle: PositiveFloat | None = None
    """Length of the first cosine, epochs."""
    cycle_growth: PositiveInt | None = None
    """How many times as long as the one before each further cosine is."""
    patience: NonNegativeInt | None = None
    """Evaluations in a row without a better Metric.main_indicator that are borne; 10 if absent."""
    cooldown: NonNegativeInt | None = None
    """Evaluations after a drop that don't count."""
    end_lr: NonNegativeFloat | None = None
    """Last rate."""
    power: PositiveFloat | None = None
    """Exponent of the polynomial."""
    factor: PositiveFloat | None = None
    """DecayLearningRate's word for power; ReduceLROnPlateau's factor of a drop, below 1,
    0.1 if absent."""
    step_size: PositiveInt | None = None
    """Epochs between two drops."""
    gamma: OpenShare | None = None
    """Factor of each drop."""
    milestones: Listed[PositiveInt] | None = None
    """Epochs after which the rate drops; a warm-up moves MultiStepDecay's back, as PaddleOCR."""
    decay_epochs: Listed[PositiveInt] | None = None
    """Epochs after which the next of values begins; a warm-up moves them back, as PaddleOCR."""
    values: Listed[NonNegativeFloat] | None = None
    """Rates, one more than decay_epochs."""
    max_lr: PositiveFloat | None = None
    """Highest rate."""
    anneal_strategy: Literal["cos", "linear"] | None = None
    """Shape of the fall."""
    three_phase: bool | None = None
    """Whether the fall to nearly 0 is a phase of its own."""

    @property
    def has_warmup(self) -> bool:
        return bool(self.warmup_epoch or self.warmup_steps or self.warmup_percent)

    def highest(self) -> tuple[str, float]:
        """Return the key of the highest rate, and its value before ``scale``; 0: missing."""
        if self.name == "OneCycle":
            return "max_lr", self.max_lr or 0.0
        if self.name == "Piecewise":
            return "values", max(self.values or (0.0,))
        return "learning_rate", self.learning_rate or 0.0

    def scale(self, total_batch_size: int) -> float:
        """Return the factor of ``scale_lr`` on all rates.

        Linear: Goyal et al., Accurate, Large Minibatch SGD, 2017. Square root: Krizhevsky, One
        weird trick for parallelizing convolutional neural networks, 2014; often
        recommended for Adam and similar optimizers.
        """
        if self.scale_lr == "none" or self.base_batch_size is None:
            return 1.0
        ratio = total_batch_size / self.base_batch_size
        return ratio if self.scale_lr == "linear" else math.sqrt(ratio)


class OptimizerSection(Section):
    """The optimizer. Keys that another one uses are accepted with a warning."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "lazy_mode": "gradients are dense",
        "multi_precision": "Global.amp_level says it",
    }
    USED: ClassVar[Mapping[str, tuple[str, ...]]] = {
        name: (*kind.defaults, *kind.group_keys) for name, kind in OPTIMIZERS.items()
    }
    REQUIRED: ClassVar[frozenset[str]] = frozenset()

    name: Annotated[str, OneOf(tuple(OPTIMIZERS))]
    lr: LearningRate
    beta1: DecayRate | None = None
    """Decay of the gradient's mean per step."""
    beta2: DecayRate | None = None
    """Decay of the squared gradient's mean per step."""
    epsilon: PositiveFloat | None = None
    """Keeps quotients finite."""
    momentum: DecayRate | None = None
    """Decay of the velocity per step."""
    use_nesterov: bool | None = None
    """Whether the gradient is taken where the velocity leads (Nesterov)."""
    rho: DecayRate | None = None
    """Decay of the squared gradient's mean per step."""
    centered: bool | None = None
    """Whether the squared gradient is taken about its mean."""
    initial_accumulator_value: NonNegativeFloat | None = None
    """What the sum of squared gradients starts from."""
    weight_decay: NonNegativeFloat | None = None
    """Decay per step at rate 1: decoupled for AdamW and Lamb, else as L2."""
    no_weight_decay_name: Text | None = None
    """Parts of parameter names, separated by spaces, that don't decay."""
    one_dim_param_no_weight_decay: bool | None = None
    """Whether biases and norms don't decay."""
    regularizer: Regularizer | None = None
    fresh_lr_mult: PositiveFloat = 1.0
    """Factor on the rate of what pretrained_model did not fill; a threshold head, say. It
    multiplies into that of their entry in param_groups."""
    fresh_first: Annotated[NonNegativeInt | Literal["auto"], PlainValidator(_steps_or_auto)] = 0
    """Steps at first in which only fresh parts learn; those that pretrained_model did not fill.
    auto: until its loss settles, 20 to 100 steps, at most a quarter of the run. 0: none."""
    fresh_first_lr: PositiveFloat = 3e-3
    """Rate of these steps; no factor multiplies it. The schedule begins after them."""
    start_decay: NonNegativeFloat = 0.0
    """Decay per step at rate 1 of what pretrained_model filled, towards the values that it had
    there (L2-SP), decoupled from the gradient. Beside it weight_decay goes on towards 0."""
    clip_norm: PositiveFloat | None = None
    """Largest gradient norm, each tensor by itself."""
    gradient_accumulation_steps: PositiveInt = 1
    """Batches whose gradients are averaged for one update of the weights."""
    param_groups: Listed[GroupItem] | None = None
    """Parameters that learn otherwise than the rest: patterns and presets, the first match wins."""
    clip_norm_global: PositiveFloat | None = None
    """Largest gradient norm over all tensors."""
    clip_value: PositiveFloat | None = None
    """Largest size of each gradient's values."""
