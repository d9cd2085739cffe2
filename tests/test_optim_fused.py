"""One update a group: Paddle's fused kernel gives what Paddle's own classes give, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

paddle = pytest.importorskip("paddle", reason="paddle is not installed")

from ppocr_ft.optim import Optimizer, Rule, build_groups, build_optimizer  # noqa: E402
from ppocr_ft.optim import fused as fused_module  # noqa: E402
from ppocr_ft.optim.fused import FusedAdam, FusedAdamW  # noqa: E402

HasGradient = Callable[[int, int], bool]

KINDS = {"Adam": FusedAdam, "AdamW": FusedAdamW}
RULES = [Rule("^0", 0.5, 0.3), Rule("^1", weight_decay=0.0), Rule("")]


@pytest.fixture(autouse=True)
def _forget_what_was_found_sound() -> Iterator[None]:
    fused_module._is_sound.cache_clear()
    yield
    fused_module._is_sound.cache_clear()


def network() -> Any:
    net = paddle.nn.Sequential(*(paddle.nn.Linear(3, 3) for _ in range(4)))
    draw = np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.set_value(draw.uniform(-1, 1, parameter.shape).astype(np.float32))
    return net


def optimizer(net: Any, name: str) -> Optimizer:
    return build_optimizer(
        name, build_groups(net, RULES, weight_decay=0.05), {"beta1": 0.8}, learning_rate=0.01
    )


def learn(net: Any, made: Optimizer, steps: range, has_gradient: HasGradient) -> None:
    """Seeded gradients; parameter i has one in step s where ``has_gradient(i, s)``."""
    for step in steps:
        draw = np.random.default_rng(step)
        made.set_lr(0.01 * (step + 1))
        for index, parameter in enumerate(net.parameters()):
            gradient = draw.normal(size=parameter.shape).astype(np.float32)
            if has_gradient(index, step):
                parameter.grad = paddle.to_tensor(gradient)
        made.step()
        made.clear_grad()


def values(net: Any, made: Optimizer) -> dict[str, np.ndarray]:
    state = {**net.state_dict(), **made.state_dict()}
    return {key: tensor.numpy() for key, tensor in state.items()}


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    assert [key for key in a if not np.array_equal(a[key], b[key])] == []


def without_kernel(patched: pytest.MonkeyPatch) -> None:
    patched.setattr(fused_module, "_is_sound", lambda kind, device: False)


GRADIENTS = {
    "all": lambda index, step: True,
    "some come and go": lambda index, step: (index + step) % 3 > 0,
    "some come late": lambda index, step: step >= index,
    "none": lambda index, step: False,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("has_gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_it_steps_as_paddles_own(
    name: str, has_gradient: HasGradient, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for fused in (True, False):
        with monkeypatch.context() as patched:
            if not fused:
                without_kernel(patched)
            net = network()
            made = optimizer(net, name)
        assert isinstance(made.inner, KINDS[name]) == fused
        learn(net, made, range(7), has_gradient)
        found.append(values(net, made))
    assert_same(*found)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("has_gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_a_restored_one_goes_on_as_the_other(name: str, has_gradient: HasGradient) -> None:
    """Also where its parameters have done different numbers of steps."""
    straight, broken = network(), network()
    ours, first = optimizer(straight, name), optimizer(broken, name)
    learn(straight, ours, range(7), has_gradient)
    learn(broken, first, range(4), has_gradient)
    resumed = network()
    resumed.set_state_dict(broken.state_dict())
    second = optimizer(resumed, name)
    second.set_state_dict(first.state_dict())
    learn(resumed, second, range(4, 7), has_gradient)
    assert_same(values(straight, ours), values(resumed, second))


def calls_of_a_step(net: Any, made: Optimizer, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many parameters each call of the kernel got."""
    original, sizes = paddle._C_ops.fused_adam_, []

    def counted(parameters: list[Any], *rest: Any) -> Any:
        sizes.append(len(parameters))
        return original(parameters, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(paddle._C_ops, "fused_adam_", counted)
        learn(net, made, range(1), lambda index, step: True)
    return sizes


def test_one_update_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    made = optimizer(net, "AdamW")
    assert [len(group.names) for group in made.groups.groups] == [2, 2, 4]
    assert calls_of_a_step(net, made, monkeypatch) == [2, 2, 4]


@pytest.mark.parametrize("name", KINDS)
def test_a_kernel_that_fails_or_errs_is_not_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any) -> None:
        raise ValueError("another Paddle's arguments")

    def errs(*arguments: Any) -> None:
        """Changes nothing."""

    for kernel in (fails, errs):
        fused_module._is_sound.cache_clear()
        monkeypatch.setattr(paddle._C_ops, "fused_adam_", kernel)
        assert type(optimizer(network(), name).inner) is getattr(paddle.optimizer, name)


def test_finding_out_draws_no_random_numbers() -> None:
    paddle.seed(3)
    wanted = paddle.rand([4]).numpy()
    paddle.seed(3)
    fused_module._is_sound(FusedAdamW, paddle.get_device())
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), wanted)
