"""Color on a terminal alone, not where NO_COLOR is set; C libraries' output kept apart."""

from __future__ import annotations

import io
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ppocr_ft.utils.console import (
    captured_stderr,
    colored,
    quiet_libraries,
    severities_colored,
)
from tests.support.terminal import Terminal


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_severities_at_the_beginning_of_lines_are_colored() -> None:
    text = "error label-json\n  an error in it\nwarning leak (2)\nwarnings are no severity"
    found = severities_colored(text, Terminal())
    assert found == (
        "\033[1;31merror\033[0m label-json\n  an error in it\n"
        "\033[1;33mwarning\033[0m leak (2)\nwarnings are no severity"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_turns_it_off(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert colored("text", "green", Terminal()) == "text"


def test_a_pipe_gets_none() -> None:
    assert colored("text", "red", io.StringIO()) == "text"
    assert colored("text", "red", Terminal()) == "\033[1;31mtext\033[0m"


def test_lines_of_c_are_collected_and_pythons_go_on(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_stderr() as printed:
        os.write(2, b"from C\n")
        collected = printed()
    os.write(2, b"after it\n")
    print("from Python", file=sys.stderr)
    assert collected == "from C\n"
    assert capfd.readouterr().err == "after it\nfrom Python\n"


def test_lines_of_c_are_dropped_until_the_last_thread_has_left(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def decode(name: str) -> None:
        with quiet_libraries():
            os.write(2, f"{name}: corrupt data\n".encode())
            print(name, file=sys.stderr)

    with quiet_libraries():
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(decode, "abcd"))
        os.write(2, b"still inside\n")
    os.write(2, b"after it\n")
    assert sorted(capfd.readouterr().err.splitlines()) == ["a", "after it", "b", "c", "d"]


def test_they_are_collected_where_somebody_asks_for_them(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with captured_stderr() as printed:
        with quiet_libraries():
            os.write(2, b"corrupt data\n")
        os.write(2, b"more\n")
        assert printed() == "corrupt data\nmore\n"
    with quiet_libraries():
        os.write(2, b"unseen\n")
    assert capfd.readouterr().err == ""


def test_an_exception_gives_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), captured_stderr():
        raise ValueError("inside")
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"
