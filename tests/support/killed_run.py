"""A command that kills itself, as ``kill -9`` would, when something happens for the n-th time.

usage: killed_run.py COMMAND EVENT N ARGUMENTS

EVENT is step, flush, move, or move:NAME for moves to a file of that name.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ppocr_ft.commands.main import main


def kill_at(owner: Any, name: str, count: int, target: str = "") -> None:
    """The n-th call of ``owner.name``, or of it with ``target``, is the last that is done here."""
    original, calls = getattr(owner, name), iter(range(1, count + 1))

    def wrapped(*args: Any, **options: Any) -> Any:
        if (not target or Path(args[-1]).name == target) and next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **options)

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    command, what, count, *arguments = sys.argv[1:]
    event, _, target = what.partition(":")
    if event == "step":
        from ppocr_ft.engine import trainer

        kill_at(trainer, "train_step", int(count))
    elif event == "flush":  # a file is written aside, not yet in place
        kill_at(os, "fsync", int(count))
    elif event == "move":
        kill_at(Path, "replace", int(count), target)
    sys.exit(main([command, *arguments]))
