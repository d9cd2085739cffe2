"""The files of a run, as the page reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ppocr_ft.engine.eval_result import EvalResult, further_results, results_of
from ppocr_ft.engine.metrics_file import TRAIN, Row
from ppocr_ft.engine.outcome import Advice, Delivered, Outcome, advice, outcome
from ppocr_ft.report.evaluations import KeptEvaluation

Record = Mapping[str, Any]
"""An object of one of the run's JSON files."""
HMEANS = ("hmean", "hmean_70")


@dataclass(frozen=True)
class BestRate:
    """The highest value of one rate after ``step`` and the unclip ratio that gives it."""

    step: int
    value: float
    unclip_ratio: float


@dataclass(frozen=True)
class Judged:
    """The evaluations on a set of images, by their step, and the ``boxes`` that were kept."""

    evaluations: Mapping[int, EvalResult]
    boxes: Sequence[KeptEvaluation]

    def kept(self, step: int) -> KeptEvaluation | None:
        """Return the boxes of the evaluation after ``step``; None if they were not kept."""
        return next((item for item in self.boxes if item.about.step == step), None)

    def at_best(self, step: int, column: str) -> BestRate:
        """Return a rate with the unclip ratio that is best for it; if equal, the config's."""
        result = self.evaluations[step]
        return BestRate(step, result.value(column), result.best_ratio(column))


@dataclass(frozen=True)
class Difference:
    """One key of the config; None: the key is missing."""

    key: str
    default: str | None
    own: str | None


@dataclass(frozen=True)
class Run:
    """The files of a run's folder; None or empty for those that it doesn't have.

    ``best_trained`` are the best weights after the start where ``best`` are the start itself;
    ``further_boxes`` are those kept of each set of ``Eval.also``.
    ``rows`` are those of metrics.csv, ``columns`` its header; ``alerts`` are the monitor's;
    ``fitted`` is fit_postprocess.json, ``final`` is final.json. ``differences`` from the default
    config are None if that is not installed. ``notes`` say what was wrong with a file. ``folder``
    is the run's, as it was named; ``began`` and ``seconds`` are when training began and how long it
    took, by its log. ``running``: training still goes on.
    """

    name: str
    folder: Path
    columns: Sequence[str]
    rows: Sequence[Row]
    config: Record
    config_text: str
    differences: Sequence[Difference] | None = None
    before: KeptEvaluation | None = None
    best: KeptEvaluation | None = None
    best_trained: KeptEvaluation | None = None
    further_boxes: Mapping[str, Sequence[KeptEvaluation]] = field(default_factory=dict)
    weights: Record | None = None
    data: Record | None = None
    environment: Record | None = None
    fitted: Record | None = None
    final: Record | None = None
    alerts: Sequence[Record] = ()
    notes: Sequence[str] = ()
    began: datetime | None = None
    seconds: float | None = None
    running: bool = False

    def setting(self, key: str, default: Any = None) -> Any:
        """Return the value of a dotted key of the config."""
        value: Any = self.config
        for part in key.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return default
            value = value[part]
        return value

    @cached_property
    def trained(self) -> list[Row]:
        """The training rows."""
        return [row for row in self.rows if row["kind"] == TRAIN]

    @cached_property
    def evaluations(self) -> dict[int, EvalResult]:
        """Each evaluation by its step."""
        return {result.step: result for result in results_of(self.rows)}

    @cached_property
    def judged(self) -> Judged:
        """The evaluations on ``Eval``."""
        kept = [item for item in (self.before, self.best, self.best_trained) if item is not None]
        return Judged(self.evaluations, kept)

    @cached_property
    def further(self) -> Mapping[str, Judged]:
        """Those on each set of ``Eval.also``, by its name."""
        return {
            name: Judged({one.step: one for one in results}, self.further_boxes.get(name, ()))
            for name, results in further_results(self.rows).items()
        }

    @property
    def last_step(self) -> int:
        return max((int(row["step"]) for row in self.rows), default=0)

    @property
    def total_steps(self) -> int | None:
        return self.data["total_steps"] if self.data else None

    @property
    def best_step(self) -> int | None:
        """The step of the best weights: the kept evaluation's, else by the run's own rule."""
        if self.best is not None and self.best.about.step in self.evaluations:
            return self.best.about.step
        return None if self.outcome is None else self.outcome.best.step

    @cached_property
    def outcome(self) -> Outcome | None:
        """Whether the best weights beat the start; None without an evaluation."""
        indicator = self.setting("Metric.main_indicator", "hmean")
        return outcome(list(self.evaluations.values()), indicator)

    @property
    def delivered(self) -> Delivered | None:
        """The run's final weights; None if none were chosen."""
        return None if self.final is None else Delivered.of(self.final)

    @property
    def delivered_candidate(self) -> Record | None:
        """What final.json says of the final weights; None if there are none, or the start."""
        others = () if self.final is None else self.final["candidates"][1:]
        return next((one for one in others if Delivered.of(one) == self.delivered), None)

    @cached_property
    def advice(self) -> Advice | None:
        """The one thing to try next; None without an evaluation, and while training goes on."""
        if self.outcome is None or self.running:
            return None
        remedies = {str(alert.get("name")): str(alert.get("remedy")) for alert in self.alerts}
        is_over = self.total_steps is None or self.last_step >= self.total_steps
        results, budget = list(self.evaluations.values()), self.setting("Global.time_budget")
        return advice(self.outcome, results, remedies, is_over=is_over, budget=budget)

    @property
    def shown_step(self) -> int | None:
        """The step of the evaluation to compare with the start; None: there is none.

        It is that of the best weights or, where these are the start, of the best after it.
        """
        if self.outcome is None or self.outcome.trained is None:
            return None
        return self.best_step or self.outcome.trained.step

    def unclip_ratio(self, step: int) -> float | None:
        """Return the ratio with the highest mean of hmean at both IoUs; None: no evaluation."""
        result = self.evaluations.get(step)
        return None if result is None else result.best_ratio(*HMEANS)


def ratio_text(ratio: float) -> str:
    """Return a ratio as text: 1.0, 0.8, 1.25."""
    text = f"{ratio:.4g}"
    return text if "." in text else f"{text}.0"
