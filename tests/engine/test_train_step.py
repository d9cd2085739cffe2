"""One step: what changes, what must not, mixed precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from ppocr_ft.engine.train_step import (
    Precision,
    TrainBatch,
    freeze_statistics,
    gathered_statistics,
    train_step,
)
from ppocr_ft.losses.db import DBLoss, DBTargets
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture
from ppocr_ft.optim.groups import build_groups
from ppocr_ft.optim.optimizers import GradientClip, Optimizer, build_optimizer

SMALL = {
    "Backbone": {"name": "MobileNetV3", "scale": 0.35, "model_name": "small", "disable_se": True},
    "Neck": {"name": "RSEFPN", "out_channels": 24},
    "Head": {"name": "DBHead"},
}
SIDE = 64


def small_network(seed: int = 0) -> DetectionNetwork:
    paddle.seed(seed)
    return build_architecture(SMALL)


def adam(network: DetectionNetwork, clip: GradientClip | None = None) -> Optimizer:
    return build_optimizer("Adam", build_groups(network), learning_rate=1e-3, clip=clip)


def batch(seed: int = 0, fill: float | None = None) -> TrainBatch:
    """Two pictures with a bright block of text each."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 0.3, (2, 3, SIDE, SIDE)).astype(np.float32)
    shrink = np.zeros((2, SIDE, SIDE), np.float32)
    for i in range(2):
        x, y = rng.integers(4, 30, 2)
        shrink[i, y : y + 14, x : x + 28] = 1
        images[i, :, y : y + 14, x : x + 28] += 2
    if fill is not None:
        images[0, 0, 0, 0] = fill
    ones = np.ones_like(shrink)
    targets = (shrink, ones, 0.3 + 0.4 * shrink, ones)
    return TrainBatch(paddle.to_tensor(images), DBTargets(*map(paddle.to_tensor, targets)))


def values(network: DetectionNetwork) -> dict[str, np.ndarray]:
    return {key: value.numpy().copy() for key, value in network.state_dict().items()}


def test_lowers_the_loss_on_one_batch() -> None:
    network = small_network()
    optimizer = adam(network)
    results = [train_step(network, [batch()], DBLoss(), optimizer) for _ in range(12)]
    assert all(result.applied for result in results)
    losses = [float(result.losses["loss"]) for result in results]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_step_with_nan_changes_nothing(bad: float, steps_before: int) -> None:
    network = small_network()
    optimizer = adam(network)
    for step in range(steps_before):
        train_step(network, [batch(step)], DBLoss(), optimizer)
    weights = values(network)
    moments = {key: value.numpy() for key, value in optimizer.state_dict().items()}
    result = train_step(network, [batch(fill=bad)], DBLoss(), optimizer)
    assert not result.applied
    for key, value in values(network).items():
        np.testing.assert_array_equal(value, weights[key], err_msg=key)
    after = optimizer.state_dict()
    assert after.keys() == moments.keys()
    assert all(np.array_equal(after[key].numpy(), moments[key]) for key in moments)
    good = train_step(network, [batch()], DBLoss(), optimizer)
    assert good.applied
    assert np.isfinite(float(good.losses["loss"]))


def test_a_nan_gradient_under_a_finite_loss_is_seen() -> None:
    network = small_network()
    optimizer = adam(network)
    network.head.thresh.conv1.weight.register_hook(lambda grad: grad * float("nan"))
    weights = values(network)
    result = train_step(network, [batch()], DBLoss(), optimizer)
    assert np.isfinite(float(result.losses["loss"]))
    assert not result.applied
    assert all(np.array_equal(value, weights[key]) for key, value in values(network).items())


def test_the_gradient_norm_is_that_of_all_gradients_before_clipping() -> None:
    network = small_network()
    clipped = adam(network, GradientClip("global_norm", 1e-3))
    reported = train_step(network, [batch()], DBLoss(), clipped).grad_norm
    network = small_network()
    network.train()
    DBLoss()(network(batch().images), batch().targets)["loss"].backward()
    grads = [p.grad.numpy() for p in network.parameters() if p.grad is not None]
    wanted = np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads))
    assert float(reported) == pytest.approx(wanted, rel=1e-4)


