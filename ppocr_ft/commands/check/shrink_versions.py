"""The shrink ratio with which each version of PaddleOCR would train a YAML; from plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from ppocr_ft.config.faults import Fault, warning
from ppocr_ft.transforms.shrink_schedule import PADDLEOCR_RISE, ShrinkSchedule, ramp_end

TRAIN_OPERATORS = "Train.dataset.transforms"
DEFAULT_SEED, DEFAULT_EPOCHS, DEFAULT_RATIO = 1024, 500, 0.4
TOO_WIDE_RATIO = 0.7
"""Above it a kernel covers most of its text, far over the 0.6 that PP-OCRv4 ends at."""
NO_BORDER_RATIO = math.sqrt(2)
"""From here on MakeBorderMap's outward offset is an inward one that leaves nothing of a long text;
of a square it does so from the root of 3 on."""


@dataclass(frozen=True)
class VersionRatio:
    """The ratio in the first and the last epoch of the run, its reason, and its effect."""

    version: str
    first: float
    last: float
    reason: str
    effect: str

    def describe(self) -> str:
        ratio = f"{self.first:.4g}"
        ratio = f"constant {ratio}" if self.first == self.last else f"{ratio} to {self.last:.4g}"
        effect = f": {self.effect}" if self.effect else ""
        return f"{self.version}: {ratio} ({self.reason}){effect}"


@dataclass(frozen=True)
class ShrinkKeys:
    """The keys of MakeShrinkMap's schedule; None: not given."""

    key: str
    shrink_ratio: float
    shrink_ratio_end: float | None
    total_epoch: float | None
    seed: int
    epoch_num: int


@dataclass(frozen=True)
class ShrinkVersions:
    """The YAML's keys, and how each version reads them."""

    keys: ShrinkKeys
    versions: tuple[VersionRatio, ...]

    @property
    def ours(self) -> VersionRatio:
        return self.versions[-1]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.keys), "versions": [asdict(version) for version in self.versions]}


def shrink_versions(data: object) -> ShrinkVersions | None:
    """Return the shrink ratios by version; None without a MakeShrinkMap with numbers as keys.

    From the wheels of 2.6.1.3, 2.7.0.3, 2.8.1 and 2.10.0; docs/shrink.md has the measurement. No
    wheel holds the data set that came with PP-OCRv6.
    """
    keys = _keys(data)
    if keys is None:
        return None
    start, total = keys.shrink_ratio, keys.total_epoch
    of_29 = "no total_epoch is given" if total is None else "total_epoch has no effect"
    versions = (
        _version("PaddleOCR 2.6.1", start, start, "it knows no total_epoch"),
        _version("PaddleOCR 2.7 and 2.8", *_of_27(data, keys)),
        _version("PaddleOCR 2.9 until PP-OCRv6", start, start, of_29),
        _version("PaddleOCR since PP-OCRv6 (mid-2026)", *_of_v6(data, keys)),
        _version("ppocr_ft", *_of_ours(keys)),
    )
    return ShrinkVersions(keys, versions)


def total_epoch_fault(of: ShrinkVersions) -> Fault | None:
    """Report the published conflict: ``total_epoch`` is a ramp that no PaddleOCR release gives."""
    keys = of.keys
    if keys.total_epoch is None:
        return None
    relation = "equals" if keys.total_epoch == keys.epoch_num else "differs from"
    message = (
        f"{keys.total_epoch:g} {relation} Global.epoch_num {keys.epoch_num}; it is to ramp the "
        f"shrink ratio. With this YAML the ratio is in "
        f"{'; '.join(version.describe() for version in of.versions)}"
    )
    fault = warning(f"{keys.key}.total_epoch", message, "Global.epoch_num", "Global.seed")
    return replace(fault, rule="total_epoch")


def _of_27(data: object, keys: ShrinkKeys) -> tuple[float, float, str]:
    start, total = keys.shrink_ratio, keys.total_epoch
    if total is None:
        return start, start, "no total_epoch is given"
    placed = [_operator(data, name) for name in ("MakeBorderMap", "MakeShrinkMap")]
    if not all(operator is not None and isinstance(operator[1], dict) for operator in placed):
        return start, start, "it gives no epoch where a map operator has no keys"
    if _is_rebuilt(data):
        reason = "an entry of ratio_list below 1 has the data set rebuilt with the epoch as seed"
        return *_unbounded_ramp(keys, total), reason
    ratio = start + PADDLEOCR_RISE * keys.seed / total
    reason = (
        f"it takes the seed for the epoch: {start:g} + {PADDLEOCR_RISE:g} * {keys.seed} / {total:g}"
    )
    return ratio, ratio, reason


