"""Finding text with a config's network or with an exported model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.config import Config
from ppocr_ft.data.images import EvalSample, ImageSet, find_images, unlabelled
from ppocr_ft.export import open_model
from ppocr_ft.factory.objects import image_files, network, predict
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.utils.system import cores

Found = Iterator[tuple[str, ImageBoxes]]
"""Each image's path and boxes."""
READ_AHEAD_THREADS = 2


class Predictor(NamedTuple):
    """A predictor: ``predict`` takes prepared ``images``; ``about`` names the weights."""

    images: ImageSet
    predict: Callable[[Iterable[EvalSample]], Found]
    about: str


def config_predictor(
    config: Config, patterns: Sequence[str], batch_size: int | None = None
) -> Predictor:
    """Predict for files, folders or patterns with the config's network.

    ``batch_size`` goes before the config's for ``Eval``.

    Raises:
        DataError, WeightsError, ConfigError: as ``image_files`` and ``network``.
    """
    images = image_files(config, patterns)
    detector, coverage = network(config)
    return Predictor(
        images, lambda items: predict(config, detector, items, batch_size), coverage.summary()
    )


def model_predictor(
    where: str | Path, patterns: Sequence[str], batch_size: int | None = None
) -> Predictor:
    """Predict with an exported folder or ONNX file, by its own ``inference.yml``.

    Raises:
        WeightsError, ConfigError: as ``ppocr_ft.export.open_model``.
        DataError: naming every pattern that no image fits.
    """
    model = open_model(where, cores())
    paths, notes = find_images(patterns)
    read = unlabelled(paths, model.operators)
    images = ImageSet(read, len(paths), READ_AHEAD_THREADS, notes=notes)

    def run(items: Iterable[EvalSample]) -> Found:
        for image, boxes in model.detect(items, batch_size or 1):
            yield image.path, boxes

    return Predictor(images, run, f"model: {model.where}")
