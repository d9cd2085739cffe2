"""Rules about data sets, choices of the run and ``Optimizer``, and values that are usual."""

from __future__ import annotations

from collections.abc import Sequence

from ppocr_ft.config.faults import Fault, error, remedy, warning
from ppocr_ft.config.schema import AVERAGED, START, Config
from ppocr_ft.messages import counted
from ppocr_ft.optim.configs import OPTIMIZERS, LearningRate, OptimizerSection
from ppocr_ft.optim.group_rules import ParamGroupKeys
from ppocr_ft.optim.schedules import milestones_faults, values_fault, whole_epochs

LR = "Optimizer.lr"
WARMUPS = ("warmup_steps", "warmup_epoch", "warmup_percent")
CLIPS = ("clip_norm", "clip_norm_global", "clip_value")
FROM_SCRATCH = {"Adam": (1e-4, 5e-4), "AdamW": (1e-4, 5e-4), "Momentum": (1e-3, 1e-2)}
"""Lowest and highest rate that detectors are usually trained with."""
FINE_TUNING = {"Adam": (1e-6, 5e-4), "AdamW": (1e-6, 5e-4), "Momentum": (1e-3, 1e-2)}
"""Likewise; 100 times less is still usual with Adam and AdamW. That PaddleOCR's guide takes 1e-4
at a batch of 8, ten times as much as others advise, keeps the upper end."""
HIGHEST_DECAY = {"Adam": 1e-3, "AdamW": 1e-3, "Momentum": 5e-4}
"""Weight decay above which it is worth a word; usual is 1e-4."""
ADAM_WORDS = "usually takes 1e-4 to 5e-4 from scratch and 10 to 100 times less in fine-tuning"
USUAL = {"Adam": ADAM_WORDS, "AdamW": ADAM_WORDS, "Momentum": "usually takes 1e-3 to 1e-2"}
TOLERANCE = 1e-9


def total_batch_size(config: Config, world_size: int = 1) -> int:
    """Return the images of one update of the weights, on ``world_size`` cards together."""
    per_card = config.Train.loader.batch_size_per_card
    return world_size * per_card * config.Optimizer.gradient_accumulation_steps


@remedy(
    "name your own images in both: -o Train.dataset.data_dir=... "
    "Train.dataset.label_file_list=[...] Eval.dataset.data_dir=... "
    "Eval.dataset.label_file_list=[...]"
)
def one_data_set(config: Config) -> list[Fault]:
    """Check that not one of Train and Eval is the user's own and the other the built-in sample.

    Only commands that use both ask: an evaluation needs no training images.
    """
    train, evaluation = config.Train.dataset, config.Eval.dataset
    if train.is_sample == evaluation.is_sample or config.Global.val_ratio:
        return []
    named, other = ("Eval", "Train") if train.is_sample else ("Train", "Eval")
    folder = getattr(config, named).dataset.data_dir
    split = ", or hold a tenth of Train's images out by Global.val_ratio=0.1" * (named == "Train")
    message = (
        f"is still the built-in sample data set, while {named}.dataset.data_dir is {folder}: "
        "the network would be judged on other pictures than it is trained for. Name your own "
        f"images in {other}.dataset.data_dir and {other}.dataset.label_file_list too{split}"
    )
    return [error(f"{other}.dataset.data_dir", message, f"{named}.dataset.data_dir")]


@remedy("take Global.val_ratio out, or set Eval.dataset.data_dir=sample")
def held_out_or_own(config: Config) -> list[Fault]:
    """Check that Eval names no images of its own if Global.val_ratio holds some of Train out."""
    train, evaluation = config.Train.dataset, config.Eval.dataset
    same = ("data_dir", "label_file_list")
    is_trains = all(getattr(train, key) == getattr(evaluation, key) for key in same)
    if not config.Global.val_ratio or evaluation.is_sample or is_trains:
        return []
    message = (
        f"holds images of Train out for Eval, but Eval.dataset names its own, in "
        f"{evaluation.data_dir}; take val_ratio out, or set Eval.dataset.data_dir=sample"
    )
    return [error("Global.val_ratio", message, "Eval.dataset.data_dir")]


@remedy("give ratio_list one share for each label file, or one number for all")
def ratio_list_length(config: Config) -> list[Fault]:
    """Check that a list of ratios has one for each label file."""
    faults = []
    for mode in ("Train", "Eval"):
        dataset = config.dataset(mode)
        ratios, files = dataset.ratio_list, dataset.label_file_list
        if ratios is not None and len(ratios) != len(files):
            message = (
                f"has {counted(len(ratios), 'value')} for {counted(len(files), 'file')} of "
                "label_file_list; give one each, or a number instead of a list for all"
            )
            key = f"{mode}.dataset.ratio_list"
            faults.append(error(key, message, f"{mode}.dataset.label_file_list"))
    return faults


