"""The arms of a comparison: one config each, of common and own overrides."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppocr_ft.config.faults import Fault
from ppocr_ft.config.load import inspect_config
from ppocr_ft.config.schema import Config
from ppocr_ft.errors import ConfigError

FORM = "NAME: SECTION.KEY=VALUE ..."


@dataclass(frozen=True)
class Arm:
    """An arm: a name, and its ``-o`` overrides."""

    name: str
    overrides: tuple[str, ...] = ()


def parse_arm(text: str) -> Arm:
    """Parse ``SGD: Optimizer.name=Momentum Optimizer.lr.learning_rate=1e-3``, with shell quotes.

    The text before the first colon is the name; nothing after it: the unchanged config.

    Raises:
        ConfigError: no name, or a quote that is never closed.
    """
    name, colon, rest = text.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"found {text!r}, expected {FORM!r}", key="--arm")
    try:
        return Arm(name.strip(), tuple(shlex.split(rest)))
    except ValueError as reason:
        raise ConfigError(f"found {text!r}: {reason}", key="--arm") from None


def load_arms(path: str | Path, arms: Sequence[Arm], common: Sequence[str] = ()) -> list[Config]:
    """Load each arm's config: the file, then ``common`` overrides, then its own.

    Raises:
        ConfigError: it lists every fault of every arm, what all arms share once.
    """
    _check_names(arms)
    inspected = {arm.name: inspect_config(path, [*common, *arm.overrides]) for arm in arms}
    faults = {
        name: [fault for fault in inspection.faults if fault.severity == "error"]
        for name, inspection in inspected.items()
    }
    if any(faults.values()):
        raise arms_error(_described(faults), path)
    configs = [
        inspection.config for inspection in inspected.values() if inspection.config is not None
    ]
    _check_runs(configs)
    return configs


def arms_error(faults: Sequence[str], path: str | Path | None = None) -> ConfigError:
    """Return all faults of all arms as one error."""
    lines = "".join(f"\n  {fault}" for fault in faults)
    return ConfigError(f"nothing was run, since there are faults:{lines}", path=path)


def _check_names(arms: Sequence[Arm]) -> None:
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        reason = f"two arms bear the name {twice[0]!r}" if twice else f"missing; write {FORM!r}"
        raise ConfigError(reason, key="--arm")


def _check_runs(configs: Sequence[Config]) -> None:
    shared = {
        "Global.save_model_dir": {config.Global.save_model_dir for config in configs},
        "Metric.main_indicator": {str(config.Metric.main_indicator) for config in configs},
    }
    for key, values in shared.items():
        if len(values) > 1:
            message = f"the arms have {' and '.join(sorted(values))}; set one for all by -o"
            raise ConfigError(message, key=key)
    if any(config.Global.resume for config in configs):
        message = "is set; arms that were broken off are gone on with by themselves: leave it out"
        raise ConfigError(message, key="Global.resume")


def _described(faults: Mapping[str, Sequence[Fault]]) -> list[str]:
    """Return a line per fault, those of all arms first."""
    first, *others = faults.values()
    shared = [fault for fault in first if others and all(fault in listed for listed in others)]
    lines = [f"every arm: {fault.describe()}" for fault in shared]
    for name, arm_faults in faults.items():
        lines += [
            f"arm {name!r}: {fault.describe()}" for fault in arm_faults if fault not in shared
        ]
    return lines
