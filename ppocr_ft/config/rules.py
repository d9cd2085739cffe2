"""Rules about the operators of a config, as pure functions ``Config -> list[Fault]``.

A fault carries the key that it is about; ``load_config`` adds file and line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ppocr_ft.config.faults import Fault, error, remedy, tagged, warning
from ppocr_ft.config.run_rules import RUN_RULES
from ppocr_ft.config.schema import Config
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms import MakeBorderMap, MakeShrinkMap
from ppocr_ft.transforms.geometric import GeometricOperator
from ppocr_ft.transforms.image_ops import KeepKeys, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.photometric import PixelOperator
from ppocr_ft.transforms.registry import OperatorSection
from ppocr_ft.transforms.resize import DetResizeForTest
from ppocr_ft.transforms.shrink_schedule import PADDLEOCR_RISE, ShrinkSchedule, ShrinkScheduled

Rule = Callable[[Config], list[Fault]]
Mode = Literal["Train", "Eval"]
Placed = tuple[str, OperatorSection]
"""An operator with its key."""

REQUIRED_KEYS: dict[Mode, tuple[str, ...]] = {
    "Train": ("image", "threshold_map", "threshold_mask", "shrink_map", "shrink_mask"),
    "Eval": ("image", "shape", "polys", "ignore_tags"),
}

ADVICE = {
    "DecodeImage": "it is the first operator",
    "DetLabelEncode": "it follows DecodeImage",
    "DetResizeForTest": "add it after DetLabelEncode, with limit_side_len: 960, limit_type: max",
    "MakeBorderMap": "add it before MakeShrinkMap, with the same shrink_ratio",
    "MakeShrinkMap": "add it after MakeBorderMap, with the same shrink_ratio",
    "NormalizeImage": "add it before ToCHWImage, with order: hwc",
    "ToCHWImage": "add it before KeepKeys",
    "KeepKeys": "it is the last operator",
}
"""The operators that training or evaluation needs, and where each belongs."""
MAP_OPERATORS = ("MakeBorderMap", "MakeShrinkMap")
REQUIRED_OPERATORS: dict[Mode, tuple[str, ...]] = {
    "Train": tuple(name for name in ADVICE if name != "DetResizeForTest"),
    "Eval": tuple(name for name in ADVICE if name not in MAP_OPERATORS),
}


def check_rules(config: Config) -> list[Fault]:
    """Return the faults that all rules find."""
    return [fault for rule in RULES for fault in tagged(rule.__name__, rule(config))]


@remedy("add or remove the operator that the message names")
def required_operators(config: Config) -> list[Fault]:
    """Check that each pipeline has the operators that training or evaluation needs, once."""
    faults = []
    for mode, required in REQUIRED_OPERATORS.items():
        placed = placed_operators(config, mode)
        names = [operator.name for _, operator in placed]
        for name in required:
            if names.count(name) == 0:
                faults.append(error(_pipeline(mode), f"lacks {name}; {ADVICE[name]}"))
            elif names.count(name) > 1:
                again = [key for key, _ in placed if key.endswith(f".{name}")][1]
                faults.append(error(again, "is given twice; keep one of them"))
    return faults


@remedy("add EastRandomCropData or ScaledCrop before MakeBorderMap")
def fixed_size(config: Config) -> list[Fault]:
    """Check that training's images have one size, in multiples of the network's stride."""
    for _, operator in placed_operators(config, "Train"):
        if getattr(operator.OPERATOR, "FINAL", False):
            return []
        if operator.is_a(DetResizeForTest) and operator.image_shape and not operator.keep_ratio:
            return []
    message = (
        "lacks a crop, so that the images of a batch differ in size; add EastRandomCropData or "
        "ScaledCrop before MakeBorderMap"
    )
    return [error(_pipeline("Train"), message)]


@remedy(
    "put the operators in the order DecodeImage, DetLabelEncode, geometry, MakeBorderMap, "
    "MakeShrinkMap, NormalizeImage, ToCHWImage, KeepKeys"
)
def operator_order(config: Config) -> list[Fault]:
    """Check that nothing is before DecodeImage or after KeepKeys, no geometry after the maps."""
    faults = []
    for mode in REQUIRED_OPERATORS:
        placed = placed_operators(config, mode)
        names = [operator.name for _, operator in placed]
        if "DecodeImage" in names[1:] and names[0] != "DecodeImage":
            faults.append(error(placed[0][0], "comes before DecodeImage, which must be the first"))
        if "KeepKeys" in names[:-1] and names[-1] != "KeepKeys":
            faults.append(error(placed[-1][0], "comes after KeepKeys, which must be the last"))
        faults += _geometry_after_maps(placed)
    return faults


def _geometry_after_maps(placed: list[Placed]) -> list[Fault]:
    faults = []
    for i, (key, operator) in enumerate(placed):
        drawn = [(k, op.name) for k, op in placed[:i] if op.name in MAP_OPERATORS]
        if getattr(operator.OPERATOR, "MOVES_TEXTS", False) and drawn:
            maps_key, maps = drawn[0]
            message = (
                f"moves the texts after {maps} has drawn its map, which no longer fits; "
                f"put it before {maps}"
            )
            faults.append(error(key, message, maps_key))
    return faults


@remedy("take the operator out of Eval's transforms; augmentation is for Train")
def eval_augmentation(config: Config) -> list[Fault]:
    """Check that evaluation sees images as they are, without any operator that draws a choice."""
    message = (
        "changes each image at random, so that the evaluation would not be of the images "
        "themselves; augmentation is for Train: take it out of Eval"
    )
    return [
        error(key, message)
        for key, operator in placed_operators(config, "Eval")
        if operator.is_a(GeometricOperator, PixelOperator)
    ]


@remedy("put MakeBorderMap before MakeShrinkMap")
def map_order(config: Config) -> list[Fault]:
    """Check that MakeBorderMap comes first, as in all of PaddleOCR's PP-OCR YAMLs."""
    border, shrink = _pair(config)
    if border is None or shrink is None:
        return []
    keys = [key for key, _ in placed_operators(config, "Train")]
    if keys.index(border[0]) < keys.index(shrink[0]):
        return []
    message = (
        "comes after MakeShrinkMap, so texts that MakeShrinkMap masks or clips get another "
        "border than in PaddleOCR's PP-OCR configs; put it before MakeShrinkMap"
    )
    return [warning(border[0], message, shrink[0])]


