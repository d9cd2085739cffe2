"""Evaluation before, during and after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ppocr_ft.engine.callbacks.metrics_file import EVAL, MetricsFile
from ppocr_ft.engine.monitor.validation import Validation
from ppocr_ft.engine.train_step import StepResult, TrainBatch
from ppocr_ft.engine.trainer import Callback, Trainer

RATES = ("precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70")


@dataclass(frozen=True)
class Verdict:
    """DetMetric's summary for each unclip ratio; ``unclip_ratio`` is the config's.

    ``validation``: the loss beside it, None where it isn't known.
    """

    unclip_ratio: float
    summaries: Mapping[float, Mapping[str, float]]
    seconds: float = 0.0
    validation: Validation | None = None

    @property
    def summary(self) -> Mapping[str, float]:
        return self.summaries[self.unclip_ratio]

    def best_unclip_ratio(self, indicator: str) -> float:
        """The ratio with the highest indicator; the config's among equals."""
        ratios = sorted(self.summaries, key=lambda ratio: ratio != self.unclip_ratio)
        return max(ratios, key=lambda ratio: self.summaries[ratio][indicator])

    def best_value(self, indicator: str) -> float:
        """The indicator with that ratio: weights are compared each at their own best."""
        return float(self.summaries[self.best_unclip_ratio(indicator)][indicator])


@dataclass(frozen=True)
class Timing:
    """When to evaluate besides at the beginning and the end; ``epochs`` goes before ``steps``."""

    first_step: int = 0
    steps: int | None = None
    epochs: int | None = None

    def is_due(self, step: int, total_steps: int, steps_per_epoch: int) -> bool:
        if step in (0, total_steps):
            return True
        if self.epochs is not None:
            return step % (self.epochs * steps_per_epoch) == 0
        after = step - self.first_step
        return self.steps is not None and after > 0 and after % self.steps == 0


class Evaluator(Callback):
    """Calls ``evaluate`` when it is due, then ``on_best`` where the indicator was never higher, at
    the weights' own best unclip ratio, then ``on_done``.

    A tie goes to the earlier weights. An evaluation that was broken off is made up for after a
    resume.
    """

    def __init__(
        self,
        evaluate: Callable[[], Verdict],
        timing: Timing,
        indicator: str,
        metrics: MetricsFile,
        on_best: Callable[[Trainer, Verdict], None],
        on_done: Callable[[Trainer], None],
        say: Callable[[str], None],
    ) -> None:
        self._evaluate = evaluate
        self._timing = timing
        self._indicator = indicator
        self._metrics = metrics
        self._on_best = on_best
        self._on_done = on_done
        self._say = say

    def before_run(self, trainer: Trainer) -> None:
        self._if_due(trainer)

    def after_step(self, trainer: Trainer, batch: TrainBatch, result: StepResult) -> None:
        self._if_due(trainer)

    def _if_due(self, trainer: Trainer) -> None:
        progress = trainer.progress
        due = self._timing.is_due(progress.step, trainer.total_steps, progress.steps_per_epoch)
        if not due or progress.evaluated_step == progress.step:
            return
        verdict = self._evaluate()
        more = {} if verdict.validation is None else vars(verdict.validation)
        for ratio, summary in verdict.summaries.items():
            rates = {rate: float(summary[rate]) for rate in RATES}
            where = {"step": progress.step, "epoch": progress.epochs_done}
            self._metrics.add(EVAL, {**where, "unclip_ratio": ratio, **rates, **more})
        self._say(f"step {progress.step}: {describe(verdict, self._indicator)}")
        value = verdict.best_value(self._indicator)
        if progress.best is None or value > progress.best:
            progress.best, progress.best_step = value, progress.step
            self._on_best(trainer, verdict)
        progress.evaluated(value)
        self._on_done(trainer)


def describe(verdict: Verdict, indicator: str) -> str:
    """hmean at both IoUs, with the config's unclip ratio and with the best one tried."""
    best = verdict.best_unclip_ratio(indicator)
    parts = []
    for ratio in dict.fromkeys((verdict.unclip_ratio, best)):
        summary = verdict.summaries[ratio]
        rates = f"{summary['hmean']:.4f} at IoU 0.5, {summary['hmean_70']:.4f} at 0.7"
        parts.append(f"hmean {rates} with unclip_ratio {ratio:g}")
    loss = "" if verdict.validation is None else f"; loss {verdict.validation.val_loss:.4f}"
    return f"{'; best: '.join(parts)}{loss} ({verdict.seconds:.0f} s)"
