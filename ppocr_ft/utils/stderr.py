"""What C libraries print, apart from what Python prints."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def captured_stderr() -> Iterator[Callable[[], str]]:
    """Collect what C libraries write to stderr; what Python writes still goes there.

    The function that is yielded returns what was written so far. Without a stderr of the process
    nothing is collected.
    """
    try:
        original = os.dup(2)
    except OSError:
        yield lambda: ""
        return
    python_stream = sys.stderr
    with tempfile.TemporaryFile() as file, os.fdopen(original, "w", buffering=1) as stream:
        if python_stream is sys.__stderr__ and python_stream is not None:
            python_stream.flush()
            sys.stderr = stream
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: _content(file.fileno())
        finally:
            os.dup2(stream.fileno(), 2)
            sys.stderr = python_stream


def _content(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode(errors="replace")
