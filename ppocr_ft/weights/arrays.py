"""Arrays out of a file's bytes: the element types that weights have, and no others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
