"""From images to boxes, and from boxes to rates: the same in training, eval, predict and export.

`eval_records` yields the result of one image after the other. Rates, pictures and boxes are made
of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.onnx_forward import onnx_forward
from ppocr_ft.engine.page_tiles import Part, in_tiles, joined
from ppocr_ft.metrics import DetMetric
from ppocr_ft.metrics.det import RATES, Labels, textless_boxes
from ppocr_ft.metrics.errors import labels_by_error, table_of
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import Candidates, ImageBoxes, ProbMap
from ppocr_ft.utils.progress import read_ahead
from ppocr_ft.utils.timing import Stopwatch

Map = NDArray[np.float32]
MANY_IMAGES = 8
"""So many are worth the time that another engine takes to open."""


@dataclass(frozen=True)
class EvalRecord:
    """The result of one image.

    Attributes:
        candidates: the blobs of its probability map, before they are unclipped.
        boxes: polygons in source pixels and their scores, by unclip ratio.
    """

    sample: EvalSample
    candidates: Candidates
    boxes: Mapping[float, ImageBoxes]

    @cached_property
    def labels(self) -> Labels:
        """The image's labels, prepared for their overlaps with boxes."""
        return Labels.of(self.sample.polygons, self.sample.ignored)


def eval_records(
    network: paddle.nn.Layer,
    samples: Iterable[EvalSample],
    post_process: DBPostProcess,
    unclip_ratios: Sequence[float] = (),
    *,
    batch_size: int = 1,
    threads: int = 1,
    stopwatch: Stopwatch | None = None,
) -> Generator[EvalRecord, None, None]:
    """Yield the result of each image, in order.

    The unclip ratio of ``post_process`` is the first one of each record, ``unclip_ratios`` are
    further ones. ``batch_size`` images go through the network together, only neighbours of one
    size. ``threads`` each take a batch through the network, ahead of the caller. ``stopwatch``
    gets the stages "read", "network" and "boxes"; if the network runs ahead, its time is the
    remaining wait.
    """
    stopwatch = stopwatch or Stopwatch()
    ratios = ratios_tried(post_process, unclip_ratios)
    by_ratio = {ratio: replace(post_process, unclip_ratio=ratio) for ratio in ratios}
    read = stopwatch.waiting("read", samples)
    maps = probability_maps(network, read, batch_size=batch_size, threads=threads)
    with closing(maps):
        for sample, prob_map in stopwatch.waiting("network", maps):
            with stopwatch.stage("boxes"):
                height, width = sample.shape[:2].tolist()
                candidates = post_process.candidates(prob_map)
                del prob_map  # a page's is large, and the next one is read before its place is free
                boxes: dict[float, ImageBoxes] = {}
                for ratio, way in by_ratio.items():
                    points, scores = way.boxes_from_candidates(candidates, (height, width))
                    boxes[ratio] = {"points": points, "scores": scores}
            yield EvalRecord(sample, candidates, boxes)


def ratios_tried(post_process: DBPostProcess, unclip_ratios: Sequence[float]) -> list[float]:
    """Return the config's unclip ratio and then the others, each once."""
    return list(dict.fromkeys((float(post_process.unclip_ratio), *map(float, unclip_ratios))))


class RateCounter:
    """Counts records into precision, recall and hmean for each unclip ratio.

    With the first of them, the config's, labels that are merged or split are counted too, and
    boxes on images without text; and images with more blobs than are looked at.
    """

    def __init__(self, unclip_ratios: Iterable[float]) -> None:
        self._metrics = {ratio: DetMetric() for ratio in unclip_ratios}
        self._labels: Counter[str] = Counter()
        self._flooded: int = 0

    def add(self, record: EvalRecord) -> None:
        """Count one image."""
        first = next(iter(record.boxes.values()))["points"]
        self._labels += labels_by_error(table_of(first, record.labels))
        self._flooded += record.candidates.left_out > 0
        for ratio, metric in self._metrics.items():
            metric.add(record.boxes[ratio]["points"], record.labels)

    def result(self, group: ProcessGroup = SINGLE_PROCESS) -> EvalResult:
        """Return the rates on the images of all processes, which must all call this."""
        states = group.gather({ratio: metric.state() for ratio, metric in self._metrics.items()})
        rates, images, false = {}, 0, None
        for ratio in self._metrics:
            total = DetMetric()
            for state in states:
                total.merge(state[ratio])
            summary = total.summary()
            rates[ratio] = {name: float(summary[name]) for name in RATES}
            images = int(summary["images"])
            if len(rates) == 1:
                false = textless_boxes(summary)
        labels = sum(group.gather(self._labels), Counter())
        merged, split = (
            labels[kind] / labels["all"] if labels["all"] else None for kind in ("merged", "split")
        )
        return EvalResult(
            rates,
            images=images,
            merged=merged,
            split=split,
            textless_boxes=false,
            flooded=sum(group.gather(self._flooded)),
        )


