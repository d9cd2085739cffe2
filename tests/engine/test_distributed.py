"""Processes that agree: here they are threads that are connected by pipes and sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection
from typing import Any

import pytest

from ppocr_ft.engine import distributed
from ppocr_ft.engine.distributed import (
    SINGLE_PROCESS,
    Address,
    Message,
    PeerFailed,
    PeerLost,
    ProcessGroup,
    Rank0Endpoint,
    WorkerEndpoint,
    join_rendezvous,
    open_rendezvous,
)
from ppocr_ft.engine.stop import Stopped, StoppedEarly
from ppocr_ft.errors import DataError, UserInputError, WriteError

SIZE = 3
WAIT_S = 60
Act = Callable[[ProcessGroup], Any]


def connected(size: int = SIZE) -> tuple[list[ProcessGroup], list[Connection[Any, Any]]]:
    """Return a group by rank, and the workers' ends of its pipes."""
    pipes = [Pipe() for _ in range(size - 1)]
    workers = [WorkerEndpoint(worker) for _, worker in pipes]
    endpoints = [Rank0Endpoint([rank0 for rank0, _ in pipes]), *workers]
    groups = [ProcessGroup(rank, size, endpoint) for rank, endpoint in enumerate(endpoints)]
    return groups, [worker for _, worker in pipes]


def together(act: Act, groups: list[ProcessGroup] | None = None) -> list[Future[Any]]:
    """Run ``act`` in each process at once, by rank; none may hang."""
    groups = groups or connected()[0]
    with ThreadPoolExecutor(len(groups)) as pool:
        futures = [pool.submit(act, group) for group in groups]
        for future in futures:
            future.exception(timeout=WAIT_S)
    return futures


def errors(act: Act) -> list[BaseException | None]:
    return [future.exception() for future in together(act)]


def test_everybody_hears_everybody_in_order() -> None:
    futures = together(
        lambda group: [group.gather(group.rank * 10), group.broadcast(f"of {group.rank}")]
    )
    assert [future.result() for future in futures] == [[[0, 10, 20], "of 0"]] * SIZE


def test_a_single_process_is_a_group() -> None:
    assert SINGLE_PROCESS.gather(5) == [5]
    assert SINGLE_PROCESS.broadcast(5) == 5
    assert SINGLE_PROCESS.is_main
    with pytest.raises(ZeroDivisionError), SINGLE_PROCESS.raise_together():
        raise ZeroDivisionError


def raising(what: dict[int, Exception], after: Act = lambda group: None) -> Act:
    """Within `raise_together`, the ranks in ``what`` raise while the others come to meet."""

    def act(group: ProcessGroup) -> Any:
        with group.raise_together():
            if group.rank in what:
                raise what[group.rank]
            group.gather(None)
        return after(group)

    return act


@pytest.mark.parametrize("rank", range(SIZE))
@pytest.mark.parametrize(
    ("error", "of_others"),
    [
        (DataError("is bad", path="a.txt", line=3), UserInputError),
        (Stopped(15), Stopped),
        (StoppedEarly("by nan"), StoppedEarly),
        (OSError(28, "No space left"), OSError),
        (WriteError("can't be written", path="a.pdparams"), OSError),
    ],
    ids=["wrong input", "a signal", "an early stop", "a full disk", "weights not written"],
)
def test_what_one_raises_all_raise(error: Exception, of_others: type[Exception], rank: int) -> None:
    raised = errors(raising({rank: error}))
    assert [str(each) for each in raised] == [str(error)] * SIZE
    assert raised.pop(rank) is error, "with its own traceback"
    assert [type(each) for each in raised] == [of_others] * (SIZE - 1)


def test_a_signal_keeps_its_number() -> None:
    first, *_ = errors(raising({1: Stopped(15)}))
    assert isinstance(first, Stopped)
    assert first.signal_number == 15


def test_an_error_that_is_not_the_users_is_named_by_the_others() -> None:
    first, second, third = errors(raising({1: ZeroDivisionError("made up")}))
    assert isinstance(second, ZeroDivisionError)
    for each in (first, third):
        assert isinstance(each, PeerFailed)
        assert "process 1 of 3" in str(each)
        assert "ZeroDivisionError: made up" in str(each)


