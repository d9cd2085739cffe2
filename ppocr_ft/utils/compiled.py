"""Loops over numbers, compiled by numba.

Importing numba takes most of a second, so that modules with such loops are imported where they are
used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(*signatures: str, fastmath: Collection[str] = ()) -> Callable[[Function], Function]:
    """Compile for these signatures at once, kept on disk if a folder can be written.

    ``fastmath`` are LLVM's flags of what the compiler may do with sums and products.
    """

    def decorate(function: Function) -> Function:
        options = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath)}
        try:
            jit = numba.njit(list(signatures), cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            jit = numba.njit(list(signatures), **options)(function)
        result: Function = jit
        return result

    return decorate


def for_floats(signature: str) -> tuple[str, str]:
    """Return the signature for float32 and for float64 in place of ``T``."""
    return signature.replace("T", "float32"), signature.replace("T", "float64")
