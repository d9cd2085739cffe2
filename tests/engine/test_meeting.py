"""Processes that agree: here they are threads that meet over pipes and sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import AuthenticationError, Pipe
from multiprocessing.connection import Client, Connection
from typing import Any

import pytest

from ppocr_ft.engine.meeting import (
    Chair,
    Invitation,
    Member,
    PeerLost,
    RaisedInAll,
    Word,
    attend_meeting,
    host_meeting,
)
from ppocr_ft.engine.parallel import ALONE, PeerFailed, Team
from ppocr_ft.engine.stop import Stopped
from ppocr_ft.errors import DataError

SIZE = 3
WAIT_S = 60
Act = Callable[[Team], Any]


def connected(size: int = SIZE) -> tuple[list[Team], list[Connection[Any, Any]]]:
    """A team by rank, and the members' ends of its pipes."""
    pipes = [Pipe() for _ in range(size - 1)]
    seats = [Chair([chair for chair, _ in pipes]), *(Member(member) for _, member in pipes)]
    teams = [Team(rank, size, seat) for rank, seat in enumerate(seats)]
    return teams, [member for _, member in pipes]


def together(act: Act, teams: list[Team] | None = None) -> list[Future[Any]]:
    """``act`` in each process at once, by rank; none may hang."""
    teams = teams or connected()[0]
    with ThreadPoolExecutor(len(teams)) as pool:
        futures = [pool.submit(act, team) for team in teams]
        for future in futures:
            future.exception(timeout=WAIT_S)
    return futures


def errors(act: Act) -> list[BaseException | None]:
    return [future.exception() for future in together(act)]


def test_everybody_hears_everybody_in_order() -> None:
    futures = together(lambda team: [team.gather(team.rank * 10), team.first(f"of {team.rank}")])
    assert [future.result() for future in futures] == [[[0, 10, 20], "of 0"]] * SIZE


def test_one_alone_is_a_team() -> None:
    assert ALONE.gather(5) == [5]
    assert ALONE.first(5) == 5
    assert ALONE.leads
    with pytest.raises(ZeroDivisionError), ALONE.united():
        raise ZeroDivisionError


def united(what: dict[int, Exception], after: Act = lambda team: None) -> Act:
    """Within `united`, the ranks in ``what`` raise while the others come to meet."""

    def act(team: Team) -> Any:
        with team.united():
            if team.rank in what:
                raise what[team.rank]
            team.gather(None)
        return after(team)

    return act


@pytest.mark.parametrize("rank", range(SIZE))
@pytest.mark.parametrize(
    "error",
    [DataError("is bad", path="a.txt", line=3), Stopped(15), OSError(28, "No space left")],
    ids=["wrong input", "a request to stop", "a full disk"],
)
def test_what_one_raises_all_raise(error: Exception, rank: int) -> None:
    raised = errors(united({rank: error}))
    assert [(type(each), str(each)) for each in raised] == [(type(error), str(error))] * SIZE
    assert raised[rank] is error, "with its own traceback"


def test_an_error_that_is_not_the_users_is_named_by_the_others() -> None:
    first, second, third = errors(united({1: ZeroDivisionError("made up")}))
    assert isinstance(second, ZeroDivisionError)
    for each in (first, third):
        assert isinstance(each, PeerFailed)
        assert "process 1 of 3" in str(each)
        assert "ZeroDivisionError: made up" in str(each)


class Unsendable(RaisedInAll):
    """It can't be pickled."""

    def __init__(self) -> None:
        super().__init__("unsendable")
        self.lock = threading.Lock()


def test_an_error_that_can_not_be_sent_is_described() -> None:
    first, second, _ = errors(united({1: Unsendable()}))
    assert isinstance(second, Unsendable)
    assert isinstance(first, PeerFailed)
    assert "Unsendable: unsendable" in str(first)


def test_of_several_errors_all_raise_that_of_the_lowest_rank() -> None:
    raised = errors(united({1: DataError("one"), 2: DataError("two")}))
    assert [str(each) for each in raised] == ["one"] * SIZE


def test_an_error_that_all_know_is_not_told_again() -> None:
    """An outer `united` lets it pass; what all handle, they may go on after."""

    def act(team: Team) -> Any:
        with pytest.raises(DataError), team.united():
            united({1: DataError("known")})(team)
        with pytest.raises(Stopped), team.united():
            united({0: Stopped(2)})(team)
        return team.gather(team.rank)

    assert [future.result() for future in together(act)] == [[0, 1, 2]] * SIZE


def test_nobody_leaves_before_the_others() -> None:
    late = threading.Event()

    def act(team: Team) -> bool:
        with team.united():
            if team.rank == 2:
                late.set()
        return late.is_set()

    assert all(future.result() for future in together(act))


@pytest.mark.parametrize("lost", [1, 2])
def test_all_hear_of_a_process_that_has_ended(lost: int) -> None:
    teams, members = connected()
    members[lost - 1].close()
    del teams[lost]
    for future in together(united({}), teams):
        error = future.exception()
        assert isinstance(error, PeerLost)
        assert error.rank == lost


def test_members_hear_that_process_0_has_ended() -> None:
    chair, member = Pipe()
    chair.close()
    with pytest.raises(PeerLost, match="process 0 has ended"), Team(1, 2, Member(member)).united():
        pass


def test_a_process_that_has_ended_explains_another_error() -> None:
    """As where a collective breaks because of it."""
    teams, members = connected(2)
    members[0].close()
    with pytest.raises(PeerLost) as caught, teams[0].united():
        raise RuntimeError("connection reset")
    assert caught.value.rank == 1
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_stranger_is_turned_away() -> None:
    invited: Future[Invitation] = Future()
    with ThreadPoolExecutor(1) as pool:
        hosted = pool.submit(host_meeting, "127.0.0.1", 2, invited.set_result)
        invitation = invited.result(timeout=WAIT_S)
        with pytest.raises(AuthenticationError):
            Client((invitation.host, invitation.port), authkey=b"guessed")
        member = attend_meeting(invitation, 1)
        chair = hosted.result(timeout=WAIT_S)
        heard = pool.submit(chair.meet, Word("first"))
        assert [word.item for word in member.meet(Word("second"))] == ["first", "second"]
        assert heard.result(timeout=WAIT_S) == [Word("first"), Word("second")]
