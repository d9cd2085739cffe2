"""Fault 1: kill -9 at random moments and at every write, with every state that a run can have."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

from experiments.faults_campaign.line import (
    NotHeldError,
    Ran,
    Trial,
    at_write,
    kill_self,
    line,
    must,
    training,
)
from ppocr_ft.optim.configs import OPTIMIZERS
from tests.support.same_run import assert_same_run
from tests.support.small_run import starting_weights

AVERAGED = ("Global.use_ema=true", "Global.ema_decay=0.4")
ACCUMULATED = ("Optimizer.gradient_accumulation_steps=2", "Global.eval_batch_step=[0,3]")
NEAR_THE_START = ("Global.pretrained_model=START", "Optimizer.start_decay=20")
ALSO = ("Eval.also.more.data_dir=DATA", "Eval.also.more.label_file_list=[DATA/label.txt]")
BUDGET = ("Global.time_budget=100s", "Global.epoch_num=3")
RUNS: dict[str, tuple[str, ...]] = {
    "AdamW": (),
    "Adam, averaged weights": ("Optimizer.name=Adam", *AVERAGED),
    "Momentum, accumulated batches": ("Optimizer.name=Momentum", *ACCUMULATED),
    "RMSProp": ("Optimizer.name=RMSProp",),
    "Adagrad, further sets": ("Optimizer.name=Adagrad", *ALSO),
    "Lamb, rate by plateau": (
        "Optimizer.name=Lamb",
        "Optimizer.lr={name: ReduceLROnPlateau, learning_rate: 0.002, patience: 0, factor: 0.5}",
    ),
    "near the start, averaged, accumulated": (*NEAR_THE_START, *AVERAGED, *ACCUMULATED),
    "fresh parts first": (*NEAR_THE_START, "Optimizer.fresh_first=6"),
    "time budget": BUDGET,
}
"""Overrides of a small run by what its state has then."""
KILLS, SHORT_KILLS = 12, 2
"""Of each run."""


@line(
    1,
    "kill -9 at random moments and during writes",
    "resumed run's losses and weights equal to the bit",
)
def kill(trial: Trial) -> None:
    names = " ".join(map(str, RUNS.items())) + str(RUNS.keys())
    must(all(name in names for name in OPTIMIZERS), "an optimizer isn't tried")
    chosen = list(RUNS.items())[: 3 if trial.short else None]
    trial.tried = [f"{len(chosen)} kinds of runs"]
    for name, overrides in chosen:
        place = trial.folder / name.replace(" ", "_").replace(",", "")
        whole, killed = place / "whole", place / "killed"
        seconds = began_alike(trial, name, overrides, whole, killed)
        begun, more = place / "begun", options(killed, overrides)
        shutil.copytree(killed, begun)
        kills, wanted = list[tuple[str, float]](), trial.some(KILLS, SHORT_KILLS)
        while len(kills) < wanted:
            how, value = one_of(trial.rng)
            ran = attacked(trial, killed, more, how, value, seconds)
            if ran.code == 0:  # it came to its end before; another one begins
                is_whole(killed, whole, f"{name}, {kills}")
                shutil.rmtree(killed)
                shutil.copytree(begun, killed)
                continue
            kills.append((how, value))
            must(ran.code < 0, f"{name}, {kills}: {ran.last_words}")
            trial.cases += 1
        case = f"{name}, {kills}"
        trial.run(training(killed / "c.yml", *more), case).ends(0, of=case)
        is_whole(killed, whole, case)
        shutil.rmtree(place)


def is_whole(killed: Path, whole: Path, case: str) -> None:
    try:
        assert_same_run(killed / "run", whole / "run")
        assert files_of(killed) == files_of(whole), files_of(killed) ^ files_of(whole)
    except (AssertionError, OSError) as error:
        raise NotHeldError(f"{case}: differs in {str(error)[:100]}") from None


def began_alike(
    trial: Trial, name: str, overrides: tuple[str, ...], whole: Path, killed: Path
) -> float:
    """Let a run go on from its first state to its end, and copy that state; returns its seconds.

    Under a time budget no two runs choose the same length; a resumed one keeps it.
    """
    for place in (whole, killed):
        trial.config(str(place.relative_to(trial.folder)))
        if "Global.pretrained_model=START" in overrides:
            starting_weights_of(trial, place)
    config, more = whole / "c.yml", options(whole, overrides)
    if overrides == BUDGET:
        first = trial.run(lambda: killed_at_state(whole, more), name)
        must(first.code == -signal.SIGKILL, f"{name}: the first state: {first.last_words}")
        shutil.copytree(whole / "run", killed / "run")
        for file in (killed / "run").glob("*.yml"):
            file.write_text(file.read_text().replace(str(whole), str(killed)))
    began = time.monotonic()
    trial.run(training(config, *more), name).ends(0, of=f"{name}, not killed")
    return time.monotonic() - began


def killed_at_state(place: Path, more: tuple[str, ...]) -> int:
    from ppocr_ft.engine import trainer

    trainer.train_step = lambda *arguments: kill_self()
    return training(place / "c.yml", *more)()


def starting_weights_of(trial: Trial, place: Path) -> None:
    trial.run(lambda: int(not starting_weights(place)), "starting weights").ends(0, of="weights")


def options(place: Path, overrides: tuple[str, ...]) -> tuple[str, ...]:
    paths = {"START": str(place / "start.pdparams"), "DATA": str(place)}
    for name, path in paths.items():
        overrides = tuple(text.replace(name, path) for text in overrides)
    return overrides


def files_of(place: Path) -> set[str]:
    return {path.name for path in (place / "run").iterdir()} - {".lock"}


def one_of(rng: random.Random) -> tuple[str, float]:
    how = rng.choice(["moment", "moment", "write", "write", "write", "torn"])
    if how == "moment":
        return how, round(rng.random(), 3)
    return how, rng.randint(1, 60) if how == "write" else rng.randint(1, 1_200_000)


def attacked(
    trial: Trial, place: Path, more: tuple[str, ...], how: str, value: float, seconds: float
) -> Ran:
    """Kill a run after a share of its time, before its n-th write, or within a write of n bytes."""
    train = training(place / "c.yml", *more)

    def action() -> int:
        if how == "write":
            at_write(place / "run", int(value), kill_self)
        elif how == "torn":
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), resource.RLIM_INFINITY))
        return train()

    process = trial.process(action)
    if how == "moment":
        ran = process.wait(value * seconds)
        if ran is not None:
            return ran
        os.kill(process.pid, signal.SIGKILL)
    return process.ended(of=f"{how} {value}")
