"""The progress bar, a line every few steps, ``train.log``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ppocr_ft.engine.callbacks.group_figures import GroupFigures
from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import EVAL, TRAIN, MetricsFile
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.utils.system import resident_mb

LOG_FILE, LOG_TIME = "train.log", "%Y-%m-%d %H:%M:%S"
"""The file, and the time that each of its lines begins with."""
_BAR = "{percentage:3.0f}%|{bar}| step {n_fmt}/{total_fmt}, {desc} [{elapsed}<{remaining}{postfix}]"
"""The percentage is that of the run's steps."""


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

    def __init__(
        self,
        folder: Path,
        every_steps: int,
        indicator: str,
        metrics: MetricsFile,
        shrink_ratio: Callable[[int], float],
        groups: GroupFigures,
    ) -> None:
        self._path = folder / LOG_FILE
        self._every_steps = every_steps
        self._indicator = indicator
        self._metrics = metrics
        self._shrink_ratio = shrink_ratio
        self._groups = groups
        self._bar: Any = None
        self._images = 0
        self._seconds = {"read": 0.0, "step": 0.0}
        self._first_step = 0

    def say(self, text: str, logged: str | None = None) -> None:
        """Print lines on stdout, above the bar, and write them to the log file with their time.

        The file gets ``logged``, if that is given.
        """
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        stamp = time.strftime(LOG_TIME)
        lines = (text if logged is None else logged).splitlines()
        with self._path.open("a", encoding="utf-8") as file:
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
        self._say_what_thaws(trainer)
        self._bar.set_description_str(f"epoch {trainer.progress.epochs_done + 1}/{trainer.epochs}")
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
            self._metrics.add(EVAL, row)
        self.say(f"step {result.step}: {result.describe(self._indicator)}")

    def after_epoch(self, trainer: Trainer) -> None:
        report = trainer.loader.faults.report()
        if report:
            self.say(f"epoch {trainer.progress.epochs_done}: {report}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say_what_thaws(self, trainer: Trainer) -> None:
        progress = trainer.progress
        if progress.step_in_epoch == 0 and progress.epochs_done > 0:
            for group in trainer.state.optimizer.groups.groups:
                if group.settings.freeze_epochs == progress.epochs_done:
                    self.say(f"epoch {progress.epochs_done + 1}: begins to learn: {group.label}")

    def _is_told(self, step: int, trainer: Trainer) -> bool:
        return step % self._every_steps == 0 or step == trainer.total_steps

    def _expect_step(self, trainer: Trainer) -> None:
        if self._is_told(trainer.progress.step + 1, trainer):
            self._groups.begin()

    def _line(self, trainer: Trainer, result: StepResult) -> None:
        progress = trainer.progress
        means = trainer.state.window.means()
        speed, reader_share = self._measure(trainer)
        lr, memory_mb = trainer.rate(progress.step - 1), resident_mb()
        self._metrics.add(
            TRAIN,
            {
                "step": progress.step,
                "epoch": progress.epoch,
                "lr": float(lr),
                "shrink_ratio": float(self._shrink_ratio(progress.epoch)),
                **means,
                "grad_norm": float(result.grad_norm),
                "skipped_steps": progress.skipped_steps,
                "textless_steps": progress.textless_steps,
                "images_per_second": speed,
                "reader_share": reader_share,
                "memory_mb": memory_mb,
                **self._groups.end(),
            },
        )
        losses = " ".join(f"{name} {value:.4f}" for name, value in _shown(means).items())
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


def _shown(means: dict[str, float]) -> dict[str, float]:
    """Return losses under short names, without those of maps that the network lacks."""
    return {name.removeprefix("loss_"): v for name, v in means.items() if v or name == "loss"}
