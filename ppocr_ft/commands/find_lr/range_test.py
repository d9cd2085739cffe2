"""The LR range test of a run, whose state is restored afterwards."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import numpy as np
import paddle

from ppocr_ft.commands.find_lr.suggestion import DivergenceWatch, Ending, LrCurve
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.train_loader import TrainLoader
from ppocr_ft.engine.train_step import (
    Forward,
    LossFunction,
    Precision,
    TrainBatch,
    plain_forward,
    train_step,
)
from ppocr_ft.engine.trainer import seed_step
from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.shrink_schedule import SharedEpoch


@contextmanager
def preserve_state(state: TrainState, clock: SharedEpoch) -> Iterator[None]:
    """Restore everything afterwards, bit for bit, also after an error.

    That is all of ``state``, the optimizer's base rate (biases then have it too; each step of
    training sets both), each layer's mode, the process's random numbers (Python's, numpy's,
    Paddle's on every device), and the data's ``clock``. Also after an exception, such as Ctrl-C's.
    Gradients are the business of what happens within; train_step leaves none.
    """
    with ExitStack() as put_back:  # all of it, also where a part of it fails
        put_back.callback(state.restore, state.arrays())
        put_back.callback(state.optimizer.set_lr, state.optimizer.get_lr())
        for layer in state.network.sublayers(include_self=True):
            put_back.callback(setattr, layer, "training", layer.training)
        put_back.callback(*((clock.set, clock.epoch) if clock.is_set else (clock.reset,)))
        put_back.callback(random.setstate, random.getstate())
        put_back.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        generator = paddle.base.core.default_cpu_generator()
        put_back.callback(generator.set_state, generator.get_state())
        put_back.callback(paddle.set_cuda_rng_state, paddle.get_cuda_rng_state())
        yield


FEWEST_STEPS = 10


@dataclass(frozen=True)
class LrSweep:
    """The rates to try: ``steps`` from ``start`` to ``end``, with a constant factor.

    Raises ConfigError, naming the option, for a value that can't be used.
    """

    start: float = 1e-7
    end: float = 1.0
    steps: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.start < math.inf:
            raise ConfigError(f"must be a number above 0, is {self.start!r}", key="--start")
        if not self.start < self.end < math.inf:
            message = f"must be a number above --start ({self.start!r}), is {self.end!r}"
            raise ConfigError(message, key="--end")
        if self.steps < FEWEST_STEPS:
            message = f"must be {FEWEST_STEPS} or more, is {self.steps}"
            raise ConfigError(message, key="--steps")

    def __call__(self, step: int) -> float:
        """Return the base rate of step 0, 1, ..., steps - 1."""
        share = step / (self.steps - 1)
        return float(self.start ** (1 - share) * self.end**share)

    @property
    def steps_per_decade(self) -> float:
        return (self.steps - 1) / math.log10(self.end / self.start)


@dataclass(frozen=True)
class LrPoint:
    """One step: the loss of its batches before the update, and with the weights of the start."""

    step: int
    rate: float
    loss: float
    start_loss: float


@dataclass(frozen=True)
class LrRange:
    """The steps that were done, and the reason for the end of the test."""

    points: tuple[LrPoint, ...]
    ending: Ending

    @property
    def curve(self) -> LrCurve:
        columns = ([p.rate, p.loss, p.start_loss] for p in self.points)
        rates, losses, start_losses = np.array([*columns], np.float64).reshape(-1, 3).T
        return LrCurve(rates, losses, start_losses)


def lr_range_test(
    state: TrainState,
    loader: TrainLoader,
    loss: LossFunction,
    sweep: LrSweep,
    precision: Precision | None = None,
    on_point: Callable[[LrPoint], None] = lambda point: None,
    passes: Callable[[paddle.nn.Layer], Forward] = plain_forward,
) -> LrRange:
    """Train by the sweep's rates until they end, the loss rises or is NaN; then put all back.

    The batches are those of training's first epochs. The rate of each parameter group stays in
    its relation to the base rate; there is no warm-up. What is frozen in ``state`` stays frozen.
    ``passes`` gives the way of images through a network.
    """
    precision = precision or Precision()
    points: list[LrPoint] = []
    forward = passes(state.network)
    watch = DivergenceWatch(sweep.steps_per_decade)
    with preserve_state(state, loader.data.clock), closing(loader.steps()) as steps:
        start = _StartingWeights(state.network, loss, precision, passes)
        for step, batches in zip(range(sweep.steps), steps, strict=False):
            seed_step(state.progress.seed, step)
            state.optimizer.set_lr(sweep(step))
            watched = start.watching(batches)
            result = train_step(
                state.network, watched, loss, state.optimizer, precision, forward=forward
            )
            point = LrPoint(step, sweep(step), float(result.losses["loss"]), start.loss)
            if not (result.applied or result.overflowed) or not math.isfinite(point.start_loss):
                return LrRange(tuple(points), "NaN or infinity")
            points.append(point)
            on_point(point)
            if watch.has_diverged(point.loss, point.start_loss):
                return LrRange(tuple(points), "a rising loss")
    return LrRange(tuple(points), "the last rate")


class _StartingWeights:
    """Computes the loss of batches with the weights of the start."""

    def __init__(
        self,
        network: paddle.nn.Layer,
        loss: LossFunction,
        precision: Precision,
        passes: Callable[[paddle.nn.Layer], Forward],
    ) -> None:
        self._network = copy.deepcopy(network)
        self._forward = passes(self._network)
        self._loss = loss
        self._precision = precision
        self.loss = 0.0

    def watching(self, batches: Iterator[TrainBatch]) -> Iterator[TrainBatch]:
        """Pass on a step's batches; then ``loss`` is their mean loss with the start's weights."""
        self._network.train()
        self.loss = 0.0
        for batch in batches:
            with paddle.no_grad(), self._precision.auto_cast():
                losses = self._loss(self._forward(batch.images).maps, batch.targets)
            self.loss += batch.share * float(losses["loss"])
            yield batch