@remedy("set NormalizeImage's order: hwc before ToCHWImage, chw after it")
def normalize_layout(config: Config) -> list[Fault]:
    """Check that NormalizeImage's ``order`` is the layout of its input."""
    faults = []
    for mode in REQUIRED_OPERATORS:
        after = False
        for key, operator in placed_operators(config, mode):
            after = after or operator.is_a(ToCHWImage)
            layout = "chw" if after else "hwc"
            if operator.is_a(NormalizeImage) and operator.order != layout:
                place = "after" if after else "before"
                message = f"found {operator.order!r}, but {place} ToCHWImage it is {layout!r}"
                faults.append(error(f"{key}.order", message))
    return faults


@remedy(
    "give MakeBorderMap and MakeShrinkMap the same shrink_ratio, shrink_ratio_end and total_epoch"
)
def shrink_pair(config: Config) -> list[Fault]:
    """Check that MakeBorderMap and MakeShrinkMap follow one schedule."""
    border, shrink = _pair(config)
    if border is None or shrink is None:
        return []
    try:
        ours, theirs = (shrink_schedule(config, operator) for _, operator in (shrink, border))
    except ConfigError:
        return []  # shrink_end's
    if ours.equals(theirs):
        return []
    differing = [
        name
        for name in ("shrink_ratio", "shrink_ratio_end", "total_epoch")
        if getattr(shrink[1], name) != getattr(border[1], name)
    ]
    message = (
        f"MakeShrinkMap's schedule is {ours.describe()}, MakeBorderMap's {theirs.describe()}; both "
        f"draw the same text, so give both the same {' and '.join(differing)}"
    )
    ramps = ((ours, shrink[1]), (theirs, border[1]))
    by_run = any(not of.is_constant and item.total_epoch is None for of, item in ramps)
    horizon = ["Global.epoch_num"] if by_run else []
    return [error(f"{shrink[0]}.{differing[0]}", message, border[0], shrink[0], *horizon)]


@remedy("lower shrink_ratio, or set shrink_ratio_end")
def shrink_end(config: Config) -> list[Fault]:
    """Check that a ramp stays below 1, at which texts would not shrink at all."""
    faults = []
    for key, operator in placed_operators(config, "Train"):
        if operator.is_a(ShrinkScheduled):
            try:
                shrink_schedule(config, operator)
            except ConfigError as reason:
                faults.append(error(f"{key}.{reason.key}", reason.message))
    return faults


@remedy("set gap_weight to 1, or take another main_loss_type")
def weighted_gaps(config: Config) -> list[Fault]:
    """Check that gaps are not weighted in a loss that counts pixels."""
    _, shrink = _pair(config)
    counts = config.Loss.main_loss_type == "BCELoss" and config.Loss.balance_loss
    if shrink is None or shrink[1].gap_weight == 1 or not counts:
        return []
    message = (
        f"found {shrink[1].gap_weight:g}, but BCELoss with balance_loss counts pixels and takes no "
        "weights; give 1, or take DiceLoss or DiceFocalLoss"
    )
    keys = ("Loss.main_loss_type", "Loss.balance_loss")
    return [error(f"{shrink[0]}.gap_weight", message, *keys)]


