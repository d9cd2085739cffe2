"""States, tensors by key: out of a file's bytes, between two, the mean of several."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import WeightsError

Array = NDArray[Any]
State = dict[str, Array]

BFLOAT16 = "bf16"
ELEMENT_TYPES = ("b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
"""The element types that weights have."""
_MOST_DIMENSIONS = 32  # what every numpy can hold


@contextmanager
def at_path(path: Path) -> Iterator[None]:
    """Add the file's path to a WeightsError that has none yet."""
    try:
        yield
    except WeightsError as error:
        if error.path is not None:
            raise
        raise type(error)(error.message, path=path, key=error.key) from error


def decode(
    data: bytes | bytearray | memoryview,
    element: str,
    shape: Sequence[int],
    *,
    big_endian: bool = False,
    fortran: bool = False,
) -> Array:
    """Make a tensor's raw elements an array; bfloat16 (``BFLOAT16``) becomes float32.

    The array may share the memory of ``data`` and be read-only. Raises WeightsError if type,
    shape and number of bytes don't belong together.
    """
    name = "u2" if element == BFLOAT16 else element
    if name not in ELEMENT_TYPES:
        raise WeightsError(f"a tensor has elements of type {element!r}, not numbers")
    check_shape(shape)
    dtype = np.dtype((">" if big_endian else "<") + name)
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(data):
        raise WeightsError(
            f"a tensor of shape {tuple(shape)} needs {needed} bytes and has {len(data)}"
        )
    flat: Array = np.frombuffer(data, dtype)
    array: Array = flat.reshape(tuple(shape), order="F" if fortran else "C")
    if element == BFLOAT16:
        return widen_bfloat16(array)
    return array.astype(dtype.newbyteorder("="), copy=False)


def check_shape(shape: Sequence[int]) -> None:
    """Raise WeightsError for a shape that no tensor has: negative, huge, too many dimensions."""
    sizes_fit = len(shape) <= _MOST_DIMENSIONS and all(
        type(size) is int and 0 <= size < 2**63 for size in shape
    )
    if not sizes_fit or math.prod(max(size, 1) for size in shape) > 2**60:
        raise WeightsError("a tensor's shape is damaged")


def widen_bfloat16(bits: Array) -> Array:
    """Convert bfloat16 given as uint16 to float32: its bits are the upper half of one."""
    return np.asarray(np.left_shift(bits, 16, dtype=np.uint32)).view(np.float32)


def interpolated(
    start: Mapping[str, Array], tuned: Mapping[str, Array], alpha: float | Mapping[str, float]
) -> State:
    """Return ``(1 - alpha) * start + alpha * tuned`` of every floating tensor, by ``tuned``'s keys.

    A tensor that ``start`` lacks, or that is no floating one, is ``tuned``'s. ``alpha`` may differ
    by the beginning of a key, the longest counts: ``{"": 0.5, "backbone.": 0.25}``. At 0 and 1 the
    tensors are exactly those of ``start`` and of ``tuned``. Source: Wortsman et al., Robust
    fine-tuning of zero-shot models, 2022.
    """
    by_beginning = alpha if isinstance(alpha, Mapping) else {"": alpha}

    def mixed(key: str, value: Array) -> Array:
        if key not in start or value.dtype.kind != "f":
            return value
        part = by_beginning[max((end for end in by_beginning if key.startswith(end)), key=len)]
        between = (1 - part) * start[key].astype(np.float64) + part * value.astype(np.float64)
        return np.asarray(between.astype(value.dtype))

    return {key: mixed(key, value) for key, value in tuned.items()}


def mean_of(states: Iterable[Mapping[str, Array]]) -> State:
    """Return the mean of every floating tensor; others are the last state's."""
    mean: dict[str, Array] = {}
    last: Mapping[str, Array] = {}
    for count, last in enumerate(states, start=1):
        for key, value in last.items():
            is_first = key not in mean or value.dtype.kind != "f"
            mean[key] = value.astype(np.float64) if is_first else mean[key]
            mean[key] = mean[key] + (value - mean[key]) / count
    return {key: np.asarray(mean[key].astype(value.dtype)) for key, value in last.items()}


def distance(start: Mapping[str, Array], other: Mapping[str, Array]) -> float:
    """Return the Euclidean distance of two states over the floating tensors of ``start``."""
    squares = (
        float(np.square(value.astype(np.float64) - other[key]).sum())
        for key, value in start.items()
        if value.dtype.kind == "f"
    )
    return float(np.sqrt(sum(squares)))


def digest(state: Mapping[str, Array]) -> str:
    """Return 128 bits, in hexadecimal, that tell tensors and their keys from all others."""
    hasher = hashlib.blake2b(digest_size=16)
    for key, value in sorted(state.items()):
        hasher.update(f"{key} {value.dtype} {value.shape}".encode())
        hasher.update(np.ascontiguousarray(value).tobytes())
    return hasher.hexdigest()
