"""Python in processes of its own: one, or several as ``paddle.distributed.launch`` starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import ROOT

TIMEOUT_S = 300
KILLED_RUN = Path(__file__).with_name("killed_run.py")
TEAM_WORKER = Path(__file__).with_name("team_worker.py")
Done = subprocess.CompletedProcess[str]
HOLD = """\
import sys
from pathlib import Path
from ppocr_ft.utils.files import folder_lock
with folder_lock(Path(sys.argv[1]), "key"):
    print("held", flush=True)
    sys.stdin.read()
"""


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """One thread, so that sums are repeatable; the package and the tests importable."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(more or {})}


def python(*arguments: str, timeout_s: float = TIMEOUT_S) -> Done:
    """Run to its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def team(size: int, *arguments: str) -> list[Done]:
    """``size`` processes that are to join each other, by rank. None outlives this call."""
    with ExitStack() as stack:
        processes = [stack.enter_context(_started(said, arguments)) for said in in_group(size)]
        return [_finished(process) for process in processes]


def in_group(size: int) -> list[dict[str, str]]:
    """The variables by which the launcher tells each process of ``size`` on the CPU who it is."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(size)]
    return [
        {
            "PADDLE_TRAINER_ID": str(rank),
            "PADDLE_TRAINERS_NUM": str(size),
            "PADDLE_CURRENT_ENDPOINT": address,
            "PADDLE_TRAINER_ENDPOINTS": ",".join(addresses),
            "PADDLE_DISTRI_BACKEND": "gloo",
        }
        for rank, address in enumerate(addresses)
    ]


@contextmanager
def _started(
    said_by_launcher: Mapping[str, str], arguments: tuple[str, ...]
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(said_by_launcher),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _finished(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=TIMEOUT_S)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the lock until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process
