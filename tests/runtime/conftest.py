"""An exported model in other projects' runtimes; `make test-runtime` builds the environments."""

from __future__ import annotations

import os

import pytest

from tests.runtime.runtimes import RUNTIMES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = {runtime.variable for runtime in RUNTIMES} - os.environ.keys()
    if absent:
        reason = f"{', '.join(sorted(absent))} not set; make test-runtime does it"
        for item in items:
            if item.path.parent.name == "runtime":
                item.add_marker(pytest.mark.skip(reason=reason))
