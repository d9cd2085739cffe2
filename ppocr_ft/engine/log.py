"""The progress bar, a line every few steps, ``train.log``, and the figures of metrics.csv."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import paddle

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import EVAL, LR, TRAIN, UPDATE_RATIO, MetricsFile
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.optim.groups import ParamGroup, group_names
from ppocr_ft.optim.optimizers import Optimizer
from ppocr_ft.utils.progress import Bar, bars_are_shown
from ppocr_ft.utils.system import resident_mb

LOG_FILE, LOG_TIME = "train.log", "%Y-%m-%d %H:%M:%S"
"""The file, and the time that each of its lines begins with."""


@dataclass
class Log(Callback):
    """Prints the progress of the run, and writes it to ``train.log`` and the metrics.

    On a terminal the figures of the steps stand below a bar; elsewhere they are lines.

    Args:
        folder: the folder of ``train.log``, which is appended to.
        every_steps: steps between two lines.
        indicator: Metric.main_indicator.
        metrics: gets the figures of the lines.
        shrink_ratio: gives the ratio of an epoch 1, 2, ...
        groups: figures of the parameter groups, for ``metrics`` alone.
    """

    folder: Path
    every_steps: int
    indicator: str
    metrics: MetricsFile
    shrink_ratio: Callable[[int], float]
    groups: GroupFigures
    _bar: Bar | None = field(default=None, init=False)
    _images: int = field(default=0, init=False)
    _seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "step": 0.0})
    _first_step: int | None = field(default=None, init=False)

    def say(self, text: str, logged: str | None = None) -> None:
        """Print lines on stdout, and write them to the log file with their time.

        The file gets ``logged``, if that is given.
        """
        print(text, flush=True)
        self._write(text if logged is None else logged)

    def _write(self, text: str) -> None:
        stamp, lines = time.strftime(LOG_TIME), text.splitlines()
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.writelines(f"{stamp} {line}\n" for line in lines)

    def before_epoch(self, trainer: Trainer) -> None:
        progress = trainer.progress
        title = f"epoch {progress.epochs_done + 1}/{trainer.epochs}"
        if self._first_step is None:
            self._first_step = progress.step
            if bars_are_shown():
                self._bar = Bar(title, trainer.total_steps, "step", progress.step, speed="")
        if progress.step_in_epoch == 0 and progress.epochs_done > 0:
            for group in trainer.state.optimizer.groups.groups:
                if group.settings.freeze_epochs == progress.epochs_done:
                    self.say(f"epoch {progress.epochs_done + 1}: begins to learn: {group.label}")
        if self._bar is not None:
            self._bar.title = title
        self._expect_step(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        self._images += result.images
        progress = trainer.progress
        if not result.applied:
            self.say(f"step {progress.step}: NaN or infinity in the losses or gradients; skipped")
        if progress.fresh_steps == progress.step:
            self.say(f"step {progress.step}: the fresh parts learned alone; now all parameters do")
        if self._is_told(progress.step, trainer):
            self._line(trainer, result)
        if self._bar is not None:
            self._bar.left_s = self._left_s(trainer)
            self._bar.advance()
        self._expect_step(trainer)

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        for row in result.rows():
            self.metrics.add(EVAL, row)
        self.say(f"step {result.step}: {result.describe(self.indicator)}")

    def after_epoch(self, trainer: Trainer) -> None:
        report = trainer.loader.faults.report()
        if report:
            self.say(f"epoch {trainer.progress.epochs_done}: {report}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _is_told(self, step: int, trainer: Trainer) -> bool:
        return step % self.every_steps == 0 or step == trainer.total_steps

    def _expect_step(self, trainer: Trainer) -> None:
        if self._is_told(trainer.progress.step + 1, trainer):
            self.groups.begin()

    def _line(self, trainer: Trainer, result: StepResult) -> None:
        progress = trainer.progress
        means = trainer.state.window.means()
        speed, reader_share = self._measure(trainer)
        lr, memory_mb = trainer.rate(progress.step - 1), resident_mb()
        self.metrics.add(
            TRAIN,
            {
                "step": progress.step,
                "epoch": progress.epoch,
                "lr": float(lr),
                "shrink_ratio": float(self.shrink_ratio(progress.epoch)),
                **means,
                "grad_norm": float(result.grad_norm),
                "skipped_steps": progress.skipped_steps,
                "textless_steps": progress.textless_steps,
                "images_per_second": speed,
                "reader_share": reader_share,
                "memory_mb": memory_mb,
                **self.groups.end(),
            },
        )
        losses = {  # without those of maps that the network lacks
            name.removeprefix("loss_"): f"{value:.4f}"
            for name, value in means.items()
            if value or name == "loss"
        }
        lr_text, speed_text = f"{lr:.3g}", f"{speed:.2f}"
        memory = {} if memory_mb is None else {"memory": f"{memory_mb:,.0f} MB"}
        if self._bar is not None:
            rates = {"images/s": speed_text, **memory, "lr": lr_text}
            main = {name: text for name, text in losses.items() if not name.startswith("aux")}
            self._bar.figures = main | rates | losses
        reading = ", ".join([f"reader {reader_share:.0%}", *_words(memory)])
        eta = timedelta(seconds=round(self._left_s(trainer)))
        line = (
            f"epoch {progress.epoch}/{trainer.epochs} step {progress.step}/{trainer.total_steps} "
            f"{' '.join(_words(losses))} lr {lr_text} {speed_text} images/s, {reading}, eta {eta}"
        )
        if self._bar is None or not sys.stdout.isatty():
            print(line, flush=True)
        self._write(line)

    def _measure(self, trainer: Trainer) -> tuple[float, float]:
        """Return images per second and the reader's share since the last line."""
        now = {stage: trainer.stopwatch.seconds.get(stage, 0.0) for stage in self._seconds}
        spent = {stage: now[stage] - self._seconds[stage] for stage in now}
        whole = sum(spent.values()) or 1e-9
        images, self._images, self._seconds = self._images, 0, now
        return images / whole, spent["read"] / whole

    def _left_s(self, trainer: Trainer) -> float:
        """Return the remaining time by the mean step of this process, without evaluations."""
        done = trainer.progress.step - (self._first_step or 0)
        left = trainer.total_steps - trainer.progress.step
        return sum(trainer.stopwatch.seconds.values()) / done * left


