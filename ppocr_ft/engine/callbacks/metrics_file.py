"""``metrics.csv``: every figure that a run logs or evaluates."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppocr_ft.engine.files import write_whole

METRICS_FILE = "metrics.csv"
TRAIN, EVAL = "train", "eval"
COLUMNS = (
    "kind",
    "step",
    "epoch",
    "lr",
    "shrink_ratio",
    "loss",
    "loss_shrink_maps",
    "loss_threshold_maps",
    "loss_binary_maps",
    "loss_cbn",
    "grad_norm",
    "skipped_steps",
    "textless_steps",
    "images_per_second",
    "reader_share",
    "unclip_ratio",
    "precision",
    "recall",
    "hmean",
    "precision_70",
    "recall_70",
    "hmean_70",
)
"""``kind`` is train or eval; losses are means over log_smooth_window, shares 0 to 1."""


class MetricsFile:
    """Rows are appended; what a killed run wrote after its last checkpoint is cut off first.

    Args:
        folder: where ``metrics.csv`` lies.
        step: the step that the run goes on after.
        evaluated_step: the last step whose evaluation is done.
    """

    def __init__(self, folder: Path, step: int = 0, evaluated_step: int = -1) -> None:
        self.path = folder / METRICS_FILE
        last = {TRAIN: step, EVAL: evaluated_step}
        kept = [row for row in self._rows() if int(row["step"]) <= last.get(row["kind"], -1)]
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_whole(self.path, text.getvalue().encode())

    def add(self, kind: str, values: Mapping[str, Any]) -> None:
        """One row; floats with nine digits, which give float32 back."""
        row = {key: f"{v:.9g}" if isinstance(v, float) else v for key, v in values.items()}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow({"kind": kind, **row})

    def evaluations(self) -> list[dict[str, str]]:
        """The rows of evaluations, in their order; of each step the config's unclip ratio first."""
        return [row for row in self._rows() if row["kind"] == EVAL]

    def _rows(self) -> list[dict[str, str]]:
        """The whole rows of an earlier file; a kill may have cut the last one off."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        rows = list(csv.DictReader(lines))
        if lines[:1] != [",".join(COLUMNS)]:
            return []
        return [row for row in rows if row[COLUMNS[-1]] is not None and row["step"].isdigit()]
