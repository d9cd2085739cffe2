"""Inference models, read without Paddle, hold what Paddle reads from them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import DetectionNetwork, build_detector
from ppocr_ft.models.configs import Form
from ppocr_ft.weights import choose_form, load, load_into, matching, open_source
from ppocr_ft.weights.inference import (
    InferenceModel,
    decode_tensors,
    find_inference_model,
    parse_pdmodel,
    parse_pir,
    read_inference_model,
)
from ppocr_ft.weights.load import UNFOLDED_WARNING
from ppocr_ft.weights.matching import NamedWeights, state_of
from ppocr_ft.weights.sources import WeightsSource
from ppocr_ft.weights.trace import tensor_order
from ppocr_ft.weights.unpickle import unpickle
from tests.models.test_released import picture
from tests.support import RELEASED_MODELS, nets_reference
from tests.support.nets_reference import hashed_state
from tests.support.weights_reference import FOLDER, SHAPES, STATE, TENSOR_ORDER, assert_same

ROOT = Path(__file__).parents[2]
EXPORTED = {
    "folded": ("PP-OCRv4_mobile_det", "folded"),
    "branches": ("PP-OCRv4_mobile_det", "branches"),
    "mobilenet": ("PP-OCRv3_mobile_det", "folded"),
}

EXPORT = """
import importlib, pkgutil, sys
import numpy as np
import paddle
import ppocr_ft.models as nets
from tests.support.nets_reference import hashed_state, load

from ppocr_ft.models.architecture import build_detector

folder, *models = sys.argv[1:]
names = [f"ppocr_ft.models.{module.name}" for module in pkgutil.iter_modules(nets.__path__)]
# trace them; Paddle would rewrite their source
paddle.jit.ignore_module([importlib.import_module(name) for name in names])
for model in models:
    name, detector, form = model.split(":")
    network = build_detector(detector, form)
    load(network, hashed_state({key: tuple(t.shape) for key, t in network.state_dict().items()}))
    network.eval()
    spec = [paddle.static.InputSpec([None, 3, None, None], "float32")]
    prefix = f"{folder}/{name}/inference"
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)

paddle.enable_static()
executor = paddle.static.Executor(paddle.CPUPlace())
for model in models:
    name = model.split(":")[0]
    program, *_ = paddle.static.load_inference_model(f"{folder}/{name}/inference", executor)
    operators = program.global_block().ops
    parameters = [op.attrs() for op in operators if op.name() == "builtin.parameter"]
    names = [attributes["parameter_name"] for attributes in parameters]
    scope = paddle.static.global_scope()
    tensors = {name: np.array(scope.find_var(name).get_tensor()) for name in names}
    np.savez(f"{folder}/{name}.npz", **tensors)
"""

LOAD_PDMODEL = """
import sys
import numpy as np
import paddle

model, image, out = sys.argv[1:]
paddle.enable_static()
executor = paddle.static.Executor(paddle.CPUPlace())
program, feeds, fetches = paddle.static.load_inference_model(model, executor)
block, names = program.global_block(), {}
for op in block.ops:
    for name in op.input_arg_names:
        if op.type != "feed" and block.has_var(name) and block.var(name).persistable:
            names[name] = None
scope = paddle.static.global_scope()
tensors = {name: np.array(scope.find_var(name).get_tensor()) for name in names}
if image != "none":
    feed = {feeds[0]: np.load(image)}
    np.save(image, executor.run(program, feed=feed, fetch_list=fetches)[0])
np.savez(out, **tensors)
"""


def run(script: str, *arguments: object, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def found_in(folder: Path) -> InferenceModel:
    model = find_inference_model(folder)
    assert model is not None
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Detectors with hashed weights, exported and loaded again by the installed Paddle."""
    folder = tmp_path_factory.mktemp("exported")
    run(EXPORT, folder, *[":".join((name, *model)) for name, model in EXPORTED.items()])
    return folder


