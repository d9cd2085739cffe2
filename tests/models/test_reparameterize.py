"""The two forms of a network are one function, and convert into each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import paddle
import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import build_architecture, build_detector
from ppocr_ft.models.configs import Form
from ppocr_ft.models.reparameterize import detect_form, reparameterize, to_branches
from ppocr_ft.weights.trace import folded_operators, operators_of, tensor_order
from tests.support.nets_reference import (
    assert_same_logits,
    forward,
    hashed_state,
    load,
    run,
    shapes,
)

DETECTOR = "PP-OCRv4_mobile_det"
DEPTHWISE = "backbone.blocks6.1.dw_conv"  # 5 x 5 with an identity branch
POINTWISE = "backbone.blocks6.1.pw_conv"  # 1 x 1 with an identity branch
STRIDED = "backbone.blocks6.0.dw_conv"


def state_of(network: paddle.nn.Layer) -> dict[str, np.ndarray]:
    return {key: value.numpy() for key, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return forward(DETECTOR)["x"]


@pytest.fixture(scope="module")
def hashed() -> dict[str, np.ndarray]:
    return hashed_state(shapes(DETECTOR))


@pytest.fixture
def float64() -> Iterator[None]:
    paddle.set_default_dtype("float64")
    yield
    paddle.set_default_dtype("float32")


@pytest.fixture(scope="module")
def folded(hashed: dict[str, np.ndarray]) -> paddle.nn.Layer:
    network = build_detector(DETECTOR, form="folded")
    load(network, reparameterize(hashed))
    return network


def settled(hashed: dict[str, np.ndarray], x: np.ndarray) -> paddle.nn.Layer:
    """Hashed weights with the running statistics of ``x``, so that the maps aren't all 0 and 1."""
    network = build_detector(DETECTOR)
    load(network, hashed)
    for layer in network.sublayers():
        if isinstance(layer, paddle.nn.BatchNorm2D):
            layer._momentum = 0.0
    run(network, x, training=True)
    return network


def test_folded_equals_branches_on_hashed_weights(
    hashed: dict[str, np.ndarray], folded: paddle.nn.Layer, x: np.ndarray
) -> None:
    branches = build_detector(DETECTOR)
    load(branches, hashed)
    assert_same_logits(folded, branches, x)


