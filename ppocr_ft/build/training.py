"""A whole training run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import paddle

from ppocr_ft.build.objects import data_set, eval_data, eval_image, post_process, starting_network
from ppocr_ft.build.optimizing import fresh_layers, learning_rate, optimizer
from ppocr_ft.build.pictures import BEFORE, BEST, BOTH, Pictures, spread
from ppocr_ft.config import Config
from ppocr_ft.data import FaultLog
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.callbacks import (
    LATEST,
    Checkpoints,
    Evaluator,
    Log,
    MetricsFile,
    Timing,
    Verdict,
)
from ppocr_ft.engine.callbacks.log import LOG_FILE
from ppocr_ft.engine.callbacks.metrics_file import METRICS_FILE
from ppocr_ft.engine.evaluate_ratios import evaluate_ratios
from ppocr_ft.engine.feed import Feed
from ppocr_ft.engine.files import check_writable, remove_unfinished, write_whole
from ppocr_ft.engine.norms import freeze_statistics
from ppocr_ft.engine.state import LossWindow, Progress, TrainState
from ppocr_ft.engine.state_file import STATE_FILE, read_state, state_path
from ppocr_ft.engine.stop import StopRequest
from ppocr_ft.engine.train_step import Precision
from ppocr_ft.engine.trainer import Trainer
from ppocr_ft.losses import DBLoss
from ppocr_ft.nets import Detector
from ppocr_ft.ops import MakeShrinkMap
from ppocr_ft.optim import Schedule
from ppocr_ft.weights import CoverageReport
from ppocr_ft.weights.arrays import at_path

RESOLVED_CONFIG = "config.resolved.yml"
UNCLIP_RATIOS = (1.0, 1.2, 1.5, 1.8, 2.2)
"""Tried at each evaluation beside the config's."""
RUN_FILES = (
    "*.pdparams",
    STATE_FILE,
    RESOLVED_CONFIG,
    METRICS_FILE,
    LOG_FILE,
    BEFORE,
    BEST,
    BOTH,
)
"""What a run leaves in its folder."""
BYTES_PER_VALUE = 100
"""Room that a parameter takes on the disk: three files of weights, those that replace them, and
two states with an optimizer's moments; about."""


def device(config: Config) -> str:
    """Choose the device. Returns a line that says which, and what it makes of the config."""
    section = config.Global
    has_card = paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count() > 0
    if section.use_gpu and has_card:
        paddle.set_device("gpu")
        return f"device: {paddle.device.cuda.get_device_name()}"
    paddle.set_device("cpu")
    remarks = []
    if section.use_gpu:
        remarks.append("Global.use_gpu is true, but this Paddle sees no CUDA card")
    if section.use_amp:
        remarks.append("Global.use_amp has no effect: Paddle's mixed precision needs a card")
    return f"device: CPU ({'; '.join(remarks)})" if remarks else "device: CPU"


def precision(config: Config) -> Precision:
    """Mixed precision where the chosen device has it; float16 scales its loss."""
    section = config.Global
    if not section.use_amp or paddle.get_device() == "cpu":
        return Precision()
    scaler = None
    if section.amp_dtype == "float16":
        scaler = paddle.amp.GradScaler(
            init_loss_scaling=section.scale_loss,
            use_dynamic_loss_scaling=section.use_dynamic_loss_scaling,
        )
    return Precision(True, section.amp_level, section.amp_dtype, scaler)


