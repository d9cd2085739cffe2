"""A PaddleOCR checkout: the wheel's real files, and stand-ins for what the wheel lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.upstream.upstream_data import MAPS, Dataset, yaml_config

STAND_INS = Path(__file__).parent / "stand_ins"


@dataclass(frozen=True)
class Checkout:
    root: Path

    @property
    def train(self) -> Path:
        return self.root / "tools" / "train.py"


def make_checkout(root: Path, wheel_root: Path) -> Checkout:
    for part in ("ppocr", "tools"):
        shutil.copytree(wheel_root / part, root / part)
    shutil.copytree(STAND_INS / "ppocr", root / "ppocr", dirs_exist_ok=True)
    return Checkout(root)


@dataclass(frozen=True)
class Run:
    """One training: its YAML, and the folder in which the loss records each batch."""

    folder: Path
    dataset: Dataset
    keys: dict[str, Any]
    """Of ``yaml_config``."""
    resume_from: Path | None = None
    epochs: int = 4
    seed: int = 1024

    @property
    def latest(self) -> Path:
        return self.folder / "model" / "latest"

    def write_yaml(self) -> Path:
        config = yaml_config(self.dataset, **self.keys)
        config["Global"] |= {
            "epoch_num": self.epochs,
            "seed": self.seed,
            "log_smooth_window": 2,
            "print_batch_step": 1,
            "save_model_dir": str(self.folder / "model"),
            "save_epoch_step": 100,
            "eval_batch_step": [0, 2],
            "checkpoints": None if self.resume_from is None else str(self.resume_from),
        }
        config["Architecture"] = {"model_type": "det", "algorithm": "DB"}
        config["Loss"] = {"name": "Recording", "record_dir": str(self.folder / "batches")}
        config["Optimizer"] = {"learning_rate": 0.01}
        config["PostProcess"] = {"name": "DBPostProcess"}
        config["Metric"] = {"name": "Counting"}
        path = self.folder / "config.yml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def batches(self, rank: int = 0) -> list[list[np.ndarray]]:
        """What the loss of one process got, batch by batch: image and maps."""
        files = sorted((self.folder / "batches" / str(rank)).glob("*.npz"))
        return [[np.load(file)[name] for name in ("image", *MAPS)] for file in files]


def python(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command: Sequence[str] = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
