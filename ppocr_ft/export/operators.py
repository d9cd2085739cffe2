"""Which operators a program may have before Paddle runs it.

A program is data, but data that says what Paddle is to do: there are operators that write files.
A detector needs none of them, so a program with any operator but these is refused unrun.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.programs import operator_types

PIR_OPERATORS = frozenset(
    {
        "p",
        "0.combine",
        "1.add",
        "1.add_",
        "1.batch_norm",
        "1.batch_norm_",
        "1.clip",
        "1.concat",
        "1.conv2d",
        "1.conv2d_transpose",
        "1.data",
        "1.depthwise_conv2d",
        "1.fetch",
        "1.full",
        "1.full_int_array",
        "1.hardsigmoid",
        "1.hardswish",
        "1.multiply",
        "1.multiply_",
        "1.nearest_interp",
        "1.pool2d",
        "1.relu",
        "1.relu_",
        "1.reshape",
        "1.scale",
        "1.scale_",
        "1.sigmoid",
        "1.sigmoid_",
        "1.bilinear_interp",
    }
)
"""Of an ``inference.json``; the number is the dialect's."""
PROTOBUF_OPERATORS = frozenset(
    {
        "assign",
        "batch_norm",
        "bilinear_interp_v2",
        "clip",
        "concat",
        "conv2d",
        "conv2d_transpose",
        "depthwise_conv2d",
        "elementwise_add",
        "elementwise_mul",
        "feed",
        "fetch",
        "fill_constant",
        "hard_sigmoid",
        "hard_swish",
        "nearest_interp_v2",
        "pool2d",
        "relu",
        "reshape2",
        "scale",
        "sigmoid",
    }
)
"""Of an ``inference.pdmodel``."""


def check_operators(program: Path) -> None:
    """
    Raises:
        WeightsError: the program can't be read, or has an operator that no detector needs.
    """
    try:
        content = program.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=program) from None
    is_pir = program.suffix == ".json"
    try:
        found = set(_pir_operators(content)) if is_pir else operator_types(content)
    except WeightsError as error:
        raise WeightsError(error.message, path=program) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise WeightsError("is no program of Paddle 3", path=program) from None
    foreign = sorted(found - (PIR_OPERATORS if is_pir else PROTOBUF_OPERATORS))
    if foreign or not found:
        what = f"has the operator {', '.join(foreign)}" if foreign else "has no operators"
        raise WeightsError(f"{what}; it isn't run, since no detector needs that", path=program)


def _pir_operators(content: bytes) -> Iterator[str]:
    yield from _operators_in(json.loads(content)["program"]["regions"])


def _operators_in(regions: list[Any]) -> Iterator[str]:
    for region in regions:
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield str(operator["#"])
                yield from _operators_in(operator.get("regions", []))
