"""Learning rates and optimizers from the ``Optimizer`` section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from ppocr_ft.config import Config
from ppocr_ft.config.run_rules import (
    MOVED_BY_WARMUP,
    milestones,
    moved_by_epochs,
    total_batch_size,
    warmup_steps,
)
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.param_groups import fresh_layers, param_groups
from ppocr_ft.messages import counted
from ppocr_ft.models.architecture import Detector
from ppocr_ft.optim.configs import OPTIMIZERS, LearningRate, OptimizerSection
from ppocr_ft.optim.group_rules import trainable_parameters
from ppocr_ft.optim.optimizers import GradientClip, Optimizer, StartDecay, build_optimizer
from ppocr_ft.optim.rates import AUTO, Evaluated, FreshFirst, LrSchedules, ReduceOnPlateau, longest
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
    product,
    scaled,
    with_warmup,
)

__all__ = [
    "fresh_first",
    "fresh_layers",
    "learning_rate",
    "optimizer",
    "total_batch_size",
    "warms_biases_apart",
    "warmup_steps",
]

MULTI_STEP = "MultiStep"
BY_EPOCH = (*MOVED_BY_WARMUP, MULTI_STEP)
PLATEAU = "ReduceLROnPlateau"
BIAS_WARMUP_FACTOR = 10.0
"""YOLOv5's: 0.1 against a base of 0.01."""


def learning_rate(
    config: Config,
    steps_per_epoch: int,
    *,
    world_size: int = 1,
    evaluations: Callable[[], Sequence[Evaluated]] = tuple,
    first: FreshFirst | None = None,
    fresh_steps: Callable[[], int | None] = lambda: None,
) -> LrSchedules:
    """Return the learning rates of step 0, 1, ...

    ``world_size`` is the number of cards, for ``scale_lr``; ``evaluations`` are those of the run
    so far, for ReduceLROnPlateau. ``first`` are the steps in which fresh parameters learn alone,
    ``fresh_steps`` gives their number once they are over, and None before.

    Warm-up and schedule begin after these steps. A curve over the whole run is so much shorter;
    epochs at which a rate falls stay epochs of the run.

    Raises:
        ConfigError: milestones that the run never reaches, naming the key.
    """
    lr = config.Optimizer.lr
    for fault in milestones(config, steps_per_epoch):
        raise ConfigError(fault.message, key=fault.key)
    scale = lr.scale(total_batch_size(config, world_size))
    drops = _drops_of_the_run(config, steps_per_epoch)

    def alone() -> int:
        done = fresh_steps()
        return 0 if first is None else first.steps if done is None else done

    @cache
    def warmed(start: float, begin: int) -> Schedule:
        steps, delay = warmup_steps(config, steps_per_epoch), _delay(config, steps_per_epoch)
        main = _main_schedule(config, steps_per_epoch, scale, evaluations, begin)
        return product(with_warmup(main, steps, delay, start * scale, begin), drops)

    def warmed_from(start: float) -> Schedule:
        warmed(start, alone())  # what is wrong is said now

        def rate(step: int) -> float:
            begin = alone()
            return warmed(start, begin)(step) if first is None or step >= begin else first.rate

        return rate

    biases = warmed_from(_bias_start(lr)) if warms_biases_apart(config.Optimizer) else None
    remark = _remark(config, world_size, first)
    return LrSchedules(warmed_from(lr.warmup_start_lr), biases, remark, alone)


