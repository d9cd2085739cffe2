"""Runs the arms with the package's own trainer and keeps what is to be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import paddle

from experiments.regression.arms import (
    ARMS,
    CONSTANT,
    OLD,
    PAIR,
    REPAIRED,
    Arm,
    WheelMaps,
    draw_maps_as,
)
from experiments.regression.data_sets import TRAIN_IMAGES, DataSet
from experiments.regression.results import ArmRun, Rates, Result
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import RateCounter, eval_records, ratios_tried
from ppocr_ft.engine.train_loader import TrainBatch, TrainLoader
from ppocr_ft.engine.train_step import Losses, LossFunction, StepResult
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.factory import objects
from ppocr_ft.losses.db import DBTargets
from ppocr_ft.runs import assemble, parts
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH

RECIPE = Path(__file__).with_name("recipe.yml")
UNCLIP_RATIOS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6)
TWINS = {OLD: (CONSTANT, REPAIRED)}
"""Whose maps each step of an arm is judged with too."""


@dataclass
class Laboratory:
    """A data set and what all arms share: label files, evaluated images, the start's rates.

    ``folder`` takes the runs' files. ``evaluated_steps``: besides the start and the end.
    """

    data_set: DataSet
    folder: Path
    evaluated_steps: Sequence[int] = ()

    @cached_property
    def overrides(self) -> list[str]:
        return self.data_set.overrides(self.folder)

    @cached_property
    def images(self) -> list[EvalSample]:
        return list(objects.eval_data(self.config()).samples())

    @cached_property
    def start_rates(self) -> Rates:
        return self.judge(objects.network(self.config())[0])

    def config(self, *overrides: str) -> Config:
        return load_config(RECIPE, [*self.overrides, *overrides])

    def run(self, arm: Arm) -> ArmRun:
        """Train the arm to its end."""
        folder = self.folder / arm.name.replace(" ", "_")
        config = self.config(f"Global.save_model_dir={folder}", *arm.overrides())
        trainer = assemble.training(config).trainer
        maps = draw_maps_as(arm, trainer.loader.data, map_arguments(config))
        recorder = Recorder(self, maps, ArmRun(arm.name))
        trainer.callbacks = [recorder]
        twins = {twin.name: self._targets(twin) for twin in TWINS.get(arm, ())}
        trainer.loss = TwinLoss(trainer.loss, twins, recorder.run.twins)
        trainer.run()
        return recorder.run

    def _targets(self, arm: Arm) -> Iterator[DBTargets]:
        """Yield the arm's maps of the run's batches, epoch after epoch."""
        config = self.config(*arm.overrides())
        loader: TrainLoader = parts.train_loader(config)
        draw_maps_as(arm, loader.data, map_arguments(config))
        for epoch in count(1):
            yield from (item.targets for item in loader.epoch(epoch))

    def judge(self, network: paddle.nn.Layer) -> Rates:
        post_process = objects.post_process(self.config())
        counter = RateCounter(ratios_tried(post_process, UNCLIP_RATIOS))
        for record in eval_records(network, self.images, post_process, UNCLIP_RATIOS):
            counter.add(record)
        by_ratio = sorted(counter.result().rates.items())
        return {ratio: (rates["hmean"], rates["hmean_70"]) for ratio, rates in by_ratio}


def map_arguments(config: Config) -> dict[str, Any]:
    """Return the config's arguments of the two map operators, in PaddleOCR's form.

    Each of PaddleOCR's operators ignores the other's keys.
    """
    given = {op.name: op.arguments() for op in config.Train.dataset.transforms}
    return {key: value for name in PAIR for key, value in given[name].items()}


class Recorder(Callback):
    """Writes down what happens, and evaluates."""

    def __init__(
        self, laboratory: Laboratory, maps: MakeShrinkMap | WheelMaps, run: ArmRun
    ) -> None:
        self._laboratory = laboratory
        self._maps = maps
        self.run = run

    def before_run(self, trainer: Trainer) -> None:
        self.run.seen.append(_digest(trainer.state.network.state_dict().values()))
        self.run.rates[0] = self._laboratory.start_rates

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        progress = trainer.progress
        self.run.seen.append(_digest([batch.images]))
        self.run.losses.append(float(result.losses["loss"]))
        if progress.step_in_epoch == 0:
            data = {TRUE_EPOCH: progress.epochs_done}
            self.run.shrink_ratios.append(self._maps.ratio_of(data))
        if progress.step in (*self._laboratory.evaluated_steps, trainer.total_steps):
            self.run.rates[progress.step] = self._laboratory.judge(trainer.state.network)


@dataclass(frozen=True)
class TwinLoss:
    """A loss that also computes what other maps would cost.

    ``loss`` is returned; ``losses`` gets the loss with the next ``targets`` of each twin.
    """

    loss: LossFunction
    targets: Mapping[str, Iterator[DBTargets]]
    losses: dict[str, list[float]]

    def __call__(self, predictions: Mapping[str, paddle.Tensor], targets: DBTargets) -> Losses:
        for twin, others in self.targets.items():
            with paddle.no_grad():
                total = self.loss(predictions, next(others))["loss"]
            self.losses.setdefault(twin, []).append(float(total))
        return self.loss(predictions, targets)


def run_arms(data_set: DataSet, folder: Path, evaluated_steps: Sequence[int] = ()) -> Result:
    """All arms on the data set; ``folder`` is for their files."""
    laboratory = Laboratory(data_set, folder, evaluated_steps)
    runs = {arm.name: laboratory.run(arm) for arm in ARMS}
    images = TRAIN_IMAGES, len(laboratory.images)
    return Result(data_set.name, data_set.title, *images, runs)


def _digest(tensors: Iterable[paddle.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:8]
