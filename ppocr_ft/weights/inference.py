"""Inference models: a program and its tensors, read without running Paddle.

Two formats of programs, read as data. Paddle 3's loader reads a ``.pdmodel`` only under a flag
that is set before paddle is imported, needs static mode, and fills the process-wide scope.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from paddle.base.proto.framework_pb2 import ProgramDesc, VarType

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import BFLOAT16, Array, at_path, check_shape, decode
from ppocr_ft.weights.files import read_bytes
from ppocr_ft.weights.graph import Graph, Kind, Operator

TENSORS = ".pdiparams"
_USUAL_STEM = "inference"
_ELEMENTS = {
    VarType.BOOL: "b1",
    VarType.UINT8: "u1",
    VarType.INT8: "i1",
    VarType.INT16: "i2",
    VarType.INT32: "i4",
    VarType.INT64: "i8",
    VarType.FP16: "f2",
    VarType.FP32: "f4",
    VarType.FP64: "f8",
    VarType.BF16: BFLOAT16,
}
# PIR's JSON (Paddle 3): batch norm's operands are x, mean, variance, scale, bias
_PARAMETER = "p"
_BATCH_NORM_SLOTS = (0, 4, 1, 3, 2)  # x, bias, mean, scale, variance
_RESHAPE = "reshape"
_KINDS: dict[str, Kind] = {  # by Paddle's names of operators, of both formats
    "conv2d": "convolution",
    "depthwise_conv2d": "convolution",
    "conv2d_transpose": "transposed convolution",
    "depthwise_conv2d_transpose": "transposed convolution",
    "batch_norm": "batch norm",
    "elementwise_mul": "scale",
    "multiply": "scale",
    "elementwise_add": "offset",
    "add": "offset",
}
_OUTPUTS = ("Y", "Out", "Output")  # a .pdmodel's names of the slot with the result


class Program(NamedTuple):
    """``shapes``: every saved tensor by name; ``operators``: those that read tensors."""

    shapes: dict[str, tuple[int, ...]]
    operators: tuple[Operator, ...]

    @property
    def tensor_order(self) -> list[str]:
        """The names of the tensors as the operators read them."""
        return list(dict.fromkeys(name for o in self.operators for name in o.tensors))


class _Call(NamedTuple):
    """An operator of Paddle: inputs, tensors among them, and outputs, the main first."""

    kind: str
    inputs: Sequence[Hashable]
    outputs: Sequence[Hashable]


class InferenceModel(NamedTuple):
    """A model's two files."""

    program: Path
    tensors: Path


def parse_message(kind: Any, data: bytes | memoryview, of: str = "Paddle") -> Any:
    """Read a protobuf message; ``kind`` is its class in the framework.proto of Paddle, say.

    Raises:
        WeightsError: the bytes are no such message.
    """
    try:
        message = kind.FromString(bytes(data))
    except (DecodeError, UnicodeDecodeError):
        message = None
    if message is None or not message.IsInitialized():
        raise WeightsError(f"is damaged or cut off: no {kind.DESCRIPTOR.name} of {of}")
    return message


def operator_types(data: bytes) -> set[str]:
    """Return the types of all operators of a ``.pdmodel``. Raises WeightsError."""
    program = parse_message(ProgramDesc, data)
    return {_text(operator.type) for block in program.blocks for operator in block.ops}


def parse_pdmodel(data: bytes) -> Program:
    """Read a ``.pdmodel`` (Paddle 1.8 to 3.x), a ProgramDesc of Paddle's framework.proto.

    An operator's inputs are taken by the name of their slot, as Paddle does. Raises WeightsError.
    """
    blocks = parse_message(ProgramDesc, data).blocks
    shapes = {
        _text(variable.name): tuple(variable.type.dense_tensor.tensor.dims)
        for block in blocks
        for variable in block.vars
        if variable.persistable and variable.type.type == VarType.DENSE_TENSOR
    }
    calls = (
        _Call(
            _text(operator.type),
            [name for _, names in sorted(_slots(operator.inputs)) for name in names],
            [name for _, names in sorted(_slots(operator.outputs), key=_is_side) for name in names],
        )
        for block in blocks
        for operator in block.ops
    )
    return _checked(shapes, calls)


