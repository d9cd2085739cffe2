"""The faults of a config: what is wrong, where, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from ppocr_ft.errors import ConfigError, placed

Severity = Literal["error", "warning"]

OVERRIDE_MARK = "-o "


REMEDIES = {
    "yaml": "correct the file, or its name after -c",
    "override": "write -o Section.key=value with a key that the file can hold",
    "unknown_key": (
        "correct the name, or take the key out; a YAML of another network can't be trained here"
    ),
    "unknown_name": "take one of the known names; others can't be trained here",
    "no_effect": "nothing has to be done; take the key out if it is not needed elsewhere",
    "value": "give a value of the kind that is expected",
    "other_task": "train it with the project that it is for, or start from configs/det_v4_ft.yml",
    "draft_name": "write the name that PaddleOCR's releases have",
}
"""What to do about a finding, by the name of what found it. Rules enter theirs, see ``remedy``."""

AnyRule = TypeVar("AnyRule", bound=Callable[..., object])


def remedy(text: str) -> Callable[[AnyRule], AnyRule]:
    """Give a rule its remedy: what to do about its findings."""

    def enter(rule: AnyRule) -> AnyRule:
        REMEDIES[rule.__name__] = text
        return rule

    return enter


@dataclass(frozen=True)
class Place:
    """The place of a value: a file and its 1-based line, or ``-o Section.key``."""

    path: str
    line: int | None = None


@dataclass(frozen=True)
class Fault:
    """One finding about a config.

    ``path`` is the config file or, for a value of the command line, ``-o Section.key``; ``line``
    is 1-based. ``key`` is the dotted key path, list items by index, as ``-o`` takes it:
    ``Train.dataset.transforms.6.MakeShrinkMap.shrink_ratio``. ``related`` are further keys that
    the finding depends on; ``rule`` is the name of the rule.
    """

    severity: Severity
    path: str | None
    line: int | None
    key: str
    message: str
    related: tuple[str, ...] = ()
    rule: str = field(default="", compare=False)

    def describe(self) -> str:
        key = None if self._place_is_key() else self.key
        return placed(self.message, self.path, self.line, key)

    def _place_is_key(self) -> bool:
        if self.path is None or not self.path.startswith(OVERRIDE_MARK):
            return False
        written = self.path.removeprefix(OVERRIDE_MARK)
        return _without_indices(written) == _without_indices(self.key)


def error(key: str, message: str, *related: str, rule: str = "") -> Fault:
    """Return an error about a key."""
    return Fault("error", None, None, key, message, related, rule)


def warning(key: str, message: str, *related: str, rule: str = "") -> Fault:
    """Return a warning about a key."""
    return Fault("warning", None, None, key, message, related, rule)


def tagged(rule: str, faults: Iterable[Fault]) -> list[Fault]:
    """Return the faults with the name of their rule, if they have none yet."""
    return [fault if fault.rule else replace(fault, rule=rule) for fault in faults]


def config_error(path: str | Path, faults: Sequence[Fault]) -> ConfigError:
    """Return all faults as one error; a single fault keeps its place in the attributes."""
    if len(faults) == 1:
        (fault,) = faults
        key = None if fault._place_is_key() else fault.key or None
        return ConfigError(fault.message, path=fault.path, key=key, line=fault.line)
    lines = "".join(f"\n  {fault.describe()}" for fault in faults)
    return ConfigError(f"{len(faults)} faults in this config:{lines}", path=path)


def refuse(faults: Sequence[Fault]) -> None:
    """Raise the faults of a config that was loaded already, if there are any, as ConfigError."""
    if faults:
        raise config_error("", faults)


def in_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return each file's faults by line, then those of the command line; each once."""
    unique = dict.fromkeys(faults)
    files = list(dict.fromkeys(fault.path for fault in unique))

    def place(fault: Fault) -> tuple[bool, int, int]:
        return fault.line is None, files.index(fault.path), fault.line or 0

    return tuple(sorted(unique, key=place))


def join_key(*parts: object) -> str:
    """Join the parts of a dotted key."""
    return ".".join(str(part) for part in parts if part != "")


def is_under(key: str, prefix: str) -> bool:
    """Return whether ``key`` is ``prefix`` or a key below it."""
    return key == prefix or key.startswith(f"{prefix}.")


def _without_indices(key: str) -> str:
    return ".".join(part for part in key.split(".") if not part.isdecimal())
