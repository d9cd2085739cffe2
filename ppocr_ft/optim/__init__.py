"""How the weights are changed: schedules, parameter groups, optimizers."""

from ppocr_ft.optim.clip import GradientClip
from ppocr_ft.optim.groups import (
    Fresh,
    GroupSettings,
    NoDecay,
    ParamGroup,
    ParamGroups,
    Rule,
    build_groups,
    head_first,
    layer_decay,
)
from ppocr_ft.optim.optimizers import (
    OPTIMIZERS,
    Optimizer,
    build_optimizer,
    default_weight_decay,
)
from ppocr_ft.optim.plateau import Evaluated, Plateau
from ppocr_ft.optim.rates import Rates
from ppocr_ft.optim.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    Schedule,
    Step,
    scaled,
    whole_epochs,
    with_warmup,
)

__all__ = [
    "OPTIMIZERS",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Evaluated",
    "Exponential",
    "Fresh",
    "GradientClip",
    "GroupSettings",
    "MultiStep",
    "NoDecay",
    "OneCycle",
    "Optimizer",
    "ParamGroup",
    "ParamGroups",
    "Piecewise",
    "Plateau",
    "Polynomial",
    "Rates",
    "Rule",
    "Schedule",
    "Step",
    "build_groups",
    "build_optimizer",
    "default_weight_decay",
    "head_first",
    "layer_decay",
    "scaled",
    "whole_epochs",
    "with_warmup",
]
