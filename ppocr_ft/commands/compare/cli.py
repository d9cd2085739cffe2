"""Command line of ``compare``: short runs of different configs, side by side."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ppocr_ft.commands.common import (
    beside_runs,
    command,
    import_paddle,
    parser,
    say_not_fitted,
    whole_number,
)
from ppocr_ft.commands.compare.variants import Arm, arms_error, load_arms, parse_arm
from ppocr_ft.config import Config
from ppocr_ft.errors import FAILED, SIGNALLED, ConfigError, WeightsError
from ppocr_ft.utils.files import folder_lock

if TYPE_CHECKING:
    from ppocr_ft.commands.compare.table import ArmRun

TABLE, FIGURES, PICTURE = "compare.md", "compare.csv", "compare.png"
EXAMPLES = """\
  ppocr-ft compare -c det_v4_ft.yml --epochs 3 \\
        --arm "AdamW: Optimizer.name=AdamW Optimizer.lr.learning_rate=1e-4" \\
        --arm "Adam: Optimizer.name=Adam Optimizer.lr.learning_rate=1e-4"
  ppocr-ft compare -c det_v4_ft.yml --epochs 3 --seeds 3 --arm "as it is:" \\
        --arm "branches: Global.form=branches" -o Global.save_model_dir=out/forms
Any key can be an arm; the shrink ratio stands in both map operators:
        --arm "0.6: Train.dataset.transforms.MakeBorderMap.shrink_ratio=0.6
                    Train.dataset.transforms.MakeShrinkMap.shrink_ratio=0.6"
Called again with more arms, it runs those; one that was broken off goes on where it was."""
EPILOGUE = """

exit codes: 0 done, also where an arm diverged; 2 the input is wrong; 1 anything else;
130 and 143 stopped by Ctrl-C or SIGTERM, with the run saved"""


@command
def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit code."""
    options = options_of(argv)
    arms = arms_of(options.arm)
    epochs = [] if options.epochs is None else [f"Global.epoch_num={options.epochs}"]
    common = [*options.override, *epochs]
    configs = [beside_runs(arm, "compare") for arm in load_arms(options.config, arms, common)]
    warn(arms, configs)

    import_paddle()
    say_not_fitted(configs)
    from ppocr_ft.commands.compare.run import plan, run_all
    from ppocr_ft.engine.stop import Stopped

    first = configs[0]
    folder = Path(first.Global.save_model_dir)
    runs = plan(arms, configs, seeds=options.seeds)
    try:
        with folder_lock(folder, "Global.save_model_dir"):
            results = run_all(runs)
    except Stopped as stopped:
        print(f"stopped by {stopped}; the same command goes on")
        return SIGNALLED + stopped.signal_number
    except BrokenPipeError:
        raise
    except (OSError, WeightsError) as error:  # a full disk
        print(f"stopped: {error}; the same command goes on", file=sys.stderr)
        return FAILED
    report(folder, arms, results, first.Metric.main_indicator)
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(
        "compare",
        "Short runs from one start on the same batches, beside each other.",
        EXAMPLES + EPILOGUE,
        begins=True,
    )
    arguments.add_argument(
        "--arm",
        action="append",
        default=[],
        metavar='"NAME: SECTION.KEY=VALUE ..."',
        help="one of the runs, and what it changes; give it once for each",
    )
    arguments.add_argument("--epochs", type=whole_number(1), metavar="N", help="length of each run")
    arguments.add_argument(
        "--seeds",
        type=whole_number(1),
        default=1,
        metavar="N",
        help="run each arm with N seeds, Global.seed and those after it, to see the noise (1)",
    )
    return arguments.parse_args(argv)


def arms_of(texts: Sequence[str]) -> list[Arm]:
    """Parse the variants of the command line.

    Raises:
        ConfigError: naming every one that can't be read.
    """
    arms, faults = [], []
    for text in texts:
        try:
            arms.append(parse_arm(text))
        except ConfigError as error:
            faults.append(str(error))
    if faults:
        raise arms_error(faults)
    return arms


def warn(arms: Sequence[Arm], configs: Sequence[Config]) -> None:
    """Print each warning once, with its arms unless it is about all of them."""
    owners: dict[str, list[str]] = {}
    for arm, config in zip(arms, configs, strict=True):
        for fault in config.warnings:
            owners.setdefault(fault.describe(), []).append(arm.name)
    for text, names in owners.items():
        whose = "" if len(names) == len(arms) else f"arm {', '.join(map(repr, names))}: "
        print(f"warning: {whose}{text}", file=sys.stderr)


def report(folder: Path, arms: Sequence[Arm], results: Sequence[ArmRun], indicator: str) -> None:
    """Print table and verdict, and write them, with the picture, into ``folder``."""
    from ppocr_ft.commands.compare.plot import compare_picture
    from ppocr_ft.commands.compare.table import as_csv, console_table, table, verdict

    figures, words = table(results, indicator), verdict(results, indicator)
    print(f"\n{console_table(results, indicator)}\n\n{words}\n")
    changes = "\n".join(f"* {arm.name}: `{shlex.join(arm.overrides)}`" for arm in arms)
    text = f"# Comparison\n\n{words}\n\n{figures}\n\n{changes}\n\n![Curves]({PICTURE})\n"
    (folder / TABLE).write_text(text, encoding="utf-8")
    (folder / FIGURES).write_text(as_csv(results, indicator), encoding="utf-8")
    (folder / PICTURE).write_bytes(compare_picture(results, indicator))
    print(f"{folder / TABLE}, {folder / FIGURES}, {folder / PICTURE}")
