"""From images to boxes, and from boxes to numbers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.engine.batches import EvalImage, batches
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.utils.prefetch import read_ahead
from ppocr_ft.utils.timing import Stopwatch

Progress = Callable[[Iterable[EvalImage]], Iterable[EvalImage]]


@dataclass(frozen=True)
class Evaluation:
    """``summary`` is DetMetric's; ``stopwatch`` has the stages read, network, boxes, metric."""

    summary: dict[str, float]
    stopwatch: Stopwatch

    @property
    def images_per_second(self) -> float:
        seconds = sum(self.stopwatch.seconds.values())
        return self.summary["images"] / seconds if seconds else 0.0


Maps = NDArray[np.float32]


@contextmanager
def eval_mode(network: paddle.nn.Layer) -> Iterator[None]:
    """While this lasts the network evaluates; then it does what it did before."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        if training:
            network.train()


def probability_maps(network: paddle.nn.Layer, batch: list[EvalImage]) -> Maps:
    """The shrink head's maps (n, 1, h, w) of a network in eval mode."""
    with paddle.no_grad():
        images = paddle.to_tensor(np.stack([each.image for each in batch]))  # (n, 3, h, w)
        maps: Maps = network(images)["maps"].astype("float32").numpy()
    return maps


def maps_of(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    *,
    batch_size: int = 1,
    threads: int = 1,
) -> Generator[tuple[list[EvalImage], Maps], None, None]:
    """Batches of neighbours of one size with their probability maps (n, 1, h, w), in order.

    Each of ``threads`` takes a batch through the network, ahead of the caller.
    """

    def run(batch: list[EvalImage]) -> tuple[list[EvalImage], Maps]:
        return batch, probability_maps(network, batch)

    ahead = threads if threads > 1 else 0
    with eval_mode(network), closing(read_ahead(run, batches(images, batch_size), ahead)) as found:
        yield from found


def detect(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    *,
    batch_size: int = 1,
    threads: int = 1,
    stopwatch: Stopwatch | None = None,
) -> Iterator[tuple[EvalImage, ImageBoxes]]:
    """Each image with its boxes, polygons (k, 2) in source pixels and scores, in order."""
    stopwatch = stopwatch or Stopwatch()
    read = stopwatch.waiting("read", images)
    maps_found = maps_of(network, read, batch_size=batch_size, threads=threads)
    with closing(maps_found):
        for batch, maps in stopwatch.waiting("network", maps_found):
            with stopwatch.stage("boxes"):
                found = post_process(maps, np.stack([each.shape for each in batch]))
            yield from zip(batch, found, strict=True)
    stopwatch.add("network", -stopwatch.seconds.get("read", 0.0))  # which it waited for


def evaluate(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    metric: DetMetric,
    *,
    batch_size: int = 1,
    threads: int = 1,
) -> Evaluation:
    """Precision, recall and hmean of the network on labelled images.

    ``metric`` is reset first. Reading and the network may run ahead in threads; their time is what
    is left to wait for.
    """
    stopwatch = Stopwatch()
    metric.reset()
    found = detect(
        network,
        images,
        post_process,
        batch_size=batch_size,
        threads=threads,
        stopwatch=stopwatch,
    )
    for image, boxes in found:
        with stopwatch.stage("metric"):
            metric.update(boxes["points"], image.polygons, image.ignored)
    return Evaluation(metric.summary(), stopwatch)
