"""The monitor: the table of its rules, and the verdicts that they give on a run's rows.

A new verdict is a rule in one of the modules ``rules_*`` and a line in ``RULES``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ppocr_ft.engine.eval_result import further_results, results_of
from ppocr_ft.engine.metrics_file import EVAL, TRAIN, Kind, Row
from ppocr_ft.engine.monitor.rules_evaluation import (
    below_start,
    false_boxes,
    forgetting,
    merged_texts,
    missed_texts,
    overfitting,
    split_texts,
    targets_wrong,
)
from ppocr_ft.engine.monitor.rules_training import (
    grad_exploding,
    loader_bound,
    loss_not_falling,
    lr_zero,
    memory_growing,
    nan,
    warming_up,
)
from ppocr_ft.engine.monitor.series import Diagnosis, RunInfo, Series, TrainRow, moments_of


@dataclass(frozen=True)
class Rule:
    """A rule: ``diagnose`` is called after each training row or each evaluation, see ``at``.

    It is a pure function of what is recorded by then. A verdict counts as gone after ``patience``
    such moments without it; only then can it be given again. It is held back while
    a verdict of ``unless``, which explains it, holds.
    """

    name: str
    at: Kind
    diagnose: Callable[[Series], Diagnosis | None]
    patience: int
    unless: tuple[str, ...] = ()


_ROWS, _EVALUATIONS = 5, 2
"""Moments without a verdict after which it counts as gone."""
_TARGETS, _KERNELS = ("targets-wrong",), ("targets-wrong", "merged-texts", "split-texts")

RULES = (
    Rule("nan", TRAIN, nan, _ROWS),
    Rule("grad-exploding", TRAIN, grad_exploding, _ROWS),
    Rule("lr-zero", TRAIN, lr_zero, _ROWS),
    Rule("warming-up", TRAIN, warming_up, _ROWS),
    Rule("loss-not-falling", TRAIN, loss_not_falling, _ROWS),
    Rule("loader-bound", TRAIN, loader_bound, _ROWS),
    Rule("memory-growing", TRAIN, memory_growing, _ROWS),
    Rule("targets-wrong", EVAL, targets_wrong, _EVALUATIONS),
    Rule("merged-texts", EVAL, merged_texts, _EVALUATIONS, unless=_TARGETS),
    Rule("split-texts", EVAL, split_texts, _EVALUATIONS, unless=_TARGETS),
    Rule("false-boxes", EVAL, false_boxes, _EVALUATIONS, unless=_KERNELS),
    Rule("missed-texts", EVAL, missed_texts, _EVALUATIONS, unless=_KERNELS),
    Rule("overfitting", EVAL, overfitting, _EVALUATIONS),
    Rule("below-start", EVAL, below_start, _EVALUATIONS, unless=_TARGETS),
    Rule("forgetting", EVAL, forgetting, _EVALUATIONS, unless=_TARGETS),
)
"""All rules, in the order in which they are asked; docs/monitor.md explains each."""

VERDICT_NAMES = tuple(rule.name for rule in RULES)


class Alert(NamedTuple):
    """A verdict: after which step, its name, one sentence on the problem, one on its remedy."""

    step: int
    name: str
    sentence: str
    remedy: str

    @property
    def line(self) -> str:
        """Return its line of ``verdicts.jsonl``."""
        return json.dumps(self._asdict(), ensure_ascii=False) + "\n"

    def __str__(self) -> str:
        return f"step {self.step}: {self.name}: {self.sentence} {self.remedy}"


class History:
    """Evaluates each moment of a run once, in the order of ``metrics.csv``.

    A verdict is given once, and again only if it had gone in between. Rows that are read again
    after a kill lead to the same verdicts as when they were written.
    """

    def __init__(self, info: RunInfo) -> None:
        self.series = Series(info)
        self._rows: list[Row] = []
        self._silent: dict[str, int] = {}

    def append(self, row: Row) -> None:
        """Add the file's next row, for the next `evaluate`."""
        self._rows.append(row)

    def evaluate(self) -> list[Alert]:
        """Return the alerts since the last call. All rows of an evaluation must have been added."""
        alerts = [alert for moment in moments_of(self._rows) for alert in self._evaluate(moment)]
        self._rows.clear()
        return alerts

    @property
    def present(self) -> set[str]:
        """The names of the verdicts that hold at the last moment that asked for them."""
        return {name for name, moments in self._silent.items() if moments == 0}

    def _evaluate(self, moment: TrainRow | list[Row]) -> Iterator[Alert]:
        at = TRAIN if isinstance(moment, TrainRow) else EVAL
        if isinstance(moment, TrainRow):
            self.series.add(moment)
        else:
            results = results_of(moment)
            if not results:
                return
            self.series.add(results[0])
            for name, results_of_set in further_results(moment).items():
                self.series.further.setdefault(name, []).extend(results_of_set)
        for rule in RULES:
            if rule.at == at:
                yield from self._ask(rule)

    def _ask(self, rule: Rule) -> Iterator[Alert]:
        diagnosis = None if self.present.intersection(rule.unless) else rule.diagnose(self.series)
        if diagnosis is None:
            if rule.name in self._silent:
                self._silent[rule.name] += 1
            return
        silent_for = self._silent.get(rule.name)
        self._silent[rule.name] = 0
        if silent_for is None or silent_for >= rule.patience:
            yield Alert(self.series.step, rule.name, *diagnosis)
