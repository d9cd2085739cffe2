"""What configs/det_v4_ft_small.yml's augmentation brings on 10, 30 and 100 receipts.

Usage: make small-data (python -m experiments.small_data [--steps N] [--seeds N]). Each arm is a
fine-tune by configs/det_v4_ft.yml or by configs/det_v4_ft_small.yml with the same number of steps
on the same images of ../shared/data/receipts' train.txt, drawn once by a fixed seed; the 30 images
of val.txt judge. Finished arms are not run again. The table is printed and put into
docs/small_data.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.recipe import RECEIPTS, ROOT, UNCLIP_RATIO, UNCLIP_RATIOS, cells
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.commands.compare.variants import Arm, load_arms

if TYPE_CHECKING:
    from ppocr_ft.commands.compare.run import PlannedRun
    from ppocr_ft.commands.compare.table import ArmRun

CONFIGS = {name: ROOT / "configs" / f"{name}.yml" for name in ("det_v4_ft", "det_v4_ft_small")}
DOCUMENT = ROOT / "docs" / "small_data.md"
OUTPUT = ROOT / "output" / "small_data"
COUNTS = (10, 30, 100)
DRAW_SEED = 0
HEADER = (
    "images", "config", "epochs", "steps", "hmean, unclip 1.5", "hmean_70, unclip 1.5",
    "best unclip", "hmean", "hmean_70",
)  # fmt: skip


@command
def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=96, help="steps of an arm, rounded up to "
                        "whole epochs (96)")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1, help="runs of each arm (1)")
    options = parser.parse_args(argv)
    if not RECEIPTS.is_dir():
        print("the receipts of ../shared/data are not here", file=sys.stderr)
        return 2
    import_paddle()
    from ppocr_ft.commands.compare.run import run_all

    rows: list[list[str]] = []
    for count in COUNTS:
        rows += rows_of(count, run_all(planned(count, options)), first=not rows)
    table = Table("small data", HEADER, rows)
    print(f"\n{table.markdown()}")
    DOCUMENT.write_text(replaced(DOCUMENT.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0


def label_file(count: int) -> Path:
    """So many lines of train.txt; a smaller set is part of a larger one."""
    lines = RECEIPTS.joinpath("train.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    drawn = np.sort(np.random.default_rng(DRAW_SEED).permutation(len(lines))[:count])
    path = OUTPUT / f"train_{count}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines[i] for i in drawn), encoding="utf-8")
    return path


def planned(count: int, options: argparse.Namespace) -> list[PlannedRun]:
    from ppocr_ft.commands.compare.run import plan

    arms, configs = [], []
    for name, path in CONFIGS.items():
        arm = Arm(f"{name}, {count} images")
        common = [
            f"Global.save_model_dir={OUTPUT}",
            f"Train.dataset.data_dir={RECEIPTS}",
            f"Train.dataset.label_file_list=[{label_file(count)}]",
            f"Eval.dataset.data_dir={RECEIPTS}",
            f"Eval.dataset.label_file_list=[{RECEIPTS / 'val.txt'}]",
            f"PostProcess.unclip_ratio={UNCLIP_RATIO}",
            "Global.eval_batch_epoch=1000000",  # at the beginning and the end alone
        ]
        (config,) = load_arms(path, [arm], common)
        steps_per_epoch = -(-count // config.Train.loader.batch_size_per_card)
        epochs = f"Global.epoch_num={-(-options.steps // steps_per_epoch)}"
        configs += load_arms(path, [arm], [*common, epochs])
        arms.append(arm)
    return plan(arms, configs, seeds=options.seeds, unclip_ratios=UNCLIP_RATIOS)


def rows_of(count: int, runs: Sequence[ArmRun], *, first: bool) -> list[list[str]]:
    """Return the rows: the start, once, and each config."""
    from ppocr_ft.commands.compare.table import by_arm

    rows = [["", "start", "0", "0", *cells([runs[0].start])]] if first else []
    for arm, arm_runs in by_arm(runs).items():
        last = [run.last for run in arm_runs]
        steps = last[0].step
        epochs = steps // -(-count // arm_runs[0].batch_size)
        rows.append(
            [str(count), f"`{arm.partition(',')[0]}`", str(epochs), str(steps), *cells(last)]
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
