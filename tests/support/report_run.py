"""A run's folder as training leaves it, made up: 4 of 8 steps, evaluations after 0 and 4."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.engine.metrics_file import COLUMNS
from ppocr_ft.postprocess.db import Candidates
from ppocr_ft.report.evaluations import (
    About,
    EvaluatedImage,
    KeptEvaluation,
    write_evaluation,
)
from ppocr_ft.report.page.summary import text_statistics
from tests.support.pictures import gradient

IMAGES, LABELS, SIZE_PX = 9, 3, (120, 90)
SHRUNK_BY_PX = 4
"""About what an unclip ratio of 1.5 makes up for in these labels."""
RATES = ("precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70")
GROUPS = ("lr/backbone", "lr/head")
ABOUT = {"unclip_ratio": 1.5, "box_thresh": 0.6, "lowest_score": 0.3, "box_type": "quad"}
CONFIG = """\
Global: {model_name: tiny, epoch_num: 2, save_model_dir: somewhere}
PostProcess: {name: DBPostProcess, box_thresh: 0.6, unclip_ratio: 1.5}
Metric: {name: DetMetric, main_indicator: hmean}
"""
Hmeans = Mapping[int, Mapping[float, tuple[float, float]]]


def columns_of() -> list[str]:
    return [*COLUMNS, *GROUPS]


def rows_of(hmeans: Hmeans) -> list[dict[str, Any]]:
    """Training rows of steps 1 to 4, and evaluations: hmean at both IoUs by step and ratio."""
    rows: list[dict[str, Any]] = []
    for step in range(5):
        if step:
            loss = {"loss": 3 - step / 2, "loss_shrink_maps": 1 - step / 9, "loss_cbn": 0}
            rates = {"lr": 0.001 * step, GROUPS[0]: 0.0001 * step, GROUPS[1]: 0.001 * step}
            rows.append({"kind": "train", "step": step, "epoch": 1, "shrink_ratio": 0.6,
                         **loss, **rates})  # fmt: skip
        for ratio, (half, strict) in hmeans.get(step, {}).items():
            values = dict(zip(RATES, (half, half, half, strict, strict, strict), strict=True))
            rows.append({"kind": "eval", "step": step, "epoch": 0, "unclip_ratio": ratio, **values})
    return rows


def with_further_set(rows: list[dict[str, Any]], name: str, hmeans: Hmeans) -> list[dict[str, Any]]:
    """The rows, and those of a set of ``Eval.also``."""
    judged = [row for row in rows_of(hmeans) if row["kind"] == "eval"]
    return rows + [{**row, "kind": "also", "set": name} for row in judged]


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float64)


def evaluation(
    folder: Path,
    step: int,
    shift_px: float,
    *,
    found: Collection[int] | None = None,
    lost: int | None = None,
) -> KeptEvaluation:
    """Three labels an image; kernels that unclip to about them, moved by ``shift_px`` in the images
    ``found`` (None: all) and far away in the others; none of them in the image ``lost``."""
    about = About(step, **ABOUT)  # type: ignore[arg-type]
    images = []
    for i in range(IMAGES):
        labels = tuple(rectangle(10 + i, 8 + 26 * row, 60 + 8 * row, 14) for row in range(LABELS))
        away = shift_px if found is None or i in found else shift_px + 60
        kernels = [
            (label + (away, 0) + SHRUNK_BY_PX * _inward(label)).astype("f4") for label in labels
        ]
        scores = np.array([0.95, 0.75, 0.5 + i / 20])
        kept = kernels if i != lost else []
        candidates = Candidates(list(kept), scores[: len(kept)], SIZE_PX[::-1])
        path = folder / "images" / f"{i}.png"
        ignored = np.zeros(LABELS, dtype=bool)
        images.append(EvaluatedImage(str(path), SIZE_PX, candidates, labels, ignored))
    return KeptEvaluation(about, tuple(images))


def _inward(label: np.ndarray) -> np.ndarray:
    """The direction from each corner, -1 or 1 along either axis."""
    return np.sign(label.mean(axis=0) - label)


def run_folder(
    folder: Path, *, rows: Sequence[Mapping[str, Any]] | None = None, boxes: bool = True
) -> Path:
    """``folder`` with a run's files; the images lie beside it."""
    folder.mkdir(parents=True)
    usual: Hmeans = {
        0: {1.5: (0.61, 0.4), 1.0: (0.6, 0.5)},
        4: {1.5: (0.71, 0.6), 1.0: (0.65, 0.65)},
    }
    _write_csv(folder / "metrics.csv", rows_of(usual) if rows is None else rows)
    (folder / "config.resolved.yml").write_text(CONFIG)
    statistics = text_statistics(2, [rectangle(0, 0, 40, 12)], 1, 0)
    data = {"train": statistics, "images_per_epoch": 8, "step": "2 images", "steps_per_epoch": 4,
            "total_steps": 8}  # fmt: skip
    part = {"part": "backbone", "tensors": 3, "parameters": 1200, "share": 1.0,
            "by_status": {"matched": 3}}  # fmt: skip
    facts = {
        "data": data,
        "weights": {"source": "released", "form": "folded", "coverage": 1.0, "parts": [part],
                    "warnings": []},
        "environment": {"paddle": "3.2.2", "device": "cpu", "cpu_threads": 1},
    }  # fmt: skip
    for name, values in facts.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    if boxes:
        _write_boxes(folder)
    return folder


def _write_boxes(folder: Path) -> None:
    (folder.parent / "images").mkdir(exist_ok=True)
    for i in range(IMAGES):
        cv2.imwrite(str(folder.parent / "images" / f"{i}.png"), gradient(*SIZE_PX))
    for name, step, shift_px in (("before", 0, 8.0), ("best", 4, 2.0)):
        kept = evaluation(folder.parent, step, shift_px)
        write_evaluation(folder / "evaluations" / f"{name}.jsonl", kept.about, kept.images)


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    columns = dict.fromkeys([*columns_of(), *(name for row in rows for name in row)])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())
