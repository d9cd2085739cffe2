"""What makes Paddle fast on a CPU; to be set before it is imported."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress

from ppocr_ft.utils.system import processors

MKL_PATH, AVX2 = "MKL_DEBUG_CPU_TYPE", "5"
"""The matrix library in Paddle's wheels takes its slowest path on a CPU that isn't Intel's, unless
this variable says otherwise; convolutions then take about 1.8 times as long."""
ALLOCATOR = "MALLOC_"
"""How the names of glibc's own variables begin; where one is set nothing is changed."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
_KEPT = (_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26), (_ARENA_MAX, 1)
"""mallopt's numbers in malloc.h, and values: nothing that is freed goes back to the system."""
_LARGE_RETURNED = (_MMAP_MAX, 2**16), (_MMAP_THRESHOLD, 2**25)
"""Pieces over 32 MiB, the highest threshold there is, go back."""


def tune_cpu() -> None:
    """Choose threads, matrix library and allocator for training, unless the environment does.

    * An operator gets one thread: cores work on different images instead (Global.cpu_threads).
    * On AMD's CPUs the matrix library gets its path for AVX2.
    * Memory that Paddle frees is kept and used again: a training step asks for a gigabyte in large
      pieces, which the system would have to fill with zeros each time.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cpu = processors()
    if "AuthenticAMD" in cpu and " avx2" in cpu:
        os.environ.setdefault(MKL_PATH, AVX2)
    _tell_allocator(_KEPT)


def return_large_pieces() -> None:
    """Let freed pieces of over 32 MiB go back to the system from now on.

    The pixels of a page of 200 megapixels and their copies would else be kept for nothing.
    """
    _tell_allocator(_LARGE_RETURNED)


def _tell_allocator(values: Iterable[tuple[int, int]]) -> None:
    if any(name.startswith(ALLOCATOR) for name in os.environ):
        return
    with suppress(OSError, AttributeError):  # not glibc
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, value in values:
            mallopt(option, value)
