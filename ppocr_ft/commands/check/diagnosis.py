"""The faults of a config, and their remedies."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ppocr_ft.commands.check.advice import advise
from ppocr_ft.commands.check.data import Source
from ppocr_ft.commands.check.shrink_versions import (
    ShrinkVersions,
    section_of,
    shrink_versions,
    total_epoch_fault,
)
from ppocr_ft.config.faults import (
    OVERRIDE_MARK,
    REMEDIES,
    Fault,
    in_order,
    tagged,
    warning,
)
from ppocr_ft.config.load import inspect_tree, read_tree
from ppocr_ft.config.rules import Mode, check_rules
from ppocr_ft.config.schema import (
    SAMPLE_DATA_DIR,
    Config,
    MetricSection,
    PostProcessSection,
)
from ppocr_ft.config.source_map import Tree
from ppocr_ft.config.validation import check
from ppocr_ft.data.faults import ALSO
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.errors import Finding
from ppocr_ft.losses.configs import DBLossConfig
from ppocr_ft.transforms.registry import OPERATORS

REMEDIES.update(
    {
        "not_checked": "look at these parts in the project that they are for",
        "total_epoch": (
            "train here, where the ramp is the true epoch's: total_epoch as long as epoch_num, or "
            "shrink_ratio_end alone. With PaddleOCR delete total_epoch from both map operators "
            "(the ratio is then constant), or call ppocr_ft.upstream.install(); docs/upstream.md"
        ),
        "unclip_ratio": (
            "set PostProcess.unclip_ratio, and the inference's (--det_db_unclip_ratio), to that; "
            "after training ppocr-ft fit-postprocess finds the network's own"
        ),
        "labels": "name label files that are there, in PaddleOCR's format: path, delimiter, JSON",
        "weights": (
            "name weights of this network: released, PaddleOCR's .pdparams of the same YAML, or "
            "null for random ones"
        ),
        "held-out": "label more images, or name some of your own in Eval.dataset",
        "unlabelled": "name a folder of images that no label file names, and a known teacher",
        "model": "name a run's folder, a config with weights, or a checkpoint of its network",
        "fix": "give --fix a new folder that can be written to; mend what leaves a file no line",
        "samples": "put the data set right first",
        "pictures": "set Global.save_model_dir to a folder that can be written to",
    }
)

MODES: tuple[Mode, ...] = ("Train", "Eval")
NEEDS_EVERY_OPERATOR = frozenset(("required_operators", "fixed_size", "kept_keys"))
"""Rules that an operator which is unknown here may satisfy."""
TOLD_BY_TOTAL_EPOCH = "ramp_length"
KNOWN_NAMES = {
    "Loss": DBLossConfig().name,
    "PostProcess": PostProcessSection().name,
    "Metric": MetricSection().name,
}


@dataclass(frozen=True)
class LabelFiles:
    """The label files of a split, as the YAML names them."""

    data_dir: str
    label_files: tuple[str, ...]
    delimiter: str = "\t"

    def sources(self, images: bool = True) -> list[Source]:
        """Return each for the check of a data set; without ``images`` none is looked for."""
        folder, root = Path(self.data_dir), Path()
        if self.data_dir == SAMPLE_DATA_DIR:
            folder = root = SAMPLE.data_dir
        return [Source(root / name, folder, self.delimiter, images) for name in self.label_files]


@dataclass(frozen=True)
class ConfigDiagnosis:
    """The result of checking a config file.

    ``config`` is None if training can't use the file. ``usable`` is what could be read of it
    all the same, with spare values for the rest. ``not_checked`` names unknown parts.
    """

    tree: Tree
    config: Config | None
    usable: Config | None
    findings: tuple[Finding, ...]
    ratios: ShrinkVersions | None
    labels: Mapping[str, LabelFiles]
    not_checked: tuple[str, ...]

    def leaves_out(self, section: str) -> bool:
        """Return whether a part of this section is unknown here."""
        return any(part.startswith(f"{section}.") for part in self.not_checked)

    def located(self, faults: Iterable[Fault]) -> list[Finding]:
        """Return further faults of this config as findings, with the file's lines."""
        return [finding(self.tree.locate(fault)) for fault in faults]


