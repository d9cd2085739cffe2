"""A line of the table, and the small trainings in processes of their own that it is tried with."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ppocr_ft.commands.common import import_paddle

import_paddle()

from ppocr_ft.commands import export, fit_postprocess, train  # noqa: E402, F401  once for all
from ppocr_ft.commands.check import run as check_run  # noqa: E402, F401
from ppocr_ft.commands.main import main  # noqa: E402
from ppocr_ft.commands.train import cli  # noqa: E402, F401
from ppocr_ft.commands.train import run as train_run  # noqa: E402
from tests.support.small_run import IMAGES, small_config  # noqa: E402

WAIT_S = 600
"""A process that takes longer hangs."""


class NotHeldError(Exception):
    """What a line promises does not hold; the text names the case."""


def must(holds: object, what: str) -> None:
    """Raise NotHeldError where something doesn't hold."""
    if not holds:
        raise NotHeldError(what)


@dataclass(frozen=True)
class Ran:
    """A process that has ended: its exit code, negative for a signal, and all that it printed."""

    code: int
    text: str

    @property
    def last_words(self) -> str:
        return " / ".join(self.text.strip().splitlines()[-3:])[-300:]

    def ends(self, *codes: int, of: str) -> None:
        """Check the exit code, and that no traceback was printed."""
        must("Traceback" not in self.text, f"{of}: a traceback: {self.last_words}")
        must(self.code in codes, f"{of}: exit code {self.code}: {self.last_words}")


@dataclass
class Process:
    """An action in a process of its own, forked from this one, which has imported all."""

    pid: int
    output: Path

    @classmethod
    def of(cls, action: Callable[[], object], output: Path) -> Process:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return cls(pid, output)
        code = 1
        try:
            handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            code = int(action() or 0)  # type: ignore[call-overload]
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self, seconds: float = WAIT_S) -> Ran | None:
        """Return what it did; None if it still runs after some seconds."""
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                text = self.output.read_text(errors="replace")
                return Ran(os.waitstatus_to_exitcode(status), text)
            if time.monotonic() > until:
                return None
            time.sleep(0.01)

    def ended(self, seconds: float = WAIT_S, of: str = "a process") -> Ran:
        """Return what it did; where it still runs after some seconds kill it: NotHeldError."""
        ran = self.wait(seconds)
        if ran is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise NotHeldError(f"{of}: runs on after {seconds:g} s")
        return ran


@dataclass
class Trial:
    """What a line is tried with: a folder, random numbers, how much; and what was counted."""

    folder: Path
    rng: random.Random
    short: bool
    cases: int = 0
    tried: list[str] = field(default_factory=list)

    def some(self, whole: int, short: int) -> int:
        """Return the number of cases of something."""
        return short if self.short else whole

    def process(self, action: Callable[[], object]) -> Process:
        return Process.of(action, self.folder / "output.txt")

    def run(self, action: Callable[[], object], of: str = "a process") -> Ran:
        return self.process(action).ended(of=of)

    def config(self, name: str, images: int = IMAGES, *, fit: bool = False) -> Path:
        """Return the config of a run in ``name``/run, with its images beside it."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        return small_config(place, images, fit=fit)


def training(config: Path, *more: str, page: bool = False) -> Callable[[], int]:
    """Return a training's action: a new one, or the one that has a state goes on.

    ``page``: whether the run draws its page at the end, which takes as long as the run.
    """

    def action() -> int:
        if not page:
            train_run.make_page = lambda run: None
        folder = config.parent / "run"
        resume = ["--resume"] if any(folder.glob("*.pdstate")) else []
        return main(["train", "-c", str(config), *resume, *(["-o", *more] if more else [])])

    return action


def at_write(folder: Path, count: int, action: Callable[[], object]) -> None:
    """Act before the n-th opening to write, or renaming, of a file in a folder by this process."""
    place, seen = str(folder), iter(range(1, 10**9))

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        elif event == "os.rename":
            path, writes = arguments[1], True
        else:
            return
        if writes and str(path).startswith(place) and next(seen) == count:
            action()

    sys.addaudithook(hook)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Line:
    """A line of the table: a fault, what must hold, and how it is tried."""

    number: int
    fault: str
    must_hold: str
    attempt: Callable[[Trial], None]

    def result(self, *, seed: int, short: bool) -> tuple[str, str]:
        """Return what was tried, and whether it held; if not, the first case that did not."""
        with tempfile.TemporaryDirectory(prefix="ppocr_ft_campaign_") as folder:
            trial = Trial(Path(folder), random.Random(f"{seed} {self.number}"), short)
            try:
                self.attempt(trial)
                held = "held"
            except (NotHeldError, AssertionError) as error:
                held = f"did not hold: {' '.join(str(error).split())[:400]}"
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(place.filename).name}:{place.lineno}"
                held = f"could not be tried: {type(error).__name__} {error} ({where})"[:400]
            return f"{trial.cases:,} cases: {'; '.join(trial.tried)}", held


LINES: list[Line] = []


def line(
    number: int, fault: str, must_hold: str
) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Enter a function into ``LINES``."""

    def enter(attempt: Callable[[Trial], None]) -> Callable[[Trial], None]:
        LINES.append(Line(number, fault, must_hold, attempt))
        LINES.sort(key=lambda entered: entered.number)
        return attempt

    return enter


def copies(folder: Path) -> Iterator[Path]:
    """Yield fresh copies of a folder, beside it, one at a time."""
    import shutil
    from itertools import count

    for number in count():
        copy = folder.with_name(f"{folder.name}_{number}")
        shutil.copytree(folder, copy)
        yield copy
        shutil.rmtree(copy, ignore_errors=True)
