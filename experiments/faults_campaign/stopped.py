"""Fault 5: Ctrl-C and SIGTERM, once and twice, in every phase of a run and of an export."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from experiments.faults_campaign.line import (
    NotHeldError,
    Ran,
    Trial,
    line,
    main,
    must,
    training,
)
from tests.support import ROOT
from tests.support.processes import environment
from tests.support.same_run import assert_same_run

MOST_SECONDS = 10.0
PHASES = {
    "start": ("ppocr_ft.commands.train.run.precheck", 1),
    "first save": ("os.fsync", 4),
    "step": ("ppocr_ft.engine.trainer.train_step", 6),
    "evaluation": ("ppocr_ft.runs.eval_runner.EvalRunner.__call__", 2),
    "save": ("os.fsync", 16),
    "fit": ("ppocr_ft.commands.fit_postprocess.final.after_training", 1),
    "page": ("ppocr_ft.commands.train.run.report", 1),
}
"""The function, and its call, in which the signal comes."""
SHORT_PHASES = ("start", "step", "fit")
EXPORT = {"export": ("ppocr_ft.commands.export.run.export", 1), "its files": ("os.fsync", 1)}


@line(
    5,
    "Ctrl-C and SIGTERM, once and twice, in each phase",
    "saves once, ends within 10 s, says how to go on",
)
def stop(trial: Trial) -> None:
    trial.run(training(trial.config("whole")), "whole").ends(0, of="the whole run")
    trial.config("stopped")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    phases = {name: PHASES[name] for name in SHORT_PHASES} if trial.short else PHASES
    trial.tried = [", ".join([*phases, *([] if trial.short else EXPORT)])]
    for phase, (function, count) in phases.items():
        for number in (signal.SIGINT, signal.SIGTERM):
            for times in (1, 2) if not trial.short else (1,):
                case = f"{phase}, {number.name} x {times}"
                stopped_run(trial, case, function, count, number, times)
    if not trial.short:
        for phase, (function, count) in EXPORT.items():
            for number in (signal.SIGINT, signal.SIGTERM):
                stopped_export(trial, f"{phase}, {number.name}", function, count, number)
    for number in (signal.SIGINT, signal.SIGTERM) if not trial.short else ():
        for _ in range(4):
            while_importing(trial, number, trial.rng.uniform(0.3, 6))


def signalled(
    action: Callable[[], int], function: str, count: int, number: int, times: int, note: Path
) -> Callable[[], int]:
    """Return the action with a signal in the n-th call of a function; its time is noted."""
    module, _, name = function.rpartition(".")

    def wrapped_action() -> int:
        owner = owner_of(module)
        original, calls = getattr(owner, name), iter(range(1, 10**6))

        def wrapped(*arguments: object, **options: object) -> object:
            if next(calls) == count:
                note.write_text(str(time.process_time()))
                for _ in range(times):
                    os.kill(os.getpid(), number)
                    time.sleep(0.01)
            return original(*arguments, **options)

        setattr(owner, name, wrapped)
        return action()

    return wrapped_action


def owner_of(path: str) -> object:
    """Return the module, or the class in a module, of that path."""
    try:
        return import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(import_module(module), name)


def ended_soon(trial: Trial, case: str, action: Callable[[], int], note: Path) -> Ran:
    """Return what a process did; check how soon after the signal it ended, by its own time."""
    note.unlink(missing_ok=True)
    process = trial.process(action)
    _, status, used = os.wait4(process.pid, 0)
    must(note.exists(), f"{case}: the phase wasn't reached: {process.output.read_text()[-300:]}")
    seconds = used.ru_utime + used.ru_stime - float(note.read_text())
    must(seconds < MOST_SECONDS, f"{case}: ended after {seconds:.1f} s")
    trial.cases += 1
    return Ran(os.waitstatus_to_exitcode(status), process.output.read_text(errors="replace"))


def stopped_run(
    trial: Trial, case: str, function: str, count: int, number: int, times: int
) -> None:
    place, note = trial.folder / "stopped", trial.folder / "note"
    shutil.rmtree(place / "run", ignore_errors=True)
    late = case.startswith(("fit", "page"))
    config = trial.config("stopped", fit=late)
    action = training(config, page=late)
    ran = ended_soon(trial, case, signalled(action, function, count, number, times, note), note)
    forced = (-number,) if times > 1 else ()
    ran.ends(128 + number, *forced, of=case)
    begun = (place / "run" / "latest.pdstate").is_file()
    how = "--resume" if begun else "begins anew"
    must(how in ran.text or ran.code < 0, f"{case}: doesn't say how to go on: {ran.last_words}")
    must(not list(place.glob("run/.*.part")) or ran.code < 0, f"{case}: leaves a part of a file")
    trial.run(training(config, page=late), case).ends(0, of=f"{case}, resumed")
    if late:
        must((place / "run" / "fitted.yml").is_file(), f"{case}: no fitted.yml after a resume")
        return
    try:
        assert_same_run(place / "run", trial.folder / "whole" / "run")
    except (AssertionError, OSError) as error:
        raise NotHeldError(f"{case}: resumed, differs in {str(error)[:100]}") from None


def stopped_export(trial: Trial, case: str, function: str, count: int, number: int) -> None:
    run, out = trial.folder / "whole" / "run", trial.folder / "exported"
    values = (f"Global.checkpoints={run}/best_accuracy", f"Global.save_inference_dir={out}")

    def action() -> int:
        return main(["export", "-c", str(run / "config.resolved.yml"), "-o", *values])

    trial.run(action, case).ends(0, of=f"{case}, an export before")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    note = trial.folder / "note"
    ran = ended_soon(trial, case, signalled(action, function, count, number, 1, note), note)
    ran.ends(128 + number, of=case)
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    must(before == after, f"{case}: the export before isn't whole")


def while_importing(trial: Trial, number: int, seconds: float) -> None:
    """Send a signal to a command that a shell has started, some seconds after its start."""
    case = f"{signal.Signals(number).name} {seconds:.1f} s after the start of the command"
    config = trial.config("imported")
    command = [sys.executable, "-m", "ppocr_ft", "train", "-c", str(config)]
    output = trial.folder / "output.txt"
    with output.open("w") as file:
        started = subprocess.Popen(command, stdout=file, stderr=file, env=environment(), cwd=ROOT)
    time.sleep(seconds)
    started.send_signal(number)
    try:
        code = started.wait(60)
    except subprocess.TimeoutExpired:
        started.kill()
        raise NotHeldError(f"{case}: runs on after a minute") from None
    trial.cases += 1
    before_python = (-number,)  # nothing of the program runs yet
    Ran(code, output.read_text()).ends(128 + number, 0, *before_python, of=case)