@pytest.mark.usefixtures("float64")
def test_folding_is_exact(hashed: dict[str, np.ndarray], x: np.ndarray) -> None:
    branches, folded = settled(hashed, x.astype(float)), build_detector(DETECTOR, form="folded")
    state = reparameterize(state_of(branches))
    assert {value.dtype for value in state.values()} == {np.dtype("float64")}
    load(folded, state)
    expected = run(branches, x.astype(float), training=False)["maps"]
    assert 0.05 < np.median(expected) < 0.95
    found = run(folded, x.astype(float), training=False)["maps"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("float64")
def test_unfolding_is_exact(hashed: dict[str, np.ndarray], x: np.ndarray) -> None:
    branches, folded = build_detector(DETECTOR), build_detector(DETECTOR, form="folded")
    state = reparameterize(state_of(settled(hashed, x.astype(float))))
    load(folded, state)
    load(branches, to_branches(state, shapes(DETECTOR)))
    expected = run(folded, x.astype(float), training=False)["maps"]
    found = run(branches, x.astype(float), training=False)["maps"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


V6 = ["PP-OCRv6_tiny_det", "PP-OCRv6_small_det", "PP-OCRv6_medium_det"]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("detector", V6)
def test_v6_converts_both_ways(detector: str) -> None:
    forms: tuple[Form, ...] = ("branches", "folded", "branches")
    network, folded, again = (build_detector(detector, form) for form in forms)
    hashed = hashed_state(shapes(detector))
    load(network, hashed)
    state = reparameterize(state_of(network))
    load(folded, state)
    load(again, to_branches(state, shapes(detector)))
    x = forward(detector)["x"].astype(float)
    expected, *others = (run(each, x, training=False)["maps"] for each in (network, folded, again))
    assert ((expected > 0.01) & (expected < 0.99)).any()
    for found in others:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    for key, value in reparameterize(state_of(again)).items():
        np.testing.assert_allclose(value, state[key], rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("detector", V6)
def test_v6_folded_has_no_batch_norm_in_backbone_and_pyramid(detector: str) -> None:
    state = build_detector(detector, "folded").state_dict()
    assert detect_form(state) == "folded"
    norms = [key for key in state if key.endswith("_mean")]
    assert all(key.startswith(("head.", "neck.incl")) for key in norms)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("backbone.blocks_s1.0.token_mixer.rep_dw.conv1.weight", id="a 1 x 1 kernel"),
        pytest.param("backbone.stem.stem2a.bn.bias", id="an offset of the stem"),
        pytest.param("neck.inp_conv_dw.0.dil_conv_k3_2.weight", id="a dilated kernel"),
        pytest.param("neck.inp_conv_dw.3.dil_bn_k3_1._mean", id="its statistic"),
    ],
)
def test_folding_v6_names_a_missing_tensor(key: str) -> None:
    state = hashed_state(shapes(V6[0]))
    del state[key]
    with pytest.raises(WeightsError, match="is missing") as caught:
        reparameterize(state)
    assert caught.value.key == key


@pytest.mark.parametrize("detector", V6)
def test_v6_order_of_the_program(detector: str) -> None:
    """The order of the branches network's tensors, folded, is that of the folded network."""
    branches, folded = (build_detector(detector, form) for form in ("branches", "folded"))
    wanted = tensor_order(folded)
    operators = folded_operators(operators_of(branches), folded.state_dict())
    assert [key for operator in operators for key in operator.tensors] == wanted
    assert not [key for key in wanted if key.startswith(("head.thresh", "head.aux"))]


def test_unfolded_equals_folded(folded: paddle.nn.Layer, x: np.ndarray) -> None:
    network = build_detector(DETECTOR)
    load(network, to_branches(state_of(folded), shapes(DETECTOR)))
    assert_same_logits(network, folded, x)


def test_folding_undoes_unfolding(folded: paddle.nn.Layer) -> None:
    state = state_of(folded)
    again = reparameterize(to_branches(state, shapes(DETECTOR)))
    assert again.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_allclose(again[key], value, rtol=1e-6, atol=0, err_msg=key)


def test_unfolded_branches_can_learn(folded: paddle.nn.Layer, x: np.ndarray) -> None:
    network = build_detector(DETECTOR)
    load(network, to_branches(state_of(folded), shapes(DETECTOR)))
    network.train()
    network(paddle.to_tensor(x))["maps"].square().sum().backward()
    for branch in ("conv_kxk.0.bn", "conv_kxk.3.bn", "conv_1x1.bn", "identity"):
        scale = dict(network.named_parameters())[f"{DEPTHWISE}.{branch}.weight"]
        assert scale.grad.abs().sum() > 0, branch


def test_other_shapes_of_branches(x: np.ndarray) -> None:
    """Two k x k branches, another scale, a neck with intracl: found from the keys alone."""
    architecture = {
        "Backbone": {"name": "PPLCNetV3", "scale": 0.5, "conv_kxk_num": 2},
        "Neck": {"name": "RSEFPN", "out_channels": 32, "intracl": True},
        "Head": {"name": "DBHead"},
    }
    branches, folded = (build_architecture(architecture, form) for form in ("branches", "folded"))
    load(folded, reparameterize(state_of(branches)))
    assert_same_logits(folded, branches, x)


@pytest.mark.parametrize("layer", [DEPTHWISE, POINTWISE])
def test_identity_branch_alone_is_a_unit_kernel(hashed: dict[str, np.ndarray], layer: str) -> None:
    state = dict(hashed)
    for key in hashed:
        if key.startswith(f"{layer}.conv_") and key.endswith((".bn.weight", ".bn.bias")):
            state[key] = np.zeros_like(hashed[key])
    scale = hashed[f"{layer}.identity.weight"] / np.sqrt(
        hashed[f"{layer}.identity._variance"] + 1e-5
    )
    kernel = reparameterize(state)[f"{layer}.reparam_conv.weight"]
    centre = kernel[:, :, kernel.shape[2] // 2, kernel.shape[3] // 2]
    expected = scale[:, None] if layer == DEPTHWISE else np.diag(scale)
    np.testing.assert_allclose(centre, expected, rtol=1e-6, atol=0)
    assert np.count_nonzero(kernel) == len(kernel)


def test_folding_leaves_its_input_alone(hashed: dict[str, np.ndarray]) -> None:
    before = {key: value.copy() for key, value in hashed.items()}
    reparameterize(hashed)
    assert before.keys() == hashed.keys()
    assert all(np.array_equal(before[key], hashed[key]) for key in before)


def test_stride_2_loses_the_affine_block_it_never_used(hashed: dict[str, np.ndarray]) -> None:
    folded = reparameterize(hashed)
    assert f"{STRIDED}.act.lab.scale" in hashed
    assert f"{STRIDED}.act.lab.scale" not in folded
    assert f"{DEPTHWISE}.act.lab.scale" in folded


@pytest.mark.parametrize(
    ("keys", "form"),
    [
        pytest.param(shapes(DETECTOR), "branches", id="PaddleOCR's train form"),
        pytest.param([f"Student.{k}" for k in shapes(DETECTOR)], "branches", id="behind a prefix"),
        pytest.param([f"{DEPTHWISE}.reparam_conv.weight"], "folded", id="folded"),
        pytest.param(shapes("PP-OCRv4_server_det"), None, id="no re-parameterised layer"),
        pytest.param([], None, id="empty"),
    ],
)
def test_detect_form(keys: list[str], form: str | None) -> None:
    assert detect_form(keys) == form


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(f"{DEPTHWISE}.conv_kxk.2.bn._variance", id="a statistic"),
        pytest.param(f"{DEPTHWISE}.conv_1x1.conv.weight", id="a kernel"),
        pytest.param(f"{POINTWISE}.identity.bias", id="a part of the identity"),
    ],
)
def test_folding_names_a_missing_tensor(hashed: dict[str, np.ndarray], key: str) -> None:
    state = {name: value for name, value in hashed.items() if name != key}
    with pytest.raises(WeightsError, match="is missing") as caught:
        reparameterize(state)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        pytest.param(f"{DEPTHWISE}.conv_kxk.0.conv.weight", (384, 1, 25), id="a flat kernel"),
        pytest.param(f"{DEPTHWISE}.conv_kxk.1.conv.weight", (384, 1, 3, 3), id="a small kernel"),
        pytest.param(f"{DEPTHWISE}.conv_1x1.conv.weight", (384, 1, 3, 3), id="a large point"),
        pytest.param(f"{POINTWISE}.identity.weight", (1,), id="a scalar scale"),
    ],
)
def test_folding_names_a_wrong_shape(
    hashed: dict[str, np.ndarray], key: str, shape: tuple[int, ...]
) -> None:
    state = {**hashed, key: np.zeros(shape, np.float32)}
    with pytest.raises(WeightsError, match="has shape") as caught:
        reparameterize(state)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param(f"{DEPTHWISE}.reparam_conv.weight", None, "missing", id="missing kernel"),
        pytest.param(f"{DEPTHWISE}.reparam_conv.weight", np.zeros(3), "shape", id="flat kernel"),
        pytest.param("head.thresh.conv3.bias", None, "missing", id="missing threshold head"),
        pytest.param("head.extra.weight", np.zeros(1), "no place", id="foreign tensor"),
        pytest.param("neck.ins_conv.0.in_conv.weight", np.zeros(3), "shape", id="wrong shape"),
    ],
)
def test_unfolding_names_the_faulty_tensor(
    folded: paddle.nn.Layer, key: str, value: np.ndarray | None, message: str
) -> None:
    state = {name: array for name, array in state_of(folded).items() if name != key}
    if value is not None:
        state[key] = value
    with pytest.raises(WeightsError, match=message) as caught:
        to_branches(state, shapes(DETECTOR))
    assert caught.value.key == key


def test_folded_form_keeps_the_optimizer_attributes() -> None:
    branches, folded = (build_detector(DETECTOR, form) for form in ("branches", "folded"))
    own, reference = folded.state_dict(), branches.state_dict()
    for key, parameter in own.items():
        expected = 1.0 if ".reparam_conv." in key else reference[key].optimize_attr["learning_rate"]
        assert parameter.optimize_attr["learning_rate"] == expected, key


@pytest.mark.parametrize("detector", ["PP-OCRv4_server_det", "PP-OCRv3_mobile_det"])
def test_released_order_of_other_detectors(detector: str) -> None:
    """Everything but the threshold head, once; and the network is as it was."""
    network = build_detector(detector)
    network.train()
    network.head.thresh.eval()
    before = state_of(network)
    order = tensor_order(network)
    assert sorted(order) == sorted(key for key in before if "thresh" not in key)
    assert network.training
    assert network.backbone.training
    assert not network.head.thresh.training
    assert all(np.array_equal(before[key], value) for key, value in state_of(network).items())
