"""One process of several: runs scenarios one after the other and writes down how each went.

usage: team_worker.py SCENARIOS OUT
  SCENARIOS: a JSON list of {"name", "arguments" (train's), "event", "rank", "call"}
  OUT: a folder; each process writes OUT/RANK.json, by scenario, after each of them
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict
from unittest.mock import patch

from ppocr_ft.commands.train import run
from ppocr_ft.commands.train.cli import main
from ppocr_ft.engine import trainer
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.train_step import TrainBatch, train_step
from ppocr_ft.errors import DataError
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.runs import parts
from ppocr_ft.runs.eval_runner import EvalRunner


class Scenario(TypedDict):
    """``event`` happens in process ``rank``, in its ``call``-th training step, 1, 2, ...; but
    "other start" at its start."""

    name: str
    arguments: list[str]
    event: str
    rank: int
    call: int


class Outcome(TypedDict):
    """``ended``: the exit code, or the exception that left ``main``. ``digests``: of the network
    after each step. ``judged_images``: by evaluation."""

    ended: int | str
    out: str
    err: str
    digests: list[str]
    judged_images: list[float]


def terminated() -> None:
    """As the launcher does it: again and again."""
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)


def crashed() -> None:
    raise ZeroDivisionError("made up")


def bad_data() -> None:
    raise DataError("is bad", path="label.txt", line=3)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full_disk() -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    os.fsync = full


EVENTS: dict[str, Callable[[], None]] = {
    "terminated": terminated,
    "crashed": crashed,
    "bad data": bad_data,
    "killed": killed,
    "full disk": full_disk,
}


def spoiled(batches: Iterable[TrainBatch]) -> Iterator[TrainBatch]:
    for each in batches:
        images = each.images * float("nan")
        yield replace(each, images=images)


@contextlib.contextmanager
def happening(scenario: Scenario, seen: Outcome) -> Iterator[None]:
    """Lets the event happen, and notes what each step and each evaluation makes."""
    step, evaluate, start, fsync = train_step, EvalRunner._evaluate, starting_network, os.fsync
    calls = iter(range(1, 10_000))
    mine = scenario["rank"] == int(os.environ["PADDLE_TRAINER_ID"])

    def watched_step(network: Any, batches: Iterable[TrainBatch], *rest: Any) -> Any:
        if next(calls) == scenario["call"] and mine:
            EVENTS.get(scenario["event"], bool)()
            batches = spoiled(batches) if scenario["event"] == "nan" else batches
        result = step(network, batches, *rest)
        seen["digests"].append(digest(network))
        return result

    def watched_evaluation(runner: EvalRunner) -> EvalResult:
        result = evaluate(runner)
        seen["judged_images"].append(result.images)
        return result

    def other_start(config: Any) -> Any:
        network, report = start(config)
        for parameter in network.parameters():
            parameter.set_value(parameter * 1.5)
        return network, report

    with contextlib.ExitStack() as stack:
        stack.callback(setattr, os, "fsync", fsync)
        stack.enter_context(patch.object(trainer, "train_step", watched_step))
        stack.enter_context(patch.object(EvalRunner, "_evaluate", watched_evaluation))
        if scenario["name"] != "whole":  # the page takes as long as such a run
            stack.enter_context(patch.object(run, "make_page", lambda made: None))
        if scenario["event"] == "other start" and mine:
            stack.enter_context(patch.object(parts, "starting_network", other_start))
        yield


def digest(network: Any) -> str:
    """Equal for networks that are equal bit for bit."""
    made = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        made.update(key.encode() + value.numpy().tobytes())
    return made.hexdigest()


def ended_by(arguments: list[str]) -> int | str:
    try:
        return main(arguments)
    except Exception as error:
        return repr(error)


def outcome(scenario: Scenario) -> Outcome:
    seen: Outcome = {"ended": "", "out": "", "err": "", "digests": [], "judged_images": []}
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        happening(scenario, seen),
    ):
        seen["ended"] = ended_by(scenario["arguments"])
    return {**seen, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    scenarios: list[Scenario] = json.loads(Path(sys.argv[1]).read_text())
    outcomes: dict[str, Outcome] = {}
    for scenario in scenarios:
        outcomes[scenario["name"]] = outcome(scenario)
        where = Path(sys.argv[2]) / f"{os.environ['PADDLE_TRAINER_ID']}.json"
        where.write_text(json.dumps(outcomes))
