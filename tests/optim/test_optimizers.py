"""Paddle's optimizers over parameter groups, against Paddle itself and hand-computed steps."""

from __future__ import annotations

import copy
import math
from typing import Any, Literal

import numpy as np
import paddle
import pytest
from paddle import nn

from ppocr_ft.config import load_config
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.engine.train_step import Precision, train_step
from ppocr_ft.errors import ConfigError, WeightsError
from ppocr_ft.factory.optimizers import optimizer
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.optim.configs import OPTIMIZERS
from ppocr_ft.optim.group_rules import GroupRule
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import GradientClip, Optimizer, StartDecay, build_optimizer
from ppocr_ft.optim.schedules import OneCycle, scaled
from tests.engine.test_train_step import Scaler, batch, small_network
from tests.support.config_files import SMALL

L2Decay = paddle.regularizer.L2Decay


class Net(nn.Layer):
    """Every kind of parameter: usual, with a factor, with a regularizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        slow = paddle.ParamAttr(learning_rate=0.1)
        own = paddle.ParamAttr(regularizer=L2Decay(0.3))
        none = paddle.ParamAttr(regularizer=L2Decay(0.0))
        self.body = nn.Linear(3, 4, weight_attr=own, bias_attr=slow)
        self.head = nn.Linear(4, 2, bias_attr=none)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.head(paddle.tanh(self.body(x)))


def network(seed: int = 0) -> Net:
    made, draw = Net(), np.random.default_rng(seed)
    for parameter in made.parameters():
        parameter.set_value(draw.uniform(-1, 1, parameter.shape).astype(np.float32))
    return made


def learn(net: nn.Layer, optimizer: Any, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        x = np.random.default_rng(100 + step).uniform(-1, 1, (8, 3)).astype(np.float32)
        net(paddle.to_tensor(x)).square().sum().backward()
        optimizer.step()
        optimizer.clear_grad()


def values(net: nn.Layer) -> dict[str, np.ndarray]:
    return {name: p.numpy().copy() for name, p in net.named_parameters()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("weight_decay", [0.0, 0.05], ids=["no decay", "decay"])
def test_without_rules_it_steps_as_paddles_own(name: str, weight_decay: float) -> None:
    """The network's own factors and regularizers included, bit for bit."""
    ours, theirs = network(), network()
    groups = build_groups(ours, weight_decay=weight_decay)
    key = "lamb_weight_decay" if name == "Lamb" else "weight_decay"
    paddles = getattr(paddle.optimizer, name)(
        learning_rate=0.01, parameters=theirs.parameters(), **{key: weight_decay}
    )
    learn(ours, build_optimizer(name, groups, learning_rate=0.01), 3)
    learn(theirs, paddles, 3)
    assert same(values(ours), values(theirs))


def one_weight(name: str, weight_decay: float, penalty: Any = "L2", **arguments: float) -> float:
    """A weight of 2 with gradient 1, after one step at rate 0.1."""
    net = nn.Linear(1, 1, bias_attr=False)
    net.weight.set_value(np.array([[2.0]], np.float32))
    groups = build_groups(net, weight_decay=weight_decay)
    optimizer = build_optimizer(name, groups, arguments, learning_rate=0.1, penalty=penalty)
    net(paddle.ones([1, 1])).sum().backward()
    optimizer.step()
    return float(net.weight.item())


STEPS: list[tuple[str, str, float, str, dict[str, float], float]] = [
    ("Adam: its step is the rate, L2 only turns it", "Adam", 0.5, "L2", {}, 2 - 0.1),
    ("AdamW: decay beside the step", "AdamW", 0.5, "L2", {}, 2 * (1 - 0.1 * 0.5) - 0.1),
    ("SGD: L2 is in the gradient", "Momentum", 0.5, "L2", {}, 2 - 0.1 * (1 + 0.5 * 2)),
    ("SGD: L1 is in the gradient", "Momentum", 0.5, "L1", {}, 2 - 0.1 * (1 + 0.5)),
    ("Nesterov", "Momentum", 0.0, "L2", {"use_nesterov": True}, 2 - 0.1 * (1 + 0.9)),
    ("RMSProp", "RMSProp", 0.0, "L2", {"rho": 0.75}, 2 - 0.1 / math.sqrt(0.25)),
    ("Adagrad: L2", "Adagrad", 0.5, "L2", {"initial_accumulator_value": 12.0}, 2 - 0.1 * 2 / 4),
    # step = 1 + 0.5 * 2 = 2, |w| / |step| = 1
    ("Lamb: trust ratio times step and decay", "Lamb", 0.5, "L2", {}, 2 - 0.1 * (2 / 2) * 2),
]


