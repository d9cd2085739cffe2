"""What must hold between keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.config import inspect_config, load_config
from ppocr_ft.config.rules import RULES, check_rules, shrink_schedule
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.pipeline import Pipeline
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH, ShrinkScheduled
from tests.support.config_files import SMALL, changed

TRAIN = "Train.dataset.transforms"
EVAL = "Eval.dataset.transforms"
BORDER, SHRINK = f"{TRAIN}.4.MakeBorderMap", f"{TRAIN}.5.MakeShrinkMap"

LAST_TO_CHW = f"{EVAL}.5={{ToCHWImage: }}"
DECAY = "Optimizer.lr={name: DecayLearningRate, learning_rate: 4e-4, factor: 0.9, end_lr: 0}"
ENDS = f"{SHRINK}.shrink_ratio_end=0.6"


def both(*settings: str) -> list[str]:
    """The same setting for both map operators."""
    return [f"{operator}.{setting}" for operator in (BORDER, SHRINK) for setting in settings]


# what is wrong | overrides of small.yml | key | message
ERRORS = [
    (
        "ratios differ",
        [f"{SHRINK}.shrink_ratio=0.6"],
        f"{SHRINK}.shrink_ratio",
        "MakeShrinkMap's schedule is constant 0.6, MakeBorderMap's constant 0.5; both draw the "
        "same text, so give both the same shrink_ratio",
    ),
    (
        "only one ramps",
        [f"{SHRINK}.shrink_ratio_end=0.6"],
        f"{SHRINK}.shrink_ratio_end",
        "is 0.5 -> 0.6 over 40 epochs, MakeBorderMap's constant 0.5",
    ),
    (
        "ramps of different length",
        [*both("shrink_ratio_end=0.6"), f"{BORDER}.total_epoch=30"],
        f"{SHRINK}.total_epoch",
        "is 0.5 -> 0.6 over 40 epochs, MakeBorderMap's 0.5 -> 0.6 over 30 epochs",
    ),
    (
        "total_epoch ramps to 1",
        both("shrink_ratio=0.8", "total_epoch=40"),
        f"{BORDER}.shrink_ratio",
        "found 0.8; with total_epoch 40 and no shrink_ratio_end it rises by 0.2 to 1, which must "
        "stay below 1: lower it or set shrink_ratio_end",
    ),
    (
        "no crop",
        [f"{TRAIN}.3={{ColorJitter: }}"],
        TRAIN,
        "lacks a crop, so that the images of a batch differ in size; add EastRandomCropData or "
        "ScaledCrop before MakeBorderMap",
    ),
    (
        "a resize that keeps the ratio is no crop",
        [f"{TRAIN}.3={{DetResizeForTest: {{image_shape: [320, 320], keep_ratio: true}}}}"],
        TRAIN,
        "lacks a crop, so that",
    ),
    (
        "map missing",
        [f"{TRAIN}.4={{ColorJitter: }}"],
        TRAIN,
        "lacks MakeBorderMap; add it before MakeShrinkMap, with the same shrink_ratio",
    ),
    (
        "map twice",
        [f"{TRAIN}.2={{MakeBorderMap: {{shrink_ratio: 0.5}}}}"],
        f"{BORDER}",
        "is given twice; keep one of them",
    ),
    (
        "geometry after a map",
        [f"{TRAIN}.6={{EastRandomCropData: }}", f"{TRAIN}.3={{NormalizeImage: {{order: hwc}}}}"],
        f"{TRAIN}.6.EastRandomCropData",
        "moves the texts after MakeBorderMap has drawn its map, which no longer fits; put it "
        "before MakeBorderMap",
    ),
    (
        "not decoded first",
        [f"{EVAL}.0={{DetLabelEncode: }}", f"{EVAL}.1={{DecodeImage: }}"],
        f"{EVAL}.0.DetLabelEncode",
        "comes before DecodeImage, which must be the first",
    ),
    (
        "something after KeepKeys",
        [f"{EVAL}.4={{KeepKeys: {{keep_keys: [image, shape, polys, ignore_tags]}}}}", LAST_TO_CHW],
        f"{EVAL}.5.ToCHWImage",
        "comes after KeepKeys, which must be the last",
    ),
    (
        "maps not kept",
        [f"{TRAIN}.KeepKeys.keep_keys=[image, shrink_map, shrink_mask]"],
        f"{TRAIN}.8.KeepKeys.keep_keys",
        "lacks threshold_map, threshold_mask, which the loss needs",
    ),
    (
        "ground truth not kept",
        [f"{EVAL}.KeepKeys.keep_keys=[image, shape, polys]"],
        f"{EVAL}.5.KeepKeys.keep_keys",
        "lacks ignore_tags, which the metric needs",
    ),
    (
        "evaluation without resizing",
        [f"{EVAL}.2={{ColorJitter: }}"],
        EVAL,
        "lacks DetResizeForTest; add it after DetLabelEncode, with limit_side_len: 960",
    ),
    (
        "layout that isn't there yet",
        [f"{EVAL}.NormalizeImage.order=chw"],
        f"{EVAL}.3.NormalizeImage.order",
        "found 'chw', but before ToCHWImage it is 'hwc'",
    ),
    (
        "too few ratios",
        ["Train.dataset.ratio_list=[0.5]"],
        "Train.dataset.ratio_list",
        "has 1 value for 2 files of label_file_list",
    ),
    (
        "too many ratios",
        ["Eval.dataset.ratio_list=[0.5, 1]"],
        "Eval.dataset.ratio_list",
        "has 2 values for 1 file of label_file_list",
    ),
    (
        "schedule without its key",
        ["Optimizer.lr={name: Step, learning_rate: 1e-3, step_size: 3}"],
        "Optimizer.lr.gamma",
        "missing; Step needs it",
    ),
    (
        "no learning rate",
        ["Optimizer.lr.learning_rate=null"],
        "Optimizer.lr.learning_rate",
        "missing; Cosine needs it",
    ),
    (
        "two warm-ups",
        ["Optimizer.lr.warmup_epoch=1", "Optimizer.lr.warmup_steps=10"],
        "Optimizer.lr.warmup_steps",
        "warmup_steps and warmup_epoch are both given; keep one of them",
    ),
    (
        "two decays",
        ["Optimizer.weight_decay=0.1", "Optimizer.regularizer={name: L2Decay, factor: 0.1}"],
        "Optimizer.weight_decay",
        "weight_decay and regularizer are both given; keep one of them",
    ),
    (
        "two clips",
        ["Optimizer.clip_norm=1", "Optimizer.clip_norm_global=1"],
        "Optimizer.clip_norm",
        "clip_norm and clip_norm_global are both given; keep one of them",
    ),
    (
        "rates without epochs",
        ["Optimizer.lr={name: Piecewise, decay_epochs: [3, 5], values: [1e-3, 1e-4]}"],
        "Optimizer.lr.values",
        "has 2 rates for 2 decay_epochs; give 3",
    ),
]


@pytest.mark.parametrize(
    ("overrides", "key", "message"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_contradiction(overrides: list[str], key: str, message: str) -> None:
    faults = [f for f in inspect_config(SMALL, overrides).faults if f.severity == "error"]
    assert key in [fault.key for fault in faults]
    assert message in next(fault.message for fault in faults if fault.key == key)
    with pytest.raises(ConfigError):
        load_config(SMALL, overrides)


# what holds | overrides of small.yml
AGREED = [
    ("constant", both("shrink_ratio=0.7")),
    ("ramp over the run", both("shrink_ratio_end=0.6")),
    ("ramp as PaddleOCR's", both("total_epoch=40")),
    ("one written out", [*both("shrink_ratio=0.4", "total_epoch=40"), ENDS]),
    ("length left out once", [*both("shrink_ratio_end=0.6"), f"{SHRINK}.total_epoch=40"]),
    ("constant all the same", [*both("shrink_ratio_end=0.5"), f"{SHRINK}.total_epoch=3"]),
    ("one ratio for all", ["Train.dataset.ratio_list=0.5"]),
    ("Piecewise", ["Optimizer.lr={name: Piecewise, decay_epochs: [3], values: [4e-4, 1e-4]}"]),
    ("PaddleOCR's poly", [DECAY]),
    (
        "normalised after ToCHWImage",
        [f"{EVAL}.3={{ToCHWImage: }}", f"{EVAL}.4={{NormalizeImage: }}"],
    ),
]


@pytest.mark.parametrize("overrides", [row[1] for row in AGREED], ids=[row[0] for row in AGREED])
def test_no_contradiction(overrides: list[str]) -> None:
    assert load_config(SMALL, overrides).warnings == ()


@pytest.mark.parametrize("overrides", [row[1] for row in AGREED], ids=[row[0] for row in AGREED])
def test_a_schedule_that_the_config_accepts_a_pipeline_accepts(overrides: list[str]) -> None:
    config = load_config(SMALL, overrides)
    placed = [op for op in config.Train.dataset.transforms if op.is_a(ShrinkScheduled)]
    built = [op.build(epoch_num=config.Global.epoch_num) for op in placed]
    assert len(Pipeline(built).operators) == 2
    assert [op.ratio_of({TRUE_EPOCH: 1}) for op in built] == pytest.approx(
        [shrink_schedule(config, op).ratio(1) for op in placed]
    )


def test_ramp_of_another_length_than_the_run_is_explained() -> None:
    config = load_config(SMALL, both("shrink_ratio=0.4", "total_epoch=500"))
    (warning,) = config.warnings
    assert warning.key == f"{SHRINK}.total_epoch"
    assert warning.message == (
        "500 differs from Global.epoch_num 40: the shrink ratio goes from 0.4 to 0.416 in this run "
        "(0.6 in epoch 500). PaddleOCR 2.7 and 2.8 take the seed for the epoch and would train at "
        "a constant 0.4 + 0.2 * 1024 / 500 = 0.8096; later versions stay at 0.4, but for the "
        "latest where ratio_list has one below 1"
    )


def test_ramp_that_ends_before_the_run() -> None:
    config = load_config(SMALL, [*both("shrink_ratio_end=0.6", "total_epoch=10"), "Global.seed=5"])
    (warning,) = config.warnings
    assert "goes from 0.5 to 0.6 in this run" in warning.message
    assert "0.5 + 0.2 * 5 / 10 = 0.6" in warning.message


def test_maps_in_the_other_order_are_a_warning() -> None:
    overrides = [f"{TRAIN}.{i}={{{name}: {{shrink_ratio: 0.5}}}}"
                 for i, name in ((4, "MakeShrinkMap"), (5, "MakeBorderMap"))]  # fmt: skip
    (warning,) = load_config(SMALL, overrides).warnings
    assert (warning.severity, warning.key) == ("warning", f"{TRAIN}.5.MakeBorderMap")
    assert "put it before MakeShrinkMap" in warning.message


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        ("DBHead", "its aux_in_channels is 0; set it to the neck's out_channels, or take"),
        ("PFHeadLocal", "only DBHead can have them; take"),
    ],
)
def test_weights_of_auxiliary_heads_that_are_not_there(head: str, advice: str) -> None:
    weights = ["Loss.aux_weight_p4=0.2", "Loss.aux_weight_p2=0.5"]
    overrides = [*weights, f"Architecture.Head={{name: {head}}}"]
    (warning,) = load_config(SMALL, overrides).warnings
    assert (warning.severity, warning.key) == ("warning", "Loss.aux_weight_p4")
    assert warning.message == (
        f"has no effect, nor has Loss.aux_weight_p2: {head} has no auxiliary heads, {advice} the "
        "weights out"
    )


def test_keys_of_another_optimizer_are_warnings() -> None:
    overrides = [
        "Optimizer.name=Momentum",
        "Optimizer.momentum=0.9",
        "Optimizer.lr.learning_rate=2e-3",
        "Optimizer.beta1=0.9",
        "Optimizer.lr.gamma=0.5",
    ]
    found = {(f.severity, f.key, f.message) for f in load_config(SMALL, overrides).warnings}
    assert found == {
        (
            "warning",
            "Optimizer.beta1",
            "has no effect with Momentum; it belongs to Adam, AdamW, Lamb",
        ),
        (
            "warning",
            "Optimizer.lr.gamma",
            "has no effect with Cosine; it belongs to Step, MultiStep, MultiStepDecay, Exponential",
        ),
    }


def test_rules_are_silent_on_a_good_config_and_carry_no_place() -> None:
    config = load_config(SMALL)
    assert check_rules(config) == []
    assert len({rule.__name__ for rule in RULES}) == len(RULES)


def test_a_rules_fault_stands_in_the_keys_line(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        ("limit_type: max", "limit_type: min"),
        ("ratio_list: [1, 0.5]", "ratio_list: [1]"),
    )
    (fault,) = inspect_config(path).faults
    assert (fault.path, fault.line) == (str(path), 19)