def _words(figures: Mapping[str, str]) -> list[str]:
    return [f"{name} {figure}" for name, figure in figures.items()]


class GroupFigures:
    """``lr/NAME`` and ``update_ratio/NAME`` of each parameter group in a step.

    ``update_ratio`` is how far the step moves a group's weights, measured by copies that are taken
    before it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._groups = optimizer.groups.groups
        self._before: list[list[paddle.Tensor]] | None = None
        names = group_names(self._groups)
        self.columns = tuple(kind + name for kind in (LR, UPDATE_RATIO) for name in names)

    def begin(self) -> None:
        """Copy the weights before a step that is measured; once, however often it is called."""
        if self._before is None:
            self._before = copies_of(self._groups)

    def end(self) -> dict[str, float | None]:
        """Return figures by column; None for a ratio of zero weights, or without `begin`."""
        rates = self._optimizer.group_lrs()
        ratios: list[float | None] = [None] * len(self._groups)
        if self._before is not None:
            ratios = update_ratios(self._groups, self._before)
        self._before = None
        values = [*(rates[group.label] for group in self._groups), *ratios]
        return dict(zip(self.columns, values, strict=True))


def copies_of(groups: Sequence[ParamGroup]) -> list[list[paddle.Tensor]]:
    """Return copies of each group's weights."""
    return [[p.detach().clone() for p in group.parameters] for group in groups]


@paddle.no_grad()  # type: ignore[untyped-decorator]
def update_ratios(
    groups: Sequence[ParamGroup], before: Sequence[Sequence[paddle.Tensor]]
) -> list[float | None]:
    """Return ``|after - before| / |before|`` of each group, norms over all its weights.

    None for a group that was all zeros.
    """
    squares = []
    for group, earlier in zip(groups, before, strict=True):
        moves = [now - then for now, then in zip(group.parameters, earlier, strict=True)]
        for tensors in (moves, earlier):
            squares.append(paddle.stack([tensor.square().sum() for tensor in tensors]).sum())
    norms = paddle.stack(squares).sqrt().reshape([-1, 2]).tolist()  # (groups, 2)
    return [update / weight if weight else None for update, weight in norms]
