"""The compared runs: each in its own folder; finished ones are not run again."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppocr_ft.commands.common import with_global
from ppocr_ft.commands.compare.fingerprint import code_digest, run_fingerprint, start_fingerprint
from ppocr_ft.commands.compare.table import ArmRun
from ppocr_ft.commands.compare.variants import Arm, arms_error
from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import STATE_FILE
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import METRICS_FILE, TRAIN, read_metrics
from ppocr_ft.engine.stop import Stopped, StoppedEarly
from ppocr_ft.engine.trainer import Callback, Diverged, Trainer
from ppocr_ft.errors import DataError, UserInputError
from ppocr_ft.factory.device import device
from ppocr_ft.runs.assemble import Training, training
from ppocr_ft.runs.eval_files import copy_start
from ppocr_ft.runs.parts import prepare
from ppocr_ft.utils.files import write_whole

RECORD = "arm.json"
STARTS = "starts"
SHARES = ("merged", "split", "textless_boxes")
LONGEST_SLUG = 40


@dataclass(frozen=True)
class PlannedRun:
    """One arm with one seed; equal fingerprints are one run."""

    arm: Arm
    config: Config
    fingerprint: str

    @property
    def root(self) -> Path:
        """The folder of all compared runs."""
        return Path(self.config.Global.save_model_dir)

    @property
    def seed(self) -> int:
        return self.config.Global.seed

    @property
    def folder(self) -> Path:
        """The run's folder, also if it was begun under another arm's name; else its future one."""
        folders = sorted(self.root.glob(f"*-{self.fingerprint}"))
        slug = re.sub(r"[^\w.=+-]+", "_", self.arm.name)[:LONGEST_SLUG]
        return folders[0] if folders else self.root / f"{slug}-seed{self.seed}-{self.fingerprint}"

    @property
    def record(self) -> Record | None:
        """The record in the run's folder, if there is one."""
        path = self.folder / RECORD
        return Record(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    @property
    def is_finished(self) -> bool:
        record = self.record
        return record is not None and record.ended is not None


@dataclass(frozen=True)
class Record:
    """The description of a folder's run, as in ``arm.json``.

    ``ended`` is None while the run isn't finished, "" if it came to its end, else how it diverged.
    ``code`` is the digest of the sources that ran it.
    """

    arm: str
    overrides: list[str]
    seed: int
    images: int
    batch_size: int
    steps_per_epoch: int
    total_steps: int
    code: str
    ended: str | None = None

    def images_after(self, step: int) -> int:
        """Return how many images the run has seen after ``step`` steps."""
        epochs, steps = divmod(step, self.steps_per_epoch)
        an_epoch = min(self.images, self.steps_per_epoch * self.batch_size)
        return epochs * an_epoch + min(steps * self.batch_size, an_epoch)


def plan(arms: Sequence[Arm], configs: Sequence[Config], *, seeds: int = 1) -> list[PlannedRun]:
    """Return a run per arm and seed: Global.seed and those after it. Nothing runs yet.

    Everything that an unfinished arm needs is made once and thrown away, so that what is wrong
    is known before hours have passed.

    Raises:
        ConfigError: data, weights or values can't be used; it names every such arm.
    """
    runs: list[PlannedRun] = []
    faults: list[str] = []
    for arm, config in zip(arms, configs, strict=True):
        try:
            arm_runs = [_planned(arm, config, number) for number in range(seeds)]
            if not all(run.is_finished for run in arm_runs):
                prepare(arm_runs[0].config)
            runs += arm_runs
        except UserInputError as error:
            faults.append(f"arm {arm.name!r}: {error}")
        gc.collect()
    if faults:
        raise arms_error(faults)
    return runs


def _planned(arm: Arm, config: Config, number: int) -> PlannedRun:
    section = config.Global
    never = section.epoch_num + 1  # nobody wants iter_epoch_N of each arm
    seeded = with_global(config, seed=section.seed + number, save_epoch_step=never)
    return PlannedRun(arm, seeded, run_fingerprint(seeded))


def run_all(runs: Sequence[PlannedRun]) -> list[ArmRun]:
    """Run what isn't finished yet, one after the other; an interrupted run is continued.

    Raises:
        Stopped: Ctrl-C or SIGTERM; the run is saved, and the same call continues it.
        DataError: the data of a run turned out to be unusable; it names the arm.
    """
    code = code_digest()
    for number, run in enumerate(runs, start=1):
        record = run.record
        title = f"run {number} of {len(runs)}: {run.arm.name}, seed {run.seed}"
        print(f"\n{title}, {'finished before' if run.is_finished else 'in'} {run.folder}")
        if record is not None and record.code != code:
            print(f"  begun by other sources of ppocr_ft; to run it anew, delete {run.folder}")
        if run.is_finished:
            continue
        try:
            _run(run, code)
        except DataError as error:
            raise DataError(f"arm {run.arm.name!r}: {error}") from error
    return [result(run) for run in runs]


def result(run: PlannedRun) -> ArmRun:
    """Read what a finished run has left."""
    folder, record = run.folder, run.record
    if record is None:
        raise FileNotFoundError(folder / RECORD)
    _, rows = read_metrics(folder / METRICS_FILE)
    return ArmRun(
        run.arm.name,
        run.seed,
        rows,
        record.images,
        record.batch_size,
        record.steps_per_epoch,
        training_minutes(rows, record),
        str(folder),
        record.ended or "",
    )


def training_minutes(rows: Sequence[Mapping[str, str]], record: Record) -> float:
    """Return the logged minutes of reading and steps, without evaluations and checkpoints."""
    seconds, images = 0.0, 0
    for row in rows:
        if row["kind"] == TRAIN:
            done = record.images_after(int(row["step"]))
            seconds += (done - images) / float(row["images_per_second"])
            images = done
    return seconds / 60


def _run(run: PlannedRun, code: str) -> None:
    folder = run.folder
    config = with_global(run.config, save_model_dir=str(folder))
    state = folder / STATE_FILE
    print(device(config))
    prepared = training(config, state if state.exists() else None)
    trainer, begun = prepared.trainer, run.record
    record = Record(
        run.arm.name,
        list(run.arm.overrides),
        run.seed,
        len(trainer.loader.data),
        trainer.loader.batch_size * trainer.loader.batches_per_step,
        trainer.progress.steps_per_epoch,
        trainer.total_steps,
        begun.code if begun and trainer.progress.step else code,  # the digest of its beginning
    )
    _write_json(folder / RECORD, vars(record))
    _share_start(run, prepared)
    prepared.say(prepared.describe(short=True), prepared.describe())
    ended = ""
    with trainer.stop.listening():
        try:
            trainer.run()
        except Stopped:
            prepared.save_latest()
            raise
        except StoppedEarly as early:
            prepared.say(f"stopped early {early.reason}")
        except Diverged as diverged:
            ended = str(diverged)
            prepared.say(f"diverged: {ended}")
        finally:
            prepared.close()
    _write_json(folder / RECORD, {**vars(record), "ended": ended})
    gc.collect()


def _share_start(run: PlannedRun, prepared: Training) -> None:
    """Give a run its first result if another one has made it, else have it written for others."""
    trainer = prepared.trainer
    if trainer.progress.step > 0:
        return
    fingerprint = start_fingerprint(prepared.config, trainer.state.network)
    start = SharedStart(run.root / STARTS / f"{fingerprint}.json", run.folder)
    prepared.evaluate.known_start = start.read()
    if prepared.evaluate.known_start is None:
        trainer.callbacks = (*trainer.callbacks, start)


class SharedStart(Callback):
    """The evaluation before the first step, shared by runs of the same weights and ``Eval``.

    The first of these runs writes it to ``path``, the others read it. ``folder`` is the run's.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder

    def read(self) -> EvalResult | None:
        """Return the result and copy its pictures into the run's folder; None if one is missing."""
        if not self._path.is_file():
            return None
        saved = json.loads(self._path.read_text(encoding="utf-8"))
        if not copy_start(self._path.parent.parent / saved["folder"], self._folder):
            return None
        rates = {float(ratio): rates for ratio, rates in saved["summaries"].items()}
        shares = {name: saved.get(name) for name in SHARES}
        return EvalResult(rates, **shares)

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        """Write the result, if it is that before the first step."""
        if result.step == 0:
            self._path.parent.mkdir(exist_ok=True)
            saved = {
                "unclip_ratio": result.unclip_ratio,
                "summaries": {str(ratio): dict(rates) for ratio, rates in result.rates.items()},
                **{name: getattr(result, name) for name in SHARES},
                "folder": self._folder.name,
            }
            _write_json(self._path, saved)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    text = json.dumps(values, indent=2, ensure_ascii=False)
    write_whole(path, f"{text}\n".encode())
