"""Fault 4: a file of the run cut off, with a flipped bit, emptied, zeroed, or of another run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from experiments.faults_campaign.line import (
    NotHeldError,
    Trial,
    kill_self,
    line,
    must,
    training,
)
from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import read_weights
from tests.support.same_run import assert_same_run, calling, figures

NAMED = ("latest.pdstate", "best_accuracy.pdparams", "metrics.csv")
"""Their damage must be named, and what follows must not depend on it."""
DAMAGES = ("cut off", "a bit flipped", "empty", "zeros", "of another run")
KILLED_IN_STEP = 10


@line(
    4,
    "a file of the run's folder cut off, a bit flipped, empty, zeros, of another run",
    "named; falls back to the checkpoint before; nothing half read",
)
def damage(trial: Trial) -> None:
    whole, begun, other = (trial.folder / name for name in ("whole", "begun", "other"))
    trial.run(training(trial.config("whole")), "whole").ends(0, of="the whole run")
    trial.config("begun")
    trial.run(lambda: killed_in_step(begun), "begun")
    trial.config("other")
    slower = "Optimizer.lr.learning_rate=0.001"
    trial.run(training(other / "c.yml", slower), "other").ends(0, of="another run")
    kept = trial.folder / "kept"
    shutil.copytree(begun / "run", kept)
    names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    names = [name for name in names if name != ".lock" and not name.endswith(".part")]
    names = list(NAMED) if trial.short else names
    trial.tried = [f"{len(names)} files"]
    for name in names:
        for how in DAMAGES if not trial.short else DAMAGES[:2]:
            for _ in range(trial.some(4, 1) if how == "a bit flipped" and name in NAMED else 1):
                shutil.rmtree(begun / "run")
                shutil.copytree(kept, begun / "run")
                if spoil(begun / "run" / name, how, other / "run" / name, trial):
                    trial.cases += 1
                    goes_on(trial, name, how, begun, whole)


def killed_in_step(place: Path) -> int:
    from ppocr_ft.engine import trainer

    trainer.train_step = calling(KILLED_IN_STEP, kill_self)
    return training(place / "c.yml")()


def spoil(path: Path, how: str, theirs: Path, trial: Trial) -> bool:
    """Damage a file; return whether it changed."""
    data = bytearray(path.read_bytes())
    before = bytes(data)
    if how == "cut off":
        data = data[
            : trial.rng.randrange(len(data) // 2 + 1)
        ]  # of metrics.csv more than its newest rows
    elif how == "a bit flipped" and data:
        data[trial.rng.randrange(len(data))] ^= 1 << trial.rng.randrange(8)
    elif how == "empty":
        data = bytearray()
    elif how == "zeros":
        data = bytearray(len(data))
    elif how == "of another run" and theirs.is_file():
        data = bytearray(theirs.read_bytes())
    path.write_bytes(data)
    return bytes(data) != before


def goes_on(trial: Trial, name: str, how: str, begun: Path, whole: Path) -> None:
    """Check what a run says and does that goes on in a folder with a damaged file."""
    case, run = f"{name}, {how}", begun / "run"
    if name.endswith(".pdparams") and how != "of another run":
        ran = trial.run(lambda: reads_otherwise(run / name, begun.parent / "kept" / name), case)
        ran.ends(0, 2, of=f"{case}, read")
    ran = trial.run(training(begun / "c.yml"), case)
    ran.ends(0, *(() if name in NAMED else (2,)), of=case)
    if ran.code == 2:
        must(Path(name).name in ran.text, f"{case}: isn't named: {ran.last_words}")
        return
    wanted = whole / "run"
    try:
        if name == "latest.pdstate":
            assert_same_run(run, wanted)
        if name == "metrics.csv":
            assert figures(run) == figures(wanted), name
        best = name == "best_accuracy.pdparams"  # that it is another one is in the state
        for file in ("latest.pdparams", NAMED[1], *([] if best else [NAMED[0]])):
            assert (run / file).read_bytes() == (wanted / file).read_bytes(), file
    except (AssertionError, OSError) as error:
        raise NotHeldError(f"{case}: differs in {str(error)[:100]}; {ran.last_words}") from None
    if name in NAMED and how != "a bit flipped":  # one may change nothing that is read
        must(f"{name}: " in ran.text, f"{case}: isn't named: {ran.last_words}")


def reads_otherwise(path: Path, whole: Path) -> int:
    """Return 2 if weights are refused by name; fail if others than the whole file's are read."""
    try:
        read = read_weights(path)
    except WeightsError as error:
        print(error)
        return 2
    wanted = read_weights(whole)
    assert read.keys() == wanted.keys()
    assert all(np.array_equal(read[key], wanted[key]) for key in wanted)
    return 0
