"""Messages between processes: each sends one to process 0 and gets those of all.

Paddle's collectives carry numbers of the same shape, can't say that a process has failed, and on
gloo give up on one that is 30 s late (Paddle 3.2.2). So everything that processes must agree on
goes over sockets, which wait as long as needed and report at once that a process has ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Literal, Protocol

KEY_BYTES = 32


@dataclass(frozen=True)
class Failure:
    """Why a process ends: its exit code and a sentence.

    ``how``: in order, by an error that it doesn't handle, or without having said so.
    """

    exit_code: int
    message: str
    how: Literal["ends", "crashes", "is lost"] = "ends"


@dataclass(frozen=True)
class Message:
    """The message of a process: something to share, or the reason why it ends."""

    item: Any = None
    failure: Failure | None = None


class PeerLost(RuntimeError):  # noqa: N818
    """A process has ended without a message."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        super().__init__(rank)

    def __str__(self) -> str:
        return f"process {self.rank} has ended without a word; its own log may say why"


class Endpoint(Protocol):
    """One process's connection to the others."""

    def exchange(self, message: Message) -> list[Message]:
        """Send a message and return every process's, by rank; wait until all have sent one.

        For a process that has ended there is a Failure.

        Raises:
            PeerLost: process 0 has ended.
        """
        ...


class Rank0Endpoint:
    """Process 0's endpoint; ``workers`` connect to process 1, 2, ..."""

    def __init__(self, workers: Sequence[Connection[Any, Any]]) -> None:
        self._workers = workers

    def exchange(self, message: Message) -> list[Message]:
        messages = [message, *(_received(worker) for worker in self._workers)]
        for worker in self._workers:
            with suppress(OSError):  # it has ended, as its message says
                worker.send(messages)
        return messages


class WorkerEndpoint:
    """Another process's endpoint; ``rank0`` connects to process 0."""

    def __init__(self, rank0: Connection[Any, Any]) -> None:
        self._rank0 = rank0

    def exchange(self, message: Message) -> list[Message]:
        try:
            self._rank0.send(message)
            messages: list[Message] = self._rank0.recv()
        except (EOFError, OSError) as error:
            raise PeerLost(0) from error
        return messages


def _received(worker: Connection[Any, Any]) -> Message:
    try:
        message: Message = worker.recv()
    except (EOFError, OSError):
        return Message(failure=Failure(1, "", "is lost"))
    return message


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
