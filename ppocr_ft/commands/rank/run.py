"""Which images to label next, by the config's detector, its start and mirror pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import islice, tee
from pathlib import Path

import cv2
import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.commands.common import csv_text, with_global
from ppocr_ft.commands.rank.order import (
    Map,
    RankedImage,
    disagreement,
    doubts,
    in_order,
    uncertainty,
)
from ppocr_ft.config import Config
from ppocr_ft.data.images import EvalSample, ImageSet, find_images
from ppocr_ft.data.labels import read_label_files
from ppocr_ft.engine.evaluation import eval_mode, probability_maps
from ppocr_ft.errors import DataError
from ppocr_ft.factory import objects
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.label_source import LabelSource
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.report.drawing import captioned
from ppocr_ft.transforms.image_ops import read_image
from ppocr_ft.utils.draw import Picture, draw_polygons
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.progress import ProgressBar
from ppocr_ft.utils.sampling import sample_evenly

LIST_FILE, SHEET_FILE = "ranked.csv", "ranked.png"
HEADER = ("place", "image", "score", "doubt", "unlike", "uncertain", "mirrored", "start", "boxes")
LOOKED_AT_PX = 320
"""Longer side at which the backbone says what an image looks like."""
MOST_LABELLED = 500
"""So many labelled images, evenly spread, are looked at."""
TILE_PX = (340, 460)
COLUMNS = 4
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """An image, its boxes, and what the maps say: ``start`` is NaN if nothing was trained.

    ``features`` (d,) describe what it looks like.
    """

    path: str
    boxes: ImageBoxes
    uncertain: float
    mirrored: float
    start: float
    features: Floats


@dataclass(frozen=True)
class Ranked:
    """The images in their order."""

    images: Sequence[Measured]
    order: Sequence[RankedImage]

    def first(self, count: int | None = None) -> Iterator[tuple[RankedImage, Measured]]:
        for choice in islice(self.order, count):
            yield choice, self.images[choice.image]

    def save(self, folder: Path, shown: int) -> None:
        """Write the list of all, and a sheet of the first ``shown``.

        Raises:
            DataError: the folder can't be written to.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / LIST_FILE, csv_text(HEADER, self._rows()).encode())
            sheet = captioned(map(_tile, *zip(*self.first(shown), strict=True)), COLUMNS)
            write_whole(folder / SHEET_FILE, cv2.imencode(".png", sheet)[1].tobytes())
        except OSError as error:
            raise DataError(f"can't be written: {error.strerror}", path=folder) from error

    def _rows(self) -> Iterator[list[object]]:
        for place, (choice, image) in enumerate(self.first(), start=1):
            numbers = (*choice[1:], image.uncertain, image.mirrored, image.start)
            rounded = ["" if np.isnan(number) else f"{number:.4f}" for number in numbers]
            yield [place, image.path, *rounded, len(image.boxes["points"])]