class Scaler:
    """GradScaler's contract with the scale 8; the real one works on a card only."""

    def __init__(self, dynamic: bool) -> None:
        self.dynamic = dynamic
        self.calls: list[str] = []

    def scale(self, loss: paddle.Tensor) -> paddle.Tensor:
        return loss * 8

    @paddle.no_grad()
    def unscale_(self, optimizer: paddle.optimizer.Optimizer) -> None:
        self.calls.append("unscale")
        for group in optimizer._param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.scale_(1 / 8)

    def step(self, optimizer: paddle.optimizer.Optimizer) -> None:
        self.calls.append("step")
        optimizer.step()

    def update(self) -> None:
        self.calls.append("update")

    def is_use_dynamic_loss_scaling(self) -> bool:
        return self.dynamic


def test_a_scaled_step_is_the_plain_one() -> None:
    plain, scaled = small_network(), small_network()
    scaler = Scaler(dynamic=False)
    clip = GradientClip("global_norm", 0.5)
    wanted = train_step(plain, [batch()], DBLoss(), adam(plain, clip))
    found = train_step(scaled, [batch()], DBLoss(), adam(scaled, clip), Precision(scaler=scaler))
    assert float(found.grad_norm) == pytest.approx(float(wanted.grad_norm), rel=1e-5)
    assert scaler.calls == ["unscale", "step", "update"]
    for key, value in values(scaled).items():
        np.testing.assert_allclose(value, values(plain)[key], atol=1e-5, err_msg=key)


@pytest.mark.parametrize("dynamic", [True, False])
def test_a_gradient_too_large_for_float16_is_an_overflow_to_a_dynamic_scaler(
    dynamic: bool,
) -> None:
    network, scaler = small_network(), Scaler(dynamic)
    network.head.thresh.conv1.weight.register_hook(lambda grad: grad * float("inf"))
    result = train_step(network, [batch()], DBLoss(), adam(network), Precision(scaler=scaler))
    assert not result.applied
    assert result.overflowed == dynamic
    assert scaler.calls == ["unscale", "update"]


def test_mixed_precision_is_asked_for_as_the_config_says(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    real = paddle.amp.auto_cast

    def auto_cast(**options: object) -> object:
        asked.append(options)
        return real(enable=False)

    monkeypatch.setattr(paddle.amp, "auto_cast", auto_cast)
    network = small_network()
    train_step(network, [batch()], DBLoss(), adam(network), Precision(True, "O2", "bfloat16"))
    assert asked[0] == {"enable": True, "level": "O2", "dtype": "bfloat16"}


def test_frozen_norms_keep_their_statistics_and_learn_their_scale() -> None:
    network = small_network()
    kept = [key for key in network.state_dict() if not key.startswith("head.thresh.")]
    frozen = freeze_statistics(network, kept)
    assert "backbone.conv.bn" in frozen
    assert not [name for name in frozen if name.startswith("head.thresh.")]
    assert len(gathered_statistics(network)) == 4
    before = values(network)
    train_step(network, [batch()], DBLoss(), adam(network))
    changed = {key for key, v in values(network).items() if not np.array_equal(v, before[key])}
    statistics = {key for key in changed if key.endswith(("._mean", "._variance"))}
    assert statistics == {
        f"head.thresh.conv_bn{i}.{name}" for i in (1, 2) for name in ("_mean", "_variance")
    }
    assert {f"{name}.{what}" for name in frozen for what in ("weight", "bias")} <= changed


def test_a_frozen_norm_trains_as_it_evaluates() -> None:
    network = small_network()
    freeze_statistics(network, list(network.state_dict()))
    images = batch().images
    network.eval()
    wanted = network(images)["maps"][:, 0].numpy()
    network.train()
    np.testing.assert_allclose(network(images)["maps"][:, 0].numpy(), wanted, atol=1e-5)
