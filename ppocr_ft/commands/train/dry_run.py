"""The plan of a run, without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppocr_ft.commands.train.schedule_plot import (
    Array,
    KeyStep,
    RunSchedule,
    schedule_csv,
    schedule_png,
)
from ppocr_ft.config import Config
from ppocr_ft.config.solver_rules import milestones_note
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.errors import UnreachableError
from ppocr_ft.factory.optimizers import BY_EPOCH, PLATEAU, warmup_steps
from ppocr_ft.messages import counted
from ppocr_ft.optim.groups import group_names
from ppocr_ft.optim.rates import AUTO
from ppocr_ft.runs.folder import resume_hint
from ppocr_ft.runs.parts import Parts, prepare
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.shrink_schedule import ShrinkSchedule
from ppocr_ft.utils.files import check_writable, write_whole

PICTURE, TABLE = "schedule.png", "schedule.csv"
RESTARTS = ("CosineRestarts", "CyclicalCosine")
SHOWN_CHANGES = 12
SHOWN_NAMES = 3
BYTES_PER_CELL = 16


@dataclass(frozen=True)
class DryRun:
    """A dry run: its ``text``, and the ``files`` that were written."""

    schedule: RunSchedule
    text: str
    files: tuple[Path, ...]


def dry_run(config: Config, group: ProcessGroup = SINGLE_PROCESS) -> DryRun:
    """Draw the run that ``training`` would begin; its folder gets a picture and a table.

    Nothing else in the folder is touched, so that a run may be under way there. Of a ``group``
    process 0 alone writes.

    Raises:
        UserInputError: as ``training``, but weights on the web may be out of reach.
    """
    try:
        parts, remarks = prepare(config, group), resume_hint(config)
    except UnreachableError as error:
        parts = prepare(_without_weights(config), group)
        remarks = [f"{error}. Drawn without weights: fresh_lr_mult holds for every parameter"]
    schedule = run_schedule(config, parts)
    text = "\n".join([*_lines(config, parts, schedule), *remarks])
    files = _write(config, schedule) if group.is_main else ()
    return DryRun(schedule, text, files)


def _without_weights(config: Config) -> Config:
    no_weights = {"checkpoints": None, "pretrained_model": None}
    return config.model_copy(update={"Global": config.Global.model_copy(update=no_weights)})


def _write(config: Config, schedule: RunSchedule) -> tuple[Path, ...]:
    folder = Path(config.Global.save_model_dir)
    check_writable(folder, BYTES_PER_CELL * schedule.lrs.size, "Global.save_model_dir")
    files = (folder / PICTURE, folder / TABLE)
    write_whole(files[0], schedule_png(schedule, _title(config)))
    write_whole(files[1], schedule_csv(schedule).encode())
    return files


def run_schedule(config: Config, parts: Parts) -> RunSchedule:
    """Return the rates of every group and step, and the steps at which something begins."""
    per_epoch, epochs = parts.state.progress.steps_per_epoch, config.Global.epoch_num
    shrink = _shrink_schedule(parts)
    return RunSchedule(
        group_names(parts.state.optimizer.groups.groups),
        _group_lrs(parts, epochs * per_epoch),
        np.array([shrink.ratio(epoch) for epoch in range(1, epochs + 1)]),
        per_epoch,
        min(parts.rate.fresh_steps() + warmup_steps(config, per_epoch), epochs * per_epoch),
        sorted(_key_steps(config, parts), key=lambda key: key.step),
    )


def _group_lrs(parts: Parts, total_steps: int) -> Array:
    """Return the learning rate of each group at each step: (steps, groups)."""
    steps = np.arange(total_steps)
    bases = np.array([[parts.rate(step), parts.rate.bias(step)] for step in steps.tolist()])
    epochs_done = steps // parts.state.progress.steps_per_epoch
    alone = steps < parts.rate.fresh_steps()
    columns = []
    for group in parts.state.optimizer.groups.groups:
        settings = group.settings
        learns = (epochs_done >= settings.freeze_epochs) & (not settings.freeze)
        learns &= ~alone | settings.fresh
        factors = np.where(alone, 1.0, settings.lr_mult)
        columns.append(bases[:, int(settings.biases)] * factors * learns)
    return np.stack(columns, axis=1)


def _shrink_schedule(parts: Parts) -> ShrinkSchedule:
    operators = parts.loader.data.pipeline.operators
    (shrink_map,) = [op for op in operators if isinstance(op, MakeShrinkMap)]
    return shrink_map.schedule


def _key_steps(config: Config, parts: Parts) -> Iterator[KeyStep]:
    per_epoch = parts.state.progress.steps_per_epoch
    total = config.Global.epoch_num * per_epoch
    alone, warmup = parts.rate.fresh_steps(), warmup_steps(config, per_epoch)
    if alone:
        latest = ", at the latest" if config.Optimizer.fresh_first == AUTO else ""
        yield KeyStep(alone + 1, f"all parameters learn{latest}: rate {parts.rate(alone):.4g}")
    warmup += alone
    if alone < warmup < total:
        yield KeyStep(warmup + 1, f"the warm-up is over: rate {parts.rate(warmup):.4g}")
    yield from _rate_changes(config, parts, range(warmup + 1, total))
    yield from _thaws(parts, per_epoch)
    yield from _ramp_end(_shrink_schedule(parts), config.Global.epoch_num, per_epoch)


def _thaws(parts: Parts, per_epoch: int) -> Iterator[KeyStep]:
    groups = parts.state.optimizer.groups.groups
    thawed: dict[int, list[str]] = {}
    for name, group in zip(group_names(groups), groups, strict=True):
        thawed.setdefault(group.settings.freeze_epochs, []).append(name)
    for epochs, names in thawed.items():
        if epochs:
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            words = f"begins to learn: {', '.join(names[:SHOWN_NAMES])}{more}"
            yield KeyStep(epochs * per_epoch + 1, words)


def _rate_changes(config: Config, parts: Parts, steps: range) -> Iterator[KeyStep]:
    """Yield milestones, restarts and the peak of a cycle; ``steps`` are counted from 0."""
    name, rate = config.Optimizer.lr.name, parts.rate
    if name in BY_EPOCH:
        changed = [step for step in steps if rate(step) != rate(step - 1)]
        for step in changed:
            yield KeyStep(step + 1, f"milestone: rate {rate(step - 1):.4g} -> {rate(step):.4g}")
    elif name in RESTARTS:
        for step in steps:
            if rate(step) > rate(step - 1):
                yield KeyStep(step + 1, f"restart: rate {rate(step):.4g}")
    elif name == "OneCycle" and steps:
        peak = max(steps, key=rate)
        yield KeyStep(peak + 1, f"the rate is highest: {rate(peak):.4g}")


def _ramp_end(shrink: ShrinkSchedule, epochs: int, per_epoch: int) -> Iterator[KeyStep]:
    if shrink.is_constant:
        return
    end = int(np.ceil(shrink.total_epoch))
    if end <= epochs:
        first = (end - 1) * per_epoch + 1
        yield KeyStep(first, f"the shrink ratio's ramp is at its end: {shrink.end:g}")


def _lines(config: Config, parts: Parts, run: RunSchedule) -> Iterator[str]:
    epochs = config.Global.epoch_num
    length = f"{counted(epochs, 'epoch')} x {counted(run.steps_per_epoch, 'step')}"
    yield f"{length} = {counted(run.total_steps, 'step')}"
    yield from parts.state.optimizer.groups.describe()
    if parts.state.optimizer.start_decay is not None:
        yield parts.state.optimizer.start_decay.describe()
    if parts.rate.remark:
        yield parts.rate.remark
    yield f"shrink ratio: {_shrink_words(_shrink_schedule(parts), run)}"
    yield "key steps:"
    first_steps = run.key_steps[:SHOWN_CHANGES]
    yield from (
        f"  step {key.step} (epoch {run.epoch_of(key.step)}): {key.words}" for key in first_steps
    )
    if len(run.key_steps) > len(first_steps):
        more = len(run.key_steps) - len(first_steps)
        yield f"  and {more} more, as the table and the picture show"
    last = parts.rate(run.total_steps - 1)
    yield f"  step {run.total_steps} (epoch {epochs}): the last one: rate {last:.4g}"
    yield from _notes(config, run)
    yield from parts.label_notes


def _notes(config: Config, run: RunSchedule) -> Iterator[str]:
    name, warmup = config.Optimizer.lr.name, warmup_steps(config, run.steps_per_epoch)
    if run.warmup_steps >= run.total_steps:
        yield f"the warm-up of {counted(warmup, 'step')} doesn't end in this run"
    elif note := milestones_note(config, run.steps_per_epoch):
        yield note
    if name == PLATEAU:
        yield (
            f"the rate falls where {config.Metric.main_indicator} stops rising, which nobody knows "
            "before the run; it is drawn as if it never did"
        )


def _shrink_words(shrink: ShrinkSchedule, run: RunSchedule) -> str:
    if shrink.is_constant:
        return shrink.describe()
    first, last = float(run.shrink_ratios[0]), float(run.shrink_ratios[-1])
    return f"{shrink.describe()}; {first:.4g} in epoch 1, {last:.4g} in the last one"


def _title(config: Config) -> str:
    lr = config.Optimizer.lr
    return f"{config.Optimizer.name}, {lr.name}, {lr.highest()[0]} {lr.highest()[1]:g}"
