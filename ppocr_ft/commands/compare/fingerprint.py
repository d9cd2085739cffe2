"""Fingerprints: runs with equal fingerprints give equal numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.config import Config
from ppocr_ft.config.schema import Dataset, SplitSection
from ppocr_ft.data.whole_set import ALSO
from ppocr_ft.errors import DataError
from ppocr_ft.factory.device import device
from ppocr_ft.factory.objects import weights_source
from ppocr_ft.models.architecture import Detector
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
        "fit_postprocess",
    }
)
"""Keys of Global without effect on any number; the device that was found goes in instead."""
THRESHOLD_HEAD = "head.thresh."
"""Beginning of the tensors that evaluation doesn't look at."""
CODE = ("data", "engine", "factory", "losses", "metrics", "models", "optim", "postprocess", "runs",
        "transforms", "weights", "geometry.py")  # fmt: skip
"""Parts of the package that numbers come from."""


def run_fingerprint(config: Config, unclip_ratios: Sequence[float]) -> str:
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
    return _short(
        {
            "config": sections,
            "weights": _weights(config),
            "labels": [
                *(_labels(dataset) for dataset in (config.Train.dataset, _judged_on(config))),
                *(_labels(config.dataset(f"{ALSO}{name}")) for name in config.further),
            ],
            "unclip_ratios": list(unclip_ratios),
            "device": paddle.get_device(),
            **_versions(),
        }
    )


def start_fingerprint(config: Config, network: Detector, unclip_ratios: Sequence[float]) -> str:
    """Return the fingerprint of what ``Eval`` says about a network in its current state."""
    weights = {
        key: tensor.numpy()
        for key, tensor in network.state_dict().items()
        if not key.startswith(THRESHOLD_HEAD)
    }
    return _short(
        {
            "network": _digest(weights),
            "eval": _read_alike(config.Eval),
            "labels": _labels(_judged_on(config)),
            "val_ratio": config.Global.val_ratio,
            "post_process": config.PostProcess.model_dump(),
            "unclip_ratios": list(unclip_ratios),
            "device": paddle.get_device(),
            **_versions(),
        }
    )


def code_digest() -> str:
    """Return the digest of this package's sources that influence numbers."""
    root = Path(__file__).parents[2]
    files = sorted(path for part in CODE for path in _sources(root / part))
    hashed = hashlib.sha256()
    for path in files:
        hashed.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()[:LENGTH]


def _sources(part: Path) -> Iterable[Path]:
    return part.rglob("*.py") if part.is_dir() else [part]


def _read_alike(split: SplitSection) -> dict[str, Any]:
    """Return the section without the number of threads that read it."""
    values = split.model_dump()
    values["loader"].pop("num_workers", None)
    return values


def _versions() -> dict[str, str]:
    return {"ppocr_ft": __version__, "paddle": paddle.__version__}


def _weights(config: Config) -> list[str | None]:
    source = weights_source(config)
    return [] if source is None else [_digest(source.tensors), source.member]


def _judged_on(config: Config) -> Dataset:
    """Return the data set that Eval's images are of: Train's, with Global.val_ratio."""
    return (config.Train if config.Global.val_ratio else config.Eval).dataset


def _labels(dataset: Dataset) -> list[str]:
    """Return a digest per label file; the sample data set comes with the version."""
    if dataset.is_sample:
        return list(dataset.label_file_list)
    return [hashlib.sha256(_content(Path(name))).hexdigest() for name in dataset.label_file_list]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"the label file can't be read: {error.strerror}", path=path) from None


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    hashed = hashlib.sha256()
    for key in sorted(arrays):
        array = np.ascontiguousarray(arrays[key])
        hashed.update(f"{key} {array.dtype} {array.shape}\n".encode() + array.tobytes())
    return hashed.hexdigest()


def _short(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
