"""ONNX models, read as data: their convolutions and what follows channel by channel.

Exporters write one network in many ways: a bias inside the convolution or as an Add behind it, a
batch norm by itself or folded, hardswish as one operator or as Add, Clip, Mul and Div, constants as
initializers or as nodes. All of these become the same ``Graph``. Nothing of the model is run, and
no file beside it is read.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import numpy as np

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.reparameterize import BN_EPSILON
from ppocr_ft.utils.program import how_to_install
from ppocr_ft.weights.arrays import BFLOAT16, Array, State, decode
from ppocr_ft.weights.graph import Graph, Kind, Operator
from ppocr_ft.weights.inference import parse_message

_FLOATS = {  # onnx.TensorProto.DataType -> element, the field with numbers that are not raw
    1: ("f4", "float_data"),
    10: ("f2", "int32_data"),
    11: ("f8", "double_data"),
    16: (BFLOAT16, "int32_data"),
}
_ELSEWHERE = 1  # onnx.TensorProto.DataLocation: in another file
_KERNELS: dict[str, Kind] = {
    "Conv": "convolution",
    "FusedConv": "convolution",  # ONNX Runtime's, with activation and the sum with a second value
    "ConvTranspose": "transposed convolution",
}
_OTHER_WEIGHTS = ("MatMul", "Gemm", "PRelu")
_SAME_NUMBERS = ("Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze")
_SAME_VALUE = ("Identity", "Cast", "Dropout")
_QUANTIZED = ("DequantizeLinear", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear")
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
}
_LARGE = 1e6  # where an activation has reached its limit
_LIMITS = {"HardSigmoid": 1.0, "Sigmoid": 1.0, "Erf": 1.0, "Tanh": 1.0, "Relu": math.inf}
_LONGEST_GATE = 6  # operators
_SAME_GAIN = 1e-4  # a rounded 1 / 6 times 6 is 1

Step = tuple[str, Callable[[float], float]]
"""The value that an operator takes, and what it does to a number."""


def read_onnx(data: bytes) -> Graph:
    """Return the operators of an ONNX model that read tensors, and these tensors.

    A tensor has the name of its constant. Biases are (channels,), learned factors (1,); variances
    are those that belong to Paddle's epsilon. Raises WeightsError if the model is damaged or
    quantized, or keeps its tensors in another file.
    """
    try:
        import onnx
    except ImportError:
        raise WeightsError(f"reading it needs onnx: {how_to_install('onnx')}") from None
    return _OnnxReader(parse_message(onnx.ModelProto, data, of="ONNX").graph).read()


class _OnnxReader:
    """Reads a graph, whose nodes are in the order in which they run.

    ``_names``: of values that are another one unchanged. ``_gates``: results of the operators that
    are part of an activation. ``_gains``: results of activations whose slope isn't 1 far from 0,
    such as x * clip(x + 3, 0, 6), which a factor of 1 / 6 follows. ``_sizes``: made of shapes.
    ``_made_of``: the operators, by name, whose results a value is made of.
    """

    def __init__(self, graph: Any) -> None:
        self._tensors: State = {}
        self._operators: list[Operator] = []
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._names: dict[str, str] = {}
        self._nodes = [node for node in graph.node if node.output and not self._is_renaming(node)]
        self._makers = {node.output[0]: node for node in self._nodes}
        self._gates: set[str] = set()
        self._gains: dict[str, float] = {}
        self._sizes: set[str] = set()
        self._made_of: dict[str, frozenset[str]] = {}

    def read(self) -> Graph:
        for node in self._nodes:
            self._note_activation(node)
        for node in self._nodes:
            self._read_node(node)
        if not self._operators:
            raise WeightsError("is no model of a network: its operators read no tensors")
        if self._gains:
            raise WeightsError(f"has an activation of no known detector, {next(iter(self._gains))}")
        return Graph(self._tensors, tuple(self._operators))

    def _is_renaming(self, node: Any) -> bool:
        """Note a node that makes a constant or another name of a value."""
        if node.op_type in _QUANTIZED:
            raise WeightsError("is quantized: its weights are too coarse to start a training from")
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    self._constants[node.output[0]] = attribute.t
            return True
        name = self._name(node.input[0]) if node.input else ""
        if node.op_type in (_SAME_NUMBERS if name in self._constants else _SAME_VALUE):
            self._names[node.output[0]] = name
            return True
        return False

    def _name(self, value: str) -> str:
        return self._names.get(value, value)

    def _inputs(self, node: Any) -> tuple[list[str], list[str]]:
        """Return the names of a node's inputs: of values, of constants."""
        names = [self._name(value) for value in node.input if value]
        values = [name for name in names if name not in self._constants]
        return values, [name for name in names if name in self._constants]

    def _array(self, name: str) -> Array:
        tensor = self._constants[name]
        if tensor.data_location == _ELSEWHERE:
            raise WeightsError("keeps its tensors in another file, which isn't read")
        element, field = _FLOATS[tensor.data_type]
        data = tensor.raw_data
        if not data:
            bits = "u2" if field == "int32_data" else element
            data = np.asarray(getattr(tensor, field)).astype(bits).tobytes()
        return decode(data, element, list(tensor.dims))

    def _is_float(self, name: str) -> bool:
        return self._constants[name].data_type in _FLOATS

    # Activations

    def _step(self, node: Any) -> Step | None:
        """Return what an operator does to each number alike; None for all others."""
        values, constants = self._inputs(node)
        kind = node.op_type
        if len(values) != 1 or not all(map(self._is_float, constants)):
            return None
        if kind in _LIMITS:
            return values[0], lambda x: min(x, _LIMITS[kind])
        if kind not in (*_ARITHMETIC, "Clip"):
            return None
        if any(math.prod(self._constants[name].dims) != 1 for name in constants):
            return None
        numbers = [float(self._array(name).item()) for name in constants]
        if kind == "Clip":
            limits = [attribute.f for attribute in node.attribute if attribute.name == "max"]
            return values[0], lambda x: min([x, *numbers[1:], *limits])
        is_first = self._name(node.input[0]) == values[0]
        if kind in ("Sub", "Div") and (not is_first or numbers[0] == 0):
            return None
        return values[0], lambda x: _ARITHMETIC[kind](x, numbers[0])

    def _trail(self, value: str) -> dict[str, Callable[[float], float] | None]:
        """Return a value and what it is made of number by number, and how each is made."""
        trail: dict[str, Callable[[float], float] | None] = {}
        while len(trail) < _LONGEST_GATE and value not in trail:
            step = self._step(self._makers[value]) if value in self._makers else None
            trail[value] = step[1] if step else None
            if step is None:
                break
            value = step[0]
        return trail

    def _note_activation(self, node: Any) -> None:
        """Note a product of a value with a function of it, a gate, as in hardswish and GELU."""
        values, _ = self._inputs(node)
        if node.op_type != "Mul" or len(values) != 2:
            return
        trails = [self._trail(value) for value in values]
        common = next((value for value in trails[0] if value in trails[1]), None)
        if common is None:
            return
        gain, gates = 1 / _LARGE, set[str]()
        for trail in trails:
            on_branch = list(takewhile(lambda value: value != common, trail))
            gates.update(on_branch)
            number = _LARGE
            for step in (trail[value] for value in reversed(on_branch)):
                number = step(number) if step else number
            gain *= number
        if gates and 0 < gain < _LARGE / 100:
            self._gates |= gates
            if abs(gain - 1) > _SAME_GAIN:
                self._gains[node.output[0]] = gain

    # Operators

    def _read_node(self, node: Any) -> None:
        values, constants = self._inputs(node)
        kind, gives = node.op_type, node.output[0]
        made_of = frozenset[str]().union(*[self._made_of.get(value, ()) for value in values])
        self._made_of.update(dict.fromkeys(node.output, made_of))
        if kind == "Shape" or (values and self._sizes.issuperset(values)):
            self._sizes.update(node.output)
        elif gives in self._gates or not constants or not all(map(self._is_float, constants)):
            pass
        elif kind in _KERNELS and values:
            weight, *bias = constants
            inner = f"{gives} without bias" if bias else gives
            self._enter(_KERNELS[kind], {weight: self._array(weight)}, values[0], inner)
            for name in bias:
                self._enter("offset", {name: self._array(name)}, inner, gives)
            for value in values[1:]:
                self._made_of[gives] |= self._made_of.get(value, frozenset())
        elif kind == "BatchNormalization" and len(constants) == 4 and values:
            self._enter("batch norm", self._batch_norm(node, constants), values[0], gives)
        elif kind in _ARITHMETIC and len(values) == 1:
            self._read_arithmetic(node, values[0], constants[0])
        elif kind in _OTHER_WEIGHTS:
            self._enter("other", {name: self._array(name) for name in constants}, None, gives)

    def _read_arithmetic(self, node: Any, value: str, constant: str) -> None:
        """Enter a scale or an offset, but not a factor that is the end of an activation."""
        array, kind, gives = self._array(constant).ravel(), node.op_type, node.output[0]
        is_first = self._name(node.input[0]) == constant
        if (is_first and kind in ("Sub", "Div")) or (kind == "Div" and not array.all()):
            self._enter("other", {constant: array}, value, gives)
            return
        if kind in ("Add", "Sub"):
            self._enter("offset", {constant: array if kind == "Add" else -array}, value, gives)
            return
        factor = array if kind == "Mul" else 1 / array
        gain = self._gains.pop(value, None)
        if gain is None or np.any(np.abs(factor * gain - 1) > _SAME_GAIN):
            self._enter("scale", {constant: factor * (gain or 1)}, value, gives)

    def _batch_norm(self, node: Any, constants: Sequence[str]) -> State:
        weight, bias, mean, variance = constants
        given = [attribute.f for attribute in node.attribute if attribute.name == "epsilon"]
        epsilon = given[0] if given else BN_EPSILON
        arrays = {name: self._array(name) for name in (bias, mean, weight, variance)}
        if not math.isclose(epsilon, BN_EPSILON, rel_tol=1e-3):
            arrays[variance] = arrays[variance] + np.float32(epsilon - BN_EPSILON)
        return arrays

    def _enter(self, kind: Kind, arrays: State, takes: str | None, gives: str) -> None:
        """Enter an operator; a constant of several operators is a tensor of each."""
        names = [name if name not in self._tensors else f"{name} of {gives}" for name in arrays]
        self._tensors.update(zip(names, arrays.values(), strict=True))
        after = self._made_of.get(gives if takes is None else takes, frozenset())
        self._operators.append(Operator(kind, tuple(names), takes, gives, after))
        self._made_of[gives] = frozenset(names[:1])
