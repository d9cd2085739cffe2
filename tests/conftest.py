"""What holds for every test: one thread unless told otherwise, and what runs without Paddle."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from ppocr_ft.utils.cpu import tune_cpu

tune_cpu()  # before Paddle is imported, as the commands do

HAS_PADDLE = find_spec("paddle") is not None
WITHOUT_PADDLE = {"config", "data", "metrics", "sample_data", "support", "transforms"}
"""Folders whose tests need no Paddle, as the files beside this one; all others are left out where
it isn't installed."""
TRAINS = {"averaged_run", "exported", "plain_run", "result", "whole_run"}
"""Fixtures that train or export; a test with one of them is slow."""
HERE = Path(__file__).parent


def pytest_report_header() -> str | None:
    if HAS_PADDLE:
        return None
    return f"paddle is not installed: only {', '.join(sorted(WITHOUT_PADDLE))} and tests/*.py run"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    room = collection_path.relative_to(HERE).parts[:1]
    is_room = collection_path.is_dir() or collection_path.parent != HERE
    return True if not HAS_PADDLE and is_room and not WITHOUT_PADDLE.issuperset(room) else None


LONGEST = "test_regression.py"
"""Of few tests, but they train for minutes, and each file goes to one process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what trains as slow; begin with the files that take longest."""
    for item in items:
        if TRAINS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.path.name != LONGEST, -slow[item.path]))


WITHOUT_PAGE = {"engine", "factory", "fitting", "optim", "runs"}


@pytest.fixture(autouse=True)
def without_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in these folders' tests end without report.html, which takes as long as they do."""
    if WITHOUT_PAGE.intersection(request.path.relative_to(HERE).parts):
        monkeypatch.setattr("ppocr_ft.commands.train.run.make_page", lambda run: None)
