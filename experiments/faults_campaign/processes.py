"""Faults 6, 7 and 12: other numbers of threads and processes, and a process of two that is lost."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults_campaign.line import (
    NotHeldError,
    Process,
    Ran,
    Trial,
    kill_self,
    line,
    must,
    training,
)
from tests.support.processes import in_group
from tests.support.same_run import assert_same_run, calling

IMAGES = 8
"""Two processes share them evenly."""
STEPS = 12
START = "Global.pretrained_model={}/start.pdparams"
"""Frozen statistics: the threads then take images, and rounding follows their number."""
OTHERS: dict[str, tuple[str, ...]] = {
    "no workers": ("Train.loader.num_workers=0",),
    "3 threads": ("Global.cpu_threads=3",),
    "5 workers": ("Train.loader.num_workers=5",),
    "2 threads, 1 worker": ("Global.cpu_threads=2", "Train.loader.num_workers=1"),
}
RUNS: dict[str, tuple[str, ...]] = {
    "AdamW": (),
    "accumulated and averaged": (
        "Optimizer.gradient_accumulation_steps=2",
        "Global.use_ema=true",
        "Global.epoch_num=5",
    ),
}
ONE_IMAGE, TWO_IMAGES = (f"Train.loader.batch_size_per_card={count}" for count in (1, 2))
SILENCE_S = 8
"""Instead of a minute."""


@line(
    6,
    "resume with other numbers of workers and threads",
    "same samples in the same order; where bits differ it is said",
)
def other_threads(trial: Trial) -> None:
    from experiments.faults_campaign.killed import starting_weights_of

    place = trial.folder / "run"
    config = trial.config("run")
    starting_weights_of(trial, place)
    more = (START.format(place), "Global.cpu_threads=1")
    begun, whole = trial.folder / "begun", trial.folder / "whole"
    trial.run(watched(training(config, *more), place / "steps.0", kill_in=6), "begun")
    shutil.copytree(place, begun)
    trial.run(watched(training(config, *more), place / "steps.0"), "whole").ends(0, of="whole")
    shutil.copytree(place, whole)
    differed = []
    for name, other in list(OTHERS.items())[: trial.some(9, 2)]:
        shutil.rmtree(place)
        shutil.copytree(begun, place)
        ran = trial.run(watched(training(config, *more, *other), place / "steps.0"), name)
        ran.ends(0, of=name)
        must(steps_of(place) == steps_of(whole), f"{name}: other samples, rates or random numbers")
        for key in other:
            must(key.partition("=")[0] in ran.text, f"{name}: {key} isn't named")
        try:
            assert_same_run(place / "run", whole / "run")
        except AssertionError:
            must("in their last bits" in ran.text, f"{name}: bits differ, and it isn't said")
            differed.append(name)
        trial.cases += 1
    must("3 threads" in differed, "with 3 threads nothing differed: this line tests nothing")
    trial.tried = [f"bits differed, as was said, with {', '.join(differed)}, else none"]


@line(
    7,
    "resume from 1 on 2 processes, and back",
    "same order of samples, schedule and random numbers, or a refusal that says why",
)
def other_processes(trial: Trial) -> None:
    runs = list(RUNS.items())[: trial.some(9, 1)]
    for name, more in runs:
        one_two_one(trial, name, more)
    place = trial.folder / "AdamW"
    refused(trial, place, 2, TWO_IMAGES, "set it to 1")
    if not trial.short:
        refused(trial, place, 3, ONE_IMAGE, "go on with 1")
        odd = trial.config("odd").parent
        trial.run(watched(training(odd / "c.yml"), odd / "steps.0", kill_in=6), "odd")
        refused(trial, odd, 2, ONE_IMAGE, "can't be shared evenly")
    names = ", ".join(dict(runs))
    trial.tried = [f"{names}: batches of 2 as 1 in each of two, and back; other steps refused"]


def one_two_one(trial: Trial, name: str, more: tuple[str, ...]) -> None:
    """Let a run go on with two processes, then with one; hold its steps against a whole run."""
    kept, wanted = trial.folder / name, trial.folder / f"whole {name}"
    for place in (kept, wanted):
        trial.config(place.name, images=IMAGES)
    ran = trial.run(watched(training(wanted / "c.yml", *more), wanted / "steps.0"), name)
    ran.ends(0, of=f"{name}, whole")
    config = kept / "c.yml"
    trial.run(watched(training(config, *more), kept / "steps.0", kill_in=6), name)
    kill = {rank: watched(training(config, ONE_IMAGE, *more), kept / f"steps.{rank}", kill_in=5)
            for rank in range(2)}  # fmt: skip
    first, second = group_of(trial, kill)
    for ran in (first, second):
        must(ran.code < 0, f"{name}, on two: {ran.last_words}")
    must("processes 2 (was 1)" in log_of(kept), f"{name}: that there are two isn't said")
    ran = trial.run(watched(training(config, TWO_IMAGES, *more), kept / "steps.0"), name)
    ran.ends(0, of=f"{name}, on one again")
    must("processes 1 (was 2)" in ran.text, f"{name}: that it is one again isn't said")
    must(len(steps_of(wanted)) >= STEPS * 3 // 4, f"{name}: the whole run's steps aren't noted")
    must(steps_of(kept) == steps_of(wanted), f"{name}: other samples, rates or random numbers")
    trial.cases += 2


def refused(trial: Trial, place: Path, processes: int, batch: str, why: str) -> None:
    """Check that a run of one process doesn't go on with several in other steps."""
    case = f"{processes} processes, {batch}"
    action = training(place / "c.yml", batch)
    first, *others = group_of(trial, dict.fromkeys(range(processes), action))
    for ran in (first, *others):
        ran.ends(2, of=case)
    must(why in first.text, f"{case}: doesn't say why: {first.last_words}")
    trial.cases += 1


