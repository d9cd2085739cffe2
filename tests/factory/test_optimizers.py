"""From the Optimizer section to rates, parameter groups and optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.config.run_rules import warmup_steps
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.learning_rates import learning_rate
from ppocr_ft.factory.optimizers import optimizer, param_groups
from ppocr_ft.models.architecture import DetectionNetwork, build_detector
from ppocr_ft.optim.configs import OPTIMIZERS
from ppocr_ft.optim.groups import ParamGroups
from ppocr_ft.optim.rates import FreshFirst, LrSchedules
from tests.support.config_files import SHIPPED, SMALL
from tests.support.small_run import small_config

EPOCHS, PER_EPOCH = 5, 4


def rates(
    lr: str, name: str = "Adam", *more: str, world_size: int = 1, **options: Any
) -> LrSchedules:
    """Of 5 epochs of 4 steps."""
    section = f"Optimizer={{name: {name}, lr: {lr}}}"
    config = load_config(SMALL, [f"Global.epoch_num={EPOCHS}", section, *more])
    return learning_rate(config, PER_EPOCH, world_size=world_size, **options)


# Optimizer.lr | rates by step, counted from 0, by hand
RATES = [
    ("{name: Cosine, learning_rate: 0.1, min_lr: 0.02}", {0: 0.1, 10: 0.06, 20: 0.02}),
    ("{name: CosineRestarts, learning_rate: 0.1, cycle: 1}", {0: 0.1, 2: 0.05, 4: 0.1, 6: 0.05}),
    (
        "{name: CyclicalCosine, learning_rate: 0.1, cycle: 1, cycle_growth: 2, min_lr: 0.02}",
        {2: 0.06, 4: 0.1, 8: 0.06, 12: 0.1},
    ),
    (
        "{name: CosineRestarts, learning_rate: 0.1, cycle: 0.5, warmup_steps: 3}",
        {2: 0.2 / 3, 3: 0.1, 4: 0.05, 5: 0.1},
    ),
    (
        "{name: Const, learning_rate: 0.1, warmup_percent: 20}",
        {0: 0, 1: 0.025, 3: 0.075, 4: 0.1, 5: 0.1},
    ),
    ("{name: Const, learning_rate: 0.1, warmup_epoch: 0.5}", {0: 0, 1: 0.05, 2: 0.1}),
    (
        "{name: Const, learning_rate: 0.1, warmup_steps: 2, warmup_start_lr: 0.06}",
        {0: 0.06, 1: 0.08, 2: 0.1},
    ),
    (
        "{name: MultiStepDecay, learning_rate: 0.1, milestones: [1, 3], gamma: 0.1, "
        "warmup_epoch: 1}",
        {3: 0.075, 4: 0.1, 7: 0.1, 8: 0.01, 15: 0.01, 16: 0.001, 19: 0.001},
    ),
    (
        "{name: Step, learning_rate: 0.1, step_size: 2, gamma: 0.5, warmup_steps: 2}",
        {1: 0.05, 2: 0.1, 11: 0.1, 12: 0.05, 19: 0.05},
    ),
]  # fmt: skip


WARMUPS = ("", ", warmup_epoch: 1", ", warmup_steps: 6", ", warmup_percent: 30")


@pytest.mark.parametrize("warmup", WARMUPS)
def test_multi_step_falls_after_its_epochs_whatever_the_warm_up(warmup: str) -> None:
    """5 epochs of 4 steps. Of the last step of each epoch: 0.1, and a tenth of it after 2 and 4."""
    rate = rates(f"{{name: MultiStep, learning_rate: 0.1, milestones: [2, 4], gamma: 0.1{warmup}}}")
    after_warmup = {7: 0.1, 8: 0.01, 11: 0.01, 15: 0.01, 16: 0.001, 19: 0.001}
    assert {step: rate(step) for step in after_warmup} == pytest.approx(after_warmup)


# schedule and its milestones | last step of epochs 1 to 5, with a warm-up of one epoch
MOVED = [
    (
        "name: MultiStepDecay, learning_rate: 0.1, milestones: [2, 3], gamma: 0.1",
        [0.1, 0.1, 0.1, 0.01, 0.001],
    ),
    (
        "name: Piecewise, decay_epochs: [2, 3], values: [0.1, 0.01, 0.001]",
        [0.1, 0.1, 0.1, 0.01, 0.001],
    ),
    (
        "name: MultiStep, learning_rate: 0.1, milestones: [2, 3], gamma: 0.1",
        [0.1, 0.1, 0.01, 0.001, 0.001],
    ),
]


@pytest.mark.parametrize(("lr", "wanted"), MOVED)
def test_paddleocrs_names_keep_its_shift(lr: str, wanted: list[float]) -> None:
    rate = rates(f"{{{lr}, warmup_epoch: 1}}")
    lasts = [rate(step) for step in (3, 7, 11, 15, 19)]
    assert lasts == pytest.approx([0.1 * 3 / 4, *wanted[1:]])


FOUR_ALONE = FreshFirst(4, 0.3)
# Optimizer.lr after 4 of 20 steps in which fresh parts learn alone | rates by step, by hand
AFTER_FRESH = [
    ("{name: Const, learning_rate: 0.1}", {4: 0.1, 19: 0.1}),
    ("{name: Const, learning_rate: 0.1, warmup_steps: 2}", {4: 0, 5: 0.05, 6: 0.1}),
    ("{name: Cosine, learning_rate: 0.1}", {4: 0.1, 12: 0.05, 20: 0}),
    ("{name: Cosine, learning_rate: 0.1, warmup_steps: 2}", {4: 0, 5: 0.05, 6: 0.1, 14: 0.05}),
    ("{name: Linear, learning_rate: 0.1}", {4: 0.1, 8: 0.075, 20: 0}),
    ("{name: CosineRestarts, learning_rate: 0.1, cycle: 1}", {4: 0.1, 6: 0.05, 8: 0.1}),
    ("{name: OneCycle, max_lr: 0.1}", {4: 0.004, 19: 0.1 / 25e4}),
    (
        "{name: MultiStep, learning_rate: 0.1, milestones: [3], gamma: 0.1, warmup_steps: 2}",
        {4: 0, 5: 0.05, 6: 0.1, 11: 0.1, 12: 0.01},
    ),
    (
        "{name: MultiStepDecay, learning_rate: 0.1, milestones: [2], gamma: 0.1, warmup_steps: 2}",
        {4: 0, 5: 0.05, 6: 0.1, 11: 0.1, 12: 0.01},
    ),
]


@pytest.mark.parametrize(("lr", "wanted"), AFTER_FRESH, ids=[lr for lr, _ in AFTER_FRESH])
def test_the_schedule_begins_after_the_steps_of_fresh_parts(
    lr: str, wanted: dict[int, float]
) -> None:
    rate = rates(lr, first=FOUR_ALONE)
    assert [rate(step) for step in range(4)] == [0.3] * 4
    assert {step: rate(step) for step in wanted} == pytest.approx(wanted, abs=1e-12)
    assert [rate.is_fresh_alone(step) for step in (0, 3, 4, 19)] == [True, True, False, False]


def test_the_schedule_begins_earlier_where_the_steps_of_fresh_parts_end_earlier() -> None:
    done: list[int | None] = [None]
    lr = "{name: Linear, learning_rate: 0.1}"
    rate = rates(lr, first=FreshFirst(10, 0.3, auto=True), fresh_steps=lambda: done[0])
    assert [rate(step) for step in (0, 9, 10)] == pytest.approx([0.3, 0.3, 0.1])
    done[0] = 4
    assert [rate(step) for step in (3, 4, 8)] == pytest.approx([0.3, 0.1, 0.075])


def test_evaluations_of_the_steps_of_fresh_parts_are_no_plateau() -> None:
    lr = "{name: ReduceLROnPlateau, learning_rate: 0.1, patience: 0, factor: 0.5}"
    history = [(2, 0.5), (4, 0.4), (8, 0.3), (12, 0.2)]
    rate = rates(lr, first=FOUR_ALONE, evaluations=lambda: history)
    assert [rate(step) for step in (4, 8, 12)] == [0.1, 0.1, 0.05]


def test_biases_have_the_rate_of_fresh_parts_too() -> None:
    rate = rates("{name: Const, learning_rate: 0.1, warmup_steps: 2}", "Momentum", first=FOUR_ALONE)
    assert [rate.bias(step) for step in (0, 3)] == [0.3, 0.3]
    assert [rate.bias(step) for step in (4, 5, 6)] == pytest.approx([1.0, 0.55, 0.1])


def test_a_milestone_within_the_warm_up_lowers_the_rest_of_it() -> None:
    """The warm-up takes 8 steps; the rate drops after 4 of them."""
    lr = "{name: MultiStep, learning_rate: 0.8, milestones: [1], gamma: 0.1, warmup_epoch: 2}"
    wanted = {0: 0, 3: 0.3, 4: 0.04, 7: 0.07, 8: 0.08, 19: 0.08}
    assert {step: rates(lr)(step) for step in wanted} == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("lr", "key", "message"),
    [
        (
            "name: MultiStepDecay, learning_rate: 0.1, milestones: [2, 4], gamma: 0.1, "
            "warmup_steps: 3",
            "Optimizer.lr.milestones",
            "4 is never reached: the warm-up moves milestones back by 1 epoch",
        ),
        (
            "name: Piecewise, decay_epochs: [4], values: [0.1, 0.01], warmup_steps: 1",
            "Optimizer.lr.decay_epochs",
            "take name: MultiStep",
        ),
    ],
)
def test_a_milestone_that_a_warm_up_in_steps_moves_out_of_the_run(
    lr: str, key: str, message: str
) -> None:
    """Only the data tells how many epochs the steps are."""
    with pytest.raises(ConfigError) as caught:
        rates(f"{{{lr}}}")
    assert caught.value.key == key
    assert message in caught.value.message


@pytest.mark.parametrize(("lr", "wanted"), RATES, ids=[lr for lr, _ in RATES])
def test_rates_around_each_boundary(lr: str, wanted: dict[int, float]) -> None:
    rate = rates(lr)
    assert {step: rate(step) for step in wanted} == pytest.approx(wanted)
    again = rates(lr)  # as after a resume: asked for in any order, by another object
    assert [again(step) for step in reversed(wanted)] == [rate(step) for step in reversed(wanted)]


def test_a_plateaus_rate_waits_for_the_warm_up() -> None:
    history = [(0, 0.9), (2, 0.8), (4, 0.5), (8, 0.4), (12, 0.3)]
    lr = "{name: ReduceLROnPlateau, learning_rate: 0.1, factor: 0.5, patience: 0, warmup_steps: 3}"
    rate = rates(lr, evaluations=lambda: history)
    wanted = {0: 0, 2: 0.2 / 3, 3: 0.1, 7: 0.1, 8: 0.05, 11: 0.05, 12: 0.025}
    assert {step: rate(step) for step in wanted} == pytest.approx(wanted)
    assert rates(lr)(12) == 0.1


def test_a_plateau_has_paddles_defaults() -> None:
    history = [(4 * n, 0.5) for n in range(1, 13)]
    rate = rates("{name: ReduceLROnPlateau, learning_rate: 0.1}", evaluations=lambda: history)
    assert [rate(4 * n) for n in (11, 12)] == pytest.approx([0.1, 0.01])


# optimizer | Optimizer.lr | first rates of weights and biases, those of step 2 of 4
WARMUPS = [
    ("Momentum", "learning_rate: 0.01", (0, 0.1), (0.005, 0.055)),
    ("Momentum", "learning_rate: 0.01, warmup_bias_lr: 0.03", (0, 0.03), (0.005, 0.02)),
    ("Momentum", "learning_rate: 0.01, warmup_bias_lr: 0", (0, 0), (0.005, 0.005)),
    ("Adam", "learning_rate: 0.01", (0, 0), (0.005, 0.005)),
    ("AdamW", "learning_rate: 0.01, warmup_bias_lr: 0.02", (0, 0.02), (0.005, 0.015)),
    ("RMSProp", "learning_rate: 0.01, warmup_start_lr: 0.002", (0.002, 0.002), (0.006, 0.006)),
]


@pytest.mark.parametrize(("name", "lr", "first", "half"), WARMUPS)
def test_warm_up_by_kind(
    name: str, lr: str, first: tuple[float, float], half: tuple[float, float]
) -> None:
    text = f"{{name: Const, {lr}, warmup_steps: 4}}"
    rate = rates(text, name)
    for step, wanted in ((0, first), (2, half), (4, (0.01, 0.01)), (9, (0.01, 0.01))):
        assert (rate(step), rate.bias(step)) == pytest.approx(wanted), step
    section = f"Optimizer={{name: {name}, lr: {text}}}"
    config = load_config(SMALL, [section])
    groups = optimizer(config.Optimizer, build_detector("PP-OCRv3_mobile_det"), []).groups.groups
    apart = [group for group in groups if group.settings.biases]
    assert bool(apart) == (first[0] != first[1])
    assert all(name.endswith("bias") for group in apart for name in group.names)


def test_every_rate_is_scaled_and_the_product_is_told() -> None:
    lr = (
        "{name: Cosine, learning_rate: 0.001, min_lr: 0.0001, warmup_steps: 4, "
        "warmup_bias_lr: 0.01, scale_lr: linear, base_batch_size: 64}"
    )
    batch = ["Train.loader.batch_size_per_card=4", "Optimizer.gradient_accumulation_steps=2"]
    rate = rates(lr, "Momentum", *batch, world_size=2)
    assert rate.bias(0) == pytest.approx(0.0025)
    assert [rate(step) for step in (4, 24)] == pytest.approx([0.00025, 0.000025])
    assert rate.remark == (
        "learning rates: x 16 / 64 (scale_lr: linear; total batch = 2 cards x 4 x 2 "
        "accumulated), so learning_rate 0.001 becomes 0.00025"
    )
    assert (
        "x sqrt(8 / 32)"
        in rates(
            "{name: OneCycle, max_lr: 1e-3, scale_lr: sqrt, base_batch_size: 32}", "Adam", *batch
        ).remark
    )
    assert rates("{name: Const, learning_rate: 0.1}").remark == ""


def test_paddleocrs_rate_for_8_cards_of_8_runs_as_such() -> None:
    lr = "{name: Const, learning_rate: 0.001, scale_lr: linear, base_batch_size: 64}"
    assert rates(lr, "Adam", "Train.loader.batch_size_per_card=8", world_size=8)(0) == 0.001
    assert rates(lr, "Adam", "Train.loader.batch_size_per_card=8")(0) == 0.001 / 8


@pytest.fixture(scope="module")
def detector() -> DetectionNetwork:
    return build_detector("PP-OCRv4_mobile_det")


def grouped(
    detector: DetectionNetwork, text: str, *more: str, fresh: Sequence[str] = ()
) -> ParamGroups:
    section = "Optimizer={name: AdamW, weight_decay: 0.0001, lr: {learning_rate: 1e-4}}"
    config = load_config(SMALL, [section, f"Optimizer.param_groups={text}", *more])
    return param_groups(config.Optimizer, detector, fresh)


def multiples(groups: ParamGroups) -> dict[str, float]:
    return {name: group.settings.lr_mult for group in groups.groups for name in group.names}


FIRST, STAGE, LAST = "backbone.conv1.conv.weight", "blocks2", "backbone.layer_list.0.weight"
NECK, HEAD, FRESH = (
    "neck.ins_conv.0.in_conv.weight",
    "head.binarize.conv1.weight",
    "head.thresh.conv1.weight",
)
# param_groups | factors of conv1, layer_list, neck, binarize head, threshold head (fresh, x 5)
FACTORS = [
    ("null", (1, 1, 1, 1, 5)),
    ("no_decay", (1, 1, 1, 1, 5)),
    ("head_first", (0.1, 0.1, 0.5, 1, 5)),
    ("[no_decay, {preset: head_first, backbone: 0}]", (0, 0, 0.5, 1, 5)),
    ("{preset: layer_decay, decay: 0.5}", (0.5**7, 0.5, 1, 1, 5)),
    ("[{match: ^head.thresh, lr_mult: 2}, head_first]", (0.1, 0.1, 0.5, 1, 10)),
    ("[{match: ^backbone.conv1, lr_mult: 3}, layer_decay]", (3, 0.8, 1, 1, 5)),
    ("[{match: conv1, lr_mult: 3}, {match: ''}]", (3, 1, 1, 3, 15)),
]


@pytest.mark.parametrize(("text", "factors"), FACTORS, ids=[text for text, _ in FACTORS])
def test_factors_multiply_with_that_of_fresh_layers(
    text: str, factors: tuple[float, ...], detector: DetectionNetwork
) -> None:
    groups = grouped(detector, text, "Optimizer.fresh_lr_mult=5", fresh=["head.thresh."])
    found = multiples(groups)
    names = (FIRST, LAST, NECK, HEAD, FRESH)
    assert [found[name] for name in names] == pytest.approx(factors)
    scalars = found["backbone.blocks2.0.dw_conv.lab.scale"]
    assert scalars == pytest.approx(0.1 * found["backbone.blocks2.0.dw_conv.conv_1x1.conv.weight"])


def test_no_decay_is_about_biases_norms_and_scalars_of_all_groups(
    detector: DetectionNetwork,
) -> None:
    groups = grouped(detector, "[head_first, no_decay]")
    decayed = {n for g in groups.groups if g.settings.weight_decay for n in g.names}
    shapes = {name: len(p.shape) for name, p in detector.named_parameters() if not p.stop_gradient}
    assert decayed == {name for name, dimensions in shapes.items() if dimensions > 1}
    assert {"backbone.blocks2.0.dw_conv.lab.scale", "head.binarize.conv_bn1.bias"} <= shapes.keys()


def test_equal_groups_of_presets_merge(detector: DetectionNetwork) -> None:
    """Neck and head at the same factor, whatever rule gave it."""
    groups = grouped(detector, "{preset: head_first, backbone: 1, neck: 1}")
    assert len(groups.groups) == len(grouped(detector, "null").groups)
    assert groups.groups[0].matches == ("backbone", "neck", "head")


# what is wrong | param_groups | key | part of the message
WRONG = [
    (
        "uncovered",
        "[{match: ^backbone}, {match: ^neck}]",
        "Optimizer.param_groups",
        "head.binarize.conv1.weight",
    ),
    (
        "unused",
        "[no_decay, {match: bakbone}, head_first]",
        "Optimizer.param_groups[1].match",
        "'bakbone': matches nothing; the names start with backbone, neck, head",
    ),
    (
        "shadowed",
        "[{match: ''}, {match: ^head}]",
        "Optimizer.param_groups[1].match",
        "all its 18 parameters go to earlier groups",
    ),
    (
        "a preset shadowed",
        "[{match: ''}, layer_decay]",
        "Optimizer.param_groups[1].preset",
        "go to earlier groups",
    ),
    (
        "all frozen",
        "{match: '', freeze_epochs: 1}",
        "Optimizer.param_groups",
        "nothing is left to train in the first epoch",
    ),
]


@pytest.mark.parametrize(("text", "key", "part"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_faults_are_named(text: str, key: str, part: str, detector: DetectionNetwork) -> None:
    with pytest.raises(ConfigError) as caught:
        grouped(detector, text)
    assert caught.value.key == key
    assert part in str(caught.value)


# PaddleOCR's keys of each optimizer | where Paddle's own has them
PADDLEOCRS = [
    ("Adam", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6}, ("_beta1", "_beta2", "_epsilon")),
    ("AdamW", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6}, ("_beta1", "_beta2", "_epsilon")),
    ("Momentum", {"momentum": 0.7, "use_nesterov": True}, ("_momentum", "_use_nesterov")),
    (
        "RMSProp",
        {"momentum": 0.5, "rho": 0.7, "epsilon": 1e-4, "centered": True},
        ("_momentum", "_rho", "_epsilon", "_centered"),
    ),
    (
        "Adagrad",
        {"epsilon": 1e-4, "initial_accumulator_value": 0.5},
        ("_epsilon", "initial_accumulator_value"),
    ),
    ("Lamb", {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-5}, ("_beta1", "_beta2", "_epsilon")),
]


@pytest.mark.parametrize(
    ("name", "keys", "attributes"), PADDLEOCRS, ids=[name for name, _, _ in PADDLEOCRS]
)
def test_each_optimizer_takes_paddleocrs_keys(
    name: str, keys: dict[str, Any], attributes: tuple[str, ...], detector: DetectionNetwork
) -> None:
    overrides = [f"Optimizer={{name: {name}, lr: {{learning_rate: 0.001}}}}"]
    overrides += [f"Optimizer.{key}={value}" for key, value in keys.items()]
    made = optimizer(load_config(SMALL, overrides).Optimizer, detector, [])
    assert [getattr(made.inner, attribute) for attribute in attributes] == list(keys.values())
    assert type(made.inner).__mro__[-2].__module__.startswith("paddle.optimizer")


def test_each_optimizer_is_tried_above() -> None:
    assert {name for name, _, _ in PADDLEOCRS} == set(OPTIMIZERS)


@pytest.mark.parametrize(
    ("override", "kind"),
    [("clip_norm", "norm"), ("clip_norm_global", "global_norm"), ("clip_value", "value")],
)
def test_clips(override: str, kind: str, detector: DetectionNetwork) -> None:
    config = load_config(SMALL, [f"Optimizer.{override}=0.5"])
    clip = optimizer(config.Optimizer, detector, []).gradient_clip
    assert clip is not None
    assert (clip.kind, clip.limit) == (kind, 0.5)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yml")), ids=lambda path: path.stem)
def test_shipped_warm_ups_end_in_their_first_epoch(path: Path) -> None:
    config = load_config(path)
    rate, steps = learning_rate(config, 100), warmup_steps(config, 100)
    assert 0 < steps <= 100
    peak = config.Optimizer.lr.learning_rate
    assert rate(steps) == peak
    assert rate.biases is None
    assert rate(steps - 1) == pytest.approx(peak * (steps - 1) / steps)


def test_rates_reach_the_weights(tmp_path: Path) -> None:
    """Two groups, the factor 0.5 between them: one step of plain SGD, by hand."""
    section = "Optimizer={name: Momentum, momentum: 0, lr: {learning_rate: 0.01}}"
    groups = "Optimizer.param_groups=[{match: ^neck, lr_mult: 0.5}, {match: ''}]"
    config = load_config(small_config(tmp_path), [section, groups])
    net = build_detector("PP-OCRv3_mobile_det")
    made = optimizer(config.Optimizer, net, [])
    before = {name: p.numpy().copy() for name, p in net.named_parameters()}
    net.train()
    net(paddle.ones([1, 3, 32, 32]))["maps"].sum().backward()
    gradients = {n: p.grad.numpy().copy() for n, p in net.named_parameters() if p.grad is not None}
    made.set_lr(0.01)
    made.step()
    for name, parameter in net.named_parameters():
        if name in gradients:
            rate = 0.005 if name.startswith("neck.") else 0.01
            wanted = before[name] - np.float32(rate) * gradients[name]
            np.testing.assert_allclose(parameter.numpy(), wanted, rtol=1e-5, atol=1e-7)
