"""Decay towards the starting weights (L2-SP): its formula, whom it leaves alone, and its state."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from ppocr_ft.config import load_config
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.engine.train_step import Precision, train_step
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory.optimizers import optimizer
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.optim.group_rules import GroupRule
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import Optimizer, build_optimizer
from ppocr_ft.optim.start_decay import StartDecay
from tests.engine.test_train_step import Scaler, batch, small_network
from tests.support.config_files import SMALL

FACTOR, RATE = 3.0, 0.05
GRADIENT = np.array([[1.0, -2.0], [0.5, 4.0]], np.float32)


def two_layers() -> nn.Layer:
    paddle.seed(0)
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias_attr=False))


def decaying(net: nn.Layer, *names: str, name: str = "Momentum", decay: float = 0) -> Optimizer:
    """An optimizer whose ``names`` decay to where they are; the first layer at half the rate."""
    groups = build_groups(net, [GroupRule("^0", 0.5), GroupRule("")], weight_decay=decay)
    starts = {key: tensor for key, tensor in net.named_parameters() if key in names}
    arguments = {"momentum": 0.0} if name == "Momentum" else {}
    start_decay = StartDecay(FACTOR, starts) if names else None
    return build_optimizer(name, groups, arguments, learning_rate=RATE, start_decay=start_decay)


def step(net: nn.Layer, made: Optimizer) -> None:
    """A step in which every weight matrix has the gradient ``GRADIENT``."""
    for parameter in net.parameters():
        gradient = GRADIENT[tuple(slice(n) for n in parameter.shape)] if parameter.ndim > 1 else 0
        (parameter * paddle.to_tensor(gradient)).sum().backward()
    made.step()
    made.clear_grad()


def test_each_step_goes_back_by_rate_times_factor_of_the_way_made() -> None:
    net = two_layers()
    names = ("0.weight", "1.weight")
    start = {name: dict(net.named_parameters())[name].numpy().copy() for name in names}
    wanted = {name: value.astype(np.float64) for name, value in start.items()}
    made = decaying(net, *names)
    for rate in (RATE, 0.02, 0.02):
        made.set_lr(rate)
        step(net, made)
        for name, own_rate in {"0.weight": rate / 2, "1.weight": rate}.items():
            moved = wanted[name] - own_rate * GRADIENT
            wanted[name] = moved - own_rate * FACTOR * (moved - start[name])
    for name, tensor in net.named_parameters():
        if name in names:
            np.testing.assert_allclose(tensor.numpy(), wanted[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["AdamW", "Adam", "Momentum"])
def test_what_has_no_start_learns_as_without(name: str) -> None:
    with_start, without = two_layers(), two_layers()
    made = decaying(with_start, "0.weight", name=name, decay=0.1)
    other = decaying(without, name=name, decay=0.1)
    for _ in range(2):
        step(with_start, made)
        step(without, other)
    pairs = zip(with_start.named_parameters(), without.named_parameters(), strict=True)
    same = {key: np.array_equal(ours.numpy(), theirs.numpy()) for (key, ours), (_, theirs) in pairs}
    assert same == {"0.weight": False, "0.bias": True, "1.weight": True}


def test_a_config_decays_all_that_the_weights_filled_and_that_learns() -> None:
    network = small_network()
    groups = "[{match: ^neck, freeze: true}, {match: ''}]"
    overrides = ["Optimizer.start_decay=0.5", f"Optimizer.param_groups={groups}"]
    made = optimizer(load_config(SMALL, overrides).Optimizer, network, ["head.thresh."])
    assert made.start_decay is not None
    parts = {key.split(".")[0] for key in made.start_decay.state_dict()}
    assert parts == {"backbone", "head"}
    assert not any(key.startswith("head.thresh") for key in made.start_decay.state_dict())
    values = sum(
        tensor.size
        for key, tensor in network.named_parameters()
        if key in made.start_decay.state_dict()
    )
    assert f"{values:,} values decay towards the weights" in made.start_decay.describe()
    assert optimizer(load_config(SMALL).Optimizer, network, []).start_decay is None


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss scaled"])
def test_only_an_applied_step_goes_back(scaled: bool) -> None:
    """The second of three steps has a NaN; a scaler's steps are the plain ones."""
    network, start = small_network(), small_network().state_dict()
    weight = "backbone.conv.conv.weight"
    parameter = dict(network.named_parameters())[weight]
    groups = build_groups(network)
    starts = {weight: parameter}
    plain = {"momentum": 0.0}
    made = build_optimizer(
        "Momentum", groups, plain, learning_rate=0.1, start_decay=StartDecay(5.0, starts)
    )
    precision = Precision(scaler=Scaler(dynamic=False)) if scaled else Precision()
    begun, gradients = parameter.numpy().copy(), []
    parameter.register_hook(lambda grad: gradients.append(grad.numpy() / (8 if scaled else 1)))
    for fill in (None, float("nan"), None):
        train_step(network, [batch(fill=fill)], DBLoss(), made, precision)
    wanted = begun
    for gradient in (gradients[0], gradients[2]):
        moved = wanted - 0.1 * gradient
        wanted = moved - 0.1 * 5 * (moved - begun)
    np.testing.assert_allclose(parameter.numpy(), wanted, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(begun, start[weight].numpy())


def state(*names: str) -> TrainState:
    net = two_layers()
    return TrainState(Progress(1, 4), net, decaying(net, *names, name="AdamW"), LossWindow(3))


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_resumed_run_has_the_starting_weights_of_step_0(steps: int) -> None:
    first = state("0.weight", "0.bias")
    for _ in range(steps):
        step(first.network, first.optimizer)
    second = state("0.weight", "0.bias")
    for parameter in second.network.parameters():
        parameter.set_value(parameter + 1)
    second.restore(first.arrays())
    for run in (first, second):
        step(run.network, run.optimizer)
    ours, theirs = first.arrays(), second.arrays()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    begun = two_layers()[0].weight.numpy()
    np.testing.assert_array_equal(theirs["optimizer/0.weight.start"], begun)


@pytest.mark.parametrize(
    ("saved", "ours", "part"),
    [
        ((), ("0.weight",), "resume with Optimizer.start_decay=0, or start anew from its weights"),
        (("0.weight",), (), "resume with the run's Optimizer.start_decay"),
        (("0.weight",), ("1.weight",), "holds starting weights of other parameters"),
    ],
    ids=["run without", "run with", "others"],
)
def test_a_state_that_does_not_fit_is_refused(
    saved: tuple[str, ...], ours: tuple[str, ...], part: str
) -> None:
    arrays = state(*saved).arrays()
    with pytest.raises(WeightsError, match=part):
        state(*ours).restore(arrays)
