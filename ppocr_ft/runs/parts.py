"""The parts of a training run: the objects of its config, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ppocr_ft.config import Config
from ppocr_ft.config.faults import refuse
from ppocr_ft.config.run_rules import one_data_set
from ppocr_ft.config.schema import AVERAGED, START
from ppocr_ft.data.faults import ALSO, check_text, left_out, noting, refuse_all
from ppocr_ft.data.images import ImageSet
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.state import Ema, LossWindow, Progress, TrainState
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.train_step import Precision, freeze_statistics
from ppocr_ft.errors import DataError
from ppocr_ft.factory.device import precision
from ppocr_ft.factory.learning_rates import learning_rate
from ppocr_ft.factory.objects import (
    also_data,
    data_set,
    eval_data,
    starting_network,
)
from ppocr_ft.factory.optimizers import fresh_first, fresh_layers, optimizer
from ppocr_ft.factory.unlabelled import unlabelled_images
from ppocr_ft.optim.rates import FreshFirst, LrSchedules
from ppocr_ft.runs.models import teacher_config
from ppocr_ft.weights import CoverageReport


def train_loader(config: Config, group: ProcessGroup = SINGLE_PROCESS) -> TrainLoader:
    """Return the batches of ``Train``, one process's share of them.

    Raises:
        DataError: a label file can't be used, or no text counts.
    """
    section, data = config.Train, data_set(config, "Train")
    check_text("Train", data.entries)
    return TrainLoader(
        data,
        batch_size=section.loader.batch_size_per_card,
        seed=config.Global.seed,
        shuffle=section.loader.shuffle,
        drop_last=section.loader.drop_last,
        threads=section.loader.num_workers,
        rank=group.rank,
        world_size=group.size,
        batches_per_step=config.Optimizer.gradient_accumulation_steps,
    )


@dataclass(frozen=True)
class Parts:
    """The objects of the config, made before anything is written.

    ``eval_images`` are those of ``Eval``, ``further`` those of the sets of ``Eval.also``; all
    processes have all of them.
    """

    state: TrainState
    loader: TrainLoader
    eval_images: ImageSet
    further: Mapping[str, ImageSet]
    rate: LrSchedules
    precision: Precision
    weights: CoverageReport | None
    frozen_norms: int
    fresh_first: FreshFirst | None = None

    @property
    def label_notes(self) -> tuple[str, ...]:
        """Say what is to be known of the label files, and which of their lines can't be used."""
        judged = {"Eval": self.eval_images} | {f"{ALSO}{k}": v for k, v in self.further.items()}
        of_all = (note for images in judged.values() for note in images.notes)
        notes = dict.fromkeys((*self.loader.data.label_notes, *of_all))
        faults = {split: images.faults for split, images in judged.items()}
        lines = {"Train": self.loader.data.label_faults, **faults}
        bad = (left_out(split, faults) for split, faults in lines.items() if faults)
        return (*(f"note: {note}" for note in notes), *bad)


def prepare(config: Config, group: ProcessGroup = SINGLE_PROCESS) -> Parts:
    """Make the objects of the config.

    Raises:
        UserInputError: config, data or weights are wrong, or the data of the processes differ.
    """
    section = config.Global
    loader, eval_images, further = data_sets(config, group)
    detector, weights = starting_network(config)
    loaded = weights.filled if weights else ()
    frozen = freeze_statistics(detector, loaded) if section.freeze_bn_stats else []
    chosen, fresh = precision(config), fresh_layers(detector, loaded)
    _check_same_data(len(loader.data), {"Eval": eval_images, **further}, group)
    total_steps = section.epoch_num * loader.steps_per_epoch
    first = fresh_first(config, detector, fresh, total_steps)
    state = TrainState(
        Progress(section.seed, loader.steps_per_epoch),
        detector,
        optimizer(config.Optimizer, detector, fresh, fresh_first=first is not None),
        LossWindow(section.log_smooth_window),
        chosen.scaler,
        Ema(detector, section.ema_decay) if section.use_ema else None,
    )
    rate = learning_rate(
        config,
        loader.steps_per_epoch,
        world_size=group.size,
        evaluations=lambda: state.progress.evaluations,
        first=first,
        fresh_steps=lambda: state.progress.fresh_steps,
    )
    return Parts(state, loader, eval_images, further, rate, chosen, weights, len(frozen), first)


def data_sets(
    config: Config, group: ProcessGroup = SINGLE_PROCESS
) -> tuple[TrainLoader, ImageSet, dict[str, ImageSet]]:
    """Return the batches of ``Train``, the images of ``Eval`` and of the sets of ``Eval.also``.

    Raises:
        DataError: with the faults of all.
        ConfigError: one of them is the built-in sample data set, the other is not; or there is no
            such teacher of unlabelled images.
    """
    refuse(one_data_set(config))
    faults: list[DataError] = []
    with noting(faults):
        loader = train_loader(config, group)
    with noting(faults):
        images = eval_data(config)
    with noting(faults):
        further = also_data(config)
    if (unlabelled := config.Train.unlabelled) is not None and not faults:
        with noting(faults):
            unlabelled_images(config, unlabelled)
        if unlabelled.teacher not in (AVERAGED, START):
            teacher_config(config, unlabelled.teacher)
    refuse_all(faults)
    return loader, images, further


def _check_same_data(
    train_images: int, judged: Mapping[str, ImageSet], group: ProcessGroup
) -> None:
    eval_images = sum(map(len, judged.values()))
    for rank, (train, evaluation) in enumerate(group.gather((train_images, eval_images))):
        if (train, evaluation) != (train_images, eval_images):
            raise DataError(
                f"process {group.rank} sees {train_images} training and {eval_images} evaluation "
                f"images, process {rank} {train} and {evaluation}; all need the same data"
            )
