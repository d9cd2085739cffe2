"""Two runs are one: weights, optimizer, figures and boxes; and a step that something happens in."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from ppocr_ft.engine import trainer as trainer_module

TIMES = {"images_per_second", "reader_share", "memory_mb"}


def figures(run: Path) -> list[dict[str, str]]:
    """metrics.csv without what a clock wrote."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if key not in TIMES} for row in rows]


def assert_same_run(run: Path, wanted: Path) -> None:
    """Weights, optimizer, progress, best weights and every figure, bit for bit."""
    assert figures(run) == figures(wanted)
    for name in ("latest.pdstate", "latest.pdparams", "best_accuracy.pdparams"):
        assert (run / name).read_bytes() == (wanted / name).read_bytes(), name
    for name in ("before.jsonl", "best.jsonl"):
        assert kept_boxes(run, name) == kept_boxes(wanted, name), name


def kept_boxes(run: Path, name: str) -> str:
    """What an evaluation found, without where the images lie."""
    text = (run / "evaluations" / name).read_text()
    return re.sub(r'"image": "[^"]*/', '"image": "', text)


def calling(after_calls: int, action: Callable[[], object]) -> Callable[..., object]:
    """train_step, with something beside it in its n-th call."""
    original, calls = trainer_module.train_step, iter(range(1, 1000))

    def wrapped(*args: object) -> object:
        if next(calls) == after_calls:
            action()
        return original(*args)  # type: ignore[arg-type]

    return wrapped
