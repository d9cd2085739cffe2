"""When the compiled loops are made."""

from __future__ import annotations


def compile_kernels() -> None:
    """Compile them in this process, or load what numba kept on disk from an earlier time.

    Importing numba takes most of a second, so that this is not done at import.
    """
    from ppocr_ft.transforms import border_kernels, polygon_kernels  # noqa: F401
