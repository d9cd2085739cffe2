"""Advice on values that are allowed but unusual, as pure functions ``Config -> list[Fault]``.

``load_config`` doesn't ask these; the check before a training does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ppocr_ft.commands.check.data import Source
from ppocr_ft.config.faults import REMEDIES, Fault, error, remedy, tagged, warning
from ppocr_ft.config.rules import Mode, Placed, placed_operators
from ppocr_ft.config.run_rules import milestones, one_data_set
from ppocr_ft.config.schema import Config
from ppocr_ft.messages import counted
from ppocr_ft.transforms.crops import ScaledCrop
from ppocr_ft.transforms.image_ops import DecodeImage, NormalizeImage
from ppocr_ft.transforms.registry import OperatorSection
from ppocr_ft.transforms.resize import DetResizeForTest

INFERENCE_LIMIT = (960, "max")
"""limit_side_len and limit_type of PaddleOCR's tools/infer/predict_det.py, 2.6 to 2.10."""
DEFAULT_LIMIT = (736, "min")
"""DetResizeForTest's without arguments."""
FEW_IMAGES = 8
"""With fewer images in a batch its statistics are mostly chance."""
LR = "Optimizer.lr"
_EPOCHS = "Global.epoch_num"
_ONLY_ENDS = (
    "there is an evaluation before the first and after the last step only; PaddleOCR has none at "
    "all and keeps no best_accuracy"
)


def advise(config: Config) -> list[Fault]:
    """Return the advice that needs no data."""
    return [fault for rule in ADVICE for fault in tagged(rule.__name__, rule(config))]


def advise_on_length(config: Config, train_images: int) -> list[Fault]:
    """Return the faults that need the number of training images of an epoch."""
    rules = (batch_size, evaluation_interval, warmup_length, moved_milestones)
    return [fault for rule in rules for fault in tagged(rule.__name__, rule(config, train_images))]


@remedy(
    "evaluate as you will deploy: limit_side_len: 960, limit_type: max in Eval, or "
    "--det_limit_side_len and --det_limit_type at inference as in Eval"
)
def eval_resize(config: Config) -> list[Fault]:
    """Warn if evaluation sees pages at another scale than inference does.

    With fit_scale the run chooses the scale, and the exported model's card says how to use it.
    """
    placed = _first(config, "Eval", DetResizeForTest)
    if placed is None or config.Global.fit_scale:
        return []
    key, operator = placed
    if _limit(operator) == INFERENCE_LIMIT:
        return []
    message = (
        f"evaluation resizes by {_in_words(operator)}; PaddleOCR's predict_det limits the longest "
        "side to 960 px unless told otherwise, so its results differ from the hmean measured here"
    )
    return [warning(key, message)]


@remedy("give ScaledCrop Eval's limit_side_len and limit_type")
def crop_scale(config: Config) -> list[Fault]:
    """Warn if ScaledCrop shows text at another size than evaluation."""
    crop, resize = _first(config, "Train", ScaledCrop), _first(config, "Eval", DetResizeForTest)
    if crop is None or resize is None:
        return []
    ours, theirs = (crop[1].limit_side_len, crop[1].limit_type), _limit(resize[1])
    if ours == theirs:
        return []
    message = (
        f"cuts at the scale of limit_side_len: {ours[0]}, limit_type: {ours[1]}; evaluation "
        f"resizes by {_in_words(resize[1])}, so text differs in size"
    )
    return [warning(crop[0], message, resize[0])]


@remedy("give both pipelines the same values")
def preprocessing(config: Config) -> list[Fault]:
    """Warn if training and evaluation give the network other channels or values."""
    faults = []
    for kind, names in ((DecodeImage, ("img_mode",)), (NormalizeImage, ("scale", "mean", "std"))):
        train, other = _first(config, "Train", kind), _first(config, "Eval", kind)
        if train is None or other is None:
            continue
        for name in names:
            ours, theirs = _value(train[1], name), _value(other[1], name)
            if ours != theirs:
                message = f"found {_shown(theirs)}, but training has {_shown(ours)}"
                faults.append(warning(f"{other[0]}.{name}", message, f"{train[0]}.{name}"))
    return faults


