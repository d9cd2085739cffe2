"""A whole training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ppocr_ft.config import Config
from ppocr_ft.data import FaultLog
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.engine.callbacks import (
    LATEST,
    Averaging,
    Checkpoints,
    Evaluator,
    Freezing,
    GroupFigures,
    Log,
    ScalarLog,
    Timing,
)
from ppocr_ft.engine.callbacks.silent import SilentCheckpoints, SilentLog, SilentMetrics
from ppocr_ft.engine.ema import Ema
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.evaluate_ratios import evaluate_ratios
from ppocr_ft.engine.feed import Feed
from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.norms import freeze_statistics
from ppocr_ft.engine.parallel import ALONE, Team
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.engine.state_file import STATE_FILE, read_state, state_path
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.train_step import Precision
from ppocr_ft.engine.trainer import Trainer
from ppocr_ft.errors import DataError
from ppocr_ft.factory.device import cpu_threads, passes, precision
from ppocr_ft.factory.objects import data_set, eval_data, eval_image, post_process, starting_network
from ppocr_ft.factory.optimizers import fresh_layers, learning_rate, optimizer
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.optim.rates import Rates
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.runs.eval_previews import SHOWN_IMAGES, Pictures
from ppocr_ft.runs.eval_records import KeptBoxes
from ppocr_ft.runs.folder import take_folder
from ppocr_ft.runs.metadata import write_facts
from ppocr_ft.runs.monitoring import monitor, scalar_logs, validator, wanted_logs
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.utils.progress import progress
from ppocr_ft.utils.sampling import evenly_spaced
from ppocr_ft.weights import CoverageReport

UNCLIP_RATIOS = (0.8, 1.0, 1.2, 1.5, 1.8, 2.2)
"""Tried at each evaluation beside the config's."""
Evaluate = Callable[[], EvalResult]
Around = Callable[[Evaluate, TrainState], Evaluate]


def train_feed(config: Config, team: Team = ALONE) -> Feed:
    """The batches of ``Train``, of one process its share.

    Raises:
        DataError: no sample can be used.
    """
    section, seed = config.Train, config.Global.seed
    return Feed(
        data_set(section.dataset, seed, replace_bad=True, epoch_num=config.Global.epoch_num),
        batch_size=section.loader.batch_size_per_card,
        seed=seed,
        shuffle=section.loader.shuffle,
        drop_last=section.loader.drop_last,
        threads=section.loader.num_workers,
        rank=team.rank,
        world_size=team.size,
        batches_per_step=config.Optimizer.gradient_accumulation_steps,
    )


def resume_path(config: Config, wanted: str | None) -> Path | None:
    """The state to go on from; None: a new run.

    ``wanted`` is ``--resume``'s value, or Global.resume: a path, or ``latest`` for the run in
    Global.save_model_dir.

    Raises:
        WeightsError: it is a checkpoint without a state.
    """
    where = wanted or config.Global.resume
    if where is None:
        return None
    return Path(config.Global.save_model_dir) / STATE_FILE if where == LATEST else state_path(where)


