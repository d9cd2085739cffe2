"""Fingerprints: runs with equal fingerprints give equal numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.config import Config
from ppocr_ft.config.schema import Dataset
from ppocr_ft.data.faults import ALSO
from ppocr_ft.errors import DataError
from ppocr_ft.factory.device import device
from ppocr_ft.factory.objects import weights_source
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.configs import TRAINING_BRANCHES
from ppocr_ft.runs.assemble import UNCLIP_RATIOS
from ppocr_ft.version import __version__

LENGTH = 12
ABOUT_FILES = frozenset(
    {
        "model_name",
        "save_model_dir",
        "save_epoch_step",
        "save_inference_dir",
        "resume",
        "use_gpu",
        "use_visualdl",
        "use_tensorboard",
        "use_mlflow",
        "fit_postprocess",
    }
)
"""Keys of Global without effect on any number; the device that was found goes in instead."""
CODE = ("data", "engine", "factory", "losses", "metrics", "models", "optim", "postprocess", "runs",
        "transforms", "weights", "geometry.py", "shrinking.py")  # fmt: skip
"""Parts of the package that numbers come from."""


def run_fingerprint(config: Config) -> str:
    """Return the fingerprint of a whole run and of its evaluation.

    In it are the resolved config, what its weights and label files hold, the device, and the
    versions of this package and of Paddle. Images are taken to be what they were.

    Raises:
        UserInputError: weights or label files can't be read.
    """
    sections = config.model_dump()
    sections["Global"] = {k: v for k, v in sections["Global"].items() if k not in ABOUT_FILES}
    for split in ("Train", "Eval"):
        sections[split]["loader"].pop("num_workers", None)
    device(config)
    source = weights_source(config)
    further = [config.dataset(f"{ALSO}{name}") for name in config.further]
    return _short(
        {
            "config": sections,
            "weights": [] if source is None else [_digest(source.tensors), source.member],
            "labels": [
                _labels(dataset) for dataset in (config.Train.dataset, _judged_on(config), *further)
            ],
        }
    )


def start_fingerprint(config: Config, network: DetectionNetwork) -> str:
    """Return the fingerprint of what ``Eval`` says about a network in its current state."""
    weights = {
        key: tensor.numpy()
        for key, tensor in network.state_dict().items()
        if not key.startswith(TRAINING_BRANCHES)
    }
    judged = config.Eval.model_dump()
    judged["loader"].pop("num_workers", None)
    return _short(
        {
            "network": _digest(weights),
            "eval": judged,
            "labels": _labels(_judged_on(config)),
            "val_ratio": config.Global.val_ratio,
            "post_process": config.PostProcess.model_dump(),
        }
    )


def code_digest() -> str:
    """Return the digest of this package's sources that influence numbers."""
    root = Path(__file__).parents[2]
    parts = [root / name for name in CODE]
    files = [path for part in parts for path in (part.rglob("*.py") if part.is_dir() else [part])]
    hashed = hashlib.sha256()
    for path in sorted(files):
        hashed.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()[:LENGTH]


def _judged_on(config: Config) -> Dataset:
    """Return the data set that Eval's images are of: Train's, with Global.val_ratio."""
    return (config.Train if config.Global.val_ratio else config.Eval).dataset


def _labels(dataset: Dataset) -> list[str]:
    """Return a digest per label file; the sample data set comes with the version."""
    if dataset.is_sample:
        return list(dataset.label_file_list)
    digests = []
    for path in map(Path, dataset.label_file_list):
        try:
            digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            raise DataError(f"the label file can't be read: {error.strerror}", path=path) from None
    return digests


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    hashed = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        hashed.update(f"{key} {array.dtype} {array.shape}\n".encode() + array.tobytes())
    return hashed.hexdigest()


def _short(facts: Mapping[str, Any]) -> str:
    """Return the digest of facts and of what all runs here share."""
    shared = {
        "unclip_ratios": list(UNCLIP_RATIOS),
        "device": paddle.get_device(),
        "ppocr_ft": __version__,
        "paddle": paddle.__version__,
    }
    text = json.dumps({**facts, **shared}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