@remedy("set img_mode: BGR in Train and in Eval")
def color_order(config: Config) -> list[Fault]:
    """Warn if images are RGB with weights that were trained on BGR, as all of PaddleOCR's."""
    placed = _first(config, "Train", DecodeImage)
    if placed is None or placed[1].img_mode == "BGR" or not has_weights(config):
        return []
    message = "is RGB (DecodeImage's default); PaddleOCR's detectors were trained on BGR"
    return [warning(f"{placed[0]}.img_mode", message, "Global.pretrained_model")]


@remedy("lower Global.save_epoch_step")
def save_interval(config: Config) -> list[Fault]:
    """Warn if no checkpoint is kept before the run ends."""
    every, epochs = config.Global.save_epoch_step, config.Global.epoch_num
    if every <= epochs:
        return []
    length = counted(epochs, "epoch")
    message = f"found {every}, but the run has {length}: no iter_epoch_N is ever kept"
    return [warning("Global.save_epoch_step", message, _EPOCHS)]


@remedy("choose a number of epochs within Global.epoch_num")
def evaluation_epochs(config: Config) -> list[Fault]:
    """Warn if the first evaluation, in epochs, comes after the end of the run."""
    every, epochs = config.Global.eval_batch_epoch, config.Global.epoch_num
    if every is None or every <= epochs:
        return []
    message = f"found {every}, but the run has {counted(epochs, 'epoch')}: {_ONLY_ENDS}"
    return [warning("Global.eval_batch_epoch", message, _EPOCHS)]


@remedy("set Global.freeze_bn_stats: true, or raise the batch")
def batch_statistics(config: Config) -> list[Fault]:
    """Warn if batches are too small for batch norms that still learn statistics."""
    size = config.Train.loader.batch_size_per_card
    if config.Global.freeze_bn_stats or size >= FEW_IMAGES or not has_weights(config):
        return []
    message = (
        f"is false with {counted(size, 'image')} in a batch: the statistics that the weights "
        "brought are replaced by those of a few images"
    )
    return [warning("Global.freeze_bn_stats", message, "Train.loader.batch_size_per_card")]


@remedy("choose a number of epochs within Global.epoch_num")
def schedule_length(config: Config) -> list[Fault]:
    """Warn if the schedule's first change comes after the end of the run."""
    lr, epochs = config.Optimizer.lr, config.Global.epoch_num
    faults, length = [], counted(epochs, "epoch")
    if lr.name == "Step" and lr.step_size is not None and lr.step_size >= epochs:
        message = f"found {lr.step_size}, but the run has {length}: the rate never falls"
        faults.append(warning(f"{LR}.step_size", f"{message}; its unit is epochs", _EPOCHS))
    if lr.cycle is not None and "cycle" in lr.USED[lr.name] and lr.cycle > epochs:
        message = f"found {lr.cycle:g}, but the run has {length}: the cosine isn't ended"
        faults.append(warning(f"{LR}.cycle", f"{message}; its unit is epochs", _EPOCHS))
    return faults


ADVICE: tuple[Callable[[Config], list[Fault]], ...] = (
    eval_resize,
    crop_scale,
    preprocessing,
    color_order,
    save_interval,
    evaluation_epochs,
    batch_statistics,
    schedule_length,
    one_data_set,
)


@remedy("lower Train.loader.batch_size_per_card, or set drop_last: false")
def batch_size(config: Config, train_images: int) -> list[Fault]:
    """Warn if an epoch has no whole batch and smaller ones are dropped."""
    loader, key = config.Train.loader, "Train.loader.batch_size_per_card"
    size = loader.batch_size_per_card
    if train_images >= size or train_images == 0:
        return []
    fact = f"found {size}, but an epoch has {counted(train_images, 'image')}"
    if loader.drop_last:
        return [error(key, f"{fact} and drop_last leaves none", "Train.loader.drop_last")]
    return [warning(key, f"{fact}: no batch is ever whole")]


