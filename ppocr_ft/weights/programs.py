"""An inference model's program: its tensors, in the order in which its operators read them.

Two formats, read as data. Paddle 3's loader reads a ``.pdmodel`` only under a flag that is set
before paddle is imported, needs static mode, and fills the process-wide scope.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from paddle.base.proto import framework_pb2

from ppocr_ft.errors import WeightsError

Shapes = dict[str, tuple[int, ...]]

# PIR's JSON (Paddle 3): batch norm's operands are x, mean, variance, scale, bias
_PARAMETER = "p"
_BATCH_NORMS = ("1.batch_norm", "1.batch_norm_")
_BATCH_NORM_SLOTS = (4, 1, 3, 2)  # bias, mean, scale, variance: the order of a .pdmodel's slots


class Program(NamedTuple):
    """``shapes``: every saved tensor by name; ``tensor_order``: as the operators read them."""

    shapes: Shapes
    tensor_order: list[str]


def parse_message(kind: Any, data: bytes | memoryview) -> Any:
    """Read a message of Paddle's framework.proto; ``kind`` is its class in ``framework_pb2``.

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
    program = parse_message(framework_pb2.ProgramDesc, data)
    return {_text(operator.type) for block in program.blocks for operator in block.ops}


def parse_pdmodel(data: bytes) -> Program:
    """Read a ``.pdmodel`` (Paddle 1.8 to 3.x), a ProgramDesc of Paddle's framework.proto.

    An operator's inputs are taken by the name of their slot, as Paddle does. Raises WeightsError.
    """
    blocks = parse_message(framework_pb2.ProgramDesc, data).blocks
    shapes = {
        _text(variable.name): tuple(variable.type.dense_tensor.tensor.dims)
        for block in blocks
        for variable in block.vars
        if variable.persistable and variable.type.type == framework_pb2.VarType.DENSE_TENSOR
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


def _checked(shapes: Shapes, names: Iterable[str]) -> Program:
    order = list(dict.fromkeys(name for name in names if name in shapes))
    if not order:
        raise WeightsError("is no program of an inference model: its operators read no tensors")
    return Program(shapes, order)
