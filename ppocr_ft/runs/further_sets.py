"""The sets of ``Eval.also``: what a fine-tune forgets, judged beside its own images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ppocr_ft.engine.eval_result import EvalResult, further_results
from ppocr_ft.engine.metrics_file import FURTHER, SET, MetricsFile
from ppocr_ft.engine.trainer import Callback, Trainer
from ppocr_ft.report.evaluations import EVALUATIONS
from ppocr_ft.runs.eval_files import save_boxes
from ppocr_ft.runs.eval_runner import EvalRunner, is_best_trained


@dataclass
class FurtherSets(Callback):
    """Judges the start, each evaluation that is the best so far, and the last one on further sets.

    While the start is the best one, the best one after it counts too. Rates are rows of their own
    in ``metrics``; the boxes are in the run's folder, in ``evaluations/NAME``.

    Attributes:
        sets: evaluates each set, by its name; all processes do that together.
        metrics: has the rows of every evaluation up to this one; in process 0 alone.
    """

    sets: Mapping[str, EvalRunner]
    folder: Path
    indicator: str
    metrics: MetricsFile | None

    def after_evaluation(self, trainer: Trainer, result: EvalResult, is_best: bool) -> None:
        kept = trainer.group.broadcast(is_best or self._is_best_trained(result))
        if not kept and result.step < trainer.total_steps:
            return
        for name, runner in self.sets.items():
            further = replace(runner(), step=result.step, epoch=result.epoch)
            if self.metrics is not None:
                for row in further.rows():
                    self.metrics.add(FURTHER, {SET: name, **row})
                start = further_results(self.metrics.rows())[name][0]
                told = f"{_rates(start, further)} ({further.seconds:.0f} s)"
                runner.say(f"step {further.step}: {name}: {told}")
                if kept and runner.findings is not None:
                    place = self.folder / EVALUATIONS / name
                    save_boxes(place, runner.findings, result.step, is_best=is_best)

    def _is_best_trained(self, result: EvalResult) -> bool:
        """Return whether the start is the best, and this is the best one after it; in process 0."""
        return self.metrics is not None and is_best_trained(
            self.metrics.rows(), result, self.indicator
        )


def _rates(start: EvalResult, found: EvalResult) -> str:
    """Return hmean at both IoUs, each with its best unclip ratio, after that of the start."""
    parts = []
    for column, iou in (("hmean", "IoU 0.5"), ("hmean_70", "0.7")):
        before = f"{start.value(column):.4f} -> " if found.step > start.step == 0 else ""
        parts.append(f"{before}{found.value(column):.4f} at {iou}")
    return f"hmean {', '.join(parts)}"
