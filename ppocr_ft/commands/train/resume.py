"""The run that ``--resume`` goes on with, and what its config and the one of now have different."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from ppocr_ft.commands.common import config_of
from ppocr_ft.commands.report.run import config_differences
from ppocr_ft.config import Config
from ppocr_ft.engine.checkpoints import state_path
from ppocr_ft.errors import ConfigError
from ppocr_ft.messages import counted
from ppocr_ft.report.page.run import Difference
from ppocr_ft.runs.folder import RESOLVED_CONFIG

BENDING = (
    "Global.epoch_num",
    "Global.fit_scale",
    "Global.fit_targets",
    "Global.seed",
    "Global.time_budget",
    "Optimizer.",
    "Train.dataset.label_file_list",
    "Train.dataset.ratio_list",
    "Train.loader.batch_size_per_card",
    "Train.loader.drop_last",
    "Train.loader.shuffle",
)
"""Keys, or how they begin, that say which rate and which images step n has."""
NOT_OF_THE_RUN = frozenset({"Global.resume", "Global.save_model_dir"})


def own_config(options: argparse.Namespace) -> Config:
    """Return the config of the run that ``--resume`` names, with the overrides.

    Raises:
        UserInputError: it can't be read, or there is no such run.
    """
    folder = state_path(options.resume).parent
    options.config = str(folder / RESOLVED_CONFIG)
    config = config_of(options)
    section = config.Global.model_copy(update={"save_model_dir": str(folder)})
    return config.model_copy(update={"Global": section})


def check_same_run(config: Config, state: Path, *, force: bool) -> list[str]:
    """Return lines on the keys that differ from those of the run whose state this is.

    Raises:
        ConfigError: the run is in another folder than Global.save_model_dir; or, without
            ``force``, keys differ that would bend its schedule.
    """
    folder = state.parent
    if folder.resolve() != Path(config.Global.save_model_dir).resolve():
        raise ConfigError(
            f"is {config.Global.save_model_dir}, but the run to go on with is in {folder}; "
            f"--resume {folder} without -c goes on with the run's own config",
            key="Global.save_model_dir",
        )
    try:
        own = yaml.safe_load((folder / RESOLVED_CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []  # a state without its config: nothing to hold the config against
    different = [
        difference
        for difference in config_differences(own, yaml.safe_load(config.to_yaml()))
        if difference.key not in NOT_OF_THE_RUN
    ]
    bending = [difference for difference in different if difference.key.startswith(BENDING)]
    if bending and not force:
        raise ConfigError(
            f"the run in {folder} began with other values, and these would bend its schedule:\n"
            + "\n".join(map(_line, bending))
            + f"\n--resume {folder} without -c and -o keeps the run's; --force takes the new ones"
        )
    return (
        [
            f"{counted(len(different), 'key')} other than the run's:",
            *map(_line, different),
        ]
        if different
        else []
    )


def _line(difference: Difference) -> str:
    return f"  {difference.key}: {_shown(difference.own)}, the run's {_shown(difference.default)}"


def _shown(value: str | None) -> str:
    return "not given" if value is None else value