def _slots(slots: Iterable[Any]) -> list[tuple[str, list[str]]]:
    """Return the slots of an operator's inputs or outputs with the names in them."""
    return [(_text(slot.parameter), [_text(name) for name in slot.arguments]) for slot in slots]


def _is_side(slot: tuple[str, list[str]]) -> bool:
    return slot[0] not in _OUTPUTS


def _text(value: str | bytes) -> str:
    """Return a name; protobuf gives one that isn't UTF-8 as bytes."""
    if isinstance(value, bytes):
        raise WeightsError("is damaged: a name that isn't text")
    return value


def parse_pir(data: bytes) -> Program:
    """Read an ``inference.json`` (Paddle 3.x): PIR, serialized. Raises WeightsError."""
    try:
        document = json.loads(data)
        listed = document["program"]["regions"][0]["blocks"][0]["ops"]
        parameters = dict(_parameter(op) for op in listed if op["#"] == _PARAMETER)
        shapes = dict(parameters.values())
        calls = _pir_calls(listed, {value: name for value, (name, _) in parameters.items()})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"is no program of Paddle 3: {type(error).__name__} {error}") from None
    return _checked(shapes, calls)


def _parameter(operator: Mapping[str, Any]) -> tuple[int, tuple[str, tuple[int, ...]]]:
    """Return a parameter's value number, its name and shape."""
    output = operator["O"]
    name = operator["A"][-1]
    shape = output["TT"]["D"][1]
    if not isinstance(name, str) or not all(type(size) is int for size in shape):
        raise TypeError("a parameter without name or shape")
    return _value(output), (name, tuple(shape))


def _value(place: Mapping[str, Any]) -> int:
    """Return the number of a value that an operator takes or gives."""
    number = place["%"]
    if type(number) is not int:
        raise TypeError("a value without a number")
    return number


def _pir_calls(listed: Iterable[Mapping[str, Any]], names: dict[int, str]) -> list[_Call]:
    """Return PIR's operators; ``names``: of the parameters by value number.

    A bias is reshaped before it is added: that result is the parameter, too.
    """
    calls = []
    for operator in listed:
        kind = operator["#"].removeprefix("1.").removesuffix("_")
        values = [_value(operand) for operand in operator.get("I", [])]
        outputs = operator.get("O", [])
        results = [_value(output) for output in outputs] if isinstance(outputs, list) else []
        if kind == _RESHAPE and values[0] in names:
            names[results[0]] = names[values[0]]
            continue
        if kind == "batch_norm":
            values = [values[index] for index in _BATCH_NORM_SLOTS]
        calls.append(_Call(kind, [names.get(value, value) for value in values], results))
    return calls


def _checked(shapes: dict[str, tuple[int, ...]], calls: Iterable[_Call]) -> Program:
    operators = tuple(_operators(calls, shapes))
    if not operators:
        raise WeightsError("is no program of an inference model: its operators read no tensors")
    return Program(shapes, operators)


def _operators(calls: Iterable[_Call], tensors: Container[Hashable]) -> Iterator[Operator]:
    """Yield the operators that read tensors."""
    made_of: dict[Hashable, frozenset[str]] = {}
    for kind, inputs, outputs in calls:
        weights = tuple(str(name) for name in inputs if name in tensors)
        values = [name for name in inputs if name not in tensors]
        after = frozenset[str]().union(*[made_of.get(value, ()) for value in values])
        known = _KINDS.get(kind, "other")
        if weights:
            is_known = len(weights) == (4 if known == "batch norm" else 1)
            takes, gives = next(iter(values), None), next(iter(outputs), None)
            yield Operator(known if is_known else "other", weights, takes, gives, after)
            after = frozenset(weights[:1])
        made_of.update(dict.fromkeys(outputs, after))


PROGRAMS: Mapping[str, Callable[[bytes], Program]] = {".pdmodel": parse_pdmodel, ".json": parse_pir}