@remedy("set Global.eval_batch_epoch: 1, or a smaller eval_batch_step")
def evaluation_interval(config: Config, train_images: int) -> list[Fault]:
    """Warn if the first evaluation, in steps, comes after the end of the run."""
    first, every = config.Global.eval_batch_step
    total = steps_per_epoch(config, train_images) * config.Global.epoch_num
    follows = config.Global.eval_batch_epoch is not None or config.Global.time_budget is not None
    if follows or first + every <= total or not total:
        return []
    message = (
        f"found [{first}, {every}], but the run has {counted(total, 'step')} on one card "
        f"({counted(train_images, 'image')}): {_ONLY_ENDS}"
    )
    return [warning("Global.eval_batch_step", message, "Train.loader", _EPOCHS)]


@remedy("give fewer warmup_steps, or warmup_epoch")
def warmup_length(config: Config, train_images: int) -> list[Fault]:
    """Warn if the warm-up does not end, or takes most of the run."""
    steps = config.Optimizer.lr.warmup_steps
    total = steps_per_epoch(config, train_images) * config.Global.epoch_num
    if not steps or not total or steps < total or config.Global.time_budget is not None:
        return []
    message = f"found {steps}, but the run has {counted(total, 'step')}: it never reaches its rate"
    return [warning(f"{LR}.warmup_steps", message, "Train.loader", _EPOCHS)]


@remedy(REMEDIES["milestones"])
def moved_milestones(config: Config, train_images: int) -> list[Fault]:
    """Check milestones that a warm-up in steps moves; the config alone tells of one in epochs."""
    per_epoch = steps_per_epoch(config, train_images)
    if not per_epoch or milestones(config):
        return []
    return milestones(config, per_epoch)


def images_per_epoch(config: Config, sources: Sequence[Source]) -> int:
    """Return how many of Train's label lines an epoch draws; 0 if a file can't be read.

    ``sources`` are Train's label files.
    """
    counts, kept = [], 1 - config.Global.val_ratio
    try:
        for source in sources:
            lines = source.label_file.read_bytes().split(b"\n")
            counts.append(sum(bool(line.strip()) for line in lines))
    except OSError:
        return 0
    ratios = config.Train.dataset.ratio_list or (1.0,) * len(sources)
    return sum(round(count * kept * ratio) for count, ratio in zip(counts, ratios, strict=False))


def steps_per_epoch(config: Config, train_images: int) -> int:
    """Count the updates of the weights in an epoch, on one card."""
    loader = config.Train.loader
    whole, rest = divmod(train_images, loader.batch_size_per_card)
    batches = whole + (0 if loader.drop_last or not rest else 1)
    return -(-batches // config.Optimizer.gradient_accumulation_steps)


def _first(config: Config, mode: Mode, kind: type) -> Placed | None:
    return next((item for item in placed_operators(config, mode) if item[1].is_a(kind)), None)


def _limit(operator: OperatorSection) -> tuple[int, str] | None:
    """Return limit_side_len and limit_type; None if the size is given in another way."""
    if operator.image_shape is not None or operator.resize_long is not None:
        return None
    if operator.limit_side_len is None:
        return DEFAULT_LIMIT
    return operator.limit_side_len, operator.limit_type or "min"


def _in_words(operator: OperatorSection) -> str:
    limit = _limit(operator)
    if limit is not None:
        given = "" if operator.limit_side_len else " (its default)"
        return f"limit_side_len: {limit[0]}, limit_type: {limit[1]}{given}"
    return ", ".join(f"{name}: {value}" for name, value in operator.arguments().items())


def _value(operator: OperatorSection, name: str) -> object:
    value = getattr(operator, name)
    return 1 / 255 if name == "scale" and value is None else value


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def has_weights(config: Config) -> bool:
    """Return whether a training starts from weights that are given, not from random ones."""
    return bool(config.Global.pretrained_model or config.Global.checkpoints)
