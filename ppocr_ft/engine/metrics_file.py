"""The file ``metrics.csv``: every figure that a run logs or evaluates."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ppocr_ft.metrics.det import RATES
from ppocr_ft.utils.files import write_whole

METRICS_FILE, SAVED_METRICS = "metrics.csv", "latest_metrics.csv"
"""The file, and what it was when the state was saved."""
Kind = Literal["train", "eval", "also"]
TRAIN: Literal["train"] = "train"
EVAL: Literal["eval"] = "eval"
FURTHER: Literal["also"] = "also"
"""Rows of the sets of ``Eval.also``."""
SET = "set"
"""Their column with the set's name; a run without such sets has none."""
LR, UPDATE_RATIO = "lr/", "update_ratio/"
"""What the columns of parameter groups begin with."""
Row = Mapping[str, str]
"""A row of the file; a cell is empty if its kind has no such figure."""
ProgressCallback = Callable[[Mapping[str, float | int | str]], None]
"""Takes the figures of a row."""
COUNTS = ("step", "epoch", "skipped_steps", "textless_steps")
COLUMNS = (
    "kind", "step", "epoch",
    "lr", "shrink_ratio", "loss", "loss_shrink_maps", "loss_threshold_maps", "loss_binary_maps",
    "loss_cbn", "grad_norm", "skipped_steps", "textless_steps", "images_per_second",
    "reader_share", "memory_mb",
    "unclip_ratio", *RATES, "val_loss", "drawn_shrink_ratio", "merged", "split",
    "textless_boxes",
)  # fmt: skip
"""The columns that every run has, in their order."""
CLOCK = frozenset({"images_per_second", "reader_share", "memory_mb"})
"""Those that no two runs have alike."""


class MetricsFile:
    """Rows are appended; what a killed run wrote after its last checkpoint is cut off first.

    A row has ``kind`` train, eval or also, ``step`` (steps done), ``epoch``, and then, empty if a
    kind has none:

    train: ``lr``, the base learning rate; ``shrink_ratio``; ``loss`` and its terms, means over
    Global.log_smooth_window steps; ``grad_norm``, the Euclidean norm of all gradients before
    clipping; ``skipped_steps``, ``textless_steps``, counts since the beginning;
    ``images_per_second``; ``reader_share``, 0 to 1, of the time spent waiting for images;
    ``memory_mb``, the process's, in RAM (2**20 bytes);
    ``loss_aux_maps_p4`` and so on, if Loss weighs auxiliary heads;
    ``lr/NAME``, the learning rate of each parameter group; ``update_ratio/NAME``, the norm of
    this step's update over that of the weights before it, empty for weights that were zeros.
    NAME is `group_names`'.

    eval: ``unclip_ratio``, a row for each; ``precision``, ``recall``, ``hmean`` at IoU 0.5, with
    ``_70`` at 0.7, 0 to 1, of the averaged weights under Global.use_ema; the same in each row:
    ``val_loss``, DBLoss on crops of Eval with the targets of the epoch's ``shrink_ratio``;
    ``drawn_shrink_ratio``, the one measured on training's shrink maps, 0 if they are empty;
    ``merged``, ``split``, the shares of labels, 0 to 1, that share a box with others or have
    several boxes inside, with the config's unclip ratio; ``textless_boxes``, the mean number of
    boxes on an image of Eval without text, likewise, empty if there is no such image.

    also: ``set``, the name of a set of ``Eval.also``, and the rates of ``eval`` on it; after the
    rows of the evaluation that it was judged with.

    Columns that an earlier file of the run has besides are kept.

    Args:
        folder: the folder of ``metrics.csv``.
        step: the step after which the run continues.
        evaluated_step: the last step whose evaluation is done.
        more_columns: those of auxiliary heads' losses, parameter groups and further sets.
    """

    def __init__(
        self,
        folder: Path,
        step: int = 0,
        evaluated_step: int = -1,
        more_columns: Sequence[str] = (),
    ) -> None:
        self.path = folder / METRICS_FILE
        self._listeners: list[Callable[[Row], None]] = []
        kept = rows_until(self.path, step, evaluated_step) if self.path.is_file() else []
        self._columns = tuple(dict.fromkeys([*COLUMNS, *more_columns, *(kept[0] if kept else ())]))
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_whole(self.path, text.getvalue().encode())

    def add(self, kind: str, values: Mapping[str, Any]) -> None:
        """Add one row; floats have nine digits, which restore float32 exactly."""
        row = {"kind": kind, **{key: written(value) for key, value in values.items()}}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            writer.writerow(row)
        for listener in self._listeners:
            listener(row)

    def listen(self, listener: Callable[[Row], None]) -> None:
        """Call it with every row that is there, then with each new one, with cells as written."""
        for row in self.rows():
            listener(row)
        self._listeners.append(listener)

    def rows(self) -> list[dict[str, str]]:
        """Return all rows that are there, in their order."""
        return read_metrics(self.path)[1]


def rows_until(path: Path, step: int, evaluated_step: int) -> list[dict[str, str]]:
    """Return the rows of a metrics.csv up to a step and, of evaluations, to another.

    There are none in a file that isn't a metrics.csv. Raises OSError.
    """
    last = {TRAIN: step, EVAL: evaluated_step, FURTHER: evaluated_step}
    try:
        rows = read_metrics(path)[1]
    except UnicodeDecodeError:
        return []
    return [row for row in rows if int(row["step"]) <= last.get(row["kind"], -1)]


def checksum(path: Path, step: int, evaluated_step: int) -> str:
    """Return a checksum of `rows_until`, in hexadecimal, without what a clock wrote."""
    hasher = hashlib.blake2b(digest_size=16)
    for row in rows_until(path, step, evaluated_step):
        cells = sorted((key, cell) for key, cell in row.items() if cell and key not in CLOCK)
        hasher.update(repr(cells).encode())
    return hasher.hexdigest()


def read_metrics(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a run's metrics.csv.

    Returns:
        The header and the complete rows, as a kill may have cut the last one off. Both are empty
        if the header isn't that of a metrics.csv.

    Raises:
        OSError: it can't be read.
        UnicodeDecodeError: it isn't UTF-8.
    """
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    try:
        header, *rows = list(csv.reader(lines)) or [[]]
    except csv.Error:
        return [], []
    if not {"kind", "step"} <= set(header):
        return [], []
    whole = [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]
    return header, [row for row in whole if row["step"].isdecimal() and len(row["step"]) < 20]


def written(value: Any) -> str:
    """Return a cell: nothing for None, nine significant digits of a float."""
    if value is None:
        return ""
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def figures(row: Row) -> dict[str, float | int | str]:
    """Return a row's filled cells as values: a text, a count or a float by the column."""
    kinds: Mapping[str, type[float | int | str]] = {
        **dict.fromkeys(("kind", SET), str),
        **dict.fromkeys(COUNTS, int),
    }
    return {column: kinds.get(column, float)(cell) for column, cell in row.items() if cell}


def number(row: Row, column: str) -> float | None:
    """Return a cell's number; None if the row has no such column or the cell is empty."""
    text = row.get(column) or ""
    return float(text) if text else None
