"""Facts about a run, written at its beginning: weights.json, data.json, environment.json."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import paddle

from ppocr_ft.config import Config
from ppocr_ft.data.held_out import label_lines
from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.engine.distributed import ProcessGroup
from ppocr_ft.engine.trainer import Trainer
from ppocr_ft.errors import DataError
from ppocr_ft.factory.device import cpu_threads
from ppocr_ft.factory.label_source import LabelSource, held_out_lines
from ppocr_ft.report.page.summary import text_statistics
from ppocr_ft.utils.files import write_whole
from ppocr_ft.utils.sampling import sample_evenly
from ppocr_ft.utils.system import machine_mb, processor_name
from ppocr_ft.version import __version__
from ppocr_ft.weights import CoverageReport
from ppocr_ft.weights.coverage import PARTS

WEIGHTS, DATA, ENVIRONMENT = "weights.json", "data.json", "environment.json"
DIGEST = "digest"
"""Of weights.json: tells the weights that a run began with from all others."""
IMAGES, PROCESSES = "images_per_epoch", "processes"
"""Of data.json and environment.json."""
LABELS = "labels"
"""Of data.json: tells the training's labels from all others."""
TRAIN_PART, EVAL_PART = "train_part.txt", "eval_part.txt"
"""Label files: the images of Train that are left for it, and those that Global.val_ratio gives to
Eval."""
MEASURED_IMAGES = 2000
"""So many images' texts are measured at most, evenly spread over the label files."""
CODE = ("ppocr_ft", "paddle", "numpy", "opencv-python", "numba")
MACHINE = ("device", "gpu", "processor", "cpu_threads", "operator_threads", PROCESSES)
"""Of environment.json: what decides the last bits of a run's numbers; code may decide more."""
LIBRARIES = ("numpy", "opencv-python", "shapely", "pyclipper", "numba", "pydantic")


def write_facts(
    folder: Path,
    config: Config,
    trainer: Trainer,
    weights: CoverageReport | None,
    group: ProcessGroup,
    *,
    resumed: bool = False,
) -> None:
    """Write the files into the run's folder. Raises OSError.

    What a resumed run began with stays as it is.
    """
    began = resumed and (folder / WEIGHTS).is_file()
    facts = {
        **({} if began else {WEIGHTS: _weights(weights)}),
        DATA: _data(config, trainer),
        ENVIRONMENT: _environment(config, group),
    }
    for name, values in facts.items():
        text = json.dumps(values, indent=1, ensure_ascii=False)
        write_whole(folder / name, f"{text}\n".encode())
    for name, lines in _divided(config).items():
        write_whole(folder / name, lines)


def _divided(config: Config) -> dict[str, bytes]:
    """Return the label files of Train without, and of Eval with what val_ratio holds out."""
    held = held_out_lines(config)
    if not held:
        return {}
    names = map(str, LabelSource.of(config, "Train").names)
    return dict(zip((TRAIN_PART, EVAL_PART), label_lines(names, held), strict=True))


def check_same_part(config: Config, resume_from: Path) -> None:
    """Check that Eval still gets the images that the run at ``resume_from`` held out for it.

    Raises:
        DataError: label files or images have changed.
    """
    before, now = resume_from.parent / EVAL_PART, _divided(config).get(EVAL_PART)
    if before.is_file() and now != before.read_bytes():
        raise DataError(
            f"holds out other images than the run that goes on: label files, images or the share "
            f"have changed since {before} was written; put them back, or begin a new run",
            key="Global.val_ratio",
        )


def changed_labels(folder: Path, config: Config) -> str:
    """Say that the training's labels are other ones than data.json in a run's folder tells of.

    Raises OSError.
    """
    before = facts_of(folder, DATA).get(LABELS)
    if before in (None, _labels_digest(config)):
        return ""
    return (
        "Train's labels have changed since the run began: it goes on with them as they are now, "
        "and can't be repeated"
    )