def group_of(trial: Trial, actions: dict[int, Callable[[], int]]) -> list[Ran]:
    return [each.ended(of="a process of a group") for each in begun_group(trial, actions)]


def begun_group(trial: Trial, actions: dict[int, Callable[[], int]]) -> list[Process]:
    """Begin processes as the launcher does, by rank; each has its own output."""
    variables = in_group(len(actions))

    def joined(rank: int) -> Callable[[], int]:
        def action() -> int:
            os.environ.update(variables[rank])
            return actions[rank]()

        return action

    return [Process.of(joined(rank), trial.folder / f"output.{rank}") for rank in actions]


def watched(action: Callable[[], int], notes: Path, kill_in: int = 0) -> Callable[[], int]:
    """Return a training that notes each step's samples, rates and random numbers for `steps_of`.

    It is killed in the n-th of them, once that is noted.
    """

    def act() -> int:
        from ppocr_ft.engine import trainer

        train, seed, calls = trainer.train_step, trainer.seed_step, iter(range(1, 10**6))
        current = 0

        def seed_step(number: int, step: int) -> None:
            nonlocal current
            current = step
            seed(number, step)

        def train_step(network: Any, batches: Iterable[Any], *rest: Any) -> Any:
            batches = list(batches)
            note = {
                "step": current,
                "processes": rest[3].size,
                "samples": [samples_of(batch) for batch in batches],
                "state": [rest[1].group_lrs(), digest(random.getstate(), random_words())],
            }
            with notes.open("a") as file:
                file.write(f"{json.dumps(note)}\n")
            if next(calls) == kill_in:
                kill_self()
            return train(network, batches, *rest)

        trainer.train_step, trainer.seed_step = train_step, seed_step
        return action()

    return act


def samples_of(batch: Any) -> list[str]:
    """Return a digest of each image of a batch with its target."""
    parts = [np.asarray(part) for part in (batch.images, batch.targets.shrink_map)]
    return [digest(*(part[index].tobytes() for part in parts)) for index in range(len(parts[0]))]


def random_words() -> bytes:
    """Return the state of numpy's old generator, which libraries draw from."""
    words: bytes = np.random.get_state()[1].tobytes()  # type: ignore[index,union-attr]  # noqa: NPY002
    return words


def digest(*parts: object) -> str:
    texts = [part if isinstance(part, bytes) else repr(part).encode() for part in parts]
    return hashlib.blake2b(b"".join(texts), digest_size=12).hexdigest()


def steps_of(place: Path) -> dict[int, Any]:
    """Return by step its samples in their order, whoever had them, its rates and random numbers."""
    by_rank = [
        {note["step"]: note for note in map(json.loads, file.read_text().splitlines())}
        for file in sorted(place.glob("steps.*"))
    ]
    found = {}
    for step, first in by_rank[0].items():
        notes = [steps[step] for steps in by_rank[: first["processes"]]]
        batches = zip(*(note["samples"] for note in notes), strict=True)
        samples = [sample for shares in batches for share in shares for sample in share]
        found[step] = samples, first["state"]
        must(all(note["state"] == first["state"] for note in notes), f"step {step}: other states")
    return found


