"""How much memory this process holds."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

MB = 2**20
_PAGES = Path("/proc/self/statm")


def resident_mb() -> float | None:
    """Megabytes (2**20 bytes) in RAM now; on systems without /proc the most there ever were; None
    where the system tells neither."""
    with suppress(OSError, ValueError, IndexError):
        return int(_PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB


def machine_mb() -> float | None:
    """Megabytes of RAM that the machine has; None where it doesn't tell."""
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MB
    return None
