"""Inference models: a program and its tensors, read without running Paddle.

Two formats of programs, read as data. Paddle 3's loader reads a ``.pdmodel`` only under a flag
that is set before paddle is imported, needs static mode, and fills the process-wide scope.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from paddle.base.proto.framework_pb2 import ProgramDesc, VarType

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import BFLOAT16, Array, State, at_path, check_shape, decode
from ppocr_ft.weights.files import read_bytes

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
_BATCH_NORMS = ("1.batch_norm", "1.batch_norm_")
_BATCH_NORM_SLOTS = (4, 1, 3, 2)  # bias, mean, scale, variance: the order of a .pdmodel's slots


class Program(NamedTuple):
    """``shapes``: every saved tensor by name; ``tensor_order``: as the operators read them."""

    shapes: dict[str, tuple[int, ...]]
    tensor_order: list[str]


class InferenceModel(NamedTuple):
    """A model's two files."""

    program: Path
    tensors: Path


def parse_message(kind: Any, data: bytes | memoryview) -> Any:
    """Read a message of Paddle's framework.proto; ``kind`` is its class there.

    Raises:
        WeightsError: the bytes are no such message.
    """
    try:
        message = kind.FromString(bytes(data))
    except (DecodeError, UnicodeDecodeError):
        message = None
    if message is None or not message.IsInitialized():
        raise WeightsError(f"is damaged or cut off: no {kind.DESCRIPTOR.name} of Paddle")
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
    names = (
        _text(name)
        for block in blocks
        for operator in block.ops
        for slot in sorted(operator.inputs, key=lambda slot: _text(slot.parameter))
        for name in slot.arguments
    )
    return _checked(shapes, names)


def _text(value: str | bytes) -> str:
    """Return a name; protobuf gives one that isn't UTF-8 as bytes."""
    if isinstance(value, bytes):
        raise WeightsError("is damaged: a name that isn't text")
    return value


def parse_pir(data: bytes) -> Program:
    """Read an ``inference.json`` (Paddle 3.x): PIR, serialized. Raises WeightsError."""
    try:
        document = json.loads(data)
        operators = document["program"]["regions"][0]["blocks"][0]["ops"]
        parameters = dict(_parameter(op) for op in operators if op["#"] == _PARAMETER)
        shapes = dict(parameters.values())
        order = [parameters[value][0] for op in operators for value in _operands(op, parameters)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"is no program of Paddle 3: {type(error).__name__} {error}") from None
    return _checked(shapes, order)


def _parameter(operator: Mapping[str, Any]) -> tuple[int, tuple[str, tuple[int, ...]]]:
    """Return a parameter's value number, its name and shape."""
    output = operator["O"]
    name = operator["A"][-1]
    shape = output["TT"]["D"][1]
    if not isinstance(name, str) or not all(type(size) is int for size in shape):
        raise TypeError("a parameter without name or shape")
    return output["%"], (name, tuple(shape))


def _operands(operator: Mapping[str, Any], parameters: Mapping[int, object]) -> list[int]:
    """Return the value numbers of the parameters that an operator reads."""
    values = [operand["%"] for operand in operator.get("I", [])]
    if operator["#"] in _BATCH_NORMS:
        values = [values[index] for index in _BATCH_NORM_SLOTS]
    return [value for value in values if value in parameters]


def _checked(shapes: dict[str, tuple[int, ...]], names: Iterable[str]) -> Program:
    order = list(dict.fromkeys(name for name in names if name in shapes))
    if not order:
        raise WeightsError("is no program of an inference model: its operators read no tensors")
    return Program(shapes, order)


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


def read_inference_model(model: InferenceModel) -> State:
    """Return array by Paddle's tensor name, in the order in which the operators read them.

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
    return {name: saved[name] for name in program.tensor_order}


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
