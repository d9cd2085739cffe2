"""The Optimizer section: what is warned of, what contradicts itself, and what it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.config import inspect_config, load_config
from ppocr_ft.config.run_rules import total_batch_size
from ppocr_ft.errors import ConfigError
from tests.support.config_files import SHIPPED, SMALL, written

LR, GROUPS = "Optimizer.lr", "Optimizer.param_groups"
SCRATCH = "Global.pretrained_model=null"


def sgd(**lr: float) -> str:
    keys = ", ".join(f"{key}: {value}" for key, value in {"learning_rate": 2e-3, **lr}.items())
    return f"Optimizer={{name: Momentum, lr: {{name: Const, {keys}}}}}"


# what is wrong | overrides of small.yml (40 epochs, Adam, Cosine 2e-4) | key | message
ERRORS = [
    (
        "three warm-ups",
        [f"{LR}.warmup_steps=3", f"{LR}.warmup_epoch=1", f"{LR}.warmup_percent=5"],
        f"{LR}.warmup_steps",
        "warmup_steps, warmup_epoch and warmup_percent are all given; keep one of them",
    ),
    ("a warm-up of all", [f"{LR}.warmup_percent=100"], f"{LR}.warmup_percent", "must be below 100"),
    (
        "two clips",
        ["Optimizer.clip_value=1", "Optimizer.clip_norm_global=1"],
        "Optimizer.clip_norm_global",
        "clip_norm_global and clip_value are both given",
    ),
    (
        "milestones in steps",
        [f"{LR}={{name: MultiStepDecay, learning_rate: 1e-4, milestones: [500, 800], gamma: 0.1}}"],
        f"{LR}.milestones",
        "500, 800 are never reached: the run has 40 epochs (Global.epoch_num), and milestones "
        "are epochs: did you mean steps?",
    ),
    (
        "decay_epochs in steps",
        [f"{LR}={{name: Piecewise, decay_epochs: [20, 700], values: [4e-4, 1e-4, 1e-5]}}"],
        f"{LR}.decay_epochs",
        "700 is never reached",
    ),
    (
        "a milestone at the run's end",
        [f"{LR}={{name: MultiStep, learning_rate: 1e-4, milestones: [20, 40], gamma: 0.1}}"],
        f"{LR}.milestones",
        "40 is never reached: the run has 40 epochs",
    ),
    (
        "a milestone that the warm-up moves to the run's end",
        [
            f"{LR}={{name: MultiStepDecay, learning_rate: 1e-4, milestones: [20, 38], gamma: 0.1, "
            "warmup_epoch: 2}"
        ],
        f"{LR}.milestones",
        "38 is never reached: the warm-up moves milestones back by 2 epochs, as in PaddleOCR, "
        "and the run has 40 (Global.epoch_num). Shorten the warm-up, or take name: MultiStep",
    ),
    (
        "milestones that fall",
        [f"{LR}={{name: MultiStepDecay, learning_rate: 1e-4, milestones: [9, 9], gamma: 0.1}}"],
        f"{LR}.milestones",
        "found [9, 9]; each must be later than the one before",
    ),
    (
        "a decay to a random start",
        ["Optimizer.start_decay=0.1", SCRATCH],
        "Optimizer.start_decay",
        "found 0.1, but training starts from random weights",
    ),
    (
        "steps in words",
        ["Optimizer.fresh_first=often"],
        "Optimizer.fresh_first",
        "found 'often', expected a number of steps, or auto; 0: none",
    ),
    (
        "steps below 0",
        ["Optimizer.fresh_first=-1"],
        "Optimizer.fresh_first",
        "found -1, expected a number of steps",
    ),
    (
        "true for steps",
        ["Optimizer.fresh_first=true"],
        "Optimizer.fresh_first",
        "found true, expected a number of steps",
    ),
    (
        "a decay past the start",
        ["Optimizer.start_decay=5000"],
        "Optimizer.start_decay",
        "times learning_rate 0.0002 that is 1, so that each step goes past the starting weights",
    ),
    ("an end above the start", [f"{LR}.min_lr=1e-3"], f"{LR}.min_lr", "above learning_rate 0.0002"),
    (
        "restarts without a length",
        [f"{LR}={{name: CosineRestarts, learning_rate: 1e-4}}"],
        f"{LR}.cycle",
        "missing; CosineRestarts needs it",
    ),
    (
        "a plateau that rises",
        [f"{LR}={{name: ReduceLROnPlateau, learning_rate: 1e-4, factor: 2}}"],
        f"{LR}.factor",
        "found 2; the rate is multiplied by it to fall",
    ),
    (
        "scaling to nothing",
        [f"{LR}.scale_lr=linear"],
        f"{LR}.base_batch_size",
        "missing; scale_lr: linear multiplies by total batch / base_batch_size",
    ),
    (
        "frozen twice",
        [f"{GROUPS}=[{{match: head, freeze: true, freeze_epochs: 2}}, {{match: ''}}]"],
        f"{GROUPS}.0.freeze_epochs",
        "found 2, but freeze is true",
    ),
    (
        "frozen for the whole run",
        [f"{GROUPS}=[no_decay, {{match: '', freeze_epochs: 40}}]"],
        f"{GROUPS}.1.freeze_epochs",
        "found 40; the run has 40 epochs: write freeze: true",
    ),
    ("no pattern", [f"{GROUPS}=[{{lr_mult: 2}}]"], f"{GROUPS}.0.match", "missing"),
    (
        "a bad pattern",
        [f"{GROUPS}=[{{match: (head}}]"],
        f"{GROUPS}.0.match",
        "found '(head', which is no regular expression",
    ),
    (
        "a negative factor",
        [f"{GROUPS}={{match: '', lr_mult: -1}}"],
        f"{GROUPS}.0.lr_mult",
        "found -1, must be 0 or more",
    ),
    (
        "a preset misspelt",
        [f"{GROUPS}=head_frist"],
        f"{GROUPS}.0.preset",
        "unknown preset 'head_frist'; did you mean 'head_first'?",
    ),
    (
        "a preset's key misspelt",
        [f"{GROUPS}=[no_decay, {{preset: layer_decay, decai: 0.7}}]"],
        f"{GROUPS}.1.decai",
        "unknown key of layer_decay; did you mean 'decay'?",
    ),
    ("no group at all", [f"{GROUPS}=3"], GROUPS, "found 3, expected a list"),
    ("no preset at all", [f"{GROUPS}=[3]"], f"{GROUPS}.0", "found 3, expected keys"),
]


@pytest.mark.parametrize(
    ("overrides", "key", "message"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_contradiction(overrides: list[str], key: str, message: str) -> None:
    faults = {f.key: f.message for f in inspect_config(SMALL, overrides).faults}
    assert message in faults.get(key, f"not found; there are {faults}")
    with pytest.raises(ConfigError):
        load_config(SMALL, overrides)


ADAM = "usually takes 1e-4 to 5e-4 from scratch and 10 to 100 times less in fine-tuning"
SGD = "usually takes 1e-3 to 1e-2"
FINDER = "ppocr-ft find-lr -c"
# what is unusual | overrides | key | parts of the message
UNUSUAL = [
    ("Adam, high", [f"{LR}.learning_rate=1e-3"], f"{LR}.learning_rate", [f"Adam {ADAM}", FINDER]),
    ("Adam, low", [f"{LR}.learning_rate=5e-7"], f"{LR}.learning_rate", ["found 5e-07", FINDER]),
    (
        "Adam from scratch, low",
        [SCRATCH, f"{LR}.learning_rate=2e-5"],
        f"{LR}.learning_rate",
        ["found 2e-05"],
    ),
    ("SGD, low", [sgd(learning_rate=1e-4)], f"{LR}.learning_rate", [f"Momentum {SGD}", FINDER]),
    ("SGD, high", [sgd(learning_rate=0.1)], f"{LR}.learning_rate", ["found 0.1"]),
    ("OneCycle", [f"{LR}={{name: OneCycle, max_lr: 1e-2}}"], f"{LR}.max_lr", ["found 0.01"]),
    (
        "the highest of some",
        [f"{LR}={{name: Piecewise, decay_epochs: [2], values: [1e-4, 7e-3]}}"],
        f"{LR}.values",
        ["found 0.007"],
    ),
    (
        "too high by its scaling",
        [f"{LR}.scale_lr=linear", f"{LR}.base_batch_size=4", "Train.loader.batch_size_per_card=16"],
        f"{LR}.learning_rate",
        ["found 0.0002, by scale_lr 0.0008 on one card"],
    ),
    (
        "AdamW's own decay",
        ["Optimizer.name=AdamW"],
        "Optimizer.weight_decay",
        ["not given, so that Paddle's 0.01 applies", "usually trained with 1e-4"],
    ),
    ("SGD's decay", [sgd(), "Optimizer.weight_decay=1e-3"], "Optimizer.weight_decay", ["5e-4"]),
    (
        "a regularizer",
        ["Optimizer.regularizer={name: L2, factor: 0.01}"],
        "Optimizer.regularizer.factor",
        ["found 0.01"],
    ),
    ("a long warm-up", [f"{LR}.warmup_epoch=40"], f"{LR}.warmup_epoch", ["never reaches"]),
    ("a bias alone", [f"{LR}.warmup_bias_lr=0.1"], f"{LR}.warmup_bias_lr", ["without a warm-up"]),
    (
        "a batch size alone",
        [f"{LR}.base_batch_size=8"],
        f"{LR}.base_batch_size",
        ["scale_lr: none"],
    ),
    ("not Adam's", ["Optimizer.use_nesterov=true"], "Optimizer.use_nesterov", ["Momentum"]),
]


@pytest.mark.parametrize(
    ("overrides", "key", "parts"), [row[1:] for row in UNUSUAL], ids=[row[0] for row in UNUSUAL]
)
def test_unusual(overrides: list[str], key: str, parts: list[str]) -> None:
    warnings = load_config(SMALL, overrides).warnings
    (found,) = [fault for fault in warnings if fault.key == key]
    assert not [part for part in parts if part not in found.message], found.message


USUAL = [
    ("Adam from scratch", [SCRATCH, f"{LR}.learning_rate=5e-4"]),
    ("Adam, fine-tuning", [f"{LR}.learning_rate=1e-6"]),
    ("SGD", [sgd(learning_rate=1e-2)]),
    ("SGD's decay", [sgd(), "Optimizer.weight_decay=5e-4"]),
    ("AdamW's decay", ["Optimizer.name=AdamW", "Optimizer.weight_decay=1e-4"]),
    (
        "PaddleOCR's rate for 8 cards, on one",
        [
            f"{LR}.learning_rate=1e-3",
            f"{LR}.scale_lr=linear",
            f"{LR}.base_batch_size=64",
            "Train.loader.batch_size_per_card=8",
        ],
    ),
    (
        "an optimizer without a usual rate",
        ["Optimizer={name: Lamb, lr: {name: Const, learning_rate: 1}}"],
    ),
]


@pytest.mark.parametrize("overrides", [row[1] for row in USUAL], ids=[row[0] for row in USUAL])
def test_usual(overrides: list[str]) -> None:
    assert load_config(SMALL, overrides).warnings == ()


@pytest.mark.parametrize(
    ("scale_lr", "cards", "batch", "accumulated", "factor"),
    [
        ("linear", 8, 8, 1, 1.0),
        ("linear", 1, 8, 1, 0.125),
        ("linear", 2, 4, 4, 0.5),
        ("sqrt", 1, 4, 1, 0.25),
        ("none", 1, 4, 1, 1.0),
    ],
)
def test_scale(scale_lr: str, cards: int, batch: int, accumulated: int, factor: float) -> None:
    overrides = [f"{LR}.scale_lr={scale_lr}", f"{LR}.base_batch_size=64"]
    overrides += [f"Optimizer.gradient_accumulation_steps={accumulated}"]
    config = load_config(SMALL, [*overrides, f"Train.loader.batch_size_per_card={batch}"])
    total = total_batch_size(config, cards)
    assert total == cards * batch * accumulated
    assert config.Optimizer.lr.scale(total) == factor


# as written | as it is read
WRITTEN: list[tuple[str, list[dict[str, Any]]]] = [
    ("no_decay", [{"preset": "no_decay"}]),
    ("[no_decay]", [{"preset": "no_decay"}]),
    ("head_first", [{"preset": "head_first", "backbone": 0.1, "neck": 0.5, "head": 1.0}]),
    ("{preset: layer_decay}", [{"preset": "layer_decay", "decay": 0.8}]),
    (
        "{match: ''}",
        [{"match": "", "lr_mult": 1.0, "freeze": False, "freeze_epochs": 0}],
    ),
    (
        "[{match: ^head, weight_decay: 0}, {preset: head_first, head: 3}]",
        [
            {
                "match": "^head",
                "lr_mult": 1.0,
                "weight_decay": 0.0,
                "freeze": False,
                "freeze_epochs": 0,
            },
            {"preset": "head_first", "backbone": 0.1, "neck": 0.5, "head": 3.0},
        ],
    ),
]


@pytest.mark.parametrize(("text", "wanted"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_forms_of_param_groups(text: str, wanted: list[dict[str, Any]], tmp_path: Path) -> None:
    config = load_config(SMALL, [f"{GROUPS}={text}"])
    assert [group.arguments() for group in config.Optimizer.param_groups or ()] == wanted
    assert load_config(written(tmp_path, config.to_yaml())) == config


@pytest.mark.parametrize(("text", "wanted"), [("null", 0), ("0", 0), ("60", 60), ("auto", "auto")])
def test_forms_of_fresh_first(text: str, wanted: object) -> None:
    config = load_config(SMALL, [f"Optimizer.fresh_first={text}"])
    assert config.Optimizer.fresh_first == wanted


def test_an_override_reaches_into_a_group() -> None:
    overrides = [f"{GROUPS}=[head_first, {{match: x}}]", f"{GROUPS}.1.lr_mult=2"]
    groups = load_config(SMALL, overrides).Optimizer.param_groups
    assert groups is not None
    assert groups[1].arguments()["lr_mult"] == 2


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_configs_ask_for_nothing_unusual(path: Path) -> None:
    assert load_config(path).warnings == ()