def changed_environment(folder: Path, config: Config, group: ProcessGroup) -> str:
    """Say what is other than in the environment.json of a run's folder, and what follows."""
    before, now = facts_of(folder, ENVIRONMENT), _environment(config, group)
    code, machine = (
        [
            f"{name} {now.get(name)} (was {before[name]})"
            for name in names
            if name in before and before[name] != now.get(name)
        ]
        for names in (CODE, MACHINE)
    )
    if not code and not machine:
        return ""
    same = "samples, their order and the learning rates stay the same, "
    return (
        f"other than when the run went on last: {', '.join(code + machine)}; "
        f"{'' if code else same}losses and weights may differ in their last bits"
    )


def facts_of(folder: Path, name: str) -> dict[str, Any]:
    """Return what a file of facts in a run's folder holds; nothing if it is missing or damaged."""
    try:
        facts = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _labels_digest(config: Config) -> str:
    """Return 128 bits, in hexadecimal, of what Train's label files hold, wherever they lie."""
    hasher = hashlib.blake2b(digest_size=16)
    for path in LabelSource.of(config, "Train").names:
        with path.open("rb") as file:
            for line in file:
                hasher.update(line.strip())
    return hasher.hexdigest()


def _weights(report: CoverageReport | None) -> dict[str, Any]:
    if report is None:
        return {"source": None}
    others = sorted({match.part for match in report.tensors} - {*PARTS})
    parts = {**{part: [part] for part in PARTS}, **({"elsewhere": others} if others else {})}
    return {
        "source": report.source,
        "form": report.form,
        "coverage": report.coverage,
        DIGEST: report.digest,
        "parts": [{"part": name, **_part(report, part_keys)} for name, part_keys in parts.items()],
        "warnings": list(report.warnings),
    }


def _part(report: CoverageReport, parts: Sequence[str]) -> dict[str, Any]:
    statuses: dict[str, int] = {}
    for match in report.select(None, parts):
        statuses[match.status] = statuses.get(match.status, 0) + 1
    in_network = [match for match in report.select(None, parts) if match.status != "unexpected"]
    return {
        "tensors": len(in_network),
        "parameters": sum(match.parameters for match in in_network),
        "share": report.share(parts),
        "by_status": statuses,
    }


def _data(config: Config, trainer: Trainer) -> dict[str, Any]:
    return {
        "train": _statistics(trainer.loader.data.entries),
        LABELS: _labels_digest(config),
        IMAGES: len(trainer.loader.data),
        "step": trainer.loader.describe_step(),
        "steps_per_epoch": trainer.progress.steps_per_epoch,
        "total_steps": trainer.total_steps,
    }


def _statistics(entries: Sequence[LabelEntry]) -> dict[str, Any]:
    some = [entry.texts for entry in sample_evenly(entries, MEASURED_IMAGES)]
    polygons = [texts.polygons[i] for texts in some for i in range(len(texts))]
    texts = sum(len(entry.texts) for entry in entries)
    ignored = sum(int(entry.texts.ignored.sum()) for entry in entries)
    return text_statistics(len(entries), polygons, texts, ignored)


def _environment(config: Config, group: ProcessGroup) -> Mapping[str, object]:
    on_card, memory_mb = paddle.get_device().startswith("gpu"), machine_mb()
    gpu = paddle.device.cuda.get_device_name() if on_card else None
    return {
        "ppocr_ft": __version__,
        "paddle": paddle.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version for name in LIBRARIES if (version := _version(name))},
        "device": paddle.get_device(),
        **({} if gpu is None else {"gpu": gpu}),
        "processor": processor_name(),
        **({} if memory_mb is None else {"memory_gb": round(memory_mb / 1024, 1)}),
        "cpu_threads": cpu_threads(config),
        "operator_threads": os.environ.get("OMP_NUM_THREADS"),
        PROCESSES: group.size,
        "command": f"{'python ' * sys.argv[0].endswith('.py')}{shlex.join(sys.argv)}",
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
