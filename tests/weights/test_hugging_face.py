"""Hugging Face's layout as weights: every tensor in its place, or one message that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.eval import main as evaluate
from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import build_detector
from ppocr_ft.models.configs import Form
from ppocr_ft.weights import choose_form, load_into, open_source, write_weights
from ppocr_ft.weights.hugging_face import LACKS, paddleocr_key
from tests.support import hugging_face_reference as reference

pytestmark = pytest.mark.slow

MOBILE, SERVER = "PP-OCRv5_mobile_det", "PP-OCRv5_server_det"
SMALL, MEDIUM = "PP-OCRv6_small_det", "PP-OCRv6_medium_det"
LARGE = "model.neck.input_feature_projection_convolution.2"
State = dict[str, np.ndarray]

ROUNDING = 2e-5
"""Above what the maps differ by, below what a tensor in a wrong place moves them by."""
SLOW = pytest.mark.slow


@pytest.fixture
def published(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the file of a detector, its counters too, as transformers does."""

    def write(detector: str) -> Path:
        return saved(tmp_path, reference.state(reference.shapes(detector)))

    return write


def saved(folder: Path, state: State) -> Path:
    norms = [key.removesuffix(".running_var") for key in state if key.endswith(".running_var")]
    counters = {f"{norm}{reference.COUNTERS}": np.array(7, np.int64) for norm in norms}
    path = folder / "model.safetensors"
    write_weights(path, state | counters)
    return path


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("detector", reference.DETECTORS)
def test_the_network_does_what_the_model_of_transformers_does(
    detector: str, form: Form, published: Callable[[str], Path]
) -> None:
    network = build_detector(detector, form)
    report = load_into(network, published(detector))
    assert report.coverage == 1
    assert all(key.startswith(LACKS) for key in report.keys("not in this source"))
    assert not report.keys("missing") + report.keys("unexpected") + report.keys("wrong shape")
    network.eval()
    with paddle.no_grad():
        maps = network(paddle.to_tensor(reference.image()))["maps"].numpy()
    np.testing.assert_allclose(maps, reference.maps(detector), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("detector", "every"),
    [
        pytest.param("PP-OCRv6_tiny_det", 1, id="tiny"),
        pytest.param(SMALL, 3, id="small"),
        pytest.param(MEDIUM, 7, id="medium", marks=SLOW),
        pytest.param(MOBILE, 7, id="v5 mobile", marks=SLOW),
        pytest.param(SERVER, 7, id="v5 server", marks=SLOW),
    ],
)
def test_the_maps_tell_a_tensor_with_other_numbers(
    detector: str, every: int, published: Callable[[str], Path]
) -> None:
    """Else equal maps would say little. All tensors (``every`` = 1) were tried once."""
    network = build_detector(detector, "folded" if "v6" in detector else "branches")
    load_into(network, published(detector))
    network.eval()
    image = paddle.to_tensor(reference.image())
    never_told = (*LACKS, *(f"backbone.blocks{i}.0.dw_conv.act.lab." for i in (3, 4, 5, 6)))
    tensors = [
        (key, tensor)
        for key, tensor in network.state_dict().items()
        if not key.startswith(never_told) and not key.endswith(".dw.reparam_conv.bias")
    ]
    for key, tensor in tensors[::every]:
        values = tensor.numpy()
        other = np.roll(values.ravel(), 1) if values.size > 1 else values + 0.05
        tensor.set_value(other.reshape(values.shape))
        with paddle.no_grad():
            maps = network(image)["maps"].numpy()
        tensor.set_value(values)
        assert np.abs(maps - reference.maps(detector)).max() > ROUNDING, key


@pytest.mark.parametrize("detector", reference.DETECTORS)
def test_no_two_keys_have_one_place(detector: str) -> None:
    keys = list(reference.shapes(detector))
    assert len({paddleocr_key(key) for key in keys}) == len(keys)
    assert not set(keys) & {paddleocr_key(key) for key in keys}


def test_the_form_of_each(published: Callable[[str], Path]) -> None:
    forms = {MOBILE: "branches", SERVER: "branches", SMALL: "folded"}
    for detector, form in forms.items():
        assert choose_form(open_source(published(detector))) == form


