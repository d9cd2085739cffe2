"""ONNX models are read as weights, in the forms that exporters write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import open_source
from ppocr_ft.weights.graph import Graph, Operator
from ppocr_ft.weights.onnx_graph import read_onnx

onnx = pytest.importorskip("onnx", reason="reading ONNX needs the extra onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

KERNEL = np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3)
BIAS, FACTOR = np.float32([1, -1]), np.float32([3, 5])


def model(nodes: list[Any], **constants: Any) -> bytes:
    """The bytes of a model of these nodes; ``x`` goes in, ``y`` comes out."""
    values = [helper.make_tensor_value_info(name, 1, None) for name in "xy"]
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    return bytes(helper.make_model(graph).SerializeToString())


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def kinds(graph: Graph) -> list[str]:
    return [operator.kind for operator in graph.operators]


CONV = node("Conv", "x w", "c")


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        pytest.param([node("Conv", "x w b", "y")], {"b": BIAS}, id="in the convolution"),
        pytest.param([CONV, node("Add", "c b", "y")], {"b": BIAS.reshape(1, 2, 1, 1)}, id="Add"),
        pytest.param([CONV, node("Add", "b c", "y")], {"b": BIAS.reshape(2, 1, 1)}, id="turned"),
        pytest.param([CONV, node("Sub", "c b", "y")], {"b": -BIAS.reshape(2, 1, 1)}, id="Sub"),
        pytest.param(
            [CONV, node("Reshape", "b s", "r"), node("Add", "c r", "y")],
            {"b": BIAS, "s": np.int64([1, -1, 1, 1])},
            id="reshaped in the graph",
        ),
        pytest.param(
            [
                node("Constant", "", "b", value=numpy_helper.from_array(BIAS)),
                node("Identity", "w", "v"),
                node("Conv", "x v", "c"),
                node("Identity", "c", "d"),
                node("Add", "d b", "y"),
            ],
            {},
            id="constants as nodes, names for names",
        ),
    ],
)
def test_forms_of_a_bias(nodes: list[Any], constants: dict[str, Any]) -> None:
    graph = read_onnx(model(nodes, w=KERNEL, **constants))
    assert kinds(graph) == ["convolution", "offset"]
    kernel, bias = graph.tensors.values()
    np.testing.assert_array_equal(kernel, KERNEL)
    np.testing.assert_array_equal(bias, BIAS, strict=True)
    assert graph.operators[1].takes == graph.operators[0].gives
    assert graph.operators[1].after == {"w"}


SIX = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)}
HALVES = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5)}
ADD_CLIP = [node("Add", "c three", "a"), node("Clip", "a zero six", "g")]
ERF = [node("Div", "c root", "a"), node("Erf", "a", "e"), node("Add", "e one", "g")]


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        pytest.param([node("HardSwish", "c", "h")], {}, id="HardSwish"),
        pytest.param(
            [node("HardSigmoid", "c", "g"), node("Mul", "c g", "h")], {}, id="x * HardSigmoid"
        ),
        pytest.param(
            [*ADD_CLIP, node("Mul", "c g", "m"), node("Div", "m six", "h")], SIX, id="Div at last"
        ),
        pytest.param(
            [*ADD_CLIP, node("Div", "g six", "d"), node("Mul", "c d", "h")], SIX, id="Div before"
        ),
        pytest.param(
            [*ADD_CLIP, node("Mul", "c g", "m"), node("Mul", "m sixth", "h")],
            {**SIX, "sixth": np.float32(1 / 6)},
            id="Mul by 1 / 6",
        ),
        pytest.param(
            [*ERF, node("Mul", "c g", "m"), node("Mul", "m half", "h")], HALVES, id="GELU"
        ),
        pytest.param(
            [*ERF, node("Mul", "c half", "m"), node("Mul", "m g", "h")], HALVES, id="GELU, half x"
        ),
    ],
)
def test_constants_of_activations_are_no_weights(
    nodes: list[Any], constants: dict[str, Any]
) -> None:
    after = [node("Mul", "h scale", "s"), node("Add", "s shift", "y")]
    lab = {"scale": np.float32([0.25]), "shift": np.float32([7])}
    graph = read_onnx(model([CONV, *nodes, *after], w=KERNEL, **constants, **lab))
    assert kinds(graph) == ["convolution", "scale", "offset"]
    np.testing.assert_array_equal(graph.tensors["scale"], lab["scale"])
    np.testing.assert_array_equal(graph.tensors["shift"], lab["shift"])


@pytest.mark.parametrize(("joined", "factor"), [(0.5, 3), (0.2, 1.2), (1.001 / 6, 1.001), (0, 0)])
def test_a_factor_that_an_exporter_joined_with_a_sixth(joined: float, factor: float) -> None:
    """Hardswish without its 1 / 6, which is in the learned factor behind it."""
    nodes = [CONV, *ADD_CLIP, node("Mul", "c g", "m"), node("Mul", "m scale", "y")]
    graph = read_onnx(model(nodes, w=KERNEL, **SIX, scale=np.float32([joined])))
    np.testing.assert_allclose(graph.tensors["scale"], [factor], rtol=1e-5)


def test_an_activation_that_no_detector_has() -> None:
    nodes = [CONV, *ADD_CLIP, node("Mul", "c g", "m"), node("Relu", "m", "y")]
    with pytest.raises(WeightsError, match="has an activation of no known detector, m"):
        read_onnx(model(nodes, w=KERNEL, **SIX))


def test_a_batch_norm_of_another_epsilon() -> None:
    norm = {"g": FACTOR, "b": BIAS, "m": BIAS * 2, "v": FACTOR * 2}
    nodes = [CONV, node("BatchNormalization", "c g b m v", "y", epsilon=1e-3)]
    graph = read_onnx(model(nodes, w=KERNEL, **norm))
    assert graph.operators[1][:2] == ("batch norm", ("b", "m", "g", "v"))
    np.testing.assert_allclose(graph.tensors["v"] + 1e-5, norm["v"] + 1e-3, rtol=1e-6)


def test_a_constant_of_several_operators() -> None:
    nodes = [CONV, node("Mul", "c k", "m"), node("Relu", "m", "r"), node("Div", "r k", "y")]
    graph = read_onnx(model(nodes, w=KERNEL, k=np.float32([4])))
    assert [operator.tensors for operator in graph.operators[1:]] == [("k",), ("k of y",)]
    assert graph.tensors["k of y"] == 0.25


def test_sums_and_sizes_are_no_weights() -> None:
    """What is computed of a shape, and a sum of two values."""
    nodes = [
        CONV,
        node("Shape", "c", "n"),
        node("Cast", "n", "f", to=1),
        node("Mul", "f two", "t"),
        node("Relu", "c", "r"),
        node("Add", "c r", "y"),
    ]
    graph = read_onnx(model(nodes, w=KERNEL, two=np.float32(2)))
    assert graph.operators == (Operator("convolution", ("w",), "x", "c"),)


def test_float16_is_kept() -> None:
    graph = read_onnx(model([CONV], w=KERNEL.astype(np.float16)))
    np.testing.assert_array_equal(graph.tensors["w"], KERNEL.astype(np.float16), strict=True)


def elsewhere() -> bytes:
    found = onnx.ModelProto.FromString(model([CONV], w=KERNEL))
    tensor = found.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return bytes(found.SerializeToString())


def too_large() -> bytes:
    found = onnx.ModelProto.FromString(model([CONV], w=KERNEL))
    found.graph.initializer[0].dims[:] = [2**31, 2**31, 3, 3]
    return bytes(found.SerializeToString())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(lambda: b"", "its operators read no tensors", id="empty"),
        pytest.param(lambda: b"<html>", "is damaged or cut off: no ModelProto of ONNX", id="page"),
        pytest.param(lambda: model([CONV], w=KERNEL)[:-9], "is damaged or cut off", id="cut off"),
        pytest.param(elsewhere, "keeps its tensors in another file, which isn't read", id="file"),
        pytest.param(too_large, "a tensor's shape is damaged", id="too large"),
        pytest.param(
            lambda: model([node("DequantizeLinear", "w s", "v"), node("Conv", "x v", "y")], s=1.0),
            "is quantized",
            id="quantized",
        ),
        pytest.param(
            lambda: model([node("If", "x", "y")]), "its operators read no tensors", id="no weights"
        ),
    ],
)
def test_models_that_are_refused(data: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data())
    with pytest.raises(WeightsError, match=message) as caught:
        open_source(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("where", ["det.onnx", "det", "."])
def test_an_onnx_file_is_found(where: str, tmp_path: Path) -> None:
    (tmp_path / "det.onnx").write_bytes(model([CONV], w=KERNEL))
    source = open_source(tmp_path / where)
    assert source.path == tmp_path / "det.onnx"
    assert source.is_program
    with pytest.raises(WeightsError, match="is an inference model, which has no Student"):
        open_source(f"{tmp_path / where}#Student")


def test_a_batch_norm_of_constants_alone_is_none() -> None:
    constants = dict.fromkeys("kbmv", BIAS)
    with pytest.raises(WeightsError, match="its operators read no tensors"):
        read_onnx(model([node("BatchNormalization", "k b m v", "n")], **constants))


def test_damaged_models_raise_weights_errors_only() -> None:
    """Bytes of a small model of all forms, changed, doubled or cut at random."""
    norm = {"k": FACTOR, "b": BIAS, "m": BIAS * 2, "v": FACTOR * 2}
    nodes = [CONV, node("BatchNormalization", "c k b m v", "n"), node("Mul", "n six", "z")]
    whole = model([*nodes, *ADD_CLIP, node("Mul", "c g", "p"), node("Div", "p six", "y")], w=KERNEL,
                  **norm, **SIX)  # fmt: skip
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] = rng.integers(0, 256)
        start, end = sorted(rng.integers(0, len(data), 2))
        changed = bytes(data[:end] if rng.random() < 0.2 else data[:start] + data[start:])
        with np.errstate(all="ignore"):
            try:
                read_onnx(changed)
            except WeightsError:
                refused += 1
    assert 40 < refused < 400
