"""The LR range test of a config's training, whose state is restored afterwards."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from ppocr_ft.commands.common import csv_text
from ppocr_ft.commands.find_lr.suggestion import (
    DivergenceWatch,
    Ending,
    LrCurve,
    LrSuggestion,
    NoLrSuggestion,
    relative_loss,
    smoothed_loss,
    suggest_lr,
)
from ppocr_ft.config import Config
from ppocr_ft.config.run_rules import total_batch_size
from ppocr_ft.engine.state import TrainState
from ppocr_ft.engine.train_step import (
    Forward,
    FrozenNorms,
    LossFunction,
    Precision,
    TrainBatch,
    plain_forward,
    train_step,
)
from ppocr_ft.engine.trainer import seed_step
from ppocr_ft.errors import ConfigError
from ppocr_ft.factory.device import passes
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.runs.parts import Parts, prepare
from ppocr_ft.transforms.shrink_schedule import SharedEpoch
from ppocr_ft.utils.files import check_writable, write_whole

PICTURE, FIGURES = "find_lr.png", "find_lr.csv"
COLUMNS = ("step", "lr", "loss", "start_loss", "relative_loss", "standard_error", "smoothed_loss")
FEWEST_STEPS = 10
STEPS_PER_LINE = 10
ROOM_BYTES = 2**20
SIZE_INCHES = (9.0, 5.0)
HEADROOM = 1.15
"""A loss that exploded may be cut off; the curve and what it began at may not."""


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
    parts: Parts,
    loss: LossFunction,
    sweep: LrSweep,
    on_point: Callable[[LrPoint], None] = lambda point: None,
    forward_of: Callable[[paddle.nn.Layer], Forward] = plain_forward,
) -> LrRange:
    """Train by the sweep's rates until they end, the loss rises or is NaN; then put all back.

    The batches are those of training's first epochs. The rate of each parameter group stays in
    its relation to the base rate; there is no warm-up. What is frozen stays frozen.
    ``forward_of`` gives the way of images through a network.
    """
    state, loader, precision = parts.state, parts.loader, parts.precision
    points: list[LrPoint] = []
    forward = forward_of(state.network)
    watch = DivergenceWatch(sweep.steps_per_decade)
    with preserve_state(state, loader.data.clock), closing(loader.steps()) as steps:
        start = _StartingWeights(state.network, loss, precision, forward_of)
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
        forward_of: Callable[[paddle.nn.Layer], Forward],
    ) -> None:
        self._network = copy.deepcopy(network)
        self._forward = forward_of(self._network)
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


@contextmanager
def preserve_state(state: TrainState, clock: SharedEpoch) -> Iterator[None]:
    """Restore everything afterwards, bit for bit, also after an error or Ctrl-C.

    That is all of ``state``, the optimizer's base rate (biases then have it too; each step of
    training sets both), each layer's mode, the process's random numbers (Python's, numpy's,
    Paddle's on every device), and the data's ``clock``. Gradients aren't: train_step leaves none.
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


@dataclass(frozen=True)
class LrSearch:
    """The test, and the rates that it suggests."""

    test: LrRange
    suggestion: LrSuggestion | NoLrSuggestion

    def save(self, folder: Path) -> None:
        """Write ``find_lr.csv`` and ``find_lr.png``."""
        write_whole(folder / FIGURES, lr_range_csv(self.test).encode())
        write_whole(folder / PICTURE, lr_range_picture(self.test, self.suggestion))


def find_lr(config: Config, sweep: LrSweep, say: Callable[[str], None] = print) -> LrSearch:
    """Run the test on the training that the config describes, of which nothing is written.

    Raises:
        UserInputError: config, data or weights are wrong, or Global.save_model_dir can't be
            written to.
    """
    parts = prepare(config)
    check_writable(Path(config.Global.save_model_dir), ROOM_BYTES, "Global.save_model_dir")
    weights = parts.weights.summary() if parts.weights else "random weights"
    for line in (weights, *parts.state.optimizer.groups.describe(), *parts.label_notes):
        say(line)
    FrozenNorms(parts.state.network).update()  # as the first epoch has them

    def tell(point: LrPoint) -> None:
        done = point.step + 1
        if done % STEPS_PER_LINE == 0:
            say(
                f"step {done}/{sweep.steps} lr {point.rate:.1e} loss {point.loss:.4f}, "
                f"with the weights of the start {point.start_loss:.4f}"
            )

    test = lr_range_test(parts, DBLoss(config.Loss), sweep, tell, passes(config))
    return LrSearch(test, suggest_lr(test.curve, test.ending))


def lr_override(config: Config, rate: float) -> str:
    """Return the override that sets the base rate: ``Optimizer.lr.learning_rate=5.0e-04``.

    With ``scale_lr`` it is the value that becomes ``rate`` once it is multiplied.
    """
    lr = config.Optimizer.lr
    key, highest = lr.highest()
    value = rate / lr.scale(total_batch_size(config, world_size=1))
    if key != "values":
        return f"Optimizer.lr.{key}={value:.1e}"
    factor = value / highest
    return f"Optimizer.lr.values=[{','.join(f'{value * factor:.1e}' for value in lr.values or ())}]"


def lr_range_csv(test: LrRange) -> str:
    """Return a CSV line per step.

    Its columns: the base rate, the loss before the update, the same batch's loss with the weights
    of the start, their smoothed quotient with its standard error, the smoothed loss.
    """
    curve = test.curve
    relative, errors = relative_loss(curve)
    rows = []
    for point, *derived in zip(test.points, relative, errors, smoothed_loss(curve), strict=True):
        values = (point.rate, point.loss, point.start_loss, *derived)
        rows.append([point.step, *(f"{value:.6g}" for value in values)])
    return csv_text(COLUMNS, rows)


def lr_range_picture(test: LrRange, suggestion: LrSuggestion | NoLrSuggestion) -> bytes:
    """Draw the loss over the rate, raw and smoothed, with the suggested rates; return a PNG."""
    curve = test.curve
    figure = new_figure(*SIZE_INCHES)
    axes = figure.subplots()
    smoothed = smoothed_loss(curve)
    axes.plot(curve.rates, curve.losses, ".", color="C0", alpha=0.4, label="loss of each step")
    axes.plot(curve.rates, smoothed, color="C0", label="smoothed, as if all batches were alike")
    if isinstance(suggestion, LrSuggestion):
        valley, steepest = suggestion.valley, suggestion.steepest
        axes.axvspan(suggestion.begin, suggestion.bottom, color="C2", alpha=0.08, lw=0)
        axes.axvline(valley, color="C2", linestyle="-", label=f"valley: {valley:.1e}")
        axes.axvline(steepest, color="C1", linestyle="--", label=f"steepest: {steepest:.1e}")
    else:
        axes.set_title(f"no suggestion: {suggestion.reason}", fontsize=9, wrap=True)
    if len(curve):
        axes.set_ylim(0, HEADROOM * max(smoothed.max(), curve.start_losses.max()))
    axes.set_xscale("log")
    axes.set_xlabel(f"learning rate (ended by {test.ending})")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    return as_png(figure)
