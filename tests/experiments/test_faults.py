"""Each fault that users' files and reports showed is tried again: a row of ``make faults``."""

from __future__ import annotations

import pytest

from experiments.faults import FAULTS, Fault

pytestmark = pytest.mark.slow  # whole commands run, some of them train


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault_is_mended(fault: Fault) -> None:
    words, verdict = fault.result()
    if verdict == "skipped":
        pytest.skip(words)
    assert verdict == "right", f"{fault.source}, {fault.title}: {words}"