def find_inference_model(folder: Path, stem: str | None = None) -> InferenceModel | None:
    """Return the model in a folder: ``<stem>.json`` or ``.pdmodel`` with ``<stem>.pdiparams``.

    Without ``stem``: the only one, or the one named ``inference``. None if there is none.
    Raises WeightsError if a file of the pair is missing or there are several.
    """
    pattern = "*" if stem is None else escape(stem)
    tensors = {path.stem: path for path in sorted(folder.glob(pattern + TENSORS))}
    programs = {  # where both are there, the newer format counts
        path.stem: path for suffix in PROGRAMS for path in sorted(folder.glob(pattern + suffix))
    }
    models = {
        name: InferenceModel(programs[name], tensors[name]) for name in tensors.keys() & programs
    }
    if not models:
        _refuse_half(tensors, programs)
        return None
    if len(models) > 1 and _USUAL_STEM not in models:
        raise WeightsError(
            f"has several models; name one: {', '.join(sorted(models))}", path=folder
        )
    return models.get(_USUAL_STEM) or next(iter(models.values()))


def _refuse_half(tensors: Mapping[str, Path], programs: Mapping[str, Path]) -> None:
    """Raise for tensors without a program or a ``.pdmodel`` without tensors."""
    for name, path in tensors.items():
        missing = " or ".join(name + suffix for suffix in PROGRAMS)
        raise WeightsError(f"needs {missing} beside it", path=path)
    for name, path in programs.items():
        if path.suffix == ".pdmodel":
            raise WeightsError(f"needs {name + TENSORS} beside it", path=path)


def read_inference_model(model: InferenceModel) -> Graph:
    """Return a model's operators, and its tensors by Paddle's name in the order of their reading.

    Float types narrower than 32 bits are kept but bfloat16, which becomes float32. Raises
    WeightsError, naming the file, for files that are damaged or don't belong together.
    """
    with at_path(model.program):
        program = PROGRAMS[model.program.suffix](read_bytes(model.program))
    with at_path(model.tensors):
        tensors = decode_tensors(read_bytes(model.tensors))
        if len(tensors) != len(program.shapes):
            raise WeightsError(f"has {len(tensors)} tensors; its program has {len(program.shapes)}")
        # Paddle writes them without names, sorted by name
        saved = dict(zip(sorted(program.shapes), tensors, strict=True))
        for name, tensor in saved.items():
            expected = program.shapes[name]
            if tensor.shape != expected:
                raise WeightsError(
                    f"has shape {tensor.shape}; its program says {expected}", key=name
                )
    return Graph({name: saved[name] for name in program.tensor_order}, program.operators)


def decode_tensors(data: bytes) -> list[Array]:
    """Return the tensors of a ``.pdiparams`` file's bytes (Paddle's save_combine), in their order.

    Each: version (uint32, 0), number of LoD levels (uint64, 0), version (uint32, 0), length of a
    TensorDesc (int32), the TensorDesc, the elements. Raises WeightsError.
    """
    view = memoryview(data)
    tensors = []
    while view:
        tensor, view = _next_tensor(view)
        tensors.append(tensor)
    if not tensors:
        raise WeightsError("is empty")
    return tensors


def _next_tensor(view: memoryview) -> tuple[Array, memoryview]:
    """Return the tensor that ``view`` begins with, and what follows it."""
    header, view = _split(view, 20)
    version, levels, tensor_version, description_bytes = struct.unpack("<IQIi", header)
    if version or levels or tensor_version or description_bytes < 0:
        raise WeightsError("is damaged, or no file of tensors for inference")
    description, view = _split(view, description_bytes)
    tensor = parse_message(VarType.TensorDesc, description)
    element, shape = _ELEMENTS.get(tensor.data_type), list(tensor.dims)
    if element is None:
        name = VarType.Type.Name(tensor.data_type)
        raise WeightsError(f"has a tensor of Paddle's type {name}, which no weights have")
    check_shape(shape)
    element_bytes = 2 if element == BFLOAT16 else int(element[1:])
    elements, view = _split(view, math.prod(shape) * element_bytes)
    return decode(elements, element, shape), view


def _split(view: memoryview, length: int) -> tuple[memoryview, memoryview]:
    if length > len(view):
        raise WeightsError("is cut off: a tensor goes past its end")
    return view[:length], view[length:]