@pytest.mark.parametrize("version", ["3.0.0", "3.3.1"])
def test_reads_programs_of_paddle_3(version: str) -> None:
    model = found_in(FOLDER / f"paddle-{version}")
    found = read_inference_model(model).tensors
    expected = [STATE[key] for key in TENSOR_ORDER]
    assert len(found) == len(expected)
    for (name, value), key in zip(found.items(), TENSOR_ORDER, strict=True):
        np.testing.assert_array_equal(value, STATE[key], strict=True, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("name", EXPORTED)
def test_exported_detectors_come_back_under_their_keys(exported: Path, name: str) -> None:
    found = read_inference_model(found_in(exported / name)).tensors
    network = build_detector(*EXPORTED[name])  # type: ignore[arg-type]
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    keys = tensor_order(network)
    named = dict(zip(keys, found.values(), strict=True))
    assert_same(named, {key: value for key, value in hashed_state(shapes).items() if key in keys})


@pytest.mark.parametrize("name", EXPORTED)
def test_json_models_hold_what_paddle_loads(exported: Path, name: str) -> None:
    found = read_inference_model(found_in(exported / name)).tensors
    with np.load(exported / f"{name}.npz") as arrays:
        assert_same(found, dict(arrays))


@pytest.mark.parametrize(
    "model", ["ch_PP-OCRv4_det_infer", "ch_PP-OCRv4_rec_infer", "ch_ppocr_mobile_v2_cls_infer"]
)
def test_pdmodels_hold_what_paddle_loads(tmp_path: Path, model: str) -> None:
    run(
        LOAD_PDMODEL,
        RELEASED_MODELS / model / "inference",
        "none",
        tmp_path / "found.npz",
        FLAGS_enable_pir_api="0",
    )
    found = read_inference_model(found_in(RELEASED_MODELS / model)).tensors
    with np.load(tmp_path / "found.npz") as arrays:
        assert list(found) == list(arrays)
        assert_same(found, dict(arrays))


def test_released_weights_give_the_programs_maps(tmp_path: Path) -> None:
    """From the user's word ``released`` to the maps, against the program run by Paddle."""
    image = picture(736, 512)
    np.save(tmp_path / "image.npy", image)
    run(
        LOAD_PDMODEL,
        RELEASED_MODELS / "ch_PP-OCRv4_det_infer" / "inference",
        tmp_path / "image.npy",
        tmp_path / "found.npz",
        FLAGS_enable_pir_api="0",
    )
    expected = np.load(tmp_path / "image.npy")
    assert expected.max() > 0.5, "no text found: the comparison would say little"
    network = build_detector("PP-OCRv4_mobile_det", choose_form(open_source("released")))
    load_into(network, "released")
    maps = nets_reference.run(network, image, training=False)["maps"]
    nets_reference.assert_same_maps(maps, expected)


@pytest.mark.parametrize("form", ["folded", "branches"])
def test_exported_models_are_loaded(exported: Path, form: Form) -> None:
    """Each into a network of its own form; the folded one into branches, too."""
    network = build_detector("PP-OCRv4_mobile_det", form)
    report = load_into(network, exported / form)
    own = state_of(network)
    expected = hashed_state({key: value.shape for key, value in own.items()})
    fresh = set(report.keys("not in this source"))
    assert fresh == own.keys() - set(tensor_order(network))
    assert_same(
        {key: own[key] for key in own if key not in fresh},
        {key: expected[key] for key in own if key not in fresh},
    )
    assert (report.coverage, report.form, report.warnings) == (1, form, ())
    branches = build_detector("PP-OCRv4_mobile_det", "branches")
    assert load_into(branches, exported / "folded").warnings == (UNFOLDED_WARNING,)


def test_an_export_of_branches_is_not_a_folded_network(exported: Path) -> None:
    with pytest.raises(WeightsError, match=r"It is a .* with form: branches: take that"):
        load_into(build_detector("PP-OCRv4_mobile_det", "folded"), exported / "branches")


def test_only_a_network_with_its_kernels_is_built_to_name_a_model(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def name_and_note(source: WeightsSource, network: DetectionNetwork) -> NamedWeights:
        built.append(network)
        return matching.name_weights(source, network)

    monkeypatch.setattr(load, "name_weights", name_and_note)
    target = build_detector("PP-OCRv3_mobile_det")
    with pytest.raises(WeightsError, match="It is a PP-OCRv4_mobile_det or PP-OCRv5_mobile_det"):
        load_into(target, exported / "folded")
    assert len(built) == 2
    assert built[0] is target


def todays_key(structured_name: str) -> str:
    """The names that PPLCNetV3's affine blocks had when the released model was exported."""
    layer, _, leaf = structured_name.rpartition(".")
    if layer.endswith(".activation"):
        return f"{layer.removesuffix('.activation')}.act.lab.{leaf}"
    return f"{layer}.lab.{ {'w': 'scale', 'b': 'bias'}[leaf] }" if leaf in "wb" else structured_name


def test_released_model_says_the_same_of_its_order() -> None:
    """Beside it lies a table of names, which other models lack: it proves the order."""
    model = found_in(RELEASED_MODELS / "ch_PP-OCRv4_det_infer")
    table = unpickle(model.tensors.with_suffix(".pdiparams.info").read_bytes())
    assert isinstance(table, dict)
    said = [
        todays_key(table[name]["structured_name"]) for name in read_inference_model(model).tensors
    ]
    assert said == tensor_order(build_detector("PP-OCRv4_mobile_det", "folded"))


# A ProgramDesc and a file of tensors, written by hand


def varint(value: int) -> bytes:
    value %= 2**64
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def nested(field: int, data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def variable(name: str, shape: Iterable[int], *, kind: int = 7, saved: bool = True) -> bytes:
    tensor = number(1, 5) + b"".join(number(2, size) for size in shape)
    described = number(1, kind) + nested(3, nested(1, tensor) + number(2, 0))
    return nested(3, nested(1, name) + nested(2, described) + number(3, saved))


def operator(kind: str, **slots: str) -> bytes:
    inputs = b"".join(nested(1, nested(1, s) + nested(2, name)) for s, name in slots.items())
    return nested(4, inputs + nested(3, kind))


def pdmodel(*entries: bytes) -> bytes:
    return nested(1, number(1, 0) + number(2, -1) + b"".join(entries))


def tensor(value: np.ndarray, kind: int = 5, dims: bytes | None = None) -> bytes:
    shape = b"".join(number(2, size) for size in value.shape) if dims is None else dims
    description = number(1, kind) + shape
    header = struct.pack("<IQIi", 0, 0, 0, len(description))
    return header + description + value.tobytes()


A, B = np.float32([1, 2]), np.float32([[3], [4], [5]])
PROGRAM = pdmodel(
    variable("feed", (), kind=9),
    variable("image", (-1, 3), saved=False),
    variable("b", B.shape),
    variable("a", A.shape),
    operator("feed", X="feed"),
    operator("norm", X="image", Mean="a", Bias="b"),
    operator("conv", Input="image", Filter="a"),
)


def test_pdmodel_by_hand() -> None:
    """Only saved tensors count; an operator's inputs go by their slots' names."""
    program = parse_pdmodel(PROGRAM)
    assert program.shapes == {"a": (2,), "b": (3, 1)}
    assert program.tensor_order == ["b", "a"]


def write_model(folder: Path, program: bytes, tensors: bytes) -> InferenceModel:
    model = InferenceModel(folder / "inference.pdmodel", folder / "inference.pdiparams")
    model.program.write_bytes(program)
    model.tensors.write_bytes(tensors)
    return model


def test_tensors_lie_sorted_by_name(tmp_path: Path) -> None:
    found = read_inference_model(write_model(tmp_path, PROGRAM, tensor(A) + tensor(B))).tensors
    assert list(found) == ["b", "a"]
    assert_same(found, {"a": A, "b": B})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(tensor(A), A, id="float32"),
        pytest.param(tensor(A.astype(np.float16), 4), A.astype(np.float16), id="float16"),
        pytest.param(tensor(A.astype(np.int64), 3), A.astype(np.int64), id="int64"),
        pytest.param(tensor((A.view(np.uint32) >> 16).astype(np.uint16), 22), A, id="bfloat16"),
        pytest.param(tensor(np.uint16(0x4000), 22), np.float32(2), id="bfloat16, no dimensions"),
        pytest.param(tensor(A, dims=nested(2, varint(2))), A, id="packed dimensions"),
        pytest.param(tensor(np.float32(7)), np.float32(7), id="no dimensions"),
    ],
)
def test_elements_of_tensors(data: bytes, expected: np.ndarray) -> None:
    assert_same({"w": decode_tensors(data)[0]}, {"w": np.asarray(expected)})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(tensor(A)[:-1], "is cut off", id="cut off in the elements"),
        pytest.param(tensor(A)[:22], "is cut off", id="cut off in the description"),
        pytest.param(tensor(A)[:12], "is cut off", id="cut off in the header"),
        pytest.param(b"\x01" + tensor(A)[1:], "damaged, or no file of tensors", id="version"),
        pytest.param(tensor(A, 23), "Paddle's type COMPLEX64", id="complex"),
        pytest.param(tensor(A, dims=number(2, -1)), "shape is damaged", id="open dimension"),
        pytest.param(tensor(A, dims=number(2, 2**50)), "is cut off", id="a large dimension"),
        pytest.param(tensor(A, dims=number(2, 2**62) * 2), "shape is damaged", id="huge"),
        pytest.param(tensor(A, dims=number(2, 2**62) * 100_000), "shape is damaged", id="endless"),
        pytest.param(tensor(A)[:20] + b"\xff" * 40, "is damaged", id="no description"),
        pytest.param(
            tensor(A, dims=b"").replace(b"\x08\x05", b"\x10\x05"), "no TensorDesc", id="no type"
        ),
    ],
)
def test_damaged_tensors(data: bytes, message: str) -> None:
    with pytest.raises(WeightsError) as caught:
        decode_tensors(data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("program", "tensors", "message"),
    [
        pytest.param(PROGRAM, tensor(A), "has 1 tensors; its program has 2", id="too few"),
        pytest.param(
            PROGRAM,
            tensor(B) + tensor(A),
            "a: has shape (3, 1); its program says (2,)",
            id="of another model",
        ),
        pytest.param(PROGRAM, b"\0" * 100, "inference.pdiparams: ", id="damaged tensors"),
        pytest.param(PROGRAM[:-4], tensor(A), "inference.pdmodel: is damaged", id="cut off"),
        pytest.param(b"<html>", tensor(A), "inference.pdmodel: is damaged", id="web page"),
        pytest.param(nested(1, b""), tensor(A), "no ProgramDesc of Paddle", id="block of nothing"),
        pytest.param(
            PROGRAM.replace(b"Bias", b"\xff\xfeas"), tensor(A), "isn't text", id="a slot's name"
        ),
        pytest.param(
            PROGRAM.replace(b"image", b"\xffmage"), tensor(A), "isn't text", id="a tensor's name"
        ),
        pytest.param(b"", tensor(A), "is no program of an inference model", id="empty"),
    ],
)
def test_files_that_do_not_fit(
    tmp_path: Path, program: bytes, tensors: bytes, message: str
) -> None:
    with pytest.raises(WeightsError) as caught:
        read_inference_model(write_model(tmp_path, program, tensors))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value.path)