def log_of(place: Path) -> str:
    return (place / "run" / "train.log").read_text()


LOST = {"killed": signal.SIGKILL, "silent": signal.SIGSTOP, "cut off": None}
"""What becomes of a process: it is killed; it is stopped, as if its network were; its connection is
shut."""


@line(
    12,
    "one process of two killed, silent, or its connection cut",
    "the other ends with a clear message within a bounded time, the state is whole, resume works",
)
def process_lost(trial: Trial) -> None:
    whole = trial.config("whole", images=IMAGES).parent
    for ran in group_of(trial, {rank: training(whole / "c.yml", ONE_IMAGE) for rank in range(2)}):
        ran.ends(0, of="whole")
    cases = [(how, rank, trial.rng.randint(1, STEPS)) for how in LOST for rank in (1, 0)]
    if trial.short:
        cases = [("killed", 0, 7), ("silent", 1, 7)]
    for how, rank, step in cases:
        loses(trial, how, rank, whole, in_step=step)
    for how in () if trial.short else ("killed", "silent") * 2:
        seconds = trial.rng.uniform(0.5, 6)
        loses(trial, how, trial.rng.randrange(2), whole, after_s=seconds)
    if not trial.short:
        loses(trial, "silent", 1, whole, words="have not met")
    when = "in a step" if trial.short else "in a step, and at any moment"
    trial.tried = [f"{', '.join(dict.fromkeys(how for how, *_ in cases))}: {when}"]


def loses(
    trial: Trial,
    how: str,
    rank: int,
    whole: Path,
    in_step: int = 0,
    after_s: float = 0.0,
    words: str = "",
) -> None:
    """Lose a process; check what the other does then, and that the run can go on.

    It is lost in a step, some seconds after the first state, or when the two have just met.
    """
    when = f"in step {in_step}" if in_step else f"after {after_s:.1f} s"
    words = words or ("no sign of life" if how == "silent" else "ended without a word")
    case = f"process {rank} {how}, {when}"
    place = trial.folder / "lost"
    shutil.rmtree(place, ignore_errors=True)
    config = trial.config(place.name, images=IMAGES)

    def action(own: int) -> Callable[[], int]:
        lost = (lambda: lose(how)) if own == rank and not after_s else None
        return impatient(training(config, ONE_IMAGE), lost, in_step)

    processes = begun_group(trial, {own: action(own) for own in range(2)})
    victim, other = processes[rank], processes[1 - rank]
    if after_s:
        while not (place / "run" / "latest.pdstate").exists():
            time.sleep(0.05)
        time.sleep(after_s)
        os.kill(victim.pid, LOST[how] or 0)
    try:
        ran = other.ended(of=f"{case}, the other")
    finally:
        os.kill(victim.pid, signal.SIGKILL)  # one that is stopped, too
        victim.wait()
    if ran.code != 0:  # else it was quicker
        ran.ends(1, of=f"{case}, the other")
        must(words in ran.text, f"{case}: {ran.last_words}")
        if (place / "run" / "latest.pdstate").exists():
            must(f"process {rank} " in ran.text, f"{case}: isn't named: {ran.last_words}")
            must("--resume" in ran.text, f"{case}: doesn't say how to go on: {ran.last_words}")
        trial.cases += 1
    for ran in group_of(trial, {own: training(config, ONE_IMAGE) for own in range(2)}):
        ran.ends(0, of=f"{case}, resumed")
    try:
        assert_same_run(place / "run", whole / "run")
    except (AssertionError, OSError) as error:
        raise NotHeldError(f"{case}: resumed, differs in {str(error)[:100]}") from None


def lose(how: str) -> None:
    """Lose this process."""
    from ppocr_ft.engine.distributed import Link

    number = LOST[how]
    if number is not None:
        os.kill(os.getpid(), number)
        return
    for link in [each for each in gc.get_objects() if isinstance(each, Link)]:
        with socket.socket(fileno=os.dup(link._connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)


def impatient(
    action: Callable[[], int], lost: Callable[[], object] | None, in_step: int
) -> Callable[[], int]:
    """Return a training that waits for a silent process for seconds; it may be lost in a step."""

    def act() -> int:
        from ppocr_ft.engine import distributed, trainer

        distributed.SILENCE_S, distributed.SIGN_OF_LIFE_S = SILENCE_S, SILENCE_S / 10
        if lost is not None and not in_step:
            distributed._from_main = lambda address: lost()  # type: ignore[assignment,return-value]
        elif lost is not None:
            trainer.train_step = calling(in_step, lost)
        return action()

    return act
