"""Several processes that train one network: one per card, or a few on the CPU, on any machines.

``python -m paddle.distributed.launch`` starts them. Each reads its share of the data and changes
its own copy of the network by the mean of all gradients, so that the copies stay equal bit for
bit. Numbers go through Paddle's collectives (NCCL between cards, gloo between CPUs).

These carry numbers of the same shape, can't say that a process has failed, and on gloo give up on
one that is 30 s late (Paddle 3.2.2). So everything else that processes must agree on goes over
sockets, which wait as long as needed and report at once that a process has ended: each process
sends a message to process 0 and gets those of all. Each gives a sign of life every few seconds: so
one that hangs, or whose network is cut, is known by its silence.

Paddle is imported inside the functions that need it, so that a command can ask which process it
is before.
"""

from __future__ import annotations

import io
import os
import secrets
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ppocr_ft.engine.stop import Stopped, StoppedEarly
from ppocr_ft.errors import FAILED, SIGNALLED, WRONG_INPUT, UserInputError, WriteError

if TYPE_CHECKING:
    import paddle

Item = TypeVar("Item")
PROCESSES, RANK = "PADDLE_TRAINERS_NUM", "PADDLE_TRAINER_ID"
"""Variables of the environment that the launcher sets."""
KEY_BYTES = 32
SILENCE_S, SIGN_OF_LIFE_S = 60, 5
"""A process that has sent or taken nothing for so long is lost; a sign of life is sent so often."""


def process_count() -> int:
    """Return how many processes the launcher has started; 1 without it."""
    return int(os.environ.get(PROCESSES, "1"))


def is_main_process() -> bool:
    """Return whether this is process 0, or the only one."""
    return process_count() == 1 or os.environ.get(RANK) == "0"


@contextmanager
def only_main_prints() -> Iterator[None]:
    """Print nothing of the other processes inside this context; their errors are still raised."""
    if is_main_process():
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


@dataclass(frozen=True)
class Failure:
    """Why a process ends: its exit code and a sentence.

    ``how``: in order, by an error that it doesn't handle, or without having said so; or it may
    not have ended, but says nothing.
    """

    exit_code: int
    message: str
    how: Literal["ends", "crashes", "is lost", "is silent"] = "ends"


LOST = ("is lost", "is silent")


@dataclass(frozen=True)
class Message:
    """The message of a process: something to share, or the reason why it ends."""

    item: Any = None
    failure: Failure | None = None


class PeerLost(RuntimeError):  # noqa: N818
    """A process has ended without a message, or is silent."""

    def __init__(self, rank: int, *, silent: bool = False) -> None:
        self.rank = rank
        self.silent = silent
        super().__init__(rank)

    def __str__(self) -> str:
        if self.silent:
            why = f"gives no sign of life for {SILENCE_S} s: it hangs, or the network is cut"
        else:
            why = "has ended without a word, or its connection is cut; its own log may say why"
        return f"process {self.rank} {why}"


