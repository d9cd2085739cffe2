"""Faults 2, 3 and 14: a full disk, a folder that goes or is read-only, two runs in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.faults_campaign.line import (
    NotHeldError,
    Process,
    Trial,
    at_write,
    line,
    must,
    training,
)
from tests.support.same_run import assert_same_run, calling

DISK_MB = 24
"""Twice what a run needs, so that it begins."""
WRITES = 75
"""About as many has a small run."""


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """Let a folder be a file system of its own; False where this user can't mount one."""
    place.mkdir(parents=True, exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(place)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, check=False)
        mounted = done.returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)


def fill(place: Path, left: int) -> None:
    """Fill the disk of a folder but for some bytes."""
    free = os.statvfs(place)
    filler = place / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - left, 1))


@line(
    2,
    "disk full at any write",
    "earlier checkpoint whole, one sentence, exit code, resume works after space is made",
)
def full_disk(trial: Trial) -> None:
    broken(trial, lambda place, left: fill(place, left), lambda place: (place / "filler").unlink())


@line(3, "run folder read-only, or removed, in mid-run", "as 2")
def folder_lost(trial: Trial) -> None:
    def mount(*options: str) -> None:
        subprocess.run(options, check=True)

    def read_only(place: Path, _: int) -> None:
        run = str(place / "run")
        mount("mount", "--bind", run, run)
        mount("mount", "-o", "remount,bind,ro", run)

    broken(trial, read_only, lambda place: mount("umount", str(place / "run")))
    trial.tried.append("a file system that stalls can't be made here")
    place = trial.folder / "removed"
    for _ in range(trial.some(12, 1)):
        config, count = trial.config("removed"), trial.rng.randint(4, WRITES)
        removed = acting(place, count, lambda: shutil.rmtree(place / "run", ignore_errors=True))
        ran = trial.run(removed, f"removed before write {count}")
        must(config.exists(), "more than the run's folder is gone")
        one_sentence(ran.text, ran.code, f"removed before write {count}")
        trial.cases += 1
        shutil.rmtree(place)


def acting(place: Path, count: int, action: Callable[[], object]) -> Callable[[], int]:
    """Return a training in which something happens before its n-th write."""

    def act() -> int:
        at_write(place / "run", count, action)
        return training(place / "c.yml")()

    return act


def broken(
    trial: Trial, breaks: Callable[[Path, int], None], mends: Callable[[Path], None]
) -> None:
    """Break a run's disk before random writes; when it is mended the run must go on to its end."""
    trial.run(training(trial.config("whole")), "whole").ends(0, of="the whole run")
    place = trial.folder / "disk"
    with small_disk(place) as mounted:
        if not mounted:
            trial.tried.append("skipped: mounting a small file system needs root")
            return
        trial.tried.append(f"a tmpfs of {DISK_MB} MiB")
        for _ in range(trial.some(40, 3)):
            for path in place.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            config, count = trial.config("disk"), trial.rng.randint(2, WRITES)
            left = trial.rng.choice((0, 4096, 300_000, 900_000))
            case = f"before write {count}, {left} bytes left"
            happened = trial.folder / "happened"
            happened.unlink(missing_ok=True)

            def act(left: int = left, happened: Path = happened) -> None:
                happened.touch()
                breaks(place, left)

            ran = trial.run(acting(place, count, act), case)
            if not happened.exists():
                continue
            trial.cases += 1
            mends(place)
            if ran.code != 0 or "can't be" in ran.text or "not made" in ran.text:
                one_sentence(ran.text, ran.code, case)
            trial.run(training(config), case).ends(0, of=f"{case}, resumed")
            try:
                assert_same_run(place / "run", trial.folder / "whole" / "run")
            except (AssertionError, OSError) as error:
                raise NotHeldError(f"{case}: resumed, differs in {str(error)[:100]}") from None


def one_sentence(text: str, code: int, case: str) -> None:
    """Check that a run that could not write says so once, without a traceback."""
    last = " / ".join(text.strip().splitlines()[-3:])[-400:]
    must("Traceback" not in text, f"{case}: a traceback: {last}")
    must(code in (0, 1, 2), f"{case}: exit code {code}: {last}")
    words = ("No space left", "Read-only", "No such file", "not made", "can't be")
    must(any(word in text for word in words), f"{case}: doesn't say what is wrong: {last}")


@line(
    14,
    "two runs in one folder; clock set back; host name changed",
    "second refused; order by step, not by time",
)
def two_runs(trial: Trial) -> None:
    from ppocr_ft.engine import trainer

    trial.run(training(trial.config("whole")), "whole").ends(0, of="the whole run")
    config = trial.config("shared")
    run = config.parent / "run"

    def slow() -> int:
        trainer.train_step = calling(7, lambda: time.sleep(60))
        return training(config)()

    first = Process.of(slow, trial.folder / "first.txt")
    until = time.monotonic() + 200
    while not (run / "latest.pdstate").exists() and time.monotonic() < until:
        time.sleep(0.1)
    second = trial.run(training(config), "the second run")
    second.ends(2, of="the second run")
    must(f"process {first.pid}" in second.text, f"the first isn't named: {second.last_words}")
    os.kill(first.pid, signal.SIGKILL)
    first.ended()
    (run / ".lock").write_text('{"pid": 1, "host": "another-host"}')

    def a_year_ago() -> int:
        now, local = time.time, time.localtime
        time.time = lambda: now() - 3.15e7  # type: ignore[assignment]
        time.strftime = lambda form, at=None, of=time.strftime: of(form, at or local(time.time()))
        return training(config)()

    ran = trial.run(a_year_ago, "a year ago, on another host")
    ran.ends(0, of="a clock set back, another host")
    assert_same_run(run, trial.folder / "whole" / "run")
    trial.run(lambda: page_of(run), "its page").ends(0, of="its page")
    trial.cases, trial.tried = 3, ["a second run", "a clock a year back", "a lock of another host"]


def page_of(run: Path) -> int:
    from ppocr_ft.commands.report.run import read_run

    read = read_run(run)
    must(read.seconds is None or read.seconds >= 0, f"a run of {read.seconds} seconds")
    return 0
