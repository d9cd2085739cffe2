"""The machine: cores and memory."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

OWN_ADDRESS, ADDRESSES = "PADDLE_CURRENT_ENDPOINT", "PADDLE_TRAINER_ENDPOINTS"
MB = 2**20
_PAGES, _PROCESSORS = Path("/proc/self/statm"), Path("/proc/cpuinfo")


def processors() -> str:
    """Return what Linux says of the processors, the text of /proc/cpuinfo; elsewhere nothing."""
    with suppress(OSError):
        return _PROCESSORS.read_text(encoding="utf-8", errors="replace")
    return ""


def processes_here() -> int:
    """Count the processes of ``paddle.distributed.launch`` that run on this machine."""
    machine = os.environ.get(OWN_ADDRESS, "").rpartition(":")[0]
    addresses = os.environ.get(ADDRESSES, "").split(",")
    return max(sum(address.rpartition(":")[0] == machine for address in addresses), 1)


def cores() -> int:
    """Count the CPU cores that this process may use: its share, if there are several processes."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    return max(allowed // processes_here(), 1)


def resident_mb() -> float | None:
    """Return the megabytes (2**20 bytes) in RAM now.

    On systems without /proc it is the peak; None if the system reports neither.
    """
    with suppress(OSError, ValueError, IndexError):
        return int(_PAGES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if os.uname().sysname == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB


def processor_name() -> str:
    """Return the name of the CPU's model; the architecture if the system does not report it."""
    for line in processors().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_mb() -> float | None:
    """Return the megabytes of RAM of the machine; None if the system does not report it."""
    with suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MB
    return None
