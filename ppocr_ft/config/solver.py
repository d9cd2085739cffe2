"""The ``Optimizer`` section: optimizer, learning rate and regularizer, PaddleOCR's keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt
from pydantic import BeforeValidator

from ppocr_ft.config.base import (
    Listed,
    NonNegativeFloat,
    NonNegativeInt,
    OpenShare,
    PositiveFloat,
    PositiveInt,
    Section,
    Text,
)

DecayRate = Annotated[float, Ge(0), Lt(1)]
"""How much of a running mean a step keeps."""


def _without_suffix(value: object) -> object:
    return value.removesuffix("Decay") if isinstance(value, str) else value


class Regularizer(Section):
    """Penalty that is added to the gradient."""

    name: Annotated[Literal["L1", "L2"], BeforeValidator(_without_suffix)]
    factor: NonNegativeFloat = 0.0
    """Its coefficient, 1 per step at learning rate 1."""


class LearningRate(Section):
    """The rate over the run. Keys that another schedule uses are let pass with a warning."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "epochs": "Global.epoch_num says it",
        "step_each_epoch": "the data set says it",
    }
    USED: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Const": ("learning_rate",),
        "Cosine": ("learning_rate",),
        "Linear": ("learning_rate", "end_lr", "power"),
        "Poly": ("learning_rate", "end_lr", "power"),
        "DecayLearningRate": ("learning_rate", "end_lr", "factor"),
        "Step": ("learning_rate", "step_size", "gamma"),
        "MultiStepDecay": ("learning_rate", "milestones", "gamma"),
        "Piecewise": ("decay_epochs", "values"),
        "Exponential": ("learning_rate", "gamma"),
        "OneCycle": ("max_lr", "anneal_strategy", "three_phase"),
    }
    REQUIRED: ClassVar[frozenset[str]] = frozenset(
        ("learning_rate", "step_size", "gamma", "milestones", "decay_epochs", "values", "max_lr")
    )
    """Of the keys that a schedule uses, those that have no default."""

    name: Literal[
        "Const",
        "Cosine",
        "Linear",
        "Poly",
        "DecayLearningRate",
        "Step",
        "MultiStepDecay",
        "Piecewise",
        "Exponential",
        "OneCycle",
    ] = "Const"
    learning_rate: PositiveFloat | None = None
    """Rate after warm-up."""
    warmup_epoch: NonNegativeFloat | None = None
    """Linear warm-up from 0, epochs."""
    warmup_steps: NonNegativeInt | None = None
    """Linear warm-up from 0, steps."""
    end_lr: NonNegativeFloat | None = None
    """Last rate."""
    power: PositiveFloat | None = None
    """Exponent of the polynomial."""
    factor: PositiveFloat | None = None
    """DecayLearningRate's word for power."""
    step_size: PositiveInt | None = None
    """Epochs between two drops."""
    gamma: OpenShare | None = None
    """Factor of each drop."""
    milestones: Listed[PositiveInt] | None = None
    """Epochs of the drops."""
    decay_epochs: Listed[PositiveInt] | None = None
    """Epochs at which the next of values begins."""
    values: Listed[NonNegativeFloat] | None = None
    """Rates, one more than decay_epochs."""
    max_lr: PositiveFloat | None = None
    """Highest rate."""
    anneal_strategy: Literal["cos", "linear"] | None = None
    """Shape of the fall."""
    three_phase: bool | None = None
    """Whether the fall to nearly 0 is a phase of its own."""


class OptimizerSection(Section):
    """The optimizer. Keys that another one uses are let pass with a warning."""

    NO_EFFECT: ClassVar[Mapping[str, str]] = {
        "lazy_mode": "gradients are dense",
        "multi_precision": "Global.amp_level says it",
    }
    USED: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Adam": ("beta1", "beta2", "epsilon"),
        "AdamW": (
            "beta1",
            "beta2",
            "epsilon",
            "no_weight_decay_name",
            "one_dim_param_no_weight_decay",
        ),
        "Momentum": ("momentum", "use_nesterov"),
        "RMSProp": ("momentum", "rho", "epsilon", "centered"),
        "Adagrad": ("epsilon", "initial_accumulator_value"),
        "Lamb": ("beta1", "beta2", "epsilon"),
    }
    REQUIRED: ClassVar[frozenset[str]] = frozenset()

    name: Literal["Adam", "AdamW", "Momentum", "RMSProp", "Adagrad", "Lamb"]
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
    rho: DecayRate | None = None
    """Decay of the squared gradient's mean per step."""
    centered: bool | None = None
    """Whether the squared gradient is taken about its mean."""
    initial_accumulator_value: NonNegativeFloat | None = None
    weight_decay: NonNegativeFloat | None = None
    """Decay per step at rate 1: decoupled for AdamW and Lamb, else as L2."""
    no_weight_decay_name: Text | None = None
    """Parts of parameter names, separated by spaces, that don't decay."""
    one_dim_param_no_weight_decay: bool | None = None
    """Whether biases and norms don't decay."""
    regularizer: Regularizer | None = None
    fresh_lr_mult: PositiveFloat = 1.0
    """Factor on the rate of what pretrained_model did not fill, such as a threshold head."""
    clip_norm: PositiveFloat | None = None
    """Largest gradient norm, each tensor by itself."""
    clip_norm_global: PositiveFloat | None = None
    """Largest gradient norm over all tensors."""
