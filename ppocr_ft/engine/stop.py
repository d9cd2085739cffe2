"""Ctrl-C and SIGTERM as a request that training heeds at its next step."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818  nothing need be wrong
    """Somebody asked the run to stop; ``signal_number`` tells how."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal_number)

    def __str__(self) -> str:
        return signal.Signals(self.signal_number).name


class StoppedEarly(Exception):  # noqa: N818
    """The run ends before its last step, since the config asked for it; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class StopRequest:
    """Whether somebody has asked.

    launched: whether ``paddle.distributed.launch`` has started the process, which asks by several
    SIGTERMs in a row, and kills what is still there 4 s (gloo) or 30 s later.
    """

    def __init__(self, *, launched: bool = False) -> None:
        self.signal_number: int | None = None
        self._launched = launched

    def check(self) -> None:
        """Raises Stopped if so."""
        if self.signal_number is not None:
            raise Stopped(self.signal_number)

    def heeding(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, until somebody asks; then Stopped."""
        for item in items:
            self.check()
            yield item

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """While this lasts the first signal is a request; a second one acts as ever, but for
        SIGTERM from a launcher."""
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            self.signal_number = number
            for each, handler in before.items():
                if not (self._launched and each == signal.SIGTERM):
                    signal.signal(each, handler)

        for number in SIGNALS:
            signal.signal(number, note)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
