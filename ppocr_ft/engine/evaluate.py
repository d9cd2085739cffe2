"""From images to boxes, and from boxes to numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.engine.batches import EvalImage, batches
from ppocr_ft.engine.stopwatch import Stopwatch
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes

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


def probability_maps(network: paddle.nn.Layer, batch: list[EvalImage]) -> NDArray[np.float32]:
    """The shrink head's maps (n, 1, h, w) in eval mode; the network's mode is put back."""
    training = network.training
    network.eval()
    with paddle.no_grad():
        images = paddle.to_tensor(np.stack([each.image for each in batch]))  # (n, 3, h, w)
        maps: NDArray[np.float32] = network(images)["maps"].astype("float32").numpy()
    if training:
        network.train()
    return maps


def detect(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    *,
    batch_size: int = 1,
    stopwatch: Stopwatch | None = None,
) -> Iterator[tuple[EvalImage, ImageBoxes]]:
    """Each image with its boxes, polygons (k, 2) in source pixels and scores, in order."""
    stopwatch = stopwatch or Stopwatch()
    for batch in batches(stopwatch.waiting("read", images), batch_size):
        with stopwatch.stage("network"):
            maps = probability_maps(network, batch)
        with stopwatch.stage("boxes"):
            found = post_process(maps, np.stack([each.shape for each in batch]))
        yield from zip(batch, found, strict=True)


def evaluate(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    metric: DetMetric,
    *,
    batch_size: int = 1,
) -> Evaluation:
    """Precision, recall and hmean of the network on labelled images.

    ``metric`` is reset first. The images' reading may run ahead in threads; its time is what is
    left to wait for.
    """
    stopwatch = Stopwatch()
    metric.reset()
    found = detect(network, images, post_process, batch_size=batch_size, stopwatch=stopwatch)
    for image, boxes in found:
        with stopwatch.stage("metric"):
            metric.update(boxes["points"], image.polygons, image.ignored)
    return Evaluation(metric.summary(), stopwatch)