@pytest.mark.parametrize(
    ("name", "decay", "penalty", "arguments", "wanted"),
    [s[1:] for s in STEPS],
    ids=[s[0] for s in STEPS],
)
def test_one_step(
    name: str, decay: float, penalty: str, arguments: dict[str, float], wanted: float
) -> None:
    assert one_weight(name, decay, penalty, **arguments) == pytest.approx(wanted, abs=2e-6)


def test_a_groups_factor_and_the_rate_of_the_step() -> None:
    net = network()
    before = values(net)
    rules = [GroupRule("^body", lr_mult=0.5), GroupRule("")]
    optimizer = build_optimizer(
        "Momentum", build_groups(net, rules), {"momentum": 0.0}, learning_rate=1.0
    )
    net(paddle.ones([1, 3])).sum().backward()
    gradients = {name: p.grad.numpy() for name, p in net.named_parameters()}
    optimizer.set_lr(0.2)
    optimizer.step()
    own = 0.3 * before["body.weight"]
    assert np.allclose(
        values(net)["head.weight"], before["head.weight"] - 0.2 * gradients["head.weight"]
    )
    body = before["body.weight"] - 0.1 * (gradients["body.weight"] + own)
    assert np.allclose(values(net)["body.weight"], body)
    bias = before["body.bias"] - 0.01 * gradients["body.bias"]  # 0.2 * 0.5 * its own 0.1
    assert np.allclose(values(net)["body.bias"], bias)
    assert sorted(optimizer.group_lrs().values()) == pytest.approx([0.01, 0.1, 0.2, 0.2])


def test_a_rates_change_between_steps_is_used() -> None:
    net = network()
    optimizer = build_optimizer("Momentum", build_groups(net), learning_rate=0.1)
    learn(net, optimizer, 1)
    before = values(net)
    optimizer.set_lr(0.0)
    learn(net, optimizer, 1)
    assert same(before, values(net))
    assert optimizer.get_lr() == 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_second_optimizer_of_the_network_steps_as_the_first(name: str) -> None:
    """Factors aren't applied twice, nor an earlier optimizer's decay kept."""
    twice, once = network(), network()
    for wrong in ("Momentum", "AdamW", "Lamb", "Adam"):
        build_optimizer(wrong, build_groups(twice, weight_decay=9.0), learning_rate=1.0)
    for net in (twice, once):
        groups = build_groups(net, [GroupRule("", 0.5)], weight_decay=0.01)
        learn(net, build_optimizer(name, groups, learning_rate=0.01), 2)
    assert same(values(twice), values(once))