def diagnose(path: str | Path, overrides: Sequence[str] = ()) -> ConfigDiagnosis:
    """Read and check a config file; ``overrides`` are ``-o`` arguments."""
    tree = read_tree(path, overrides)
    given = copy.deepcopy(tree.data)
    inspection = inspect_tree(tree)
    versions, unknown = shrink_versions(given), unknown_parts(given)
    ramp = total_epoch_fault(versions) if versions else None
    usable, known_faults = _look_at_known_parts(given, tree.unreadable)
    further = [ramp, *known_faults] if ramp else known_faults
    if unknown:
        message = f"unknown here, so that nothing is said about them: {', '.join(unknown)}"
        further = [*further, *tagged("not_checked", [warning("", message)])]
    faults = [*inspection.faults, *map(tree.locate, further)]
    reported = [fault for fault in faults if not (ramp and fault.rule == TOLD_BY_TOTAL_EPOCH)]
    return ConfigDiagnosis(
        tree,
        inspection.config,
        inspection.config or usable,
        tuple(map(finding, in_order(reported))),
        versions,
        label_files(given),
        tuple(unknown),
    )


def finding(fault: Fault) -> Finding:
    """Return the fault as a finding with its key in the message; an override's has no file."""
    rule, file = fault.rule or "yaml", fault.path or None
    message = f"{fault.key}: {fault.message}" if fault.key else fault.message
    if file is not None and file.startswith(OVERRIDE_MARK):
        file, message = None, f"{OVERRIDE_MARK}{message}"
    return Finding(
        rule.replace("_", "-"), fault.severity, message, REMEDIES[rule], file, fault.line
    )


def unknown_parts(data: object) -> list[str]:
    """Return the keys, with their names, of parts that are unknown here."""
    algorithm = section_of(data, "Architecture").get("algorithm", "DB")
    parts = [] if algorithm == "DB" else [f"Architecture.algorithm {algorithm}"]
    for section, name in KNOWN_NAMES.items():
        given = section_of(data, section).get("name", name)
        if given != name:
            parts.append(f"{section}.name {given}")
    for mode in MODES:
        parts += [
            f"{mode}.dataset.transforms.{index} {name}"
            for index, name in enumerate(map(_name_of, _operators(data, mode)))
            if name not in OPERATORS
        ]
    return parts


def _look_at_known_parts(
    data: object, unreadable: Sequence[str]
) -> tuple[Config | None, list[Fault]]:
    """Return what the rules find when operators that are unknown here are left out."""
    if not isinstance(data, dict):
        return None, []
    known_data, places = _without_unknown_operators(data)
    checked = check(known_data, unreadable)
    if checked.usable is None:
        return None, []
    whole = known_data == data
    faults = [*check_rules(checked.usable), *advise(checked.usable)]
    reported = [
        fault
        for fault in filter(checked.is_sure, faults)
        if whole or fault.rule not in NEEDS_EVERY_OPERATOR
    ]
    unsure_sections = {key.split(".")[0] for key in checked.unsure}
    usable = None if unsure_sections & set(MODES) else checked.usable
    return usable, [_moved(fault, places) for fault in reported]


def _without_unknown_operators(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the data without unknown operators, and the old key of each operator's new key."""
    rest = copy.deepcopy(data)
    places: dict[str, str] = {}
    for mode in MODES:
        items, key = _operators(rest, mode), f"{mode}.dataset.transforms"
        kept = [index for index, item in enumerate(items) if _name_of(item) in OPERATORS]
        places |= {f"{key}.{new}": f"{key}.{old}" for new, old in enumerate(kept)}
        if len(kept) < len(items):
            items[:] = [items[index] for index in kept]
    return rest, places


def _moved(fault: Fault, places: Mapping[str, str]) -> Fault:
    """Return the fault with its operator's old key."""
    parts = fault.key.split(".")
    head = ".".join(parts[:4])
    return replace(fault, key=".".join([places.get(head, head), *parts[4:]]))


def label_files(data: object) -> dict[str, LabelFiles]:
    """Return the label files of the splits that name some; without Eval's if Train is divided.

    The splits are Train, Eval and its further sets.
    """
    divided = section_of(data, "Global").get("val_ratio")
    also = section_of(data, "Eval", "also")
    sets: dict[str, dict[str, Any]] = {mode: section_of(data, mode, "dataset") for mode in MODES}
    sets |= {f"{ALSO}{name}": section_of(also, name) for name in also}
    by_split: dict[str, LabelFiles] = {}
    for split, dataset in sets.items():
        folder, files = dataset.get("data_dir"), dataset.get("label_file_list")
        listed = files if isinstance(files, (list, tuple)) else [files]
        names = [name for name in listed if isinstance(name, str)]
        delimiter = dataset.get("delimiter", "\t")
        if isinstance(folder, str) and names and not (divided and split == "Eval"):
            by_split[split] = LabelFiles(
                folder, tuple(names), delimiter if isinstance(delimiter, str) else "\t"
            )
    return by_split


def _operators(data: object, mode: Mode) -> list[Any]:
    transforms = section_of(data, mode, "dataset").get("transforms")
    return transforms if isinstance(transforms, list) else []


def _name_of(item: object) -> str:
    return str(next(iter(item), "")) if isinstance(item, dict) else str(item)
