"""Where the time goes: stages within each other, on a clock of our own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ppocr_ft.utils import timing
from ppocr_ft.utils.timing import Stopwatch, duration_text, seconds_of


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def waits(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_the_time_of_a_stage_within_another_is_not_the_outer_ones(clock: Clock) -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch.stage("outer"):
            clock.waits(1)
            with watch.stage("inner"):
                clock.waits(4)
                with watch.stage("innermost"):
                    clock.waits(16)
            clock.waits(2)
        clock.waits(100)
    assert watch.seconds == {"innermost": 32, "inner": 8, "outer": 6}


def test_a_stage_within_one_of_its_name_counts_once(clock: Clock) -> None:
    watch = Stopwatch()
    with watch.stage("read"):
        clock.waits(1)
        with watch.stage("read"):
            clock.waits(2)
    assert watch.seconds == {"read": 3}


def test_a_stage_that_raises_is_timed(clock: Clock) -> None:
    watch = Stopwatch()

    def fail() -> None:
        clock.waits(2)
        raise KeyError

    with pytest.raises(KeyError), watch.stage("outer"), watch.stage("inner"):
        fail()
    with watch.stage("outer"):
        clock.waits(1)
    assert watch.seconds == {"inner": 2, "outer": 1}


def test_waiting_for_items_of_a_source_that_waits_itself(clock: Clock) -> None:
    """As an evaluation waits for maps of a network that waits for images."""
    watch = Stopwatch()

    def read() -> Iterator[int | None]:
        for item in (1, None, 3):
            clock.waits(2)
            yield item
        clock.waits(1)

    def maps() -> Iterator[int | None]:
        for item in watch.waiting("read", read()):
            clock.waits(5)
            yield item

    found = []
    for item in watch.waiting("network", maps()):
        found.append(item)
        clock.waits(50)
    assert found == [1, None, 3]
    assert watch.seconds == {"read": 7, "network": 15}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1.5h", 5400), ("1h0m5s", 3605), (" 2m ", 120)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "20", "m", "20 minutes", "20min", "30m1h", "0s", "-5m", "1.2.3m", ".s", "٢m"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a duration such as 90s, 20m or 1h30m"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.234, "0.23s"), (1.94, "1.9s"), (59.4, "59s"), (59.7, "1m"), (61, "1m1s"), (1200, "20m"),
     (3599.8, "1h"), (5400, "1h30m")],
)  # fmt: skip
def test_a_duration_is_written(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