@remedy("set Global.fit_postprocess: true, or Global.interpolate: false")
def weights_are_judged(config: Config) -> list[Fault]:
    """Check that weights are chosen only where their post-processing is fitted."""
    if not config.Global.interpolate or config.Global.fit_postprocess:
        return []
    message = (
        "is true, but Global.fit_postprocess is false: weights are chosen with the "
        "post-processing fitted to each of them; set it to true, or interpolate to false"
    )
    return [error("Global.interpolate", message, "Global.fit_postprocess")]


@remedy("name sets in Eval.also and set Global.interpolate: true, or take Global.keep_general out")
def general_is_known(config: Config) -> list[Fault]:
    """Check that a bound on what is forgotten has sets to be measured on, and a choice to bound."""
    if config.Global.keep_general is None:
        return []
    faults = []
    if not config.Eval.also:
        message = "bounds what is lost on the sets of Eval.also, which names none; name some there"
        faults.append(error("Global.keep_general", message, "Eval.also"))
    if not config.Global.interpolate:
        message = "has no effect: it bounds the choice of Global.interpolate, which is false"
        faults.append(warning("Global.keep_general", message, "Global.interpolate"))
    return faults


@remedy("name a label file; or, for Train alone, images and another detector in Train.unlabelled")
def labels_or_teacher(config: Config) -> list[Fault]:
    """Check that each set has label files, or Train a detector that labels images for it."""
    unlabelled = config.Train.unlabelled
    by_itself = unlabelled is None or unlabelled.teacher in (AVERAGED, START)
    sets = {
        f"{mode}.dataset": getattr(config, mode).dataset.label_file_list
        for mode in ("Train", "Eval")
    }
    sets |= {f"Eval.also.{name}": each.label_file_list for name, each in config.Eval.also.items()}
    faults = []
    for key, files in sets.items():
        if files or (key == "Train.dataset" and not by_itself):
            continue
        message = "found [], expected at least 1 value"
        if key == "Train.dataset" and unlabelled is not None:
            message += (
                f", and Train.unlabelled.teacher is {unlabelled.teacher}: name another detector"
            )
        faults.append(error(f"{key}.label_file_list", message))
    return faults


@remedy("set Global.use_ema: true, or Train.unlabelled.teacher: start")
def teacher_is_averaged(config: Config) -> list[Fault]:
    """Check that an average of the weights is kept if it is to label images."""
    unlabelled = config.Train.unlabelled
    if unlabelled is None or unlabelled.teacher != AVERAGED or config.Global.use_ema:
        return []
    message = (
        f"is {AVERAGED}, but Global.use_ema is false, so that no average of the weights is kept; "
        f"set it to true, or teacher to {START}"
    )
    return [error("Train.unlabelled.teacher", message, "Global.use_ema")]


@remedy("take the key out, or choose the optimizer or schedule that it belongs to")
def optimizer_keys(config: Config) -> list[Fault]:
    """Check that no key belongs to another optimizer or schedule, and that none is missing."""
    optimizer = config.Optimizer
    return [
        *_unused_or_missing(optimizer, optimizer.name, "Optimizer"),
        *_unused_or_missing(optimizer.lr, optimizer.lr.name, LR),
    ]


def _unused_or_missing(
    section: OptimizerSection | LearningRate, name: str, key: str
) -> list[Fault]:
    used = section.USED[name]
    faults = [
        error(f"{key}.{required}", f"missing; {name} needs it")
        for required in used
        if required in section.REQUIRED and getattr(section, required) is None
    ]
    others = {other for names in section.USED.values() for other in names} - set(used)
    for other in sorted(others):
        if getattr(section, other) is not None:
            users = ", ".join(user for user, names in section.USED.items() if other in names)
            message = f"has no effect with {name}; it belongs to {users}"
            faults.append(warning(f"{key}.{other}", message, f"{key}.name"))
    return faults


@remedy("keep one of the keys")
def optimizer_conflicts(config: Config) -> list[Fault]:
    """Check that no two keys set the same thing."""
    optimizer = config.Optimizer
    return [
        *_only_one(optimizer, ("weight_decay", "regularizer"), "Optimizer"),
        *_only_one(optimizer, CLIPS, "Optimizer"),
        *_only_one(optimizer.lr, WARMUPS, LR),
    ]


def _only_one(
    section: OptimizerSection | LearningRate, names: Sequence[str], key: str
) -> list[Fault]:
    given = [name for name in names if getattr(section, name) is not None]
    if len(given) < 2:
        return []
    names_given = f"{', '.join(given[:-1])} and {given[-1]}"
    message = f"{names_given} are {'both' if len(given) == 2 else 'all'} given; keep one of them"
    first, *rest = [f"{key}.{name}" for name in given]
    return [error(first, message, *rest)]