class UnsendableError(Exception):
    """It can't be pickled."""

    def __init__(self) -> None:
        super().__init__("unsendable")
        self.lock = threading.Lock()


def test_an_error_that_can_not_be_sent_is_described() -> None:
    first, second, _ = errors(raising({1: UnsendableError()}))
    assert isinstance(second, UnsendableError)
    assert isinstance(first, PeerFailed)
    assert "UnsendableError: unsendable" in str(first)


def test_an_error_that_all_meet_is_each_ones_own() -> None:
    met = {rank: ArithmeticError("NaN") for rank in range(SIZE)}
    for rank, error in enumerate(errors(raising(dict(met)))):
        assert error is met[rank]


def test_of_several_errors_all_raise_that_of_the_lowest_rank() -> None:
    raised = errors(raising({1: DataError("one"), 2: DataError("two")}))
    assert [str(each) for each in raised] == ["one"] * SIZE


def test_an_error_that_all_know_is_not_told_again() -> None:
    """An outer `raise_together` lets it pass; what all handle, they may go on after."""

    def act(group: ProcessGroup) -> Any:
        with pytest.raises(UserInputError), group.raise_together():
            raising({1: DataError("known")})(group)
        with pytest.raises(Stopped), group.raise_together():
            raising({0: Stopped(2)})(group)
        return group.gather(group.rank)

    assert [future.result() for future in together(act)] == [[0, 1, 2]] * SIZE


def test_nobody_leaves_before_the_others() -> None:
    late = threading.Event()

    def act(group: ProcessGroup) -> bool:
        with group.raise_together():
            if group.rank == 2:
                late.set()
        return late.is_set()

    assert all(future.result() for future in together(act))


@pytest.mark.parametrize("lost", [1, 2])
def test_all_hear_of_a_process_that_has_ended(lost: int) -> None:
    groups, workers = connected()
    workers[lost - 1].close()
    del groups[lost]
    for future in together(raising({}), groups):
        error = future.exception()
        assert isinstance(error, PeerLost)
        assert error.rank == lost


def test_workers_hear_that_process_0_has_ended() -> None:
    rank0, worker = Pipe()
    rank0.close()
    group = ProcessGroup(1, 2, WorkerEndpoint(worker))
    with pytest.raises(PeerLost, match="process 0 has ended"), group.raise_together():
        pass


def test_a_process_that_says_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that hangs, or whose network is cut: its connection is open."""
    monkeypatch.setattr(distributed, "SILENCE_S", 1)
    for endpoint, other in ((Rank0Endpoint, 1), (WorkerEndpoint, 0)):
        ours, theirs = Pipe()
        group = ProcessGroup(1 - other, 2, endpoint([ours] if other else ours))  # type: ignore[arg-type]
        with pytest.raises(PeerLost, match=f"process {other} gives no sign of life for 1 s"):
            group.gather(None)
        theirs.close()


def test_signs_of_life_are_no_messages() -> None:
    ours, theirs = Pipe()
    rank0 = Rank0Endpoint([ours])
    for message in (None, None, Message("late"), None):
        theirs.send(message)
    assert [message.item for message in rank0.exchange(Message("own"))] == ["own", "late"]
    assert theirs.recv() is None, "one was sent at once"


def test_a_process_that_has_ended_explains_another_error() -> None:
    """As where a collective breaks because of it."""
    groups, workers = connected(2)
    workers[0].close()
    with pytest.raises(PeerLost) as caught, groups[0].raise_together():
        raise RuntimeError("connection reset")
    assert caught.value.rank == 1
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_stranger_is_turned_away() -> None:
    announced: Future[Address] = Future()
    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(open_rendezvous, "127.0.0.1", 2, announced.set_result)
        address = announced.result(timeout=WAIT_S)
        with pytest.raises(AuthenticationError):
            Client((address.host, address.port), authkey=b"guessed")
        worker = join_rendezvous(address, 1)
        rank0 = opened.result(timeout=WAIT_S)
        received = pool.submit(rank0.exchange, Message("first"))
        assert [message.item for message in worker.exchange(Message("second"))] == [
            "first",
            "second",
        ]
        assert received.result(timeout=WAIT_S) == [Message("first"), Message("second")]
