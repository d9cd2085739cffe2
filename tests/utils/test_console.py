"""Color on a terminal alone, not where NO_COLOR is set; C libraries' output kept apart."""

from __future__ import annotations

import io
import os
import sys

import pytest

from ppocr_ft.utils.console import captured_stderr, colored, severities_colored
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


def test_an_exception_gives_stderr_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="inside"), captured_stderr():
        raise ValueError("inside")
    os.write(2, b"seen\n")
    assert capfd.readouterr().err == "seen\n"
