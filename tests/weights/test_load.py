"""Weights on networks: what fits, what is missing, and what the user is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import DetectionNetwork, build_detector
from ppocr_ft.models.configs import DETECTORS, Form
from ppocr_ft.models.reparameterize import reparameterize
from ppocr_ft.weights import (
    CoverageReport,
    load_into,
    open_source,
    read_weights,
    save_trained,
    to_paddleocr,
    write_weights,
)
from ppocr_ft.weights.load import BACKBONE_ONLY_WARNING, UNFOLDED_WARNING
from ppocr_ft.weights.matching import state_of
from ppocr_ft.weights.trace import tensor_order
from tests.models.test_released import picture
from tests.support.nets_reference import (
    assert_same_logits,
    assert_same_maps,
    hashed_state,
    load,
    run,
    shapes,
)
from tests.support.weights_reference import assert_same

V4, V3, SERVER = "PP-OCRv4_mobile_det", "PP-OCRv3_mobile_det", "PP-OCRv4_server_det"
State = dict[str, np.ndarray]

BRANCHES = hashed_state(shapes(V4))
FOLDED = reparameterize(BRANCHES)
LAYER = "backbone.blocks6.1.dw_conv"


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}.{key}": value for key, value in state.items()}


def part(name: str, state: State) -> State:
    return {key: value for key, value in state.items() if key.startswith(f"{name}.")}


def without(state: State, *parts: str) -> State:
    return {key: value for key, value in state.items() if not any(p in key for p in parts)}


def saved(folder: Path, state: State) -> Path:
    path = folder / "state.pdparams"
    write_weights(path, state)
    return path


@pytest.fixture
def folded() -> DetectionNetwork:
    return build_detector(V4, "folded")


@pytest.fixture
def branches() -> DetectionNetwork:
    return build_detector(V4, "branches")


@pytest.mark.parametrize(
    ("state", "form", "expected"),
    [
        pytest.param(BRANCHES, "branches", BRANCHES, id="branches"),
        pytest.param(FOLDED, "folded", FOLDED, id="folded"),
        pytest.param(BRANCHES, "folded", FOLDED, id="branches into folded"),
        pytest.param(prefixed("Student", BRANCHES), "folded", FOLDED, id="under Student"),
        pytest.param(prefixed("Student2", BRANCHES), "branches", BRANCHES, id="under Student2"),
        pytest.param(prefixed("Teacher", FOLDED), "folded", FOLDED, id="under Teacher"),
    ],
)
def test_every_tensor_arrives(tmp_path: Path, state: State, form: Form, expected: State) -> None:
    network = build_detector(V4, form)
    report = load_into(network, saved(tmp_path, state))
    assert_same(state_of(network), expected)
    assert report.coverage == 1
    assert report.warnings == ()
    assert len(report.keys("matched")) == len(expected) == len(report.tensors)


def test_the_student_comes_before_the_teacher(tmp_path: Path, folded: DetectionNetwork) -> None:
    other = {key: value + 1 for key, value in FOLDED.items()}
    path = saved(tmp_path, {**prefixed("Teacher", other), **prefixed("Student", FOLDED)})
    report = load_into(folded, path)
    assert_same(state_of(folded), FOLDED)
    assert report.source == f"{path}, the Student in it"
    load_into(folded, f"{path}#Teacher")
    assert_same(state_of(folded), other)


def test_a_member_that_is_not_there(tmp_path: Path, folded: DetectionNetwork) -> None:
    path = saved(tmp_path, prefixed("Student", FOLDED))
    with pytest.raises(WeightsError, match=r"has no Teacher: it has Student$"):
        load_into(folded, f"{path}#Teacher")
    with pytest.raises(WeightsError, match=r"has no Teacher: it is no distilled checkpoint$"):
        load_into(folded, f"{saved(tmp_path, FOLDED)}#Teacher")


def test_another_member_would_fit(tmp_path: Path) -> None:
    server = hashed_state(shapes(SERVER))
    path = saved(tmp_path, {**prefixed("Teacher", server), **prefixed("Student", BRANCHES)})
    with pytest.raises(WeightsError, match=r"Its Teacher fills 100.0%: write #Teacher after"):
        load_into(build_detector(SERVER), path)


@pytest.mark.parametrize("form", ["branches", "folded"])
@pytest.mark.parametrize("names", ["with their part", "as a classifier's"])
def test_backbone_only(tmp_path: Path, form: Form, names: str) -> None:
    """Like PPLCNetV3_x0_75_ocr_det.pdparams, trained on ImageNet: no layer_list either."""
    state = without(part("backbone", BRANCHES), "layer_list")
    if names == "as a classifier's":
        state = {key.removeprefix("backbone."): value for key, value in state.items()}
        state["last_conv.weight"] = np.zeros((4, 4, 1, 1), np.float32)
    network = build_detector(V4, form)
    before = state_of(network)
    report = load_into(network, saved(tmp_path, state))
    expected = BRANCHES if form == "branches" else FOLDED
    kept = {k for k in expected if not k.startswith("backbone.") or "layer_list" in k}
    assert_same(state_of(network), {k: before[k] if k in kept else v for k, v in expected.items()})
    assert report.counted == ("backbone",)
    assert report.warnings == (BACKBONE_ONLY_WARNING,)
    assert report.coverage == 1
    assert report.share(["backbone"]) < 1
    assert report.share(["neck"]) == 0
    assert set(report.keys("not in this source")) == kept
    classifier = names == "as a classifier's"
    assert report.keys("unexpected") == (["backbone.last_conv.weight"] if classifier else [])


def test_a_backbone_with_its_outputs(tmp_path: Path, folded: DetectionNetwork) -> None:
    """One that was taken from a detector; half of its outputs is not enough."""
    state = part("backbone", FOLDED)
    report = load_into(folded, saved(tmp_path, state))
    assert report.coverage == report.share(["backbone"]) == 1
    path = saved(tmp_path, without(state, "layer_list.3"))
    with pytest.raises(WeightsError, match="of the network's backbone"):
        load_into(folded, path)


def test_folded_weights_in_a_branches_network(tmp_path: Path, branches: DetectionNetwork) -> None:
    before = state_of(branches)
    state = without(FOLDED, "thresh", f"{LAYER}.reparam_conv.bias")
    report = load_into(branches, saved(tmp_path, state))
    assert report.warnings == (UNFOLDED_WARNING,)
    assert report.form == "folded"
    after = state_of(branches)
    again = reparameterize(after)
    for key in state.keys() - {f"{LAYER}.reparam_conv.weight"}:
        np.testing.assert_allclose(again[key], FOLDED[key], rtol=1e-6, atol=0, err_msg=key)
    untouched = {k for k in after if "thresh" in k or k.startswith(f"{LAYER}.conv_kxk")}
    assert untouched
    for key in untouched:  # half a layer can't be unfolded
        np.testing.assert_array_equal(after[key], before[key], err_msg=key)


def test_branches_that_can_not_be_folded(tmp_path: Path, folded: DetectionNetwork) -> None:
    path = saved(tmp_path, without(BRANCHES, f"{LAYER}.conv_1x1.bn._mean"))
    with pytest.raises(WeightsError, match="is missing, so the branches can't be folded") as caught:
        load_into(folded, path)
    assert caught.value.key == f"{LAYER}.conv_1x1.bn._mean"
    assert caught.value.path == str(path)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
def test_every_detector_in_every_format(tmp_path: Path, detector: str, suffix: str) -> None:
    source, target = build_detector(detector, "folded"), build_detector(detector, "folded")
    write_weights(tmp_path / f"state{suffix}", state_of(source))
    assert load_into(target, tmp_path / "state").coverage == 1
    assert_same(state_of(target), state_of(source))


def test_the_report_counts_everything(tmp_path: Path, folded: DetectionNetwork) -> None:
    state = without(FOLDED, "neck.inp_conv.3", "head.thresh.conv1.weight")
    state["head.binarize.conv3.bias"] = np.zeros(3, np.float32)
    state["head.more.weight"] = np.zeros((2, 2), np.float32)
    state["ema.decay"] = np.zeros(1, np.float32)
    report = load_into(folded, saved(tmp_path, state))
    lost = {k: v for k, v in FOLDED.items() if k.startswith("neck.inp_conv.3")}
    assert report.keys("missing") == [*lost, "head.thresh.conv1.weight"]
    assert report.keys("missing", "head") == ["head.thresh.conv1.weight"]
    assert report.keys("unexpected") == ["head.more.weight", "ema.decay"]
    (wrong,) = report.select("wrong shape")
    assert (wrong.key, wrong.shape, wrong.found_shape) == (
        "head.binarize.conv3.bias",
        (1,),
        (3,),
    )
    neck = sum(v.size for v in part("neck", FOLDED).values())
    backbone = sum(v.size for v in part("backbone", FOLDED).values())
    gone = sum(v.size for v in lost.values())
    assert report.share(["neck"]) == pytest.approx(1 - gone / neck)
    assert report.coverage == pytest.approx(1 - gone / (neck + backbone))
    text = str(report)
    assert "100.0%" in text
    assert f"{report.share(['neck']):.1%}" in text
    assert "missing: neck.inp_conv.3.in_conv.weight" in text
    assert "and 2 more" in text
    assert "wrong shape: head.binarize.conv3.bias [3] instead of [1]" in text
    assert "elsewhere" in text
    lines = text.splitlines()[1:6]
    assert len({len(line) for line in lines}) == 1, "columns are not aligned"


def test_the_share_that_is_needed(tmp_path: Path, folded: DetectionNetwork) -> None:
    path = saved(tmp_path, without(FOLDED, "neck"))
    share = load_into(folded, path, min_coverage=0.5).coverage
    load_into(folded, path, min_coverage=share)
    before = state_of(folded)
    with pytest.raises(WeightsError, match="at least 90% are needed") as caught:
        load_into(folded, path)
    assert f"fills {share:.1%} of the network's backbone and neck" in caught.value.message
    assert "It is a PP-OCRv4_mobile_det or PP-OCRv5_mobile_det, as the network is, but" in str(
        caught.value
    )
    assert_same(state_of(folded), before)


@pytest.mark.parametrize(
    ("file", "network", "message"),
    [
        pytest.param(V3, V4, "It fits PP-OCRv3_mobile_det (100.0%)", id="v3 into v4"),
        pytest.param(V4, V3, "It fits PP-OCRv4_mobile_det or PP-OCRv5_mobile_det", id="v4 into v3"),
        pytest.param(SERVER, V4, "It fits PP-OCRv4_server_det (100.0%)", id="server into mobile"),
        pytest.param(V4, SERVER, "It fits PP-OCRv4_mobile_det", id="mobile into server"),
    ],
)
@pytest.mark.parametrize("holds", ["everything", "a backbone"])
def test_weights_of_another_network(
    tmp_path: Path, file: str, network: str, message: str, holds: str
) -> None:
    state = hashed_state(shapes(file))
    if holds == "a backbone":
        state = {k.removeprefix("backbone."): v for k, v in part("backbone", state).items()}
    target = build_detector(network)
    before = state_of(target)
    with pytest.raises(WeightsError) as caught:
        load_into(target, saved(tmp_path, state))
    assert message in caught.value.message
    assert_same(state_of(target), before)


def test_weights_of_no_known_network(tmp_path: Path, folded: DetectionNetwork) -> None:
    path = saved(tmp_path, {"conv1_1._conv.weight": np.zeros((32, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match="It fits none of the known detectors"):
        load_into(folded, path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite(tmp_path: Path, folded: DetectionNetwork, bad: float) -> None:
    key = "neck.ins_conv.0.in_conv.weight"
    broken = FOLDED[key].copy()
    broken.flat[5] = bad
    with pytest.raises(WeightsError, match="holds NaN or infinity") as caught:
        load_into(folded, saved(tmp_path, {**FOLDED, key: broken}))
    assert caught.value.key == key


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types(tmp_path: Path, folded: DetectionNetwork, dtype: type) -> None:
    load_into(folded, saved(tmp_path, {k: v.astype(dtype) for k, v in FOLDED.items()}))
    expected = {k: v.astype(dtype).astype(np.float32) for k, v in FOLDED.items()}
    assert_same(state_of(folded), expected)


def test_loading_draws_no_random_numbers(tmp_path: Path, branches: DetectionNetwork) -> None:
    path = saved(tmp_path, FOLDED)
    paddle.seed(7)
    expected = paddle.rand([3]).numpy()
    paddle.seed(7)
    load_into(branches, path)
    to_paddleocr(FOLDED, DETECTORS[V4])
    np.testing.assert_array_equal(paddle.rand([3]).numpy(), expected)


# The released model


def test_released_weights_fill_all_but_the_threshold_head(folded: DetectionNetwork) -> None:
    report = load_into(folded, "released")
    assert report.coverage == report.share(["backbone"]) == report.share(["neck"]) == 1
    assert report.share(["head"]) == 0.5
    assert set(report.keys("not in this source")) == {k for k in state_of(folded) if "thresh" in k}
    assert report.warnings == ()
    assert not [*report.keys("missing"), *report.keys("unexpected"), *report.keys("wrong shape")]
    assert "not in this source: head.thresh.conv1.weight" in str(report)
    tensors = list(open_source("released").tensors.values())
    state = state_of(folded)
    for key, expected in zip(tensor_order(folded), tensors, strict=True):
        np.testing.assert_array_equal(state[key], expected, err_msg=key)


def test_released_weights_give_the_same_maps_in_both_forms(
    folded: DetectionNetwork, branches: DetectionNetwork
) -> None:
    reports: list[CoverageReport] = [load_into(net, "released") for net in (folded, branches)]
    assert reports[1].warnings == (UNFOLDED_WARNING,)
    assert "warning: the weights are folded and the network has branches" in str(reports[1])
    image = picture(96, 160)
    maps = [run(network, image, training=False)["maps"] for network in (folded, branches)]
    assert maps[0].max() > 0.5, "no text found: the comparison would say little"
    assert_same_maps(maps[1], maps[0])


@pytest.mark.parametrize(
    ("network", "has"),
    [
        (V3, "convolution 8 x 3 x 3 x 3 + batch norm 8 (backbone.conv.conv.weight)"),
        (SERVER, "convolution 64 x 3 x 3 x 3 + batch norm 64 (backbone.stem.0.conv.weight)"),
    ],
)
def test_released_weights_in_another_network(network: str, has: str) -> None:
    with pytest.raises(WeightsError, match="is the inference model of another network") as caught:
        load_into(build_detector(network), "released")
    assert (
        "at the first layer it has convolution 16 x 3 x 3 x 3 + batch norm 16 (conv2d_0.w_0) "
        f"where the network has {has}"
    ) in caught.value.message
    assert "It is a PP-OCRv4_mobile_det or PP-OCRv5_mobile_det with form: folded" in str(
        caught.value
    )
    assert str(caught.value.path).endswith("inference.pdmodel")


def test_a_recognition_model_is_no_detector(folded: DetectionNetwork) -> None:
    detector = open_source("released").path.parent
    with pytest.raises(WeightsError, match=r"after 6 layers .* It is none of the known"):
        load_into(folded, detector.parent / "ch_PP-OCRv4_rec_infer")


# Written for PaddleOCR


@pytest.mark.parametrize("form", ["branches", "folded"])
def test_saved_networks_are_paddleocrs(tmp_path: Path, form: Form) -> None:
    """Its keys and shapes, loaded by Paddle into the train form: the same logits."""
    network = build_detector(V4, form)
    load(network, BRANCHES if form == "branches" else FOLDED)
    save_trained(network, tmp_path / "trained.pdparams", DETECTORS[V4])
    state = read_weights(tmp_path / "trained.pdparams")
    assert {key: value.shape for key, value in state.items()} == shapes(V4)
    trained = build_detector(V4, "branches")
    trained.set_state_dict(paddle.load(str(tmp_path / "trained.pdparams")))
    x = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32)
    assert_same_logits(trained, network, x)


@pytest.mark.parametrize("detector", [V3, SERVER])
def test_networks_without_branches_are_saved_as_they_are(detector: str) -> None:
    state = hashed_state(shapes(detector))
    assert_same(to_paddleocr(state, DETECTORS[detector]), state)


def test_a_state_of_another_architecture() -> None:
    with pytest.raises(WeightsError):
        to_paddleocr(FOLDED, DETECTORS[V3])