@dataclass(frozen=True)
class EvalReport:
    """``summary`` is DetMetric's; ``stopwatch`` has the stages read, network, boxes, metric.

    ``flooded`` is how many images have more blobs than PostProcess.max_candidates.
    """

    summary: dict[str, float]
    stopwatch: Stopwatch
    flooded: int = 0

    @property
    def images_per_second(self) -> float:
        seconds = sum(self.stopwatch.seconds.values())
        return self.summary["images"] / seconds if seconds else 0.0


def evaluate(
    network: paddle.nn.Layer,
    samples: Iterable[EvalSample],
    post_process: DBPostProcess,
    *,
    batch_size: int = 1,
    threads: int = 1,
) -> EvalReport:
    """Return precision, recall and hmean of the network on labelled images, and the time."""
    stopwatch, metric, flooded = Stopwatch(), DetMetric(), 0
    records = eval_records(
        network, samples, post_process, batch_size=batch_size, threads=threads, stopwatch=stopwatch
    )
    for record in records:
        (boxes,) = record.boxes.values()
        flooded += record.candidates.left_out > 0
        with stopwatch.stage("metric"):
            metric.add(boxes["points"], record.labels)
    return EvalReport(metric.summary(), stopwatch, flooded)


def probability_maps(
    network: paddle.nn.Layer,
    samples: Iterable[EvalSample],
    *,
    batch_size: int = 1,
    threads: int = 1,
    in_paddle: bool = False,
) -> Generator[tuple[EvalSample, ProbMap], None, None]:
    """Yield each image with its probability map (h, w) in order; arguments as `eval_records`.

    The map of a page in tiles is put together of theirs, see `joined`.

    ``MANY_IMAGES`` and more go through ONNX Runtime if it is there and gives the same maps (see
    `onnx_forward`), unless they shall stay ``in_paddle``.
    """

    def in_network(images: Map) -> Map:
        with paddle.no_grad():
            maps: Map = network(paddle.to_tensor(images))["maps"].astype("float32").numpy()
        return maps

    rest = in_tiles(samples)
    first = [] if in_paddle else list(islice(rest, MANY_IMAGES))
    ahead = threads if threads > 1 else 0
    with eval_mode(network):
        fast = onnx_forward(network, first[0].image) if len(first) == MANY_IMAGES else None
        forward = fast or in_network  # (n, 3, h, w) -> (n, 1, h, w)

        def run(batch: list[Part]) -> Iterable[tuple[Part, Map]]:
            maps = forward(np.stack([part.image for part in batch]))[:, 0]
            return zip(batch, maps, strict=True)

        grouped = batches(chain(first, rest), batch_size)
        with closing(read_ahead(run, grouped, ahead)) as done:
            yield from joined(chain.from_iterable(done))


def batches(samples: Iterable[Part], batch_size: int) -> Iterator[list[Part]]:
    """Yield neighbours of one size, at most ``batch_size`` together, in their order."""
    batch: list[Part] = []
    for sample in samples:
        if batch and (len(batch) == batch_size or sample.image.shape != batch[0].image.shape):
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


@contextmanager
def eval_mode(network: paddle.nn.Layer) -> Iterator[None]:
    """Set the network to evaluation inside this context; restore its modes afterwards."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        if training:
            network.train()
