"""Recorded and made-up runs, as the rows of ``metrics.csv``."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ppocr_ft.engine.monitor.history import Alert, History
from ppocr_ft.engine.monitor.series import RunInfo
from tests.support import REFERENCE, ROOT

HEALTHY = sorted(REFERENCE.glob("healthy_run_*.csv"))
"""metrics.csv of whole runs that went well: the regression's arms with this project's maps."""
PICTURES = ROOT / "docs" / "pictures"
Row = dict[str, str]


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def train(step: int, **figures: Any) -> Row:
    """A training row: a falling loss and nothing wrong, but for ``figures``."""
    usual = {
        "lr": 5e-4,
        "loss": 4 - step / 1000,
        "grad_norm": 1.0,
        "skipped_steps": 0,
        "reader_share": 0.05,
        "memory_mb": 900.0,
    }
    return _row("train", step, {**usual, **figures})


def judged(step: int, hmean: float, unclip_ratio: float = 1.5, **figures: Any) -> Row:
    """A row of an evaluation."""
    usual = {"unclip_ratio": unclip_ratio, "hmean": hmean, "hmean_70": hmean / 2}
    return _row("eval", step, {**usual, **figures})


def further(step: int, name: str, hmean: float, unclip_ratio: float = 1.5) -> Row:
    """A row of an evaluation on a set of ``Eval.also``."""
    return {**judged(step, hmean, unclip_ratio), "kind": "also", "set": name}


def _row(kind: str, step: int, figures: Mapping[str, Any]) -> Row:
    cells = {name: "" if value is None else str(value) for name, value in figures.items()}
    return {"kind": kind, "step": str(step), **cells}


def train_rows(column: str, values: Iterable[Any], every: int = 10) -> list[Row]:
    """Rows every so many steps in which one column takes these values."""
    return [train(every * i, **{column: value}) for i, value in enumerate(values, 1)]


def said(rows: Sequence[Row], info: RunInfo | None = None) -> list[Alert]:
    """What the monitor says of a run with these rows, in its order."""
    history = History(info or RunInfo(total_steps=1000))
    for row in rows:
        history.append(row)
    return history.evaluate()


def names(rows: Sequence[Row], info: RunInfo | None = None) -> list[str]:
    return [each.name for each in said(rows, info)]


def recorded_arms() -> Iterator[tuple[str, str, list[Row]]]:
    """The regression's committed figures (docs/pictures): data set, arm, rows. They know nothing
    of the maps that the losses came from."""
    for path in sorted(PICTURES.glob("regression_*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        for run in result["runs"]:
            yield result["data_set"], run["name"], list(_arm_rows(run))


def _arm_rows(run: Mapping[str, Any]) -> Iterator[Row]:
    rates = {int(step): rates for step, rates in run["rates"].items()}
    for step in range(len(run["losses"]) + 1):
        if step:
            last = run["losses"][max(step - 20, 0) : step]
            yield train(step, loss=sum(last) / len(last), lr=5e-4 - 1e-6 * step)
        shipped_first = sorted(rates.get(step, {}).items(), key=lambda item: item[0] != "1.5")
        for ratio, (at_50, at_70) in shipped_first:
            yield judged(step, at_50, float(ratio), hmean_70=at_70)