@remedy("correct the values")
def schedule_values(config: Config) -> list[Fault]:
    """Check that Piecewise's rates fit its epochs, and that no rate falls to a higher one."""
    lr = config.Optimizer.lr
    faults = []
    rates, epochs = lr.values, lr.decay_epochs
    message = "" if rates is None or epochs is None else values_fault(rates, epochs)
    if message:
        faults.append(error(f"{LR}.values", message, f"{LR}.decay_epochs"))
    for name in ("min_lr", "end_lr"):
        low = getattr(lr, name)
        if lr.learning_rate is not None and low is not None and low > lr.learning_rate:
            message = f"found {low:g}, which is above learning_rate {lr.learning_rate:g}"
            faults.append(error(f"{LR}.{name}", message, f"{LR}.learning_rate"))
    if lr.name == "ReduceLROnPlateau" and lr.factor is not None and lr.factor >= 1:
        message = f"found {lr.factor:g}; the rate is multiplied by it to fall, so it is below 1"
        faults.append(error(f"{LR}.factor", message, f"{LR}.name"))
    return faults


MOVED_BY_WARMUP = ("Step", "MultiStepDecay", "Piecewise")
"""Schedules that begin after the warm-up, as PaddleOCR's do, in whole epochs."""


def warmup_steps(config: Config, steps_per_epoch: int) -> int:
    """Return the length of the warm-up in steps."""
    lr = config.Optimizer.lr
    if lr.warmup_percent is not None:
        return round(lr.warmup_percent / 100 * config.Global.epoch_num * steps_per_epoch)
    return lr.warmup_steps or round((lr.warmup_epoch or 0) * steps_per_epoch)


def moved_by_epochs(config: Config, steps_per_epoch: int | None = None) -> int:
    """Return by how many epochs the warm-up moves milestones; at least, if the data isn't known."""
    lr = config.Optimizer.lr
    if lr.name not in MOVED_BY_WARMUP:
        return 0
    if steps_per_epoch is None:
        by_percent = (lr.warmup_percent or 0) / 100 * config.Global.epoch_num
        return int(lr.warmup_epoch or by_percent)
    return whole_epochs(warmup_steps(config, steps_per_epoch), steps_per_epoch) // steps_per_epoch


@remedy("give milestones in epochs of the run, ascending; MultiStep's stay where they are")
def milestones(config: Config, steps_per_epoch: int | None = None) -> list[Fault]:
    """Check that milestones are epochs that the run reaches, each later than the one before."""
    lr, epochs = config.Optimizer.lr, config.Global.epoch_num
    moved = moved_by_epochs(config, steps_per_epoch)
    faults = []
    for name in ("milestones", "decay_epochs"):
        given = getattr(lr, name)
        if given is None or name not in lr.USED[lr.name]:
            continue
        for message in milestones_faults(given, epochs, moved):
            warmups = [f"{LR}.{key}" for key in WARMUPS if getattr(lr, key) is not None]
            faults.append(error(f"{LR}.{name}", message, "Global.epoch_num", *warmups))
    return faults


def milestones_note(config: Config, steps_per_epoch: int | None = None) -> str:
    """Say after which epochs the rate really falls if the warm-up moves that; nothing: ''."""
    lr, moved = config.Optimizer.lr, moved_by_epochs(config, steps_per_epoch)
    given = {"MultiStepDecay": lr.milestones, "Piecewise": lr.decay_epochs}.get(lr.name)
    if not given or not moved:
        return ""
    epochs = ", ".join(str(epoch + moved) for epoch in given)
    return (
        f"the warm-up moves milestones back by {counted(moved, 'epoch')}, as in PaddleOCR: the "
        f"rate falls after epochs {epochs}; with name: MultiStep it falls after "
        f"{', '.join(map(str, given))}"
    )


@remedy("shorten the warm-up, or take its keys out")
def warmup_keys(config: Config) -> list[Fault]:
    """Check that a warm-up ends before the run does, and that its rates have one."""
    lr, epochs = config.Optimizer.lr, config.Global.epoch_num
    if lr.warmup_epoch is not None and lr.warmup_epoch >= epochs:
        length = counted(epochs, "epoch")
        message = f"found {lr.warmup_epoch:g}: the run of {length} never reaches its rate"
        return [warning(f"{LR}.warmup_epoch", message, "Global.epoch_num")]
    if lr.has_warmup:
        return []
    advice = f"has no effect without a warm-up; give one of {', '.join(WARMUPS)}"
    given = {"warmup_start_lr": lr.warmup_start_lr, "warmup_bias_lr": lr.warmup_bias_lr}
    return [warning(f"{LR}.{name}", advice) for name, value in given.items() if value]


