"""The operators that a program may have; they are checked before Paddle runs it.

A program can make Paddle do more than arithmetic: some operators write files. A detector needs
none of those, so a program with an operator outside this list is refused and never run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.programs import operator_types

COMPUTING = {
    "add": "elementwise_add",
    "batch_norm": "batch_norm",
    "bilinear_interp": "bilinear_interp_v2",
    "clip": "clip",
    "concat": "concat",
    "conv2d": "conv2d",
    "conv2d_transpose": "conv2d_transpose",
    "data": "feed",
    "depthwise_conv2d": "depthwise_conv2d",
    "divide": "elementwise_div",
    "fetch": "fetch",
    "flatten": "flatten_contiguous_range",
    "full": "fill_constant",
    "gelu": "gelu",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "layer_norm": "layer_norm",
    "leaky_relu": "leaky_relu",
    "matmul": "matmul_v2",
    "maximum": "elementwise_max",
    "mean": "reduce_mean",
    "multiply": "elementwise_mul",
    "nearest_interp": "nearest_interp_v2",
    "pool2d": "pool2d",
    "relu": "relu",
    "relu6": "relu6",
    "reshape": "reshape2",
    "scale": "scale",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "softmax": "softmax",
    "split": "split",
    "subtract": "elementwise_sub",
    "swish": "swish",
    "tanh": "tanh",
    "transpose": "transpose2",
}
"""The operators of networks, by their names in ``inference.json`` and in ``inference.pdmodel``.

All of them only do arithmetic; a backbone that needs another one of this kind adds a line here."""
PIR_OPERATORS = {"p", "0.combine", "1.full_int_array", *(f"1.{name}" for name in COMPUTING)}
"""Of an ``inference.json``; the number is the dialect's. One that works in place ends in ``_``."""
PROTOBUF_OPERATORS = {"assign", *COMPUTING.values()}
"""Of an ``inference.pdmodel``."""


def check_operators(program: Path) -> None:
    """Check that a program consists of operators that only compute.

    Raises:
        WeightsError: the program can't be read, or has an operator that no detector needs.
    """
    try:
        content = program.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=program) from None
    is_pir = program.suffix == ".json"
    try:
        operators = set(_pir_operators(content)) if is_pir else operator_types(content)
    except WeightsError as error:
        raise WeightsError(error.message, path=program) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise WeightsError("is no program of Paddle 3", path=program) from None
    foreign = sorted(operators - (PIR_OPERATORS if is_pir else PROTOBUF_OPERATORS))
    if foreign or not operators:
        what = f"has the operator {', '.join(foreign)}" if foreign else "has no operators"
        raise WeightsError(f"{what}; it isn't run, since no detector needs that", path=program)


def _pir_operators(content: bytes) -> Iterator[str]:
    yield from _operators_in(json.loads(content)["program"]["regions"])


def _operators_in(regions: list[Any]) -> Iterator[str]:
    for region in regions:
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield str(operator["#"]).removesuffix("_")
                yield from _operators_in(operator.get("regions", []))