def test_the_folder_of_a_download(published: Callable[[str], Path]) -> None:
    folder = published(SMALL).parent
    for name in ("config.json", "preprocessor_config.json", "README.md"):
        (folder / name).write_text("{}", encoding="utf-8")
    assert open_source(folder).path.name == "model.safetensors"


def test_another_network_is_named(published: Callable[[str], Path]) -> None:
    with pytest.raises(WeightsError, match=r"It fits PP-OCRv6_small_det \(100\.0%\)") as caught:
        load_into(build_detector(MOBILE), published(SMALL))
    assert "model.safetensors" in str(caught.value)


def test_another_model_of_transformers_fits_nothing(tmp_path: Path) -> None:
    ones = np.ones((4, 4), np.float32)
    keys = ("model.backbone.embeddings.weight", "model.encoder.layers.0.fc1.weight", "head.weight")
    path = saved(tmp_path, dict.fromkeys(keys, ones))
    with pytest.raises(WeightsError, match="It fits none of the known detectors"):
        load_into(build_detector(SMALL), path)


def dense(state: State) -> State:
    noise = np.random.RandomState(0).normal(size=state[f"{LARGE}.weight"].shape)
    return {f"{LARGE}.weight": (state[f"{LARGE}.weight"] + 1e-4 * noise).astype(np.float32)}


BLOCK = "model.backbone.encoder.blocks.1.blocks.0.channel_conv1"


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        pytest.param(dense, f"{LARGE}.weight", "isn't the product of a depthwise and", id="dense"),
        pytest.param(
            lambda state: {f"{LARGE}.weight": np.full((64, 256, 9, 9), np.nan, np.float32)},
            f"{LARGE}.weight",
            "holds NaN or infinity",
            id="NaN",
        ),
        pytest.param(
            lambda state: {f"{LARGE}.weight": np.ones((1, 256, 9, 9), np.float32)},
            f"{LARGE}.weight",
            "has shape (1, 256, 9, 9) and its bias (64,)",
            id="shape",
        ),
        pytest.param(
            lambda state: {f"{LARGE}.weight": None}, f"{LARGE}.weight", "is missing", id="kernel"
        ),
        pytest.param(
            lambda state: {f"{BLOCK}.normalization.weight": None},
            "backbone.blocks_s2.0.channel_mixer.expand.bn.weight",
            "is missing",
            id="a norm's scale",
        ),
        pytest.param(
            lambda state: {"neck.ins_conv.0.weight": np.ones((256, 128, 1, 1), np.float32)},
            "neck.ins_conv.0.weight",
            "is there twice",
            id="twice",
        ),
    ],
)
def test_what_cant_be_taken_over_is_said_by_its_key(
    change: Callable[[State], dict[str, np.ndarray | None]], key: str, message: str, tmp_path: Path
) -> None:
    state = reference.state(reference.shapes(MEDIUM))
    changed = {k: value for k, value in {**state, **change(state)}.items() if value is not None}
    path = saved(tmp_path, changed)
    with pytest.raises(WeightsError) as caught:
        open_source(path)
    assert (str(caught.value.path), caught.value.key) == (str(path), key)
    assert message in caught.value.message


def test_kernels_of_half_precision_and_of_dead_channels_are_taken(tmp_path: Path) -> None:
    state = reference.state(reference.shapes(MEDIUM))
    state[f"{LARGE}.weight"][:, 3] = 0
    state[f"{LARGE}.weight"] = state[f"{LARGE}.weight"].astype(np.float16)
    tensors = open_source(saved(tmp_path, state)).tensors
    depthwise = tensors["neck.inp_conv.2.dw.reparam_conv.weight"]
    pointwise = tensors["neck.inp_conv.2.reparam_conv.weight"]
    product = pointwise * depthwise.swapaxes(0, 1)
    np.testing.assert_allclose(product, state[f"{LARGE}.weight"], rtol=0, atol=2e-5)
    assert not product[:, 3].any()


def test_the_command_says_it_in_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = reference.state(reference.shapes(MEDIUM))
    path = saved(tmp_path, state | dense(state))
    assert evaluate(["-c", "det_v6_medium_ft", "-o", f"Global.pretrained_model={path}"]) == 2
    err = capsys.readouterr().err
    assert f"{LARGE}.weight" in err
    assert str(path) in err
    assert "Traceback" not in err
