"""Each line of ``make faults-campaign`` holds in its short form."""

from __future__ import annotations

import pytest

from tests.support.processes import python

pytestmark = pytest.mark.slow  # runs are killed, stopped and resumed

LINES = (1, 2, 3, 4, 5, 8, 9, 10, 11, 13, 14)


@pytest.mark.parametrize("number", LINES)
def test_a_line_holds(number: int) -> None:
    done = python("-m", "experiments.faults_campaign", "--short", "--only", str(number))
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = (text for text in done.stdout.splitlines() if text.startswith(f"| {number} |"))
    assert row.endswith("| held |")