@remedy("give scale_lr and base_batch_size together, or neither")
def batch_scaling(config: Config) -> list[Fault]:
    """Check that scale_lr and base_batch_size are given together."""
    lr = config.Optimizer.lr
    if lr.scale_lr != "none" and lr.base_batch_size is None:
        message = f"missing; scale_lr: {lr.scale_lr} multiplies by total batch / base_batch_size"
        return [error(f"{LR}.base_batch_size", message, f"{LR}.scale_lr")]
    if lr.scale_lr == "none" and lr.base_batch_size is not None:
        message = "has no effect with scale_lr: none; set scale_lr to linear or sqrt"
        return [warning(f"{LR}.base_batch_size", message, f"{LR}.scale_lr")]
    return []


@remedy("write freeze: true, or fewer freeze_epochs")
def param_groups(config: Config) -> list[Fault]:
    """Check that no group is frozen for longer than the run."""
    epochs = config.Global.epoch_num
    faults = []
    for index, group in enumerate(config.Optimizer.param_groups or ()):
        if isinstance(group, ParamGroupKeys) and group.freeze_epochs >= epochs:
            length = counted(epochs, "epoch")
            message = f"found {group.freeze_epochs}; the run has {length}: write freeze: true"
            key = f"Optimizer.param_groups.{index}.freeze_epochs"
            faults.append(error(key, message, "Global.epoch_num"))
    return faults


@remedy("give weights to start from and a smaller factor, or 0")
def start_decay(config: Config) -> list[Fault]:
    """Check that a decay to the start has weights to go back to, and doesn't go past them."""
    key, factor = "Optimizer.start_decay", config.Optimizer.start_decay
    rate_key, rate = config.Optimizer.lr.highest()
    if not factor:
        return []
    if not (config.Global.pretrained_model or config.Global.checkpoints):
        message = f"found {factor:g}, but training starts from random weights; give 0"
        return [error(key, message, "Global.pretrained_model")]
    if factor * rate >= 1:
        message = (
            f"found {factor:g}: times {rate_key} {rate:g} that is {factor * rate:g}, so that each "
            "step goes past the starting weights; the product must be below 1"
        )
        return [error(key, message, f"{LR}.{rate_key}")]
    return []


@remedy(
    "measure: ppocr-ft find-lr -c FILE. A rate for 8 cards of 8 images is too high for "
    "one card of a few"
)
def usual_rates(config: Config) -> list[Fault]:
    """Warn if rate or weight decay are unusual for the optimizer."""
    section = config.Optimizer
    fine_tuning = bool(config.Global.pretrained_model or config.Global.checkpoints)
    ranges = FINE_TUNING if fine_tuning else FROM_SCRATCH
    if section.name not in ranges:
        return []
    return [*_unusual_rate(config, *ranges[section.name]), *_unusual_decay(section)]


def _unusual_rate(config: Config, low: float, high: float) -> list[Fault]:
    lr, name = config.Optimizer.lr, config.Optimizer.name
    key, given = lr.highest()
    rate = given * lr.scale(total_batch_size(config))
    if not given or low * (1 - TOLERANCE) <= rate <= high * (1 + TOLERANCE):
        return []
    scaled = f", by scale_lr {rate:g} on one card" if rate != given else ""
    message = (
        f"found {given:g}{scaled}: {name} {USUAL[name]}. Guides disagree, so measure: "
        "ppocr-ft find-lr -c FILE, with this file"
    )
    return [warning(f"{LR}.{key}", message, "Optimizer.name", "Global.pretrained_model")]


def _unusual_decay(section: OptimizerSection) -> list[Fault]:
    key, decay = "weight_decay", section.weight_decay
    if decay is None and section.regularizer is not None:
        key, decay = "regularizer.factor", section.regularizer.factor
    finding = f"found {decay:g}" if decay is not None else "not given, so that Paddle's"
    if decay is None:
        decay = OPTIMIZERS[section.name].weight_decay
        finding = f"{finding} {decay:g} applies"
    if decay <= HIGHEST_DECAY[section.name] * (1 + TOLERANCE):
        return []
    message = f"{finding}; detectors are usually trained with 1e-4, with SGD up to 5e-4"
    return [warning(f"Optimizer.{key}", message, "Optimizer.name")]


RUN_RULES = (
    ratio_list_length,
    held_out_or_own,
    weights_are_judged,
    general_is_known,
    labels_or_teacher,
    teacher_is_averaged,
    optimizer_keys,
    optimizer_conflicts,
    schedule_values,
    milestones,
    warmup_keys,
    batch_scaling,
    param_groups,
    start_decay,
    usual_rates,
)