class Link:
    """A connection to another process that tells one that takes its time from one that is silent.

    A thread sends a sign of life, None, as long as there is this object.
    """

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                same.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", SILENCE_S, 0))
        threading.Thread(target=_give_signs_of_life, args=[weakref.ref(self)], daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message. Raises OSError, or BlockingIOError if the other takes nothing."""
        with self._sending:
            self._connection.send(message)

    def receive(self) -> Any:
        """Return the next message. Raises EOFError, OSError, BlockingIOError if there is none."""
        while (message := self._connection.recv()) is None:
            pass
        return message


def _give_signs_of_life(link: weakref.ref[Link]) -> None:
    with suppress(OSError):
        while (living := link()) is not None:
            living.send(None)
            del living
            time.sleep(SIGN_OF_LIFE_S)


class Rank0Endpoint:
    """Process 0's connection to the others; ``workers`` connect to process 1, 2, ..."""

    def __init__(self, workers: Sequence[Connection[Any, Any]]) -> None:
        self._workers = [Link(worker) for worker in workers]

    def exchange(self, message: Message) -> list[Message]:
        """Send a message and return every process's, by rank; wait until all have sent one.

        For a process that has ended or is silent there is a Failure.
        """
        messages = [message, *(_received(worker) for worker in self._workers)]
        for worker in self._workers:
            with suppress(OSError):  # it has ended, as its message says
                worker.send(messages)
        return messages


class WorkerEndpoint:
    """Another process's connection; ``rank0`` connects to process 0."""

    def __init__(self, rank0: Connection[Any, Any]) -> None:
        self._rank0 = Link(rank0)

    def exchange(self, message: Message) -> list[Message]:
        """Do as `Rank0Endpoint.exchange`. Raises PeerLost if process 0 has ended or is silent."""
        try:
            self._rank0.send(message)
            messages: list[Message] = self._rank0.receive()
        except (EOFError, OSError) as error:
            raise PeerLost(0, silent=isinstance(error, BlockingIOError)) from error
        return messages


def _received(worker: Link) -> Message:
    try:
        message: Message = worker.receive()
    except BlockingIOError:
        return Message(failure=Failure(1, "", "is silent"))
    except (EOFError, OSError):
        return Message(failure=Failure(1, "", "is lost"))
    return message


Endpoint = Rank0Endpoint | WorkerEndpoint


class PeerFailed(RuntimeError):  # noqa: N818
    """Another process met an error that isn't the user's; its own log has the traceback."""


class ProcessGroup:
    """The processes that train together, seen from one of them; a single one is a group too.

    All of them call `gather`, `broadcast` and `average` in the same order. An error that one
    process raises inside `raise_together` is raised in the others at their next of these calls.

    Args:
        rank: this process, 0, 1, ...; process 0 is the main one: only it writes files and prints.
        size: the number of processes.
        endpoint: its connection to the others; None for a single process.
    """

    def __init__(self, rank: int = 0, size: int = 1, endpoint: Endpoint | None = None) -> None:
        self.rank = rank
        self.size = size
        self._endpoint = endpoint
        self._shared_error: Exception | None = None
        """The last one that all processes know of."""

    @property
    def is_main(self) -> bool:
        """Whether this is process 0."""
        return self.rank == 0

    def gather(self, item: Item) -> list[Item]:
        """Return every process's item, by rank.

        Raises:
            Exception: what another process has raised within `raise_together`.
            PeerLost: a process has ended, or is silent.
        """
        if self._endpoint is None:
            return [item]
        messages = self._endpoint.exchange(Message(item))
        failed = _first_failure(messages)
        if failed is not None:
            self._shared_error = self._error(*failed)
            raise self._shared_error
        return [message.item for message in messages]

    def broadcast(self, item: Item | None) -> Item:
        """Return the item of process 0. Raises as `gather`."""
        of_main: Any = self.gather(item)[0]
        return of_main  # type: ignore[no-any-return]

    def average(self, tensors: Sequence[paddle.Tensor]) -> None:
        """Replace each float32 tensor by its mean over the processes, with one all-reduce.

        Call it right after `gather` in all processes: it doesn't notice that one has failed.
        """
        import paddle
        from paddle import distributed

        if self.size == 1 or not tensors:
            return
        with paddle.no_grad():
            flat = paddle.concat([tensor.flatten() for tensor in tensors])
            distributed.all_reduce(flat)
            flat.scale_(1 / self.size)
            ends = accumulate(tensor.size for tensor in tensors)
            for tensor, end in zip(tensors, ends, strict=True):
                paddle.assign(flat[end - tensor.size : end].reshape(tensor.shape), tensor)

    @contextmanager
    def raise_together(self) -> Iterator[None]:
        """Raise an error of one process in all of them; none leaves before the others.

        The exit code and the message of the error are sent. The others raise UserInputError,
        Stopped, StoppedEarly or OSError if the one raises such an error, else PeerFailed.
        PeerLost: a process has ended, or is silent.
        """
        if self._endpoint is None:
            yield
            return
        try:
            yield
        except PeerLost:
            raise
        except Exception as error:
            if error is not self._shared_error:
                self._share(error, self._endpoint)
            raise
        self.gather(None)

    def _share(self, error: Exception, endpoint: Endpoint) -> None:
        """Tell the others of an error. Raise another process's error if it has priority."""
        failure = _failure(error)
        first = _first_failure(endpoint.exchange(Message(failure=failure)))
        if first is None or first[1] == failure:
            self._shared_error = error
        else:
            self._shared_error = self._error(*first)
            raise self._shared_error from error

    def _error(self, rank: int, failure: Failure) -> Exception:
        """Return the error that this process raises for another one's failure."""
        if failure.how in LOST:
            return PeerLost(rank, silent=failure.how == "is silent")
        if failure.how == "crashes":
            return PeerFailed(
                f"process {rank} of {self.size} failed, its own log may say more: {failure.message}"
            )
        if failure.exit_code == 0:
            return StoppedEarly(failure.message)
        if failure.exit_code == WRONG_INPUT:
            return UserInputError(failure.message)
        if failure.exit_code > SIGNALLED:
            return Stopped(failure.exit_code - SIGNALLED)
        return OSError(failure.message)


SINGLE_PROCESS = ProcessGroup()


def _failure(error: Exception) -> Failure:
    """Return an error in the form that is sent to the other processes."""
    if isinstance(error, (OSError, WriteError)):
        return Failure(FAILED, str(error))
    if isinstance(error, UserInputError):
        return Failure(WRONG_INPUT, str(error))
    if isinstance(error, Stopped):
        return Failure(SIGNALLED + error.signal_number, str(error))
    if isinstance(error, StoppedEarly):
        return Failure(0, error.reason)
    return Failure(FAILED, f"{type(error).__name__}: {error}", "crashes")


def _first_failure(messages: Sequence[Message]) -> tuple[int, Failure] | None:
    """Return the rank and the failure that come first.

    A lost process comes first, as it explains the failures of the others, then the lowest rank.
    """
    failures = [(rank, message.failure) for rank, message in enumerate(messages)]
    known = [(rank, failure) for rank, failure in failures if failure is not None]
    return min(known, key=lambda failed: failed[1].how not in LOST, default=None)


@dataclass(frozen=True)
class Address:
    """The address at which process 0 waits; a process must know ``key`` to connect."""

    host: str
    port: int
    key: bytes


def open_rendezvous(host: str, size: int, announce: Callable[[Address], object]) -> Rank0Endpoint:
    """Announce an address of this machine to the other processes and wait for them there."""
    key = secrets.token_bytes(KEY_BYTES)
    workers: dict[int, Connection[Any, Any]] = {}
    with Listener((host, 0), backlog=size, authkey=key) as listener:
        announce(Address(host, listener.address[1], key))
        while len(workers) < size - 1:
            with suppress(AuthenticationError, EOFError, OSError):  # a stranger at the port
                worker = listener.accept()
                workers[worker.recv()] = worker
    return Rank0Endpoint([workers[rank] for rank in sorted(workers)])


def join_rendezvous(address: Address, rank: int) -> WorkerEndpoint:
    """Connect to process 0, which waits at the address."""
    rank0 = Client((address.host, address.port), authkey=address.key)
    rank0.send(rank)
    return WorkerEndpoint(rank0)


def join_process_group() -> ProcessGroup:
    """Join the processes that ``paddle.distributed.launch`` has started, if it has.

    Paddle's device is then this process's card or, with gloo, the CPU.

    Raises:
        PeerFailed: one of them has not come. Paddle waits for 15 minutes until all are there, then
            gloo for 30 s.
    """
    from paddle import distributed

    size = distributed.get_world_size()
    if size == 1:
        return SINGLE_PROCESS
    try:
        return _join(size)
    except Exception as error:
        why = "one of them has ended, hangs, or is out of reach; its own log may say more"
        raise PeerFailed(f"the {size} processes have not met: {why}") from error


def _join(size: int) -> ProcessGroup:
    from paddle import distributed

    with redirect_stderr(io.StringIO()):  # Paddle lists its flags
        distributed.init_parallel_env()
    rank = distributed.get_rank()
    if rank == 0:
        host = distributed.ParallelEnv().current_endpoint.rpartition(":")[0]
        return ProcessGroup(rank, size, open_rendezvous(host, size, _from_main))
    return ProcessGroup(rank, size, join_rendezvous(_from_main(None), rank))


def _from_main(address: Address | None) -> Address:
    from paddle import distributed

    box = [address]
    distributed.broadcast_object_list(box, src=0)
    (of_main,) = box
    assert of_main is not None
    return of_main
