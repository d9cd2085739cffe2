"""A command as one of the processes that ``python -m paddle.distributed.launch`` has started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.exit_codes import FAILED, WRONG_INPUT
from ppocr_ft.commands.quiet_paddle import import_paddle
from ppocr_ft.errors import UserInputError

if TYPE_CHECKING:
    from ppocr_ft.engine.parallel import Team

PROCESSES, RANK = "PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ID"


def processes() -> int:
    """How many there are; 1 without the launcher."""
    return int(os.environ.get(PROCESSES, "1"))


def is_first() -> bool:
    """Whether this is process 0, or the only one."""
    return processes() == 1 or os.environ.get(RANK) == "0"


@contextmanager
def only_first_speaks() -> Iterator[None]:
    """Nothing that another process prints in here is seen; what it raises is."""
    if is_first():
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def together(act: Callable[[Team], int]) -> int:
    """What ``act`` returns in process 0. Whatever goes wrong in one process ends all of them, with
    the same exit code, and process 0 tells."""
    os.environ.setdefault("GLOG_minloglevel", "1")  # Paddle tells of its sockets
    import_paddle()
    from ppocr_ft.engine.meeting import PeerLost
    from ppocr_ft.engine.parallel import PeerFailed, join_team

    team = join_team()
    try:
        with team.united():
            return team.first(act(team))
    except UserInputError:
        if team.leads:
            raise
        return WRONG_INPUT
    except (PeerFailed, PeerLost) as error:
        alone = isinstance(error, PeerLost) and error.rank == 0
        print(
            f"stopped: {error}\n--resume goes on with the state that was saved last, if there is "
            "one",
            file=sys.__stderr__ if alone else sys.stderr,
        )
        return FAILED
