"""Each line of ``make faults-campaign`` holds in its short form."""

from __future__ import annotations

import pytest

from tests.support.processes import python

pytestmark = pytest.mark.slow  # runs are killed, stopped and resumed

TIMEOUT_S = 1800


@pytest.fixture(scope="module")
def printed() -> str:
    """All lines by one command: what they have in common is imported once."""
    command = ("-m", "experiments.faults_campaign", "--short", "--jobs", "1")
    done = python(*command, timeout_s=TIMEOUT_S)
    return f"{done.stdout}{done.stderr}exit code {done.returncode}"


@pytest.mark.parametrize("number", range(1, 16))
def test_a_line_holds(number: int, printed: str) -> None:
    rows = [text for text in printed.splitlines() if text.startswith(f"| {number} |")]
    assert [row.endswith("| held |") for row in rows] == [True], printed


def test_the_exit_code_says_so(printed: str) -> None:
    assert printed.endswith("exit code 0")
