"""Keys, optimizer attributes and outputs of the networks against PaddleOCR's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import paddle
import pytest

from ppocr_ft.models.architecture import build_detector
from tests.support.nets_reference import FILES, entries, forward, hashed_state, load, run, shapes

STATISTICS = ("_mean", "_variance")
NOT_STEEPENED = {"maps": slice(0, 2), "distance_maps": slice(0, 1)}  # shrink and threshold maps


@pytest.fixture(params=FILES)
def detector(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def float64() -> Iterator[None]:
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


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
    # The reference lists running statistics as trainable; Paddle never trains them (3.2.2, 3.3.1).
    state = build_detector(detector).state_dict()
    frozen = {key for key, parameter in state.items() if not parameter.trainable}
    assert frozen == {key for key in state if key.endswith(STATISTICS)}
    assert all(entry["trainable"] for entry in entries(detector).values())


@pytest.mark.usefixtures("float64")
def test_eval_maps(detector: str) -> None:
    # Hashed weights make PPLCNetV3's logits so large that rounding could turn a 0 into a 1.
    network = build_detector(detector)
    load(network, hashed_state(shapes(detector)))
    reference = forward(detector)
    outputs = run(network, reference["x"].astype(np.float64), training=False)
    assert outputs.keys() == {"maps"}
    np.testing.assert_allclose(outputs["maps"], reference["eval_maps"], rtol=0, atol=1e-4)


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
    # The binary map's step multiplies rounding by k / 4: two float32 runs may differ by 1e-3.
    network = build_detector(detector)
    load(network, hashed_state(shapes(detector)))
    reference = forward(detector)
    for key, found in run(network, reference["x"].astype(np.float64), training=True).items():
        np.testing.assert_allclose(found, reference[f"train_{key}"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("form", ["branches", "folded"])
def test_every_parameter_learns(detector: str, form: str) -> None:
    network = build_detector(detector, form=form)
    network.train()
    images = paddle.to_tensor(forward(detector)["x"][:, :, :64, :64])
    sum(maps.square().sum() for maps in network(images).values()).backward()
    idle = {
        key
        for key, parameter in network.named_parameters()
        if parameter.trainable and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    }
    # PaddleOCR's train form carries an affine block that the layers of stride 2 never run.
    strided = [f"backbone.blocks{stage}.0.dw_conv.act.lab" for stage in (3, 4, 5, 6)]
    unused = {f"{layer}.{leaf}" for layer in strided for leaf in ("scale", "bias")}
    assert idle == (unused if (detector, form) == ("PP-OCRv4_mobile_det", "branches") else set())
