"""The training pass in several threads: the numbers of one piece, and the same ones each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest

from ppocr_ft.engine.evaluation import eval_mode
from ppocr_ft.engine.threaded_forward import ThreadedForward
from ppocr_ft.engine.train_step import Forward, freeze_statistics, plain_forward
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture, build_detector

SMALL: dict[str, object] = {
    "Backbone": {"name": "MobileNetV3", "scale": 0.35, "model_name": "small", "disable_se": True},
    "Neck": {"name": "RSEFPN", "out_channels": 24},
    "Head": {"name": "DBHead"},
}
AUX_HEADS = {
    **SMALL,
    "Neck": {"name": "RepLKFPN", "out_channels": 24, "dilated_kernel_size": 5},
    "Head": {"name": "DBHead", "aux_in_channels": 24},
}
LOCAL_HEAD = {**SMALL, "Head": {"name": "PFHeadLocal", "mode": "small"}}


def detector(architecture: dict[str, object], *, frozen_norms: bool = True) -> DetectionNetwork:
    paddle.seed(3)
    network = build_architecture(architecture)
    if frozen_norms:
        body = [key for key in network.state_dict() if not key.startswith("head.thresh")]
        freeze_statistics(network, body)
    network.train()
    return network


def images(count: int, seed: int = 0) -> paddle.Tensor:
    values = np.random.default_rng(seed).normal(size=(count, 3, 64, 96))
    return paddle.to_tensor(values.astype(np.float32))


def gradients(network: DetectionNetwork, forward: Forward, batch: paddle.Tensor) -> dict[str, Any]:
    """Of a loss that is different at each pixel of each map; then there are none any more."""
    maps, backward = forward(batch)
    rng = np.random.default_rng(1)
    weights = [paddle.to_tensor(rng.normal(size=each.shape), "float32") for each in maps.values()]
    sum((each * w).sum() for each, w in zip(maps.values(), weights, strict=True)).backward()
    backward()
    named = dict(network.named_parameters())
    found = {name: each.grad.numpy() for name, each in named.items() if each.grad is not None}
    network.clear_gradients()  # to zeros, which stay
    return {name: gradient for name, gradient in found.items() if gradient.any()}


def assert_close(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    largest = max(np.abs(each).max() for each in wanted.values())
    for name, gradient in wanted.items():
        np.testing.assert_allclose(found[name], gradient, rtol=2e-3, atol=1e-5 * largest)


@pytest.mark.parametrize(
    ("count", "threads"), [(4, 2), (3, 2), (5, 3), (1, 2), (2, 4)], ids=lambda each: str(each)
)
def test_gradients_are_those_of_one_piece(count: int, threads: int) -> None:
    network = detector(SMALL)
    wanted = gradients(network, plain_forward(network), images(count))
    assert_close(gradients(network, ThreadedForward(network, threads), images(count)), wanted)


def test_auxiliary_heads_pass_in_parts() -> None:
    network = detector(AUX_HEADS)
    wanted = gradients(network, plain_forward(network), images(3))
    assert any(name.startswith("head.aux_thresh_p4") for name in wanted)
    forward = ThreadedForward(network, 2)
    assert_close(gradients(network, forward, images(3)), wanted)
    maps, backward = forward(images(3))
    maps["aux_maps_p3"].sum().backward()  # alone, as with the weight of the others 0
    backward()
    assert network.head.aux_thresh_p3.conv1.weight.grad is not None
    assert network.backbone.conv.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("architecture", "frozen_norms"),
    [
        pytest.param(SMALL, False, id="norms of the body gather statistics of the whole batch"),
        pytest.param(LOCAL_HEAD, True, id="a head with more than two branches"),
    ],
)
def test_what_can_not_be_split_is_not(architecture: dict[str, object], frozen_norms: bool) -> None:
    network = detector(architecture, frozen_norms=frozen_norms)
    wanted = gradients(network, plain_forward(network), images(4))
    assert_close(gradients(network, ThreadedForward(network, 2), images(4)), wanted)


def test_maps_are_those_of_one_piece() -> None:
    network = detector(SMALL)
    wanted, found = (
        f(images(4)).maps["maps"] for f in (plain_forward(network), ThreadedForward(network, 2))
    )
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), atol=1e-5)


def test_twice_the_same_to_the_bit() -> None:
    network = detector(SMALL)
    forward = ThreadedForward(network, 3)
    first, *others = (gradients(network, forward, images(6)) for _ in range(4))
    for other in others:
        assert all(np.array_equal(first[name], other[name]) for name in first)


def test_it_follows_the_weights_wherever_they_go() -> None:
    """In place as an optimizer's, by set_value as a resume's, and by a new buffer."""
    network = detector(SMALL)
    forward = ThreadedForward(network, 2)
    changes = [
        lambda each: each.set_value(each * 1.1),
        lambda each: each.set_value((each * 0.9).numpy()),
        lambda each: each._share_buffer_to(paddle.zeros_like(each)) or each.scale_(1.05),
    ]
    for change in changes:
        with paddle.no_grad():
            for parameter in network.backbone.parameters():
                change(parameter)
        wanted = gradients(network, plain_forward(network), images(4))
        assert_close(gradients(network, forward, images(4)), wanted)


def test_a_frozen_body_has_no_graph_and_the_threshold_head_its_gradients() -> None:
    network = detector(SMALL)
    wanted = gradients(network, plain_forward(network), images(4))
    for name, parameter in network.named_parameters():
        parameter.stop_gradient = not name.startswith("head.thresh.")
    assert network.neck(network.backbone(images(2))).stop_gradient
    found = gradients(network, ThreadedForward(network, 2), images(4))
    thresh = {name: each for name, each in wanted.items() if name.startswith("head.thresh.")}
    assert_close(found, thresh)


def test_frozen_parameters_get_no_gradient() -> None:
    network = detector(SMALL)
    forward = ThreadedForward(network, 2)
    for parameter in network.backbone.parameters():
        parameter.stop_gradient = True
    found = gradients(network, forward, images(4))
    assert found
    assert not [name for name in found if name.startswith("backbone")]
    for parameter in network.neck.parameters():
        parameter.stop_gradient = True
    assert all(name.startswith("head") for name in gradients(network, forward, images(4)))


def test_gradients_add_up_over_passes() -> None:
    network = detector(SMALL)
    forward = ThreadedForward(network, 2)
    both = [gradients(network, forward, images(4, seed)) for seed in (0, 1)]
    for seed in (0, 1):
        maps, backward = forward(images(4, seed))
        weights = paddle.to_tensor(np.random.default_rng(1).normal(size=maps["maps"].shape))
        (maps["maps"] * weights.astype("float32")).sum().backward()
        backward()
    name = next(name for name in both[0] if name.startswith("backbone"))
    (parameter,) = [p for key, p in network.named_parameters() if key == name]
    np.testing.assert_allclose(
        parameter.grad.numpy(), both[0][name] + both[1][name], rtol=1e-4, atol=1e-5
    )


def test_without_gradients_there_is_no_graph() -> None:
    network = detector(SMALL)
    with paddle.no_grad():
        assert ThreadedForward(network, 2)(images(2)).maps["maps"].stop_gradient


def test_a_released_network_passes_in_parts() -> None:
    """PPLCNetV3 in its folded form, as the default training has it."""
    paddle.seed(3)
    network = build_detector("PP-OCRv4_mobile_det", form="folded")
    freeze_statistics(network, [k for k in network.state_dict() if not k.startswith("head.thresh")])
    network.train()
    wanted = gradients(network, plain_forward(network), images(2))
    assert_close(gradients(network, ThreadedForward(network, 2), images(2)), wanted)


def test_eval_mode_ends_as_it_began() -> None:
    network = detector(SMALL)
    with eval_mode(network):
        assert not network.training
    assert network.training
    network.eval()
    with eval_mode(network):
        pass
    assert not network.training
