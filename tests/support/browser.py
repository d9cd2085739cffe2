"""Headless Chromium over its DevTools pipe: no driver, no web socket, nothing to install but it."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--remote-debugging-pipe",
)  # fmt: skip
COMMANDS_FD, ANSWERS_FD = 3, 4
SECONDS = 60


def chromium() -> str:
    """Its path; without it the test is skipped, but fails where CI is set."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = "no Chromium here (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Tab:
    """A page; ``events`` are all that the browser has told so far, as (method, parameters)."""

    def __init__(self, commands_fd: int, answers_fd: int) -> None:
        self._commands = commands_fd
        self._answers = answers_fd
        self._buffer = b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, path: Path, size_px: tuple[int, int], language: str = "en-US") -> None:
        """Load a file and wait until all of it is there."""
        self.events.clear()
        self.resize(size_px)
        self.call("Emulation.setLocaleOverride", locale=language)
        self.call("Page.navigate", url=path.as_uri())
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._next()

    def resize(self, size_px: tuple[int, int]) -> None:
        width, height = size_px
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """The whole page, as high as it is."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and what the browser itself logs."""
        self.run("1")
        told = []
        for method, about in self.events:
            if method == "Runtime.exceptionThrown":
                told.append(json.dumps(about["exceptionDetails"]))
            if method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
                told.append(json.dumps(about["args"]))
            if method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                told.append(about["entry"]["text"])
        return told

    def requested(self) -> list[str]:
        """The addresses that the page asked for."""
        asked = (about for method, about in self.events if method == "Network.requestWillBeSent")
        return [about["request"]["url"] for about in asked]

    def _next(self) -> dict[str, Any]:
        """The browser's next message; events are noted."""
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], deadline - time.monotonic())
            assert ready, f"no answer from the browser in {SECONDS} s"
            chunk = os.read(self._answers, 1 << 20)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        raw, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message


@contextmanager
def browser(profile: Path, *more_options: str) -> Iterator[Tab]:
    """Chromium with a new profile; it ends with the block."""
    program = chromium()
    commands_out, commands_in = map(_high, os.pipe())
    answers_out, answers_in = map(_high, os.pipe())
    arguments = [program, *OPTIONS, f"--user-data-dir={profile}", *more_options, "about:blank"]
    pid = _start(program, arguments, commands_out, answers_in, profile)
    os.close(commands_out)
    os.close(answers_in)
    try:
        yield Tab(commands_in, answers_out)
    finally:
        os.close(commands_in)
        os.close(answers_out)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _start(program: str, arguments: Sequence[str], commands: int, answers: int, home: Path) -> int:
    """The pipes become the file numbers that Chromium reads and writes; its own talk is dropped."""
    home.mkdir(parents=True, exist_ok=True)
    nothing = os.open(os.devnull, os.O_RDWR)
    moves = [(commands, COMMANDS_FD), (answers, ANSWERS_FD), (nothing, 1), (nothing, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, old, new) for old, new in moves]
    try:
        environment = {**os.environ, "HOME": str(home)}
        return os.posix_spawn(program, arguments, environment, file_actions=actions)
    finally:
        os.close(nothing)


def _high(fd: int) -> int:
    """The same pipe under a number beyond those that are taken for the browser's."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved
