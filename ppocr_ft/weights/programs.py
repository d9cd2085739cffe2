"""An inference model's program: which tensors it has, and the order its operators read them in.

Two formats, each with a reader of its own here. Paddle 3's loader reads a ``.pdmodel`` only under a
flag that is set before paddle is imported, needs static mode, and fills the process-wide scope.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.protobuf import integers, strings, submessages

Shapes = dict[str, tuple[int, ...]]

# framework.proto: field numbers
_PROGRAM_BLOCKS = 1
_BLOCK_VARIABLES, _BLOCK_OPERATORS = 3, 4
_VARIABLE_NAME, _VARIABLE_TYPE, _VARIABLE_PERSISTABLE = 1, 2, 3
_TYPE_KIND, _TYPE_DENSE = 1, 3
_DENSE_TENSOR, _TENSOR_DIMS = 1, 2
_OPERATOR_INPUTS = 1
_INPUT_SLOT, _INPUT_NAMES = 1, 2
_KIND_DENSE_TENSOR = 7

# PIR's JSON (Paddle 3): batch norm's operands are x, mean, variance, scale, bias
_PARAMETER = "p"
_BATCH_NORMS = ("1.batch_norm", "1.batch_norm_")
_BATCH_NORM_WALK = (4, 1, 3, 2)  # bias, mean, scale, variance: the order of a .pdmodel's slots


class Program(NamedTuple):
    """``shapes``: every saved tensor by name; ``walk``: the names as the operators read them."""

    shapes: Shapes
    walk: list[str]


def parse_pdmodel(data: bytes) -> Program:
    """A ``.pdmodel`` (Paddle 1.8 to 3.x), a ProgramDesc of Paddle's framework.proto.

    An operator's inputs are taken by the name of their slot, as Paddle does. Raises WeightsError.
    """
    blocks = list(submessages(memoryview(data), _PROGRAM_BLOCKS))
    shapes = dict(saved for block in blocks for saved in _saved_variables(block))
    names = (
        name
        for block in blocks
        for operator in submessages(block, _BLOCK_OPERATORS)
        for name in _input_names(operator)
    )
    return _checked(shapes, names)


def _saved_variables(block: memoryview) -> Iterator[tuple[str, tuple[int, ...]]]:
    for variable in submessages(block, _BLOCK_VARIABLES):
        kinds = list(submessages(variable, _VARIABLE_TYPE))
        is_dense = bool(kinds) and integers(kinds[0], _TYPE_KIND) == [_KIND_DENSE_TENSOR]
        if is_dense and integers(variable, _VARIABLE_PERSISTABLE) == [1]:
            tensors = [
                tensor
                for dense in submessages(kinds[0], _TYPE_DENSE)
                for tensor in submessages(dense, _DENSE_TENSOR)
            ]
            dims = [size for tensor in tensors for size in integers(tensor, _TENSOR_DIMS)]
            for name in strings(variable, _VARIABLE_NAME):
                yield name, tuple(dims)


def _input_names(operator: memoryview) -> list[str]:
    slots = [
        (strings(slot, _INPUT_SLOT), strings(slot, _INPUT_NAMES))
        for slot in submessages(operator, _OPERATOR_INPUTS)
    ]
    return [name for _, names in sorted(slots) for name in names]


def parse_pir(data: bytes) -> Program:
    """An ``inference.json`` (Paddle 3.x): PIR, serialized. Raises WeightsError."""
    try:
        document = json.loads(data)
        operators = document["program"]["regions"][0]["blocks"][0]["ops"]
        parameters = dict(_parameter(op) for op in operators if op["#"] == _PARAMETER)
        shapes = dict(parameters.values())
        walk = [parameters[value][0] for op in operators for value in _operands(op, parameters)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"is no program of Paddle 3: {type(error).__name__} {error}") from None
    return _checked(shapes, walk)


def _parameter(operator: Mapping[str, Any]) -> tuple[int, tuple[str, tuple[int, ...]]]:
    """A parameter's value number, its name and shape."""
    output = operator["O"]
    name = operator["A"][-1]
    shape = output["TT"]["D"][1]
    if not isinstance(name, str) or not all(type(size) is int for size in shape):
        raise TypeError("a parameter without name or shape")
    return output["%"], (name, tuple(shape))


def _operands(operator: Mapping[str, Any], parameters: Mapping[int, object]) -> list[int]:
    """The value numbers of the parameters that an operator reads."""
    values = [operand["%"] for operand in operator.get("I", [])]
    if operator["#"] in _BATCH_NORMS:
        values = [values[index] for index in _BATCH_NORM_WALK]
    return [value for value in values if value in parameters]


def _checked(shapes: Shapes, names: Iterable[str]) -> Program:
    walk = list(dict.fromkeys(name for name in names if name in shapes))
    if not walk:
        raise WeightsError("is no program of an inference model: its operators read no tensors")
    return Program(shapes, walk)
