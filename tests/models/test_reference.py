"""Keys, optimizer attributes and outputs of the networks against PaddleOCR's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import paddle
import pytest

from ppocr_ft.models.architecture import build_detector
from tests.support.nets_reference import (
    FILES,
    entries,
    forward,
    hashed_state,
    load,
    logits_of,
    run,
    shapes,
)

pytestmark = pytest.mark.slow

STATISTICS = ("_mean", "_variance")
LAB_KEYS = ("scale", "bias")
SHRINK_AND_THRESHOLD = slice(0, 2)
NOT_STEEPENED = {
    "maps": SHRINK_AND_THRESHOLD,
    "distance_maps": slice(0, 1),
    **{f"aux_maps_{level}": SHRINK_AND_THRESHOLD for level in ("p4", "p3", "p2")},
}


@pytest.fixture(params=FILES)
def detector(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def float64() -> Iterator[None]:
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


def own_l2(parameter: paddle.Tensor) -> float | None:
    return None if parameter.regularizer is None else parameter.regularizer._coeff


def test_keys_and_shapes(detector: str) -> None:
    state = build_detector(detector).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes(detector)


def test_learning_rate_factors_and_own_l2(detector: str) -> None:
    state = build_detector(detector).state_dict()
    found = {key: (p.optimize_attr["learning_rate"], own_l2(p)) for key, p in state.items()}
    expected = {key: (e["lr_mult"], e["own_l2"]) for key, e in entries(detector).items()}
    assert found == expected


def test_all_but_the_running_statistics_train(detector: str) -> None:
    # The older references list running statistics as trainable; Paddle never trains them.
    state = build_detector(detector).state_dict()
    frozen = {key for key, parameter in state.items() if not parameter.trainable}
    assert frozen == {key for key in state if key.endswith(STATISTICS)}
    assert all(e["trainable"] for key, e in entries(detector).items() if key not in frozen)


@pytest.mark.usefixtures("float64")
def test_eval_maps(detector: str) -> None:
    # Hashed weights make PPLCNetV3's logits so large that rounding could turn a 0 into a 1.
    network = build_detector(detector)
    load(network, hashed_state(shapes(detector)))
    reference = forward(detector)
    x = reference["x"].astype(np.float64)
    outputs = run(network, x, training=False)
    assert outputs.keys() == {"maps"}
    low, high = outputs["maps"], outputs["maps"]
    if detector.startswith("PP-OCRv6"):
        # Logits of 1e3 to 1e4: the last bits of the input alone move PaddleOCR's float32 maps by
        # 2e-4 to 3e-3. So its logits are to be right to 1e-4 of the largest.
        logits = logits_of(network, x)
        room = 1e-4 * np.abs(logits).max()
        low, high = sigmoid(logits - room), sigmoid(logits + room)
    assert (reference["eval_maps"] >= low - 1e-4).all()
    assert (reference["eval_maps"] <= high + 1e-4).all()


def test_train_outputs(detector: str) -> None:
    network = build_detector(detector)
    load(network, hashed_state(shapes(detector)))
    reference = forward(detector)
    outputs = run(network, reference["x"], training=True)
    assert {f"train_{key}" for key in outputs} == {key for key in reference if "train" in key}
    for key, channels in NOT_STEEPENED.items():
        if key in outputs:
            expected = reference[f"train_{key}"][:, channels]
            np.testing.assert_allclose(outputs[key][:, channels], expected, rtol=0, atol=1e-3)


@pytest.mark.usefixtures("float64")
def test_train_outputs_without_our_own_rounding(detector: str) -> None:
    # The binary map's step multiplies rounding by k / 4: two float32 runs may differ by 1e-3, and
    # PP-OCRv5 server's PaddleOCR's from float64 by 4e-3, where its other maps differ by 3e-4.
    limit = 5e-3 if detector == "PP-OCRv5_server_det" else 1e-3
    network = build_detector(detector)
    load(network, hashed_state(shapes(detector)))
    reference = forward(detector)
    for key, found in run(network, reference["x"].astype(np.float64), training=True).items():
        np.testing.assert_allclose(found, reference[f"train_{key}"], rtol=0, atol=limit)


def fill_scales(network: paddle.nn.Layer) -> None:
    """Let PPLCNetV4's residual blocks, whose last scale is 0 at first, do something."""
    for name, parameter in network.named_parameters():
        if name.endswith(".bn.weight"):
            parameter.set_value(paddle.ones_like(parameter))


@pytest.mark.parametrize("form", ["branches", "folded"])
def test_every_parameter_learns(detector: str, form: str) -> None:
    paddle.seed(2)  # by chance all of a squeeze's few channels may be negative, and idle
    network = build_detector(detector, form=form)
    fill_scales(network)
    network.train()
    images = paddle.to_tensor(forward(detector)["x"][:, :, :64, :64])
    sum(maps.square().sum() for maps in network(images).values()).backward()
    idle = {
        key
        for key, parameter in network.named_parameters()
        if parameter.trainable and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    }
    # PaddleOCR's train form carries an affine block that the layers of stride 2 never run, and
    # PPHGNetV2 a classifier's convolution.
    strided = [f"backbone.blocks{stage}.0.dw_conv.act.lab" for stage in (3, 4, 5, 6)]
    never_run = {
        ("PP-OCRv4_mobile_det", "branches"): {f"{lab}.{k}" for lab in strided for k in LAB_KEYS},
        ("PP-OCRv5_server_det", "branches"): {"backbone.last_conv.weight"},
        ("PP-OCRv5_server_det", "folded"): {"backbone.last_conv.weight"},
    }
    assert idle == never_run.get((detector, form), set())
