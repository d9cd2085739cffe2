"""Inference models: a program and its tensors, read without running Paddle."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from glob import escape
from pathlib import Path
from typing import NamedTuple

from paddle.base.proto.framework_pb2 import VarType

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import BFLOAT16, Array, State, at_path, check_shape, decode
from ppocr_ft.weights.files import read_bytes
from ppocr_ft.weights.programs import Program, parse_message, parse_pdmodel, parse_pir

TENSORS = ".pdiparams"
PROGRAMS: Mapping[str, Callable[[bytes], Program]] = {".pdmodel": parse_pdmodel, ".json": parse_pir}

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


class InferenceModel(NamedTuple):
    """A model's two files."""

    program: Path
    tensors: Path


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
        saved = _named(program, tensors)
    return {name: saved[name] for name in program.tensor_order}


def _named(program: Program, tensors: list[Array]) -> State:
    """Name the tensors, which Paddle writes without names, sorted by name."""
    if len(tensors) != len(program.shapes):
        raise WeightsError(f"has {len(tensors)} tensors; its program has {len(program.shapes)}")
    saved = dict(zip(sorted(program.shapes), tensors, strict=True))
    for name, tensor in saved.items():
        if tensor.shape != program.shapes[name]:
            raise WeightsError(
                f"has shape {tensor.shape}; its program says {program.shapes[name]}", key=name
            )
    return saved


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
