"""Assembly of a whole training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import (
    LATEST,
    STATE_FILE,
    Checkpoints,
    read_newest_state,
    state_path,
)
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.log import GroupFigures, Log
from ppocr_ft.engine.metrics_file import SET, MetricsFile
from ppocr_ft.engine.scalar_log import ScalarLog
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.trainer import Callback, Evaluator, Timing, Trainer
from ppocr_ft.factory.device import cpu_threads, passes
from ppocr_ft.factory.objects import (
    post_process,
)
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.messages import counted
from ppocr_ft.runs.eval_runner import BestFindings, EvalOptions, EvalRunner
from ppocr_ft.runs.folder import resume_hint, take_folder
from ppocr_ft.runs.further_sets import FurtherSets
from ppocr_ft.runs.metadata import (
    changed_environment,
    changed_labels,
    check_same_part,
    write_facts,
)
from ppocr_ft.runs.monitoring import monitor, scalar_logs, validator, wanted_logs
from ppocr_ft.runs.parts import Parts, prepare
from ppocr_ft.runs.teacher import teacher
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.weights import CoverageReport

UNCLIP_RATIOS = (0.8, 1.0, 1.2, 1.5, 1.8, 2.2)
"""Tried at each evaluation beside the config's."""
GOES_ON = "goes on after step"
"""How a line of a resumed run's description begins."""


def resume_path(config: Config, resume: str | None) -> Path | None:
    """Return the state to continue from; None: a new run.

    ``resume`` is ``--resume``'s value, or Global.resume: a path, or ``latest`` for the run in
    Global.save_model_dir.

    Raises:
        WeightsError: it is a checkpoint without a state.
    """
    where = resume or config.Global.resume
    if where is None:
        return None
    return Path(config.Global.save_model_dir) / STATE_FILE if where == LATEST else state_path(where)


@dataclass(frozen=True)
class Writers:
    """The writers of a run, which only process 0 has."""

    metrics: MetricsFile
    log: Log
    checkpoints: Checkpoints
    scalar_logs: Sequence[ScalarLog] = ()


@dataclass(frozen=True)
class Training:
    """A run that can be started or continued: ``trainer.run()``.

    ``writers`` is None except in process 0. ``weights`` is None for random ones; ``earlier`` is the
    folder to which another run's files were moved, ``label_notes`` are the parts',
    ``resume_notes`` say which files of a resumed run were damaged and whether labels, program or
    machine have changed.
    """

    config: Config
    trainer: Trainer
    evaluate: EvalRunner
    folder: Path
    weights: CoverageReport | None
    frozen_norms: int
    writers: Writers | None
    earlier: Path | None = None
    label_notes: tuple[str, ...] = ()
    resume_notes: tuple[str, ...] = ()

    def say(self, text: str, logged: str | None = None) -> None:
        """Print and log a text, in process 0; the log file gets ``logged`` if that is given."""
        if self.writers is not None:
            self.writers.log.say(text, logged)

    def save_latest(self) -> None:
        """Write the files from which ``--resume`` continues, in process 0. Raises WriteError."""
        if self.writers is not None:
            self.writers.checkpoints.save_latest(self.trainer.state)

    @property
    def last_good(self) -> str:
        """Name the latest state that was saved, for messages."""
        return "process 0's" if self.writers is None else self.writers.checkpoints.last_good

    def close(self) -> None:
        """Close the progress bar and the files of TensorBoard, VisualDL and MLflow."""
        if self.writers is not None:
            self.writers.log.close()
            for scalar_log in self.writers.scalar_logs:
                scalar_log.close()

    def describe(self, *, short: bool = False) -> str:
        """Describe the network, the data and the length of the run.

        If ``short``, weights and parameter groups are a line each.
        """
        trainer, data = self.trainer, self.trainer.loader.data
        weights = self.weights.summary() if short and self.weights else self.weights
        groups, start_decay = trainer.state.optimizer.groups, trainer.state.optimizer.start_decay
        steps = counted(trainer.progress.steps_per_epoch, "step")
        lines = [
            str(weights or "random weights (Global.pretrained_model is null)"),
            f"{counted(len(data), 'training image')}, {steps} of {trainer.loader.describe_step()} "
            f"an epoch, {counted(trainer.epochs, 'epoch')}, {counted(trainer.total_steps, 'step')}",
            f"{counted(self.frozen_norms, 'batch norm')} with the statistics of the weights",
            *([] if trainer.state.ema is None else [trainer.state.ema.describe()]),
            *([groups.summary()] if short else groups.describe()),
            *([] if start_decay is None else [start_decay.describe()]),
            *([trainer.rate.remark] if trainer.rate.remark else []),
            *self.label_notes,
            *self.resume_notes,
        ]
        if self.earlier:
            lines.append(f"an earlier run's files are now in {self.earlier}")
        if trainer.progress.step:
            lines.append(self._describe_resume())
        else:
            lines += resume_hint(self.config, self.earlier)
        return "\n".join(lines)

    def _describe_resume(self) -> str:
        line = f"{GOES_ON} {self.trainer.progress.step}"
        if self.trainer.progress.step < self.trainer.total_steps:
            return line
        return f"{line}: the run is finished; to train on, raise Global.epoch_num and add --force"