def _of_v6(data: object, keys: ShrinkKeys) -> tuple[float, float, str]:
    start, total = keys.shrink_ratio, keys.total_epoch
    if total is None:
        return start, start, "no total_epoch is given"
    if not _is_rebuilt(data):
        reason = "its counter of epochs stands at 0: it advances where ratio_list has one below 1"
        return start, start, reason
    reason = "an entry of ratio_list below 1 has its counter of epochs advance"
    if keys.epoch_num > total:
        reason = f"{reason}, beyond total_epoch too"
    return *_unbounded_ramp(keys, total), reason


def _unbounded_ramp(keys: ShrinkKeys, total: float) -> tuple[float, float]:
    """Return PaddleOCR's ratio in the first and the last epoch of the run."""
    start, rise = keys.shrink_ratio, PADDLEOCR_RISE / total
    return start + rise, start + rise * keys.epoch_num


def _of_ours(keys: ShrinkKeys) -> tuple[float, float, str]:
    start, total = keys.shrink_ratio, keys.total_epoch
    end = ramp_end(start, keys.shrink_ratio_end, total)
    schedule = ShrinkSchedule(start, end, total or keys.epoch_num)
    if schedule.is_constant:
        return start, start, "no ramp is given"
    reason = f"the true epoch, {start:g} to {end:g} over {schedule.total_epoch:g}"
    return schedule.ratio(1), schedule.ratio(keys.epoch_num), reason


def _version(name: str, first: float, last: float, reason: str) -> VersionRatio:
    ratio, effect = max(first, last), ""
    if ratio >= NO_BORDER_RATIO:
        effect = (
            "MakeShrinkMap masks every text, and MakeBorderMap raises IndexError at long ones "
            "(from 1.73 on at all), which ends in a RecursionError"
        )
    elif ratio >= 1:
        effect = "MakeShrinkMap masks every text without a word: only background is learnt"
    elif ratio > TOO_WIDE_RATIO:
        effect = (
            "kernels cover most of a text: the loss falls, hmean collapses unless unclip_ratio is "
            "about 0.5"
        )
    return VersionRatio(name, first, last, reason, effect)


def _keys(data: object) -> ShrinkKeys | None:
    placed = _operator(data, "MakeShrinkMap")
    if placed is None:
        return None
    index, given = placed
    arguments = given if isinstance(given, dict) else {}
    run = section_of(data, "Global")
    ratio = arguments.get("shrink_ratio", DEFAULT_RATIO)
    end, total = arguments.get("shrink_ratio_end"), arguments.get("total_epoch")
    seed, epochs = run.get("seed", DEFAULT_SEED), run.get("epoch_num", DEFAULT_EPOCHS)
    optional = [value for value in (end, total) if value is not None]
    if not all(map(_is_number, [ratio, *optional, seed, epochs])) or total == 0 or not epochs:
        return None
    key = f"{TRAIN_OPERATORS}.{index}.MakeShrinkMap"
    return ShrinkKeys(key, float(ratio), end, total, int(seed), int(epochs))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_rebuilt(data: object) -> bool:
    """Return whether PaddleOCR makes the data set anew in each epoch."""
    ratios = section_of(data, "Train", "dataset").get("ratio_list", 1.0)
    listed = ratios if isinstance(ratios, (list, tuple)) else [ratios]
    return any(_is_number(ratio) and ratio < 1 for ratio in listed)


def _operator(data: object, name: str) -> tuple[int, object] | None:
    """Return index and arguments of the first operator of that name in training's pipeline."""
    transforms = section_of(data, "Train", "dataset").get("transforms")
    for index, item in enumerate(transforms if isinstance(transforms, (list, tuple)) else ()):
        if isinstance(item, dict) and name in item:
            return index, item[name]
    return None


def section_of(data: object, *names: str) -> dict[str, Any]:
    """Return the section that the names lead to; {} if there is none."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}
