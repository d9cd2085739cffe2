"""One evaluation for several unclip ratios; blobs are found once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import paddle

from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.evaluate import maps_of
from ppocr_ft.engine.parallel import ALONE, Team
from ppocr_ft.metrics import DetMetric
from ppocr_ft.metrics.det import RATES
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes

OnImage = Callable[[EvalImage, ImageBoxes], None]


def evaluate_ratios(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    more_ratios: Sequence[float] = (),
    *,
    batch_size: int = 1,
    threads: int = 1,
    on_image: OnImage | None = None,
    team: Team = ALONE,
) -> EvalResult:
    """Judge with the post-process's unclip ratio and with ``more_ratios``.

    ``threads`` take images through the network side by side. ``on_image`` gets each image with the
    boxes of the former. Each process of a ``team`` brings images of its own and gets the result
    on all of them.
    """
    start = time.perf_counter()
    ratios = dict.fromkeys((float(post_process.unclip_ratio), *map(float, more_ratios)))
    ways = {ratio: (replace(post_process, unclip_ratio=ratio), DetMetric()) for ratio in ratios}
    found = maps_of(network, images, batch_size=batch_size, threads=threads)
    with closing(found):
        for batch, maps in found:
            for image, prob_map in zip(batch, maps[:, 0], strict=True):
                _judge(image, prob_map, ways, on_image)
    own = {ratio: metric.state() for ratio, (_, metric) in ways.items()}
    states = team.gather(own)
    metrics = {ratio: _merged(state[ratio] for state in states) for ratio in ways}
    rates = {ratio: _rates(metric) for ratio, metric in metrics.items()}
    count = int(metrics[float(post_process.unclip_ratio)].summary()["images"])
    return EvalResult(rates, images=count, seconds=time.perf_counter() - start)


def _merged(states: Iterable[Mapping[str, int]]) -> DetMetric:
    metric = DetMetric()
    for state in states:
        metric.merge(state)
    return metric


def _rates(metric: DetMetric) -> dict[str, float]:
    summary = metric.summary()
    return {name: float(summary[name]) for name in RATES}


def _judge(
    image: EvalImage,
    prob_map: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ways: dict[float, tuple[DBPostProcess, DetMetric]],
    on_image: OnImage | None,
) -> None:
    (first, _), *_ = ways.values()
    candidates = first.candidates(prob_map)
    for ratio, (post_process, metric) in ways.items():
        height, width = image.shape[:2].tolist()
        points, scores = post_process.boxes_from_candidates(candidates, (height, width))
        metric.update(points, image.polygons, image.ignored)
        if on_image is not None and ratio == first.unclip_ratio:
            on_image(image, {"points": points, "scores": scores})