def fresh_first(
    config: Config, detector: Detector, fresh: Sequence[str], total_steps: int
) -> FreshFirst | None:
    """Return the first steps, in which only parameters whose names begin with ``fresh`` learn.

    None if the config asks for none, or the weights filled all parameters, or none.

    Raises:
        ConfigError: they are the whole run.
    """
    section, names = config.Optimizer, [name for name, _ in trainable_parameters(detector)]
    found = [name.startswith(tuple(fresh)) for name in names]
    if not section.fresh_first or not any(found) or all(found):
        return None
    asked = section.fresh_first
    steps = asked if isinstance(asked, int) else longest(total_steps)
    if steps >= total_steps:
        message = f"found {asked}, but the run has {counted(total_steps, 'step')}"
        raise ConfigError(f"{message}: nothing is left for the rest", key="Optimizer.fresh_first")
    threshold_alone = all(name.startswith("head.thresh.") for name in fresh)
    loss = "loss_threshold_maps" if threshold_alone else "loss"
    return FreshFirst(steps, section.fresh_first_lr, asked == AUTO, tuple(fresh), loss)


def _drops_of_the_run(config: Config, steps_per_epoch: int) -> Schedule:
    """Return MultiStep's factors, which count the epochs of the warm-up too; else always 1."""
    lr = config.Optimizer.lr
    if lr.name != MULTI_STEP:
        return Constant()
    epochs = config.Global.epoch_num
    return MultiStep(lr.milestones or (), lr.gamma or 0.0, steps_per_epoch, epochs)


def warms_biases_apart(section: OptimizerSection) -> bool:
    """Return whether biases have their own warm-up: by default only with Momentum."""
    lr = section.lr
    warms_biases = section.name == "Momentum" if lr.warmup_bias_lr is None else True
    return warms_biases and lr.has_warmup and _bias_start(lr) != lr.warmup_start_lr


def _bias_start(lr: LearningRate) -> float:
    start = lr.warmup_bias_lr
    return BIAS_WARMUP_FACTOR * lr.highest()[1] if start is None else start


def _delay(config: Config, steps_per_epoch: int) -> int | None:
    """Return the number of steps that the warm-up delays the schedule; None: its own length."""
    name = config.Optimizer.lr.name
    if name in MOVED_BY_WARMUP:
        return moved_by_epochs(config, steps_per_epoch) * steps_per_epoch
    return 0 if name == PLATEAU else None  # whose epochs are those of the evaluations


def _main_schedule(
    config: Config,
    steps_per_epoch: int,
    scale: float,
    evaluations: Callable[[], Sequence[Evaluated]],
    begin: int,
) -> Schedule:
    lr, epochs = config.Optimizer.lr, config.Global.epoch_num
    total = epochs * steps_per_epoch - begin
    if lr.name == "Piecewise":
        values = tuple(value * scale for value in lr.values or ())
        return Piecewise(lr.decay_epochs or (), values, steps_per_epoch, epochs)
    if lr.name == "OneCycle":
        cycle = OneCycle(total, lr.anneal_strategy or "cos", lr.three_phase or False)
        return scaled(cycle, (lr.max_lr or 0.0) * scale)
    if lr.name == PLATEAU:
        first_step = begin + warmup_steps(config, steps_per_epoch)
        factors: Schedule = _plateau(lr, evaluations, steps_per_epoch, first_step)
    else:
        factors = _factors(lr, total, steps_per_epoch, epochs)
    return scaled(factors, (lr.learning_rate or 0.0) * scale)


def _factors(lr: LearningRate, total: int, steps_per_epoch: int, epochs: int) -> Schedule:
    """Return a schedule that starts at factor 1, by its name."""
    base = lr.learning_rate or 0.0
    min_ratio, end_ratio = (lr.min_lr or 0.0) / base, (lr.end_lr or 0.0) / base
    power = lr.power or lr.factor or (0.9 if lr.name == "DecayLearningRate" else 1.0)
    gamma = lr.gamma or 0.0

    def polynomial() -> Schedule:
        return Polynomial(total, power, end_ratio)

    def restarts() -> Schedule:
        cycle_steps = max(round((lr.cycle or 0.0) * steps_per_epoch), 1)
        return CosineRestarts(cycle_steps, lr.cycle_growth or 1, min_ratio)

    makers: dict[str, Callable[[], Schedule]] = {
        "Const": Constant,
        "Cosine": lambda: Cosine(total, min_ratio),
        "CosineRestarts": restarts,
        "CyclicalCosine": restarts,
        "Linear": polynomial,
        "Poly": polynomial,
        "DecayLearningRate": polynomial,
        "Step": lambda: Step(lr.step_size or 0, gamma, steps_per_epoch),
        MULTI_STEP: Constant,
        "MultiStepDecay": lambda: MultiStep(lr.milestones or (), gamma, steps_per_epoch, epochs),
        "Exponential": lambda: Exponential(gamma, steps_per_epoch),
    }
    return makers[lr.name]()