@remedy("set Architecture.Head.aux_in_channels to the neck's out_channels, or take the weights out")
def aux_heads(config: Config) -> list[Fault]:
    """Check that what ``Loss`` weighs of auxiliary heads comes from a head that has them."""
    weighed = [maps for maps, weight in config.Loss.aux_weights.items() if weight]
    head = config.Architecture.Head
    if not weighed or getattr(head, "aux_in_channels", 0) > 0:
        return []
    first, *others = [f"Loss.{maps.replace('maps', 'weight')}" for maps in weighed]
    advice = "its aux_in_channels is 0; set it to the neck's out_channels, or take the weights out"
    if head.name == "PFHeadLocal":
        advice = "only DBHead can have them; take the weights out"
    also = f", nor has {' and '.join(others)}" if others else ""
    message = f"has no effect{also}: {head.name} has no auxiliary heads, {advice}"
    return [warning(first, message, *others, "Architecture.Head")]


@remedy("set total_epoch to Global.epoch_num, or leave it out and set shrink_ratio_end")
def ramp_length(config: Config) -> list[Fault]:
    """Check that a ramp is as long as the run, neither ending early nor cut off."""
    _, shrink = _pair(config)
    if shrink is None or shrink[1].total_epoch is None:
        return []
    try:
        schedule = shrink_schedule(config, shrink[1])
    except ConfigError:
        return []
    run, ramp, start = config.Global.epoch_num, shrink[1].total_epoch, schedule.start
    if ramp == run or schedule.is_constant:
        return []
    seed = config.Global.seed
    message = (
        f"{ramp} differs from Global.epoch_num {run}: the shrink ratio goes from {start:g} to "
        f"{schedule.ratio(run):.4g} in this run ({schedule.end:g} in epoch {ramp}). PaddleOCR 2.7 "
        f"and 2.8 take the seed for the epoch and would train at a constant {start:g} + "
        f"{PADDLEOCR_RISE:g} * {seed} / {ramp} = {start + PADDLEOCR_RISE * seed / ramp:.4g}; later "
        f"versions stay at {start:g}, but for the latest where ratio_list has one below 1"
    )
    return [warning(f"{shrink[0]}.total_epoch", message, "Global.epoch_num")]


@remedy("add the missing names to keep_keys")
def kept_keys(config: Config) -> list[Fault]:
    """Check that KeepKeys keeps the fields that the loss or the metric needs."""
    faults = []
    for mode, required in REQUIRED_KEYS.items():
        for key, operator in placed_operators(config, mode):
            if not operator.is_a(KeepKeys):
                continue
            missing = [name for name in required if name not in operator.keep_keys]
            if missing:
                user = "the loss" if mode == "Train" else "the metric"
                message = f"lacks {', '.join(missing)}, which {user} needs"
                faults.append(error(f"{key}.keep_keys", message))
    return faults


RULES: tuple[Rule, ...] = (
    required_operators,
    fixed_size,
    operator_order,
    eval_augmentation,
    map_order,
    normalize_layout,
    shrink_pair,
    shrink_end,
    ramp_length,
    weighted_gaps,
    aux_heads,
    kept_keys,
    *RUN_RULES,
)


def _pipeline(mode: Mode) -> str:
    return f"{mode}.dataset.transforms"


def placed_operators(config: Config, mode: Mode) -> list[Placed]:
    """Return a pipeline's operators with their keys."""
    operators = config.dataset(mode).transforms
    return [(f"{_pipeline(mode)}.{i}.{op.name}", op) for i, op in enumerate(operators)]


def shrink_schedule(config: Config, operator: OperatorSection) -> ShrinkSchedule:
    """Return the schedule of a map operator.

    Raises:
        ConfigError: its ramp would reach 1.
    """
    keys = operator.shrink_ratio, operator.shrink_ratio_end, operator.total_epoch
    return ShrinkSchedule.from_keys(*keys, config.Global.epoch_num)


def _pair(config: Config) -> tuple[Placed | None, Placed | None]:
    """Return the two map operators of training, each None if it is missing."""
    placed = placed_operators(config, "Train")
    border = next((item for item in placed if item[1].is_a(MakeBorderMap)), None)
    return border, next((item for item in placed if item[1].is_a(MakeShrinkMap)), None)
