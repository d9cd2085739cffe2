"""The rows of ``metrics.csv`` of a run so far, as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.metrics_file import EVAL, FURTHER, LR, TRAIN, Row, number


class Diagnosis(NamedTuple):
    """The result of a rule: one sentence about the problem, and one about its remedy."""

    sentence: str
    remedy: str


@dataclass(frozen=True)
class RunInfo:
    """The facts about a run that its rows don't contain.

    total_steps: the run's length. main_indicator: the rate by which the best checkpoint is chosen.
    workers: Train.loader.num_workers. cores: of this machine. scales_losses: whether float16's
    dynamic scaling skips a step now and then. memory_mb: this machine's, None if unknown. polygons:
    some labels of ``Train``, (k, 2) each.
    """

    total_steps: int
    main_indicator: str = "hmean"
    workers: int = 0
    cores: int = 1
    scales_losses: bool = False
    memory_mb: float | None = None
    polygons: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True)
class TrainRow:
    """Figures after ``step`` steps, as MetricsFile has them; None if a row lacks one.

    ``learning`` is the number of parameter groups whose rate is above 0, so that are not frozen.
    """

    step: int
    learning: int
    lr: float | None
    loss: float | None
    grad_norm: float | None
    skipped_steps: float | None
    reader_share: float | None
    memory_mb: float | None


_FIGURES = tuple(field.name for field in fields(TrainRow))[2:]


@dataclass
class Series:
    """A recorded run, as the rules see it.

    further: the evaluations on each set of ``Eval.also``. highest_lr: the highest learning rate of
    its rows. lr_only_rose: from each row to the next.
    """

    info: RunInfo
    train: list[TrainRow] = field(default_factory=list)
    evals: list[EvalResult] = field(default_factory=list)
    further: dict[str, list[EvalResult]] = field(default_factory=dict)
    highest_lr: float = 0.0
    lr_only_rose: bool = True

    def add(self, moment: TrainRow | EvalResult) -> None:
        """Add the next moment."""
        if isinstance(moment, EvalResult):
            self.evals.append(moment)
            return
        lr = moment.lr or 0.0
        self.lr_only_rose &= not self.train or lr > (self.train[-1].lr or 0.0)
        self.highest_lr = max(self.highest_lr, lr)
        self.train.append(moment)

    def value(self, result: EvalResult) -> float:
        """Return the main indicator of an evaluation, with its own best unclip ratio."""
        return result.value(self.info.main_indicator)

    @property
    def start(self) -> EvalResult | None:
        """The evaluation before the first step; None if it isn't recorded."""
        return self.evals[0] if self.evals and self.evals[0].step == 0 else None

    @property
    def trained(self) -> list[EvalResult]:
        """The evaluations after it."""
        return [evaluation for evaluation in self.evals if evaluation.step > 0]

    @property
    def step(self) -> int:
        """The last known step."""
        last = [rows[-1].step for rows in (self.train, self.evals) if rows]
        return max(last, default=0)


def moments_of(rows: Iterable[Row]) -> Iterable[TrainRow | list[Row]]:
    """Yield the rows in order: each training row, the rows of one evaluation together.

    The rows of further sets belong to the evaluation that they were judged with.
    """
    group: list[Row] = []
    for row in rows:
        is_evaluated = row["kind"] in (EVAL, FURTHER)
        if group and not (is_evaluated and row["step"] == group[0]["step"]):
            yield group
            group = []
        if is_evaluated:
            group.append(row)
        elif row["kind"] == TRAIN:
            learning = sum(bool(number(row, name)) for name in row if name.startswith(LR))
            yield TrainRow(int(row["step"]), learning, *(number(row, name) for name in _FIGURES))
    if group:
        yield group
