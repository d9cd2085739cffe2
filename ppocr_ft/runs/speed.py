"""How fast a run will be: a few steps and evaluated images of a network that is thrown away."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from statistics import mean

from ppocr_ft.config import Config
from ppocr_ft.config.run_rules import total_batch_size
from ppocr_ft.engine.distributed import SINGLE_PROCESS, ProcessGroup
from ppocr_ft.engine.evaluation import (
    MANY_IMAGES,
    RateCounter,
    eval_records,
    probability_maps,
    ratios_tried,
)
from ppocr_ft.engine.onnx_forward import prepare_onnx
from ppocr_ft.engine.train_step import FrozenNorms, train_step
from ppocr_ft.factory.device import cpu_threads, passes
from ppocr_ft.factory.objects import post_process
from ppocr_ft.fitting.grid import (
    BOX_THRESHS,
    FEW_THRESHS,
    SCORE_MODES,
    Grid,
    more_images,
    ratios_about,
)
from ppocr_ft.fitting.tally import Truth, grid_counts
from ppocr_ft.fitting.time_budget import Speed
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.messages import counted
from ppocr_ft.runs.assemble import UNCLIP_RATIOS
from ppocr_ft.runs.monitoring import validator
from ppocr_ft.runs.parts import Parts, prepare
from ppocr_ft.utils.sampling import evenly_spaced

WARM_STEPS, MEASURED_STEPS = 2, 8
"""The first steps of a process are slower than all others."""
MEASURED_IMAGES = MANY_IMAGES
LATER_EPOCH = 10**9
"""By then all groups learn that ever do; their steps are the slowest."""


def measured_speed(
    config: Config, at_most_seconds: float, group: ProcessGroup = SINGLE_PROCESS
) -> Speed:
    """Measure steps and evaluation in this process.

    After ``at_most_seconds`` no further step is measured. An evaluation is divided among the
    processes of ``group``, which needn't call this.

    Raises:
        UserInputError: config, data or weights are wrong.
    """
    parts = prepare(config)
    images = min(len(parts.eval_images), MEASURED_IMAGES)
    what = f"{counted(MEASURED_STEPS, 'step')}, {counted(images, 'image')} of Eval"
    print(f"measuring the speed for Global.time_budget: {what}", flush=True)
    step = _step_seconds(config, parts, at_most_seconds)
    evaluation, fit, per_image = _eval_seconds(config, parts, group.size)
    if config.Train.unlabelled is not None:  # the teacher sees about each image that is drawn
        step += config.Train.unlabelled.share * total_batch_size(config) * per_image
    speed = Speed(step, evaluation, fit)
    del parts
    gc.collect()
    return speed


def _step_seconds(config: Config, parts: Parts, at_most_seconds: float) -> float:
    state, loss = parts.state, DBLoss(config.Loss)
    state.optimizer.groups.freeze(LATER_EPOCH)
    FrozenNorms(state.network).update()
    forward = passes(config)(state.network)
    seconds: list[float] = []
    with closing(parts.loader.steps()) as steps:
        start = time.perf_counter()
        for _, batches in zip(range(WARM_STEPS + MEASURED_STEPS), steps, strict=False):
            result = train_step(
                state.network, batches, loss, state.optimizer, parts.precision, forward=forward
            )
            if state.ema is not None:
                state.ema.update()
            float(result.grad_norm)  # waits for the device
            seconds.append(time.perf_counter() - start)
            start += seconds[-1]
            if len(seconds) > WARM_STEPS and sum(seconds) > at_most_seconds:
                break
    return mean(seconds[WARM_STEPS:])


def _eval_seconds(config: Config, parts: Parts, processes: int) -> tuple[float, float, float]:
    """Return the seconds of an evaluation, further sets too, of a fit, and of one image's boxes.

    The fit is that of post-processing.
    """
    images, network, way = parts.eval_images, parts.state.network, post_process(config)
    counter = RateCounter(ratios_tried(way, UNCLIP_RATIOS))
    threads = cpu_threads(config)
    indices = evenly_spaced(len(images), MEASURED_IMAGES)
    grid = Grid(FEW_THRESHS, SCORE_MODES, ratios_about(way.unclip_ratio), BOX_THRESHS)
    check = validator(config, parts.loader, images, DBLoss(config.Loss), parts.precision)

    def evaluate(chosen: Sequence[int]) -> None:
        records = eval_records(
            network,
            images.samples(chosen),
            way,
            UNCLIP_RATIOS,
            batch_size=config.Eval.loader.batch_size_per_card,
            threads=threads,
        )
        for record in records:
            counter.add(record)

    def fit(chosen: Sequence[int]) -> None:
        for image, prob_map in probability_maps(network, images.samples(chosen), threads=threads):
            grid_counts(prob_map, Truth.of(image), way, grid)

    if len(indices) == MANY_IMAGES:
        prepare_onnx(network)
    evaluate(indices[:1])  # the first image and the first crops are slower
    check(network, 1)
    per_image, fit_per_image = (_seconds(act, indices) / len(indices) for act in (evaluate, fit))
    validation = _seconds(check, network, 1)
    judged = sum(-(-len(judged) // processes) for judged in (images, *parts.further.values()))
    train_images = min(more_images(len(images)), len(parts.loader.data))
    fit_seconds = fit_per_image * (len(images) + train_images)
    return per_image * judged + validation, fit_seconds, per_image


def _seconds(act: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - start
