"""What a run has recorded so far: the rows of ``metrics.csv`` as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Row = Mapping[str, str]
"""A row of ``metrics.csv``; a cell is empty where its kind has no such figure."""
Kind = Literal["train", "eval"]
TRAIN: Literal["train"] = "train"
EVAL: Literal["eval"] = "eval"


class Diagnosis(NamedTuple):
    """What a rule returns: one sentence on what goes wrong, and one on what helps."""

    sentence: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """What the rows don't say.

    total_steps: the run's length. main_indicator: what the best checkpoint is best at. workers:
    Train.loader.num_workers. cores: of this machine. scales_losses: whether float16's dynamic
    scaling skips a step now and then. memory_mb: this machine's, None where unknown. polygons:
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
    """Figures after ``step`` steps, as MetricsFile has them; None where a row lacks one."""

    step: int
    lr: float | None
    loss: float | None
    grad_norm: float | None
    skipped_steps: float | None
    reader_share: float | None
    memory_mb: float | None


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: at the config's ``unclip_ratio``, and ``best`` at the best one tried.

    ``best`` is the main indicator. ``drawn_shrink_ratio`` is the ratio that training's shrink
    maps show, ``shrink_ratio`` the one that they should have.
    """

    step: int
    unclip_ratio: float
    hmean: float
    best: float
    best_unclip_ratio: float
    val_loss: float | None
    shrink_ratio: float | None
    drawn_shrink_ratio: float | None


@dataclass
class Series:
    """A recorded run: what a rule looks at.

    highest_lr: the highest learning rate of its rows. lr_only_rose: from each row to the next.
    """

    facts: Facts
    train: list[TrainRow] = field(default_factory=list)
    evals: list[Evaluation] = field(default_factory=list)
    highest_lr: float = 0.0
    lr_only_rose: bool = True

    def add(self, moment: TrainRow | Evaluation) -> None:
        """What comes next."""
        if isinstance(moment, Evaluation):
            self.evals.append(moment)
            return
        lr = moment.lr or 0.0
        self.lr_only_rose &= not self.train or lr > (self.train[-1].lr or 0.0)
        self.highest_lr = max(self.highest_lr, lr)
        self.train.append(moment)

    @property
    def step(self) -> int:
        """The last step that is known of."""
        last = [rows[-1].step for rows in (self.train, self.evals) if rows]
        return max(last, default=0)


def moments(rows: Iterable[Row]) -> Iterable[TrainRow | list[Row]]:
    """Rows in the file's order: each training row, and the rows of one evaluation together."""
    group: list[Row] = []
    for row in rows:
        if group and (row["kind"] != EVAL or row["step"] != group[0]["step"]):
            yield group
            group = []
        if row["kind"] == EVAL:
            group.append(row)
        elif row["kind"] == TRAIN:
            yield train_row(row)
    if group:
        yield group


def train_row(row: Row) -> TrainRow:
    names = ("lr", "loss", "grad_norm", "skipped_steps", "reader_share", "memory_mb")
    return TrainRow(int(row["step"]), *(number(row, name) for name in names))


def evaluation(rows: list[Row], indicator: str) -> Evaluation | None:
    """From the rows of one step, the config's unclip ratio first; None where figures lack."""
    first = rows[0]
    values = [(number(row, indicator), number(row, "unclip_ratio")) for row in rows]
    known = [(value, ratio) for value, ratio in values if value is not None and ratio is not None]
    hmean, unclip_ratio = number(first, "hmean"), number(first, "unclip_ratio")
    if hmean is None or unclip_ratio is None or not known:
        return None
    best = max(known, key=lambda pair: pair[0])  # the first, the config's, among equals
    names = ("val_loss", "shrink_ratio", "drawn_shrink_ratio")
    more = [number(first, name) for name in names]
    return Evaluation(int(first["step"]), unclip_ratio, hmean, *best, *more)


def number(row: Row, name: str) -> float | None:
    """A cell; None where the row has no such column or the cell is empty."""
    text = row.get(name) or ""
    return float(text) if text else None
