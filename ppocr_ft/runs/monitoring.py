"""Monitoring of a run: the validation loss, the monitor, TensorBoard, VisualDL and MLflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.config import Config
from ppocr_ft.data.images import EvalSample, ImageSet
from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.engine.metrics_file import MetricsFile
from ppocr_ft.engine.monitor.callback import Monitor
from ppocr_ft.engine.monitor.series import RunInfo
from ppocr_ft.engine.monitor.validation import (
    Crop,
    Validator,
    crops_wanted,
    cut_crops,
)
from ppocr_ft.engine.scalar_log import Kind, ScalarLog, check_installed
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.train_step import LossFunction, Precision
from ppocr_ft.transforms import MakeShrinkMap
from ppocr_ft.transforms.registry import Operator
from ppocr_ft.transforms.sample import Size
from ppocr_ft.utils.sampling import evenly_spaced, sample_evenly
from ppocr_ft.utils.system import cores, machine_mb

DEFAULT_CROP_PX = (320, 320)
"""Where no operator of Train says a size."""
LABELLED_IMAGES, POLYGONS = 60, 300
"""So many of Train's labels tell what shrink and unclip ratio allow at best."""


def wanted_logs(config: Config) -> list[Kind]:
    """Return the logs that the config asks for.

    Raises:
        ConfigError: a package that it asks for isn't installed, naming the key.
    """
    section = config.Global
    asked: dict[Kind, bool] = {
        "tensorboard": section.use_tensorboard,
        "visualdl": section.use_visualdl,
        "mlflow": section.use_mlflow,
    }
    kinds: list[Kind] = [kind for kind, is_wanted in asked.items() if is_wanted]
    for kind in kinds:
        check_installed(kind)
    return kinds


def scalar_logs(config: Config, folder: Path, metrics: MetricsFile) -> list[ScalarLog]:
    """Open the logs that the config asks for, in the run's folder."""
    ratio = float(config.PostProcess.unclip_ratio)
    return [ScalarLog(kind, folder, metrics, ratio) for kind in wanted_logs(config)]


def monitor(
    config: Config,
    loader: TrainLoader,
    total_steps: int,
    folder: Path,
    metrics: MetricsFile,
    say: Callable[[str], None],
) -> Monitor:
    """Build the monitor of the config."""
    section = config.Global
    info = RunInfo(
        total_steps,
        config.Metric.main_indicator,
        loader.threads,
        cores(),
        section.use_amp and section.use_dynamic_loss_scaling,
        machine_mb(),
        some_polygons(loader.data.entries),
    )
    return Monitor(folder, metrics, info, say, section.stop_on, section.patience)


def some_polygons(entries: tuple[LabelEntry, ...]) -> tuple[NDArray[np.float64], ...]:
    """Return labels that count, of images evenly spaced over the label files."""
    polygons = [
        np.asarray(texts.polygons[i], np.float64)
        for texts in (entry.texts for entry in sample_evenly(entries, LABELLED_IMAGES))
        for i in np.flatnonzero(~texts.ignored & ~texts.polygons.broken()).tolist()
    ]
    return tuple(sample_evenly(polygons, POLYGONS))


def validator(
    config: Config, loader: TrainLoader, images: ImageSet, loss: LossFunction, precision: Precision
) -> Validator:
    """Build the validation loss on ``images``, prepared as evaluation prepares them."""
    (item,) = [op for op in config.Train.dataset.transforms if op.is_a(MakeShrinkMap)]
    operators = loader.data.pipeline.operators
    size, seed = crop_size(operators), config.Global.seed
    return Validator(
        lambda: validation_crops(images, size, seed),
        lambda: loader.data.pipeline.operators,  # as they are by then
        item.build(epoch_num=config.Global.epoch_num),
        loss,
        precision,
    )


def crop_size(operators: tuple[Operator, ...]) -> Size:
    """Return width and height of training's crops, px."""
    sizes = [size for op in operators if (size := getattr(op, "size", None)) is not None]
    return sizes[-1] if sizes else DEFAULT_CROP_PX


def validation_crops(images: ImageSet, size: Size, seed: int) -> list[Crop]:
    """Cut crops out of images evenly spaced over all that can be read."""
    first = next(_usable(images, range(len(images))), None)
    if first is None:
        return []
    height, width = first.image.shape[1:]
    count = crops_wanted(len(images), height * width, size)
    return cut_crops(_usable(images, evenly_spaced(len(images), count)), size, seed)


def _usable(images: ImageSet, indices: Iterable[int]) -> Iterator[EvalSample]:
    items = (images.read(index) for index in indices)
    return (EvalSample.of(item.sample, item.path) for item in items if item.sample is not None)
