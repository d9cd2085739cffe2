"""Processes that meet at process 0 and hear each other's word.

Paddle's collectives carry numbers of the same shape, can't say that a process has failed, and on
gloo give up on one that is 30 s late (Paddle 3.2.2). So what processes must agree on goes over
sockets, which wait as long as it takes and tell at once when a process has ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, Protocol

KEY_BYTES = 32


@dataclass(frozen=True)
class Word:
    """What a process says at a meeting: something to share, or what went wrong with it."""

    item: Any = None
    error: Exception | None = None


class RaisedInAll(Exception):  # noqa: N818  nothing need be wrong
    """What one process raises so that each of them handles it."""


class PeerLost(RuntimeError):  # noqa: N818
    """A process has ended without a word."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        super().__init__(rank)

    def __str__(self) -> str:
        return f"process {self.rank} has ended without a word; its own log may say why"


class Seat(Protocol):
    """One process's place at the meetings."""

    def meet(self, word: Word) -> list[Word]:
        """Every process's word, by rank; waits until all have spoken.

        Raises PeerLost where process 0 has ended. For any other that has, its word is PeerLost.
        """
        ...


class Chair:
    """Process 0's seat; ``members`` leads to process 1, 2, ..."""

    def __init__(self, members: Sequence[Connection[Any, Any]]) -> None:
        self._members = members

    def meet(self, word: Word) -> list[Word]:
        words = [word, *(_heard(member, rank) for rank, member in enumerate(self._members, 1))]
        for member in self._members:
            with suppress(OSError):  # it has ended, as its word says
                member.send(words)
        return words


class Member:
    """Another process's seat; ``chair`` leads to process 0."""

    def __init__(self, chair: Connection[Any, Any]) -> None:
        self._chair = chair

    def meet(self, word: Word) -> list[Word]:
        try:
            self._chair.send(word)
            words: list[Word] = self._chair.recv()
        except (EOFError, OSError) as error:
            raise PeerLost(0) from error
        return words


def _heard(member: Connection[Any, Any], rank: int) -> Word:
    try:
        word: Word = member.recv()
    except (EOFError, OSError):
        return Word(error=PeerLost(rank))
    return word


@dataclass(frozen=True)
class Invitation:
    """Where process 0 waits for the others; only who knows ``key`` is let in."""

    host: str
    port: int
    key: bytes


def host_meeting(host: str, size: int, invite: Callable[[Invitation], object]) -> Chair:
    """Wait at an address of this machine for all other processes, once they are invited."""
    key = secrets.token_bytes(KEY_BYTES)
    members: dict[int, Connection[Any, Any]] = {}
    with Listener((host, 0), backlog=size, authkey=key) as listener:
        invite(Invitation(host, listener.address[1], key))
        while len(members) < size - 1:
            with suppress(AuthenticationError, EOFError, OSError):  # a stranger at the port
                member = listener.accept()
                members[member.recv()] = member
    return Chair([members[rank] for rank in sorted(members)])


def attend_meeting(invitation: Invitation, rank: int) -> Member:
    chair = Client((invitation.host, invitation.port), authkey=invitation.key)
    chair.send(rank)
    return Member(chair)
