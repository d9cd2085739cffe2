"""Learning rates from ``Optimizer.lr``."""

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
from ppocr_ft.messages import counted
from ppocr_ft.optim.configs import LearningRate, OptimizerSection
from ppocr_ft.optim.rates import Evaluated, FreshFirst, LrSchedules, ReduceOnPlateau
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
        factors: Schedule = ReduceOnPlateau(
            evaluations,
            steps_per_epoch,
            factor=0.1 if lr.factor is None else lr.factor,
            patience=10 if lr.patience is None else lr.patience,
            cooldown=lr.cooldown or 0,
            min_ratio=(lr.min_lr or 0.0) / (lr.learning_rate or 1.0),
            first_step=begin + warmup_steps(config, steps_per_epoch),
        )
    else:
        factors = _factors(lr, total, steps_per_epoch, epochs)
    return scaled(factors, (lr.learning_rate or 0.0) * scale)


def _factors(lr: LearningRate, total: int, steps_per_epoch: int, epochs: int) -> Schedule:
    """Return a schedule that starts at factor 1, by its name."""
    base, gamma = lr.learning_rate or 0.0, lr.gamma or 0.0
    min_ratio, end_ratio = (lr.min_lr or 0.0) / base, (lr.end_lr or 0.0) / base
    match lr.name:
        case "Cosine":
            return Cosine(total, min_ratio)
        case "CosineRestarts" | "CyclicalCosine":
            cycle_steps = max(round((lr.cycle or 0.0) * steps_per_epoch), 1)
            return CosineRestarts(cycle_steps, lr.cycle_growth or 1, min_ratio)
        case "Linear" | "Poly" | "DecayLearningRate":
            power = lr.power or lr.factor or (0.9 if lr.name == "DecayLearningRate" else 1.0)
            return Polynomial(total, power, end_ratio)
        case "Step":
            return Step(lr.step_size or 0, gamma, steps_per_epoch)
        case "MultiStepDecay":
            return MultiStep(lr.milestones or (), gamma, steps_per_epoch, epochs)
        case "Exponential":
            return Exponential(gamma, steps_per_epoch)
        case _:
            return Constant()  # Const, and MultiStep, whose drops are those of the run


def _remark(config: Config, world_size: int, first: FreshFirst | None) -> str:
    """Return lines on what the rates are scaled by, and on the steps that come first."""
    lr = config.Optimizer.lr
    remarks: list[str] = []
    if lr.scale_lr != "none" and lr.base_batch_size is not None:
        total = total_batch_size(config, world_size)
        key, rate = lr.highest()
        ratio = f"{total} / {lr.base_batch_size}"
        factor = ratio if lr.scale_lr == "linear" else f"sqrt({ratio})"
        loader, steps = config.Train.loader, config.Optimizer.gradient_accumulation_steps
        remarks.append(
            f"learning rates: x {factor} (scale_lr: {lr.scale_lr}; total batch = "
            f"{counted(world_size, 'card')} x {loader.batch_size_per_card} x {steps} accumulated), "
            f"so {key} {rate:g} becomes {rate * lr.scale(total):g}"
        )
    if first is not None:
        remarks.append(first.describe())
    elif config.Optimizer.fresh_first:
        has_weights = config.Global.checkpoints or config.Global.pretrained_model
        why = "the weights filled every parameter" if has_weights else "there are no weights"
        remarks.append(f"Optimizer.fresh_first has nothing to do: {why}")
    return "\n".join(remarks)