def training(
    config: Config,
    resume_from: Path | None = None,
    unclip_ratios: Sequence[float] = UNCLIP_RATIOS,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Training:
    """Prepare everything that ``Global``, ``Train`` and ``Eval`` ask for, and make the folder.

    Each evaluation tries ``unclip_ratios`` in addition to the config's. In a ``group`` only process
    0 reads the state and has the folder; the others start from its state.

    Raises:
        UserInputError: config, data or weights are wrong, the folder can't be written, or
            ``resume_from`` is not the state of a run like this. Nothing was changed then.
    """
    folder, earlier, damaged = Path(config.Global.save_model_dir), None, tuple[str, ...]()
    wanted_logs(config)
    arrays: dict[str, Any] = {}
    instead = ""
    if resume_from is not None and group.is_main:
        arrays, instead = read_newest_state(resume_from)
    parts = prepare(config, group)
    if group.is_main:
        if resume_from is not None:
            check_same_part(config, resume_from)
        earlier, damaged = take_folder(config, parts.state, folder, resume_from, arrays)
    _begin_alike(parts.state, group)
    prepared = _assemble(config, parts, folder, earlier, unclip_ratios, group)
    if group.is_main:
        resumed = resume_from is not None
        changed = [
            changed_labels(folder, config) if resumed else "",
            changed_environment(folder, config, group) if resumed else "",
        ]
        notes = tuple(filter(None, [instead, *damaged, *changed]))
        prepared = replace(prepared, resume_notes=notes)
        write_facts(folder, config, prepared.trainer, parts.weights, group, resumed=resumed)
    return prepared


def _begin_alike(state: TrainState, group: ProcessGroup) -> None:
    """Give all processes the weights and the rest of the state of process 0."""
    if group.size > 1:
        arrays = group.broadcast(state.arrays() if group.is_main else None)
        if not group.is_main:
            state.restore(arrays)


def _assemble(
    config: Config,
    parts: Parts,
    folder: Path,
    earlier: Path | None,
    unclip_ratios: Sequence[float],
    group: ProcessGroup,
) -> Training:
    writers = _writers(config, parts, folder) if group.is_main else None
    stop, loss = StopRequest(launched=group.size > 1), DBLoss(config.Loss)
    say = (lambda text: None) if writers is None else writers.log.say
    evaluate = EvalRunner(
        parts.state,
        parts.eval_images.share(group.rank, group.size),
        EvalOptions(
            post_process(config),
            unclip_ratios,
            config.Eval.loader.batch_size_per_card,
            cpu_threads(config),
        ),
        stop,
        say,
        group,
    )
    further = FurtherSets(
        {
            name: replace(evaluate, images=images.share(group.rank, group.size), name=name)
            for name, images in parts.further.items()
        },
        folder,
        config.Metric.main_indicator,
        None if writers is None else writers.metrics,
    )
    if group.is_main:
        evaluate.validator = validator(
            config, parts.loader, parts.eval_images, loss, parts.precision
        )
    trainer = Trainer(
        parts.state,
        parts.loader,
        loss,
        parts.rate,
        config.Global.epoch_num,
        (
            *teacher(config, folder, say, stop, group),
            *_callbacks(config, parts, folder, evaluate, further, writers),
        ),
        parts.precision,
        stop,
        group,
        passes(config)(parts.state.network),
        parts.fresh_first,
    )
    return Training(
        config,
        trainer,
        evaluate,
        folder,
        parts.weights,
        parts.frozen_norms,
        writers,
        earlier,
        parts.label_notes,
    )


def _callbacks(
    config: Config,
    parts: Parts,
    folder: Path,
    evaluate: EvalRunner,
    further: FurtherSets,
    writers: Writers | None,
) -> tuple[Callback, ...]:
    """Return the callbacks. The trainer calls them in this order."""
    first, every = config.Global.eval_batch_step
    timing = Timing(first, every, config.Global.eval_batch_epoch)
    evaluator = Evaluator(evaluate, timing, config.Metric.main_indicator)
    if writers is None:
        return (further, evaluator)
    total_steps = config.Global.epoch_num * parts.state.progress.steps_per_epoch
    return (
        # The speed of steps is measured before anything else takes time.
        writers.log,
        # Pictures and boxes are there before a state says that their evaluation is done.
        BestFindings(folder, evaluate, writers.metrics, config.Metric.main_indicator),
        further,
        # An epoch is saved before it is evaluated, which may take long; and after that again.
        writers.checkpoints,
        evaluator,
        # The monitor judges the rows that the log has written, those of evaluations too.
        monitor(config, parts.loader, total_steps, folder, writers.metrics, writers.log.say),
    )


def _writers(config: Config, parts: Parts, folder: Path) -> Writers:
    section, progress = config.Global, parts.state.progress
    groups = GroupFigures(parts.state.optimizer)
    aux = [f"loss_{maps}" for maps, weight in config.Loss.aux_weights.items() if weight]
    columns = [*aux, *groups.columns, *([SET] if config.further else [])]
    metrics = MetricsFile(folder, progress.step, progress.evaluated_step, columns)
    log = Log(
        folder,
        section.print_batch_step,
        config.Metric.main_indicator,
        metrics,
        shrink_ratio(parts.loader),
        groups,
    )
    checkpoints = Checkpoints(folder, config.Architecture.arguments(), section.save_epoch_step)
    return Writers(metrics, log, checkpoints, scalar_logs(config, folder, metrics))


def shrink_ratio(loader: TrainLoader) -> Callable[[int], float]:
    """Return MakeShrinkMap's shrink ratio as a function of the epoch."""
    (operator,) = [op for op in loader.data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    return operator.schedule.ratio
