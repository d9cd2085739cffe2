"""The progress bar, a line every few steps, ``train.log``, and the figures of metrics.csv."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import paddle
from tqdm import tqdm

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import EVAL, LR, TRAIN, UPDATE_RATIO, MetricsFile
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.optim.groups import ParamGroup, group_names
from ppocr_ft.optim.optimizers import Optimizer
from ppocr_ft.utils.system import resident_mb

LOG_FILE, LOG_TIME = "train.log", "%Y-%m-%d %H:%M:%S"
"""The file, and the time that each of its lines begins with."""
_BAR = "{percentage:3.0f}%|{bar}| step {n_fmt}/{total_fmt}, {desc} [{elapsed}<{remaining}{postfix}]"
"""The percentage is that of the run's steps."""


@dataclass
class Log(Callback):
    """Prints the progress of the run, and writes it to ``train.log`` and the metrics.

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
    _bar: Any = field(default=None, init=False)
    _images: int = field(default=0, init=False)
    _seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "step": 0.0})
    _first_step: int = field(default=0, init=False)

    def say(self, text: str, logged: str | None = None) -> None:
        """Print lines on stdout, above the bar, and write them to the log file with their time.

        The file gets ``logged``, if that is given.
        """
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        stamp = time.strftime(LOG_TIME)
        lines = (text if logged is None else logged).splitlines()
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.writelines(f"{stamp} {line}\n" for line in lines)

    def before_epoch(self, trainer: Trainer) -> None:
        if self._bar is None:
            self._first_step = trainer.progress.step
            self._bar = tqdm(
                total=trainer.total_steps,
                initial=trainer.progress.step,
                bar_format=_BAR,
                disable=not sys.stderr.isatty(),
            )
        progress = trainer.progress
        if progress.step_in_epoch == 0 and progress.epochs_done > 0:
            for group in trainer.state.optimizer.groups.groups:
                if group.settings.freeze_epochs == progress.epochs_done:
                    self.say(f"epoch {progress.epochs_done + 1}: begins to learn: {group.label}")
        self._bar.set_description_str(f"epoch {progress.epochs_done + 1}/{trainer.epochs}")
        self._expect_step(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        self._images += result.images
        progress = trainer.progress
        if self._bar is not None:
            self._bar.update()
        if not result.applied:
            self.say(f"step {progress.step}: NaN or infinity in the losses or gradients; skipped")
        if progress.fresh_steps == progress.step:
            self.say(f"step {progress.step}: the fresh parts learned alone; now all parameters do")
        if self._is_told(progress.step, trainer):
            self._line(trainer, result)
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
        losses = " ".join(  # without those of maps that the network lacks
            f"{name.removeprefix('loss_')} {value:.4f}"
            for name, value in means.items()
            if value or name == "loss"
        )
        rates = f"{speed:.2f} images/s, reader {reader_share:.0%}"
        rates += "" if memory_mb is None else f", memory {memory_mb:,.0f} MB"
        if self._bar is not None:  # the bar needs the room: one figure
            self._bar.set_postfix_str(f"loss {means.get('loss', float('nan')):.3g}")
        self.say(
            f"epoch {progress.epoch}/{trainer.epochs} step {progress.step}/{trainer.total_steps} "
            f"{losses} lr {lr:.3g} {rates}, eta {self._eta(trainer)}"
        )

    def _measure(self, trainer: Trainer) -> tuple[float, float]:
        """Return images per second and the reader's share since the last line."""
        now = {stage: trainer.stopwatch.seconds.get(stage, 0.0) for stage in self._seconds}
        spent = {stage: now[stage] - self._seconds[stage] for stage in now}
        whole = sum(spent.values()) or 1e-9
        images, self._images, self._seconds = self._images, 0, now
        return images / whole, spent["read"] / whole

    def _eta(self, trainer: Trainer) -> timedelta:
        """Return the remaining time by the mean step of this process, without evaluations."""
        done = trainer.progress.step - self._first_step
        left = trainer.total_steps - trainer.progress.step
        return timedelta(seconds=round(sum(self._seconds.values()) / done * left))


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