def test_frozen_parameters_stay() -> None:
    net = network()
    before = values(net)
    groups = build_groups(net, [GroupRule("^body", freeze=True), GroupRule("")], weight_decay=0.1)
    optimizer = build_optimizer("AdamW", groups, learning_rate=0.1)
    learn(net, optimizer, 2)
    changed = {
        name for name, value in values(net).items() if not np.array_equal(value, before[name])
    }
    assert changed == {"head.weight", "head.bias"}
    assert 0.0 in optimizer.group_lrs().values()
    assert {key.split(".")[0] for key in optimizer.state_dict()} == {"head"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_goes_to_another_network_of_the_process_exactly(name: str) -> None:
    """6 steps at once equal 3 steps, saved and taken over, and 3 more."""
    straight, broken = network(), network()
    make = lambda net: build_optimizer(  # noqa: E731
        name,
        build_groups(net, [GroupRule("^body", 0.5), GroupRule("")], weight_decay=0.01),
        learning_rate=0.01,
    )
    learn(straight, make(straight), 6)
    first = make(broken)
    learn(broken, first, 3)
    state = first.state_dict()
    resumed = network(seed=9)
    resumed.set_state_dict(copy.deepcopy(broken.state_dict()))
    second = make(resumed)
    second.set_state_dict(state)
    learn(resumed, second, 3, first=3)
    assert same(values(straight), values(resumed))


def learn_in_turns(net: nn.Layer, optimizer: Optimizer, steps: range) -> None:
    """Seeded gradients; each parameter has none in every third step."""
    for step in steps:
        draw = np.random.default_rng(step)
        for index, parameter in enumerate(net.parameters()):
            gradient = draw.normal(size=parameter.shape).astype(np.float32)
            if (index + step) % 3:
                parameter.grad = paddle.to_tensor(gradient)
        optimizer.step()
        optimizer.clear_grad()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_of_parameters_with_different_numbers_of_steps_goes_on_exactly(name: str) -> None:
    straight, broken, resumed = network(), network(), network(seed=9)
    first, second, third = (
        build_optimizer(name, build_groups(net, weight_decay=0.01), learning_rate=0.01)
        for net in (straight, broken, resumed)
    )
    learn_in_turns(straight, first, range(7))
    learn_in_turns(broken, second, range(4))
    resumed.set_state_dict(copy.deepcopy(broken.state_dict()))
    third.set_state_dict(second.state_dict())
    learn_in_turns(resumed, third, range(4, 7))
    assert same(values(straight), values(resumed))


def test_the_state_survives_a_file(tmp_path: Any) -> None:
    net = network()
    optimizer = build_optimizer("Adam", build_groups(net), learning_rate=0.01)
    learn(net, optimizer, 2)
    state = optimizer.state_dict()
    paddle.save(state, str(tmp_path / "latest.pdopt"))
    other = build_optimizer("Adam", build_groups(network()), learning_rate=0.01)
    other.set_state_dict(paddle.load(str(tmp_path / "latest.pdopt")))
    found = other.state_dict()
    assert same({k: v.numpy() for k, v in state.items()}, {k: v.numpy() for k, v in found.items()})
    assert "body.weight.moment1" in found


def test_a_state_is_a_copy() -> None:
    net = network()
    optimizer = build_optimizer("Adam", build_groups(net), learning_rate=0.01)
    learn(net, optimizer, 1)
    state = optimizer.state_dict()
    before = {key: tensor.numpy().copy() for key, tensor in state.items()}
    learn(net, optimizer, 1)
    assert same(before, {key: tensor.numpy() for key, tensor in state.items()})


def test_a_parameter_without_gradient_is_left_alone() -> None:
    """It would else move on by its momentum and decay."""
    net = network()
    optimizer = build_optimizer("AdamW", build_groups(net, weight_decay=0.1), learning_rate=0.1)
    learn(net, optimizer, 1)
    before = values(net)
    net.body(paddle.ones([1, 3])).sum().backward()
    optimizer.step()
    changed = {name for name, p in net.named_parameters() if (p.numpy() != before[name]).any()}
    assert changed == {"body.weight", "body.bias"}


def test_an_empty_state_starts_anew() -> None:
    net = network()
    start, weights = values(net), copy.deepcopy(net.state_dict())
    optimizer = build_optimizer("Adam", build_groups(net), learning_rate=0.01)
    empty = optimizer.state_dict()
    learn(net, optimizer, 2)
    after = values(net)
    net.set_state_dict(weights)
    optimizer.set_state_dict(empty)
    assert same(start, values(net))
    assert not empty
    learn(net, optimizer, 2)
    assert same(after, values(net))


def trained() -> Optimizer:
    net = network()
    optimizer = build_optimizer("Adam", build_groups(net), learning_rate=0.01)
    learn(net, optimizer, 1)
    return optimizer


STATE_FAULTS = [
    (
        "another optimizer's",
        lambda s: {"body.weight.velocity": s["body.weight.moment1"]},
        "velocity",
    ),
    ("another network's", lambda s: {**s, "neck.weight.moment1": s["body.weight.moment1"]}, "neck"),
    (
        "one missing",
        lambda s: {k: v for k, v in s.items() if k != "head.bias.moment2"},
        "head.bias.moment2",
    ),
    (
        "another shape",
        lambda s: {**s, "head.bias.moment2": s["body.weight.moment1"]},
        "[3, 4], needs [2]",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "part"), [f[1:] for f in STATE_FAULTS], ids=[f[0] for f in STATE_FAULTS]
)
def test_a_state_that_does_not_fit_is_named(spoil: Any, part: str) -> None:
    optimizer = trained()
    with pytest.raises(WeightsError) as caught:
        optimizer.set_state_dict(spoil(optimizer.state_dict()))
    assert part in str(caught.value)


CLIPS = [
    ("below the limit", GradientClip("global_norm", 6.0), [[2.4, 1.8], [4.0]]),
    ("over both groups", GradientClip("global_norm", 2.5), [[1.2, 0.9], [2.0]]),
    ("each by itself", GradientClip("norm", 2.0), [[1.6, 1.2], [2.0]]),
    ("one by itself", GradientClip("norm", 3.5), [[2.4, 1.8], [3.5]]),
    ("values", GradientClip("value", 2.0), [[2.0, 1.8], [2.0]]),
]


@pytest.mark.parametrize(("clip", "wanted"), [c[1:] for c in CLIPS], ids=[c[0] for c in CLIPS])
def test_gradients_are_clipped_over_all_groups(
    clip: GradientClip, wanted: list[list[float]]
) -> None:
    """Gradients (2.4, 1.8) and (4) in two groups: norms 3 and 4, together 5."""
    net = nn.Linear(2, 1)
    groups = build_groups(net, [GroupRule("weight", 0.5), GroupRule("bias")])
    optimizer = build_optimizer("Momentum", groups, {"momentum": 0.0}, learning_rate=1.0, clip=clip)
    before = values(net)
    (net(paddle.to_tensor([[0.6, 0.45]])) * 4).sum().backward()
    assert float(optimizer.clip_gradients()) == pytest.approx(5.0)
    optimizer.step()
    moved = [(before[name] - p.numpy()).ravel() for name, p in net.named_parameters()]
    assert moved[0] == pytest.approx(0.5 * np.array(wanted[0]), abs=1e-6)
    assert moved[1] == pytest.approx(wanted[1], abs=1e-6)


def test_no_gradients_have_norm_zero() -> None:
    optimizer = build_optimizer("Adam", build_groups(network()), learning_rate=1.0)
    assert float(optimizer.clip_gradients()) == 0


@pytest.mark.parametrize(("name", "decay"), [("Adam", 0), ("AdamW", 0.01), ("Lamb", 0.01)])
def test_default_weight_decay(name: str, decay: float) -> None:
    assert OPTIMIZERS[name].weight_decay == decay


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("name", {"name": "AdmW"}, "Optimizer.name", "'AdamW'"),
    ("argument", {"arguments": {"beta": 0.9}}, "Optimizer.beta", "'beta"),
    ("another's argument", {"arguments": {"momentum": 0.9}}, "Optimizer.momentum", "known: beta1"),
    ("L1", {"name": "AdamW", "penalty": "L1"}, "Optimizer.regularizer.name", "AdamW"),
]