def train_feed(config: Config) -> Feed:
    """The batches of ``Train``.

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

    trainer: Trainer
    checkpoints: Checkpoints
    log: Log
    metrics: MetricsFile
    folder: Path
    weights: CoverageReport | None
    frozen_norms: int
    earlier: Path | None = None

    def describe(self) -> str:
        """What is about to be trained on what."""
        trainer, data = self.trainer, self.trainer.feed.data
        lines = [
            str(self.weights or "random weights (Global.pretrained_model is null)"),
            f"{len(data)} training images, {trainer.progress.steps_per_epoch} steps an epoch, "
            f"{trainer.epochs} epochs, {trainer.total_steps} steps",
            f"{self.frozen_norms} batch norms keep the statistics of the weights",
            *trainer.state.optimizer.groups.describe(),
        ]
        if self.earlier:
            lines.append(f"an earlier run's files are now in {self.earlier}")
        if trainer.progress.step:
            lines.append(f"goes on after step {trainer.progress.step}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _Parts:
    """What is made of the config before anything is written."""

    state: TrainState
    feed: Feed
    eval_images: ImageSet
    rate: Schedule
    precision: Precision
    weights: CoverageReport | None
    frozen_norms: int


def training(config: Config, resume_from: Path | None = None) -> Training:
    """Everything that ``Global``, ``Train`` and ``Eval`` ask for; the folder is made.

    Raises:
        UserInputError: config, data or weights are wrong, the folder can't be written, or
            ``resume_from`` is not the state of a run like this. Nothing was changed then.
    """
    folder, earlier = Path(config.Global.save_model_dir), None
    arrays = {} if resume_from is None else read_state(resume_from)
    parts = _prepare(config)
    values = sum(parameter.size for parameter in parts.state.network.parameters())
    check_writable(folder, BYTES_PER_VALUE * values, "Global.save_model_dir")
    if resume_from is None:
        earlier = set_aside(folder)
    else:
        with at_path(resume_from):
            parts.state.restore(arrays)
    remove_unfinished(folder)
    write_whole(folder / RESOLVED_CONFIG, config.to_yaml().encode())
    return _assemble(config, parts, folder, earlier)


def _prepare(config: Config) -> _Parts:
    section = config.Global
    detector, weights = starting_network(config)
    loaded = weights.keys("matched") if weights else []
    frozen = freeze_statistics(detector, loaded) if section.freeze_bn_stats else []
    feed, chosen = train_feed(config), precision(config)
    rate = learning_rate(config, feed.steps_per_epoch)
    state = TrainState(
        Progress(section.seed, feed.steps_per_epoch),
        detector,
        optimizer(config.Optimizer, detector, fresh_layers(detector, loaded), rate(0)),
        LossWindow(section.log_smooth_window),
        chosen.scaler,
    )
    return _Parts(state, feed, eval_data(config), rate, chosen, weights, len(frozen))


def set_aside(folder: Path) -> Path | None:
    """Move an earlier run's files to ``folder``/earlier_N; None where there was no run.

    The state goes last: while it is there, the run can be moved or resumed.
    """
    state = folder / STATE_FILE
    if not state.exists():
        return None
    names = (f"earlier_{number}" for number in count(1))
    aside = next(folder / name for name in names if not (folder / name).exists())
    aside.mkdir()
    files = {path for pattern in RUN_FILES for path in folder.glob(pattern)}
    for path in [*sorted(files - {state}), state]:
        path.replace(aside / path.name)
    return aside


def _assemble(config: Config, parts: _Parts, folder: Path, earlier: Path | None) -> Training:
    section, state = config.Global, parts.state
    metrics = MetricsFile(folder, state.progress.step, state.progress.evaluated_step)
    log = Log(folder, section.print_batch_step, metrics, shrink_ratio(parts.feed))
    checkpoints = Checkpoints(folder, config.Architecture.arguments(), section.save_epoch_step)
    stop = StopRequest()
    judge = Judge(config, state.network, parts.eval_images, folder, stop, log.say)
    trainer = Trainer(
        state,
        parts.feed,
        DBLoss(**config.Loss.arguments()),
        parts.rate,
        section.epoch_num,
        [log, checkpoints, _evaluator(config, judge, metrics, checkpoints, log)],
        parts.precision,
        stop,
    )
    return Training(
        trainer, checkpoints, log, metrics, folder, parts.weights, parts.frozen_norms, earlier
    )


def shrink_ratio(feed: Feed) -> Callable[[], float]:
    """What MakeShrinkMap shrinks by at the moment."""
    (operator,) = [op for op in feed.data.pipeline.operators if isinstance(op, MakeShrinkMap)]
    return lambda: operator.shrink_ratio


class Judge:
    """Evaluates on ``Eval``, tells once what is wrong there, and draws what was found."""

    def __init__(
        self,
        config: Config,
        network: Detector,
        images: ImageSet,
        folder: Path,
        stop: StopRequest,
        say: Callable[[str], None],
    ) -> None:
        self._network = network
        self._images = images
        self._post_process = post_process(config)
        self._batch_size = config.Eval.loader.batch_size_per_card
        self._stop = stop
        self._say = say
        self._told = 0
        self.pictures = Pictures(folder, spread(len(images)))

    def __call__(self) -> Verdict:
        self.pictures.begin()
        verdict = evaluate_ratios(
            self._network,
            map(eval_image, self._stop.heeding(self._images.images())),
            self._post_process,
            UNCLIP_RATIOS,
            batch_size=self._batch_size,
            on_image=self.pictures.take,
        )
        faults = FaultLog(self._images.faults)
        if len(faults) > self._told:
            self._say(f"evaluation: {faults.report()}")
            self._told = len(faults)
        return verdict


def _evaluator(
    config: Config, judge: Judge, metrics: MetricsFile, checkpoints: Checkpoints, log: Log
) -> Evaluator:
    def keep(trainer: Trainer, verdict: Verdict) -> None:
        checkpoints.save_best(trainer)
        judge.pictures.save(trainer.progress.step, verdict.summary["hmean"])

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