def _plateau(
    lr: LearningRate,
    evaluations: Callable[[], Sequence[Evaluated]],
    steps_per_epoch: int,
    first_step: int,
) -> ReduceOnPlateau:
    return ReduceOnPlateau(
        evaluations,
        steps_per_epoch,
        factor=0.1 if lr.factor is None else lr.factor,
        patience=10 if lr.patience is None else lr.patience,
        cooldown=lr.cooldown or 0,
        min_ratio=(lr.min_lr or 0.0) / (lr.learning_rate or 1.0),
        first_step=first_step,
    )


def _remark(config: Config, world_size: int, first: FreshFirst | None) -> str:
    remarks = [_scale_remark(config, world_size), first.describe() if first else ""]
    if config.Optimizer.fresh_first and first is None:
        has_weights = config.Global.checkpoints or config.Global.pretrained_model
        why = "the weights filled every parameter" if has_weights else "there are no weights"
        remarks.append(f"Optimizer.fresh_first has nothing to do: {why}")
    return "\n".join(filter(None, remarks))


def _scale_remark(config: Config, world_size: int) -> str:
    lr = config.Optimizer.lr
    if lr.scale_lr == "none" or lr.base_batch_size is None:
        return ""
    total = total_batch_size(config, world_size)
    key, rate = lr.highest()
    ratio = f"{total} / {lr.base_batch_size}"
    factor = ratio if lr.scale_lr == "linear" else f"sqrt({ratio})"
    loader, steps = config.Train.loader, config.Optimizer.gradient_accumulation_steps
    return (
        f"learning rates: x {factor} (scale_lr: {lr.scale_lr}; total batch = "
        f"{counted(world_size, 'card')} x {loader.batch_size_per_card} x {steps} accumulated), "
        f"so {key} {rate:g} becomes {rate * lr.scale(total):g}"
    )


def optimizer(
    section: OptimizerSection,
    detector: Detector,
    fresh: Sequence[str],
    first_rate: float = 0.0,
    *,
    fresh_first: bool = False,
) -> Optimizer:
    """Build the detector's optimizer.

    ``fresh`` are beginnings of the names that no weights filled: ``fresh_lr_mult`` is for them,
    ``start_decay`` for all others. ``fresh_first``: whether they learn alone first.

    Raises:
        ConfigError: arguments or groups that don't fit, naming the key.
    """
    given, defaults = section.arguments(), OPTIMIZERS[section.name].defaults
    groups = param_groups(
        section,
        detector,
        fresh,
        split_biases=warms_biases_apart(section),
        fresh_first=fresh_first,
    )
    pretrained = {
        name: parameter
        for group in groups.groups
        for name, parameter in zip(group.names, group.parameters, strict=True)
        if not (group.settings.freeze or name.startswith(tuple(fresh)))
    }
    return build_optimizer(
        section.name,
        groups,
        {key: given[key] for key in defaults if key in given},
        learning_rate=first_rate,
        penalty=section.regularizer.name if section.regularizer else "L2",
        clip=_clip(section),
        start_decay=StartDecay(section.start_decay, pretrained) if section.start_decay else None,
    )


def _clip(section: OptimizerSection) -> GradientClip | None:
    if section.clip_norm_global is not None:
        return GradientClip("global_norm", section.clip_norm_global)
    if section.clip_norm is not None:
        return GradientClip("norm", section.clip_norm)
    if section.clip_value is not None:
        return GradientClip("value", section.clip_value)
    return None
