"""Importing paddle without its remarks."""

from __future__ import annotations

import contextlib
import io
import warnings


def import_paddle() -> None:
    """Import paddle. It warns of a missing compiler cache and of more threads than one."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import paddle  # noqa: F401
