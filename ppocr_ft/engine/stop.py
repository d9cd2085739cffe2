"""Ctrl-C and SIGTERM: a request to stop before the next step, elsewhere an exception."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818  nothing need be wrong
    """A signal asked the run to stop; ``signal_number`` is its number."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal_number)

    def __str__(self) -> str:
        return signal.Signals(self.signal_number).name


class Terminated(KeyboardInterrupt):
    """SIGTERM, where nothing listens for it."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let the first SIGTERM inside this context be raised as Terminated, as Ctrl-C is raised.

    A second one ends the process. Another handler, or another thread's context, stays as it is.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Terminated

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class StoppedEarly(Exception):  # noqa: N818
    """The run ends before its last step because the config says so; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class StopRequest:
    """Whether a signal has asked to stop.

    launched: whether ``paddle.distributed.launch`` has started the process, which sends several
    SIGTERMs in a row, and kills what is still running 4 s (gloo) or 30 s later.
    """

    def __init__(self, *, launched: bool = False) -> None:
        self.signal_number: int | None = None
        self._launched = launched

    def check(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.signal_number is not None:
            raise Stopped(self.signal_number)

    def heeding(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items until a signal comes; then raise Stopped."""
        for item in items:
            self.check()
            yield item

    @contextmanager
    def listening(self) -> Iterator[StopRequest]:
        """Treat the first signal inside this context as a request.

        A second one has its usual effect, except for SIGTERM from a launcher. Only a process's main
        thread can listen; a run in another one can't be asked to stop.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            self.signal_number = number
            for signal_number, handler in before.items():
                if not (self._launched and signal_number == signal.SIGTERM):
                    signal.signal(signal_number, handler)

        for number in SIGNALS:
            signal.signal(number, note)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
