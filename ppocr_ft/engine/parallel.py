"""Several processes that train one network: one a card, or a few on the CPU, on any machines.

``python -m paddle.distributed.launch`` starts them. Each reads its share of the data and changes
its own copy of the network by the mean of all gradients, so that the copies stay equal bit for
bit. Numbers go by Paddle's collectives (NCCL between cards, gloo between CPUs), all else by
`meeting`.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Any, TypeVar

import paddle
from paddle import distributed

from ppocr_ft.engine.meeting import (
    Invitation,
    PeerLost,
    RaisedInAll,
    Seat,
    Word,
    attend_meeting,
    host_meeting,
)
from ppocr_ft.errors import UserInputError

Item = TypeVar("Item")


class PeerFailed(RuntimeError):  # noqa: N818
    """Another process met an error that isn't the user's; its own log has the traceback."""


class Team:
    """The processes that train together, seen from one of them; one alone is a team too.

    All of them come to `gather`, `first` and `average` in the same order. What is raised within
    `united` in one process is raised in the others where they come to one of these next.

    Args:
        rank: this process, 0, 1, ...; process 0 leads: it alone writes files and speaks.
        size: how many they are.
        seat: where they meet; None for one alone.
    """

    def __init__(self, rank: int = 0, size: int = 1, seat: Seat | None = None) -> None:
        self.rank = rank
        self.size = size
        self._seat = seat
        self._told: Exception | None = None

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def gather(self, item: Item) -> list[Item]:
        """Every process's item, by rank.

        Raises:
            Exception: what another process has raised within `united`.
            PeerLost: a process has ended.
        """
        if self._seat is None:
            return [item]
        words = self._seat.meet(Word(item))
        for _, error in _errors(words):
            self._told = error
            raise error
        return [word.item for word in words]

    def first(self, item: Item | None) -> Item:
        """What process 0 brings, whatever the others bring. Raises as `gather`."""
        found: Any = self.gather(item)[0]
        return found  # type: ignore[no-any-return]

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def average(self, tensors: Sequence[paddle.Tensor]) -> None:
        """Make each float32 tensor its mean over the processes, by one all-reduce.

        All of them should have just met by `gather`: here nobody is told that one has failed.
        """
        if self.size == 1 or not tensors:
            return
        flat = paddle.concat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat.scale_(1 / self.size)
        ends = accumulate(tensor.size for tensor in tensors)
        for tensor, end in zip(tensors, ends, strict=True):
            paddle.assign(flat[end - tensor.size : end].reshape(tensor.shape), tensor)

    @contextmanager
    def united(self) -> Iterator[None]:
        """What one process raises in here is raised in all; none leaves before the others.

        UserInputError, OSError and RaisedInAll are raised as they are, any other error in the
        others as PeerFailed. PeerLost: a process has ended.
        """
        if self._seat is None:
            yield
            return
        try:
            yield
        except PeerLost:
            raise
        except Exception as error:
            if error is not self._told:
                self._tell(error, self._seat)
            raise
        self.gather(None)

    def _tell(self, error: Exception, seat: Seat) -> None:
        """Raises another process's error if that goes first."""
        (rank, first), *_ = _errors(seat.meet(Word(error=self._portable(error))))
        self._told = error if rank == self.rank else first
        if rank != self.rank:
            raise first from error

    def _portable(self, error: Exception) -> Exception:
        """What the others raise for an error of this process."""
        if isinstance(error, (UserInputError, OSError, RaisedInAll)):
            with contextlib.suppress(Exception):
                pickle.loads(pickle.dumps(error))
                return error
        return PeerFailed(
            f"process {self.rank} of {self.size} failed, its own log may say more: "
            f"{type(error).__name__}: {error}"
        )


ALONE = Team()


def _errors(words: Sequence[Word]) -> list[tuple[int, Exception]]:
    """By rank, but processes that have ended first: they explain the errors of the others."""
    errors = [(rank, word.error) for rank, word in enumerate(words) if word.error is not None]
    return sorted(errors, key=lambda each: not isinstance(each[1], PeerLost))


def join_team() -> Team:
    """Become one of the processes that ``paddle.distributed.launch`` has started, if it has.

    Paddle's device is then this process's card or, with gloo, the CPU.
    """
    size = distributed.get_world_size()
    if size == 1:
        return ALONE
    with contextlib.redirect_stderr(io.StringIO()):  # Paddle lists its flags
        distributed.init_parallel_env()
    rank = distributed.get_rank()
    if rank == 0:
        host = distributed.ParallelEnv().current_endpoint.rpartition(":")[0]
        return Team(rank, size, host_meeting(host, size, _from_first))
    return Team(rank, size, attend_meeting(_from_first(None), rank))


def _from_first(invitation: Invitation | None) -> Invitation:
    box = [invitation]
    distributed.broadcast_object_list(box, src=0)
    (found,) = box
    assert found is not None
    return found
