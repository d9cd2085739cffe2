"""``.safetensors`` files, read and written by the ``safetensors`` package."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import BFLOAT16, ELEMENT_TYPES, Array, State, decode

_ELEMENTS = {
    **{"BOOL": "b1", "I8": "i1", "U8": "u1", "I16": "i2", "U16": "u2", "I32": "i4", "U32": "u4"},
    **{"I64": "i8", "U64": "u8", "F16": "f2", "F32": "f4", "F64": "f8", "BF16": BFLOAT16},
}


def looks_like_safetensors(data: bytes) -> bool:
    """Return whether the bytes begin with a length, then a JSON header."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 2**32


def decode_safetensors(data: bytes) -> State:
    """Return the tensors of a ``.safetensors`` file's bytes; bfloat16 becomes float32.

    Raises WeightsError, naming the key.
    """
    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise WeightsError(f"is a damaged or cut off safetensors file: {error}") from None
    if not entries:
        raise WeightsError("holds no tensors")
    return {key: _tensor(key, entry) for key, entry in entries}


def _tensor(key: str, entry: dict[str, object]) -> Array:
    name, shape, data = str(entry["dtype"]), entry["shape"], entry["data"]
    assert isinstance(shape, list)
    assert isinstance(data, (bytes, bytearray))
    try:
        return decode(data, _ELEMENTS.get(name, name), shape)
    except WeightsError as error:
        raise WeightsError(error.message, key=key) from None


def encode_safetensors(state: Mapping[str, Array]) -> bytes:
    """Return the bytes of a ``.safetensors`` file."""
    arrays = {key: np.asarray(value, order="C") for key, value in state.items()}
    for key, array in arrays.items():
        if array.dtype.str[1:] not in ELEMENT_TYPES:
            raise WeightsError(f"has elements of type {array.dtype}, not numbers", key=key)
    return safetensors.numpy.save(arrays)
