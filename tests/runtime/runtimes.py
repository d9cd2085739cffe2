"""Other projects' detectors on an exported model: each runs in an environment of its own, by a
script that imports nothing of this project; the figures are computed here."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.data.labels import LabelEntry, read_label_file
from ppocr_ft.metrics import DetMetric

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HMEAN_LIMIT = 0.005
"""Most that a runtime's hmean may differ from ours."""
TIMEOUT_S = 1800
RATES = ("hmean", "hmean_70")

Polygon = NDArray[Any]
Boxes = dict[str, list[Polygon]]
"""An image's polygons (k, 2), source pixels, by its path."""


class RuntimeFailed(Exception):  # noqa: N818  an outcome
    """The runtime's process ended without boxes; the message has the last it said."""


@dataclass(frozen=True)
class Runtime:
    """``variable`` names the interpreter of its environment; without it, that of ``venv`` is
    taken. ``legacy``: it wants the older layout, inference.pdmodel."""

    name: str
    script: str
    variable: str
    venv: str
    legacy: bool = False

    @property
    def python(self) -> Path:
        default = ROOT / self.venv / "bin" / "python"
        return Path(os.environ.get(self.variable, default)).absolute()

    def boxes(self, model: Path, images: Sequence[Path], out: Path) -> Boxes:
        """The boxes that it finds by the model in a folder; the JSON lines stay in ``out``.

        Raises:
            RuntimeFailed: its process did.
        """
        arguments = [str(path.absolute()) for path in (model, out, *images)]
        foreign = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.python), str(HERE / self.script), *arguments],
            env={"OMP_NUM_THREADS": "1", **foreign},
            cwd=out.absolute().parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
        )
        if done.returncode:
            said = "\n".join(done.stdout.strip().splitlines()[-15:])
            raise RuntimeFailed(f"{self.name}: exit code {done.returncode}\n{said}")
        return read_boxes(out)


PADDLEOCR_3 = Runtime("PaddleOCR 3", "boxes_paddleocr3.py", "PPOCR_FT_RUNTIME_PY", ".venv-runtime")
RAPIDOCR = Runtime(
    "RapidOCR, ONNX Runtime", "boxes_rapidocr.py", "PPOCR_FT_RUNTIME_PY", ".venv-runtime"
)
PADDLEOCR_2 = Runtime(
    "PaddleOCR 2.10, predict_det",
    "boxes_paddleocr2.py",
    "PPOCR_FT_UPSTREAM_PY",
    ".venv-upstream",
    legacy=True,
)
RUNTIMES = (PADDLEOCR_3, RAPIDOCR, PADDLEOCR_2)


def read_boxes(path: Path) -> Boxes:
    with path.open(encoding="utf-8") as lines:
        found = map(json.loads, lines)
        return {each["image"]: [np.array(box) for box in each["boxes"]] for each in found}


def labels_of(label_file: Path, data_dir: Path) -> list[LabelEntry]:
    """
    Raises:
        DataError: a line is wrong.
    """
    labels = read_label_file(label_file, data_dir)
    if labels.faults:
        raise labels.faults[0]
    return list(labels.entries)


def images_of(labels: Iterable[LabelEntry]) -> list[Path]:
    return [Path(entry.images[0]).absolute() for entry in labels]


def rates(boxes: Boxes, labels: Sequence[LabelEntry]) -> dict[str, float]:
    """hmean at IoU 0.5 and 0.7."""
    metric = DetMetric()
    for image, entry in zip(images_of(labels), labels, strict=True):
        texts = entry.texts
        polygons = [np.asarray(texts.polygons[i]) for i in range(len(texts))]
        metric.update(boxes[str(image)], polygons, texts.ignored)
    summary = metric.summary()
    return {name: float(summary[name]) for name in RATES}


def difference(some: Mapping[str, float], others: Mapping[str, float]) -> float:
    """The larger of the two rates' differences."""
    return max(abs(some[name] - others[name]) for name in RATES)