def pir(*operators: object) -> bytes:
    return json.dumps({"program": {"regions": [{"blocks": [{"ops": operators}]}]}}).encode()


def parameter(value: object, name: object, shape: object) -> dict[str, object]:
    return {"#": "p", "A": [0, name], "O": {"%": value, "TT": {"D": [{}, shape]}}}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="other JSON"),
        pytest.param(b"[1, 2]", id="a list"),
        pytest.param(b"[" * 100_000, id="too deep"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(pir({}), id="operator without a name"),
        pytest.param(pir(parameter(1, 7, [2])), id="number for a name"),
        pytest.param(pir(parameter(1, "a", [2.5])), id="shape of no integers"),
        pytest.param(pir(parameter([], "a", [2])), id="list for a value"),
        pytest.param(pir(parameter(1, "a", [2]), {"#": "x", "I": [1]}), id="operand"),
        pytest.param(pir({"#": "x", "I": [], "O": [{"%": {}}]}), id="object for a value"),
        pytest.param(pir(parameter(1, "a", [2]), {"#": "1.batch_norm_", "I": []}), id="batch norm"),
        pytest.param(pir(parameter(1, "a", [2])), id="nothing reads the tensor"),
    ],
)
def test_json_that_is_no_program(data: bytes) -> None:
    with pytest.raises(WeightsError, match="is no program"):
        parse_pir(data)