def _tile(choice: RankedImage, image: Measured) -> tuple[Picture, list[str]]:
    picture = read_image(image.path)
    assert picture is not None  # it has been measured
    drawn = draw_polygons(picture, image.boxes["points"], scores=image.boxes["scores"].tolist())
    scale = min(TILE_PX[0] / drawn.shape[1], TILE_PX[1] / drawn.shape[0], 1.0)
    size = tuple(max(round(side * scale), 1) for side in drawn.shape[1::-1])
    small = np.asarray(cv2.resize(drawn, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, [
        Path(image.path).name,
        f"{choice.score:.2f} = doubt {choice.doubt:.2f} x {choice.unlike:.2f}",
    ]


@dataclass(frozen=True)
class Pool:
    """The images to rank, and those that are labelled; ``notes`` say what was left out."""

    images: ImageSet
    labelled: ImageSet | None
    notes: tuple[str, ...]


def pool_of(config: Config, patterns: Sequence[str]) -> Pool:
    """Find the images; those that the config's label files name are labelled already.

    Raises:
        DataError: no image is found by a pattern, or all of them are labelled.
    """
    given = find_images(list(patterns))
    known, notes = labelled_paths(config)
    is_known = {path.resolve() for path in map(Path, known)}
    new = [image for image in given.images if Path(str(image)).resolve() not in is_known]
    left_out = len(given.images) - len(new)
    if not new:
        raise DataError(f"{', '.join(patterns)}: all {left_out} images are labelled already")
    notes = (*given.notes, *notes)
    if left_out:
        notes += (f"labelled already, and left out: {left_out} of {len(given.images)} images",)
    images = objects.image_files(config, new)
    looked_at = sample_evenly(known, MOST_LABELLED)
    return Pool(images, objects.image_files(config, looked_at) if looked_at else None, notes)


def labelled_paths(config: Config) -> tuple[list[str], tuple[str, ...]]:
    """Return the images of Train's and Eval's label files that are there, and notes."""
    paths: dict[str, None] = {}
    notes = []
    for split in ("Train", "Eval"):
        source = LabelSource.of(config, split)
        for file in read_label_files(source.names, source.folder, source.delimiter):
            images = [entry.images[0] for entry in file.entries]
            paths |= dict.fromkeys(path for path in images if Path(path).is_file())
            if not images:
                notes.append(f"{file.path}: names no image that is there")
    return list(paths), tuple(dict.fromkeys(notes))


def rank(config: Config, pool: Pool, bar: ProgressBar) -> Ranked:
    """Measure the images of a pool and order them.

    The start is ``Global.pretrained_model``, where ``Global.checkpoints`` was trained from it.

    Raises:
        WeightsError, ConfigError: as `factory.objects.network`.
        DataError: no image can be used.
    """
    detector, _ = objects.network(config)
    start = None
    if config.Global.checkpoints and config.Global.pretrained_model:
        start, _ = objects.network(with_global(config, checkpoints=None))
    samples = bar(pool.images.samples(), len(pool.images), "look at the images")
    measured = list(measure(config, detector, start, samples))
    if not measured:
        raise DataError("no image can be used:\n" + "\n".join(map(str, pool.images.faults)))
    labelled = np.empty((0, len(measured[0].features)))
    if pool.labelled is not None:
        known = bar(pool.labelled.samples(), len(pool.labelled), "look at what is labelled")
        rows = [looks(detector, sample.image) for sample in known]
        labelled = np.stack(rows) if rows else labelled
    names = ("uncertain", "mirrored", *(("start",) if start is not None else ()))
    measures = [np.array([getattr(image, name) for image in measured]) for name in names]
    features = np.stack([image.features for image in measured])
    return Ranked(measured, in_order(doubts(measures), features, labelled))


def measure(
    config: Config,
    detector: DetectionNetwork,
    start: DetectionNetwork | None,
    samples: Iterable[EvalSample],
) -> Iterator[Measured]:
    """Yield what the maps of each image say."""
    post_process, threads = objects.post_process(config), cpu_threads(config)
    for_detector, for_start = tee(samples)
    with ExitStack() as stack:
        maps = probability_maps(detector, both_ways(for_detector), threads=threads)
        stack.enter_context(closing(maps))
        of_start = None
        if start is not None:
            of_start = probability_maps(start, for_start, threads=threads)
            stack.enter_context(closing(of_start))
        for (sample, whole), (_, mirrored) in zip(maps, maps, strict=True):
            prob_map: Map = np.asarray(whole, np.float32)
            by_start = None if of_start is None else np.asarray(next(of_start)[1], np.float32)
            height, width = sample.shape[:2].tolist()
            points, scores = post_process.boxes_from_map(prob_map, (height, width))
            yield Measured(
                sample.path,
                {"points": points, "scores": scores},
                uncertainty(prob_map),
                disagreement(prob_map, np.asarray(mirrored[:, ::-1], np.float32)),
                np.nan if by_start is None else disagreement(prob_map, by_start),
                looks(detector, sample.image),
            )


def both_ways(samples: Iterable[EvalSample]) -> Iterator[EvalSample]:
    """Yield each image and its mirror picture."""
    for sample in samples:
        yield sample
        yield replace(sample, image=np.ascontiguousarray(sample.image[..., ::-1]))


def looks(detector: DetectionNetwork, image: NDArray[np.float32]) -> Floats:
    """Return what an image (3, h, w) looks like to the backbone (d,): its maps' means."""
    scale = min(LOOKED_AT_PX / max(image.shape[1:]), 1.0)
    height, width = (max(round(side * scale / 32), 1) * 32 for side in image.shape[1:])
    small = cv2.resize(image.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_AREA)
    with eval_mode(detector), paddle.no_grad():
        maps = detector.backbone(paddle.to_tensor(small.transpose(2, 0, 1)[np.newaxis]))
        means = [each.mean(axis=[0, 2, 3]).numpy() for each in maps]
    return np.concatenate(means).astype(np.float64)
