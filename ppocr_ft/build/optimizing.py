"""Learning rates and optimizers from the ``Optimizer`` section."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ppocr_ft.config import Config
from ppocr_ft.config.solver import OptimizerSection
from ppocr_ft.nets import Detector
from ppocr_ft.optim import (
    Constant,
    Cosine,
    Exponential,
    GradientClip,
    MultiStep,
    NoDecay,
    OneCycle,
    Optimizer,
    ParamGroups,
    Piecewise,
    Polynomial,
    Rule,
    Schedule,
    Step,
    build_groups,
    build_optimizer,
    default_weight_decay,
    scaled,
    whole_epochs,
    with_warmup,
)

_GROUP_KEYS = frozenset({"no_weight_decay_name", "one_dim_param_no_weight_decay"})
"""Keys of an optimizer that are about its parameter groups."""


def learning_rate(config: Config, steps_per_epoch: int) -> Schedule:
    """Step 0, 1, ... to the learning rate.

    Raises:
        ConfigError: milestones beyond the run, naming the key.
    """
    lr, epochs = config.Optimizer.lr, config.Global.epoch_num
    warmup = lr.warmup_steps or round((lr.warmup_epoch or 0) * steps_per_epoch)
    by_epoch = lr.name in ("Step", "MultiStepDecay", "Piecewise")
    delay = whole_epochs(warmup, steps_per_epoch) if by_epoch else None
    return with_warmup(_main_schedule(config, steps_per_epoch, epochs), warmup, delay)


def _main_schedule(config: Config, steps_per_epoch: int, epochs: int) -> Schedule:
    lr = config.Optimizer.lr
    total = epochs * steps_per_epoch
    if lr.name == "Piecewise":
        return Piecewise(lr.decay_epochs or (), lr.values or (), steps_per_epoch, epochs)
    if lr.name == "OneCycle":
        cycle = OneCycle(total, lr.anneal_strategy or "cos", lr.three_phase or False)
        return scaled(cycle, lr.max_lr or 0.0)
    base = lr.learning_rate or 0.0
    end_ratio = (lr.end_lr or 0.0) / base
    power = lr.power or lr.factor or (0.9 if lr.name == "DecayLearningRate" else 1.0)
    gamma = lr.gamma or 0.0
    makers: dict[str, Callable[[], Schedule]] = {
        "Const": Constant,
        "Cosine": lambda: Cosine(total),
        "Linear": lambda: Polynomial(total, power, end_ratio),
        "Poly": lambda: Polynomial(total, power, end_ratio),
        "DecayLearningRate": lambda: Polynomial(total, power, end_ratio),
        "Step": lambda: Step(lr.step_size or 0, gamma, steps_per_epoch),
        "MultiStepDecay": lambda: MultiStep(lr.milestones or (), gamma, steps_per_epoch, epochs),
        "Exponential": lambda: Exponential(gamma, steps_per_epoch),
    }
    return scaled(makers[lr.name](), base)


def fresh_layers(detector: Detector, loaded: Iterable[str]) -> list[str]:
    """Beginnings of parameter names, as short as can be, under which no weights were loaded."""
    filled = {start for key in loaded for start in _starts(key)}
    starts = (_starts(name) for name, _ in detector.named_parameters())
    fresh = (next((s for s in own if s not in filled), None) for own in starts)
    return list(dict.fromkeys(start for start in fresh if start is not None))


def _starts(key: str) -> list[str]:
    """``a.b`` to ``a.``, ``a.b``."""
    parts = key.split(".")
    return [".".join(parts[:end]) + "." for end in range(1, len(parts))] + [key]


def optimizer(
    section: OptimizerSection, detector: Detector, fresh: Sequence[str], first_rate: float
) -> Optimizer:
    """The optimizer over the detector's parameters; ``fresh_lr_mult`` is for those in ``fresh``.

    Raises:
        ConfigError: arguments that don't fit, naming the key.
    """
    given = section.arguments()
    used = section.USED[section.name]
    return build_optimizer(
        section.name,
        _groups(section, detector, fresh),
        {key: given[key] for key in used if key in given and key not in _GROUP_KEYS},
        learning_rate=first_rate,
        penalty=section.regularizer.name if section.regularizer else "L2",
        clip=_clip(section),
    )


def _groups(section: OptimizerSection, detector: Detector, fresh: Sequence[str]) -> ParamGroups:
    mult, decay = section.fresh_lr_mult, section.weight_decay
    rules = [Rule("")]
    if fresh and mult != 1:
        rules.insert(0, Rule(f"^({'|'.join(map(re.escape, fresh))})", mult))
    if decay is None:
        penalty = section.regularizer
        decay = penalty.factor if penalty else default_weight_decay(section.name)
    no_decay = NoDecay(
        section.one_dim_param_no_weight_decay or False,
        tuple((section.no_weight_decay_name or "").split()),
    )
    return build_groups(detector, rules, weight_decay=decay, no_decay=no_decay)


def _clip(section: OptimizerSection) -> GradientClip | None:
    if section.clip_norm_global is not None:
        return GradientClip("global_norm", section.clip_norm_global)
    if section.clip_norm is not None:
        return GradientClip("norm", section.clip_norm)
    return None
