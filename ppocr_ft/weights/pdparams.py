"""Paddle's ``.pdparams``: a pickled dict of numpy arrays, read and written.

Source: ``paddle.save`` and ``paddle.load`` of Paddle 2.0 to 3.3. A file written here ends with its
checksum: a text that a pickle's reader takes up and drops again.
"""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights.arrays import ELEMENT_TYPES, Array, State, widen_bfloat16
from ppocr_ft.weights.unpickle import unpickle

MAGIC = pickle.PROTO  # every pickle since protocol 2 begins so

_NAME_TABLE = "StructuredToParameterName@@"
_SLICES = "UnpackBigParamInfor@@"  # Paddle's spelling
_PYTORCH_MAGIC = 0x1950A86A20F9469CFC6C  # what a PyTorch file before 1.6 begins with
_PROTOCOL = 4
_CHECKSUM = "ppocr_ft blake2b "
_CHECKSUM_BYTES, _TRAILER_BYTES = 16, 5 + len(_CHECKSUM) + 32 + 2


def decode_pdparams(data: bytes) -> State:
    """Return the tensors of a ``.pdparams`` file's bytes.

    Each value is an array or, as Paddle 2.1 has it in nested objects, a pair of name and array.
    Paddle's table of parameter names is left out; tensors that protocol 2 or 3 cut into slices
    are put together. Paddle keeps bfloat16 as uint16: such tensors become float32. Raises
    WeightsError, naming the key, also where a checksum inside isn't that of the content.
    """
    checksum(data)
    loaded = unpickle(data)
    if isinstance(loaded, int) and loaded == _PYTORCH_MAGIC:
        raise WeightsError("is a PyTorch checkpoint; PaddleOCR's weights are .pdparams files")
    if not isinstance(loaded, dict):
        raise WeightsError(f"holds {_kind(loaded)} instead of a dict of tensors")
    entries = dict(loaded)
    entries.pop(_NAME_TABLE, None)
    slices = entries.pop(_SLICES, {})
    if not isinstance(slices, dict):
        raise WeightsError("is a damaged table of slices", key=_SLICES)
    entries.update({key: _join(key, info, entries) for key, info in slices.items()})
    state = {key: _tensor(key, value) for key, value in entries.items()}
    if not state:
        raise WeightsError("holds no tensors")
    return state


def _join(key: str, info: object, entries: dict[str, Any]) -> Array:
    """Return a tensor that was cut into slices, whose slices leave ``entries``."""
    match info:
        case {"slices": [*names], "OriginShape": tuple() as shape}:
            slices = [entries.pop(name, None) for name in names if isinstance(name, str)]
            if slices and all(isinstance(part, np.ndarray) and part.ndim == 1 for part in slices):
                whole: Array = np.concatenate(slices)
                if whole.size == np.prod([int(size) for size in shape], dtype=object):
                    return whole.reshape(shape)
    raise WeightsError("was cut into slices that don't make up the tensor", key=key)


def _tensor(key: str, value: object) -> Array:
    match value:
        case (str(), np.ndarray() as array):
            pass
        case np.ndarray() as array:
            pass
        case _:
            raise WeightsError(
                f"is {_kind(value)}, not a tensor; the optimizer's .pdopt and the run's .states "
                "lie beside the .pdparams file that has the weights",
                key=key,
            )
    return widen_bfloat16(array) if array.dtype == np.uint16 else array


def _kind(value: object) -> str:
    name = "array" if isinstance(value, np.ndarray) else type(value).__name__
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def encode_pdparams(state: Mapping[str, Array]) -> Iterator[bytes]:
    """Return the bytes of a ``.pdparams`` file, in pieces, the last of them with their checksum.

    Written instruction by instruction: ``pickle`` under numpy 2 names ``numpy._core``, which numpy
    before 1.26, and so most PaddleOCR 2 installations, can't import. This file names
    ``numpy.core``, which every numpy can.
    """
    hasher = hashlib.blake2b(digest_size=_CHECKSUM_BYTES)
    for piece in _encode_dict(state):
        hasher.update(piece)
        yield piece
    yield _text(_CHECKSUM + hasher.hexdigest()) + pickle.POP + pickle.STOP


def checksum(data: bytes) -> str:
    """Return the checksum, in hexadecimal, that a ``.pdparams`` file's bytes end with; "" if none.

    Raises:
        WeightsError: it isn't that of the content.
    """
    content, trailer = data[:-_TRAILER_BYTES], data[-_TRAILER_BYTES:]
    if trailer[5:].startswith(_CHECKSUM.encode()):
        found = hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES).hexdigest()
        if trailer == _text(_CHECKSUM + found) + pickle.POP + pickle.STOP:
            return found
        raise WeightsError("is damaged: its checksum isn't that of its content")
    return ""


def _encode_dict(state: Mapping[str, Array]) -> Iterator[bytes]:
    yield pickle.PROTO + bytes([_PROTOCOL]) + pickle.EMPTY_DICT + pickle.MARK
    for key, value in state.items():
        yield _text(key)
        yield from _encode_array(key, np.asarray(value, order="C"))
    yield pickle.SETITEMS


def _encode_array(key: str, array: Array) -> Iterator[bytes]:
    """Yield ``_reconstruct(...)`` of an array, then version, shape, dtype, order and elements.

    The dtype is ``dtype(element, False, True)`` and its state, little endian.
    """
    element = array.dtype.str[1:]
    if element not in ELEMENT_TYPES:
        raise WeightsError(f"has elements of type {array.dtype}, which no weights have", key=key)
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    yield _name("numpy.core.multiarray", "_reconstruct") + _name("numpy", "ndarray")
    yield _int(0) + pickle.TUPLE1 + _bytes(b"b") + pickle.TUPLE3 + pickle.REDUCE
    yield pickle.MARK + _int(1)
    yield pickle.MARK + b"".join(_int(size) for size in array.shape) + pickle.TUPLE
    yield _name("numpy", "dtype") + _text(element) + pickle.NEWFALSE + pickle.NEWTRUE
    yield pickle.TUPLE3 + pickle.REDUCE
    order = "<" if array.dtype.itemsize > 1 else "|"
    yield pickle.MARK + _int(3) + _text(order) + pickle.NONE * 3 + _int(-1) * 2 + _int(0)
    yield pickle.TUPLE + pickle.BUILD
    yield pickle.NEWFALSE + _bytes(data) + pickle.TUPLE + pickle.BUILD


def _name(module: str, name: str) -> bytes:
    return _text(module) + _text(name) + pickle.STACK_GLOBAL


def _text(text: str) -> bytes:
    encoded = text.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def _bytes(data: bytes) -> bytes:
    return pickle.BINBYTES8 + struct.pack("<Q", len(data)) + data


def _int(value: int) -> bytes:
    """Return a whole number of -1 or more."""
    if value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    return pickle.LONG1 + bytes([8]) + struct.pack("<q", value)
