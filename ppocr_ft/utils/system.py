"""What this machine has, and how many processes of a run share it."""

from __future__ import annotations

import os

OWN_ADDRESS, ADDRESSES = "PADDLE_CURRENT_ENDPOINT", "PADDLE_TRAINER_ENDPOINTS"


def processes_here() -> int:
    """How many of the processes that ``paddle.distributed.launch`` started are on this machine."""
    machine = os.environ.get(OWN_ADDRESS, "").rpartition(":")[0]
    addresses = os.environ.get(ADDRESSES, "").split(",")
    return max(sum(address.rpartition(":")[0] == machine for address in addresses), 1)


def cores() -> int:
    """The CPU cores that this process may use, its part of them where there are others."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        allowed = os.cpu_count() or 1
    return max(allowed // processes_here(), 1)