@pytest.mark.parametrize(
    ("given", "key", "part"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_faults_are_named(given: dict[str, Any], key: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_optimizer(
            **{"name": "Adam", "learning_rate": 0.1, "groups": build_groups(network()), **given}
        )
    assert caught.value.key == key
    assert part in str(caught.value)


def test_half_precision_parameters_are_refused() -> None:
    groups = build_groups(network().to(dtype="float16"))
    with pytest.raises(ConfigError, match=r"Global\.amp_level: .*float16"):
        build_optimizer("Adam", groups, learning_rate=0.1)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.inf, math.nan])
def test_a_clip_limit_that_makes_no_sense(limit: float) -> None:
    with pytest.raises(ConfigError, match="clip_value"):
        GradientClip("value", limit)


@pytest.mark.parametrize("shape", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
def test_one_cycle_is_paddles(shape: Literal["cos", "linear"], three_phase: bool) -> None:
    paddles = paddle.optimizer.lr.OneCycleLR(
        0.5,
        total_steps=40,
        end_learning_rate=0.5 / 25 / 1e4,
        anneal_strategy=shape,
        three_phase=three_phase,
    )
    rate = scaled(OneCycle(40, shape, three_phase), 0.5)
    for step in range(40):
        assert rate(step) == pytest.approx(paddles(), rel=1e-9), step
        paddles.step()


# --- decay towards the starting weights (L2-SP): its formula, whom it leaves alone, its state


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