@pytest.mark.parametrize(
    ("names", "stem", "expected"),
    [
        pytest.param(["inference.json", "inference.pdiparams"], None, "inference.json", id="new"),
        pytest.param(
            ["inference.pdmodel", "inference.pdiparams"], None, "inference.pdmodel", id="old"
        ),
        pytest.param(
            ["inference.pdmodel", "inference.json", "inference.pdiparams"],
            None,
            "inference.json",
            id="both: the newer",
        ),
        pytest.param(
            ["inference.json", "inference.pdiparams", "inference.yml", "metrics.json"],
            None,
            "inference.json",
            id="with other files",
        ),
        pytest.param(["det.json", "det.pdiparams"], None, "det.json", id="another name"),
        pytest.param(
            ["a.json", "a.pdiparams", "b.json", "b.pdiparams"], "b", "b.json", id="by name"
        ),
        pytest.param(
            ["a.json", "a.pdiparams", "inference.json", "inference.pdiparams"],
            None,
            "inference.json",
            id="the usual name of two",
        ),
        pytest.param(["a[1].json", "a[1].pdiparams"], "a[1]", "a[1].json", id="brackets in a name"),
        pytest.param(["metrics.json"], None, None, id="a JSON file alone"),
        pytest.param([], None, None, id="empty folder"),
    ],
)
def test_finding_a_model(
    tmp_path: Path, names: list[str], stem: str | None, expected: str | None
) -> None:
    for name in names:
        (tmp_path / name).touch()
    found = find_inference_model(tmp_path, stem)
    assert (found.program.name if found else None) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(
            ["inference.pdiparams"],
            "inference.pdiparams: needs inference.pdmodel or inference.json beside it",
            id="tensors alone",
        ),
        pytest.param(
            ["inference.pdmodel"],
            "inference.pdmodel: needs inference.pdiparams beside it",
            id="program alone",
        ),
        pytest.param(
            ["a.json", "a.pdiparams", "b.json", "b.pdiparams"],
            "has several models; name one: a, b",
            id="two models",
        ),
    ],
)
def test_half_a_model(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(WeightsError, match=message):
        find_inference_model(tmp_path)


def test_the_tensors_order_is_not_the_files_order() -> None:
    """What the readers would get wrong by taking the tensors as they lie."""
    model = found_in(FOLDER / "paddle-3.0.0")
    assert len(decode_tensors(model.tensors.read_bytes())) == len(SHAPES)
    assert len(TENSOR_ORDER) == len(SHAPES) - 2  # the unused convolution