@dataclass(frozen=True)
class Training:
    """A run that can be begun or gone on with: ``trainer.run()``.

    ``weights`` is None for random ones; ``earlier`` is where another run's files went.
    """

    config: Config
    trainer: Trainer
    checkpoints: Checkpoints
    log: Log
    metrics: MetricsFile
    folder: Path
    weights: CoverageReport | None
    frozen_norms: int
    earlier: Path | None = None
    scalar_logs: Sequence[ScalarLog] = ()

    def close(self) -> None:
        """The progress bar, TensorBoard's and VisualDL's files; no step will come."""
        self.log.close()
        for each in self.scalar_logs:
            each.close()

    def describe(self) -> str:
        """What is about to be trained on what."""
        trainer, data = self.trainer, self.trainer.feed.data
        lines = [
            str(self.weights or "random weights (Global.pretrained_model is null)"),
            f"{len(data)} training images, {trainer.progress.steps_per_epoch} steps of "
            f"{trainer.feed.describe_step()} an epoch, {trainer.epochs} epochs, "
            f"{trainer.total_steps} steps",
            f"{self.frozen_norms} batch norms keep the statistics of the weights",
            *([] if trainer.state.ema is None else [trainer.state.ema.describe()]),
            *trainer.state.optimizer.groups.describe(),
            *([trainer.rate.remark] if trainer.rate.remark else []),
        ]
        if self.earlier:
            lines.append(f"an earlier run's files are now in {self.earlier}")
        if trainer.progress.step:
            lines.append(f"goes on after step {trainer.progress.step}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Parts:
    """What is made of the config before anything is written.

    ``eval_images`` are this process's share of ``all_eval_images``.
    """

    state: TrainState
    feed: Feed
    eval_images: ImageSet
    all_eval_images: ImageSet
    rate: Rates
    precision: Precision
    weights: CoverageReport | None
    frozen_norms: int


@dataclass(frozen=True)
class Judging:
    """How a run is judged: the unclip ratios that are tried beside the config's, and what stands
    around each evaluation."""

    unclip_ratios: Sequence[float] = UNCLIP_RATIOS
    around: Around = lambda evaluate, state: evaluate


def training(
    config: Config,
    resume_from: Path | None = None,
    judging: Judging | None = None,
    team: Team = ALONE,
) -> Training:
    """Everything that ``Global``, ``Train`` and ``Eval`` ask for; the folder is made.

    Of a ``team`` process 0 alone reads the state and has the folder; the others begin as it does.

    Raises:
        UserInputError: config, data or weights are wrong, the folder can't be written, or
            ``resume_from`` is not the state of a run like this. Nothing was changed then.
    """
    folder, earlier = Path(config.Global.save_model_dir), None
    wanted_logs(config)
    arrays = {} if resume_from is None or not team.leads else read_state(resume_from)
    parts = prepare(config, team)
    if team.leads:
        earlier = take_folder(config, parts.state, folder, resume_from, arrays)
    _begin_alike(parts.state, team)
    made = _assemble(config, parts, folder, earlier, judging or Judging(), team)
    if team.leads:
        write_facts(folder, config, made.trainer, parts.weights, team)
    return made


def _begin_alike(state: TrainState, team: Team) -> None:
    """Give all processes the weights and everything else of process 0."""
    if team.size > 1:
        arrays = team.first(state.arrays() if team.leads else None)
        if not team.leads:
            state.restore(arrays)


def prepare(config: Config, team: Team = ALONE) -> Parts:
    """
    Raises:
        UserInputError: config, data or weights are wrong, or the data of the processes differ.
    """
    section = config.Global
    detector, weights = starting_network(config)
    loaded = weights.filled if weights else ()
    frozen = freeze_statistics(detector, loaded) if section.freeze_bn_stats else []
    feed, chosen = train_feed(config, team), precision(config)
    eval_images = eval_data(config)
    _check_same_data(len(feed.data), len(eval_images), team)
    state = TrainState(
        Progress(section.seed, feed.steps_per_epoch),
        detector,
        optimizer(config.Optimizer, detector, fresh_layers(detector, loaded)),
        LossWindow(section.log_smooth_window),
        chosen.scaler,
        Ema(detector, section.ema_decay) if section.use_ema else None,
    )
    rate = learning_rate(
        config,
        feed.steps_per_epoch,
        world_size=team.size,
        evaluations=lambda: state.progress.evaluations,
    )
    own_images = eval_images.share(team.rank, team.size)
    return Parts(state, feed, own_images, eval_images, rate, chosen, weights, len(frozen))


def _check_same_data(train_images: int, eval_images: int, team: Team) -> None:
    for rank, (train, evaluation) in enumerate(team.gather((train_images, eval_images))):
        if (train, evaluation) != (train_images, eval_images):
            raise DataError(
                f"process {team.rank} sees {train_images} training and {eval_images} evaluation "
                f"images, process {rank} {train} and {evaluation}; all need the same data"
            )


def _assemble(
    config: Config,
    parts: Parts,
    folder: Path,
    earlier: Path | None,
    judging: Judging,
    team: Team,
) -> Training:
    section, state = config.Global, parts.state
    metrics, log, checkpoints = _writers(config, parts, folder, team)
    stop = StopRequest(launched=team.size > 1)
    averaging = [] if state.ema is None else [Averaging(state.ema)]
    steps = section.epoch_num * state.progress.steps_per_epoch
    watch = partial(monitor, config, parts.feed, steps, folder, metrics, log.say)
    watching = [watch()] if team.leads else []
    judge = Judge(config, parts, folder, stop, log.say, judging, team)
    trainer = Trainer(
        state,
        parts.feed,
        judge.loss,
        parts.rate,
        section.epoch_num,
        [
            Freezing(state.network, log.say),
            *averaging,
            log,
            checkpoints,
            _evaluator(config, judge, metrics, checkpoints, log),
            *watching,
        ],
        parts.precision,
        stop,
        team=team,
        forward=passes(config)(state.network),
    )
    return Training(
        config,
        trainer,
        checkpoints,
        log,
        metrics,
        folder,
        parts.weights,
        parts.frozen_norms,
        earlier,
        scalar_logs(config, folder, metrics) if team.leads else (),
    )


def _writers(
    config: Config, parts: Parts, folder: Path, team: Team
) -> tuple[MetricsFile, Log, Checkpoints]:
    """What writes and speaks, which process 0 does for all."""
    if not team.leads:
        return SilentMetrics(), SilentLog(), SilentCheckpoints()
    section, progress = config.Global, parts.state.progress
    groups = GroupFigures(parts.state.optimizer)
    metrics = MetricsFile(folder, progress.step, progress.evaluated_step, groups.columns)
    log = Log(folder, section.print_batch_step, metrics, shrink_ratio(parts.feed), groups)
    kept = Checkpoints(folder, config.Architecture.arguments(), section.save_epoch_step)
    return metrics, log, kept


def shrink_ratio(feed: Feed) -> Callable[[int], float]:
    """Return what MakeShrinkMap shrinks by, by the epoch."""
    (operator,) = [op for op in feed.data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    return operator.schedule.ratio


class Judge:
    """Evaluates the weights that are to be judged on ``Eval``, tells once what is wrong there, and
    draws what was found. Each process of a team does so with its share of the images; the result
    is on all of them."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        folder: Path,
        stop: StopRequest,
        say: Callable[[str], None],
        judging: Judging,
        team: Team,
    ) -> None:
        state, images = parts.state, parts.eval_images
        self.loss = DBLoss(config.Loss)
        self._validator = (
            validator(config, parts.feed, parts.all_eval_images, self.loss, parts.precision)
            if team.leads
            else None
        )
        self._evaluate = judging.around(self._evaluate_images, state)
        self._unclip_ratios = judging.unclip_ratios
        self._state = state
        self._images = images
        self._batch_size = config.Eval.loader.batch_size_per_card
        self._threads = cpu_threads(config)
        self._stop = stop
        self._say = say
        self._team = team
        self._told = 0
        self.pictures = Pictures(folder, evenly_spaced(len(images), SHOWN_IMAGES))
        self.kept = KeptBoxes(folder, post_process(config), team)

    def __call__(self) -> EvalResult:
        result = self._evaluate()
        if self._validator is None:
            return result
        state = self._state
        with state.judged_weights():
            validation = self._validator(state.network, state.progress.epoch)
        return result if validation is None else replace(result, **vars(validation))

    def _evaluate_images(self) -> EvalResult:
        self.pictures.begin()
        self.kept.begin()
        images = self._stop.heeding(self._images.images())
        shown = progress(images, len(self._images), "evaluate")
        with self._state.judged_weights():
            result = evaluate_ratios(
                self._state.network,
                map(eval_image, shown),
                self.kept.post_process,
                self._unclip_ratios,
                batch_size=self._batch_size,
                threads=self._threads,
                on_image=self._take,
                team=self._team,
            )
        self.kept.gather()
        own = FaultLog(self._images.faults).faults
        faults = FaultLog(fault for each in self._team.gather(own) for fault in each)
        if len(faults) > self._told:
            self._say(f"evaluation: {faults.report()}")
            self._told = len(faults)
        return result

    def _take(self, image: EvalImage, boxes: ImageBoxes) -> None:
        self.pictures.take(image, boxes)
        self.kept.take(image)


def _evaluator(
    config: Config, judge: Judge, metrics: MetricsFile, checkpoints: Checkpoints, log: Log
) -> Evaluator:
    def keep(trainer: Trainer, result: EvalResult) -> None:
        checkpoints.save_best(trainer)
        if trainer.team.leads:
            judge.pictures.save(trainer.progress.step, result.at_config["hmean"])
            judge.kept.save(trainer.progress.step)

    first, every = config.Global.eval_batch_step
    return Evaluator(
        judge,
        Timing(first, every, config.Global.eval_batch_epoch),
        config.Metric.main_indicator,
        metrics,
        on_best=keep,
        on_done=lambda trainer: checkpoints.save_latest(trainer.state),
        say=log.say,
    )
