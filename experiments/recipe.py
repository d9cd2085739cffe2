"""The defaults by measurement: one factor at a time, on the receipts of ../shared/data.

Usage: make recipe (python -m experiments.recipe [--steps N] [--only FACTOR ...]). Each arm is a
fine-tune by configs/det_v4_ft.yml with its own few keys changed; finished arms, and arms that two
factors share, are not run again. The tables are printed and put into docs/recipe.md.

70 of the 100 training receipts train; the other 30, drawn once by a fixed seed, and the 30 of
val.txt are the 60 that all figures are of.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from experiments.marked_tables import MarkerMissingError, Table, replaced
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.commands.compare.variants import Arm, load_arms

if TYPE_CHECKING:
    from ppocr_ft.commands.compare.run import PlannedRun
    from ppocr_ft.commands.compare.table import ArmRun
    from ppocr_ft.engine.eval_result import EvalResult

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "det_v4_ft.yml"
RECEIPTS = ROOT.parent / "shared" / "data" / "receipts"
DOCUMENT = ROOT / "docs" / "recipe.md"
OUTPUT = ROOT / "output" / "recipe"
HELD_OUT_IMAGES = 30
SPLIT_SEED = 0
UNCLIP_RATIO = 1.5
"""What every config of PaddleOCR has; the other column is each arm's best of ``UNCLIP_RATIOS``."""
UNCLIP_RATIOS = tuple(round(0.8 + 0.1 * i, 1) for i in range(17))
"""0.8 to 2.4: 0.4 with long lines wants the upper end, 0.6 the lower one."""


@dataclass(frozen=True)
class Setting:
    """One value of a factor: ``-o`` overrides; ``steps_factor`` times the steps of the others."""

    name: str
    overrides: tuple[str, ...] = ()
    steps_factor: float = 1.0


def shrink(start: float, end: float | None = None) -> tuple[str, ...]:
    keys = {"shrink_ratio": start} | ({} if end is None else {"shrink_ratio_end": end})
    return tuple(
        f"Train.dataset.transforms.{operator}.{key}={value}"
        for operator in ("MakeBorderMap", "MakeShrinkMap")
        for key, value in keys.items()
    )


def crop(key: str, value: object) -> tuple[str, ...]:
    return (f"Train.dataset.transforms.ScaledCrop.{key}={value}",)


def rate(value: float) -> tuple[str, ...]:
    return (f"Optimizer.lr.learning_rate={value}",)


def optimizer(name: str, learning_rate: float) -> Setting:
    overrides = (f"Optimizer.name={name}", *rate(learning_rate))
    return Setting(f"{name}, {learning_rate:g}", overrides)


def schedule(name: str, *keys: str) -> Setting:
    overrides = (f"Optimizer.lr.name={name}", *(f"Optimizer.lr.{key}" for key in keys))
    return Setting(", ".join((name, *keys)), overrides)


FACTORS: dict[str, list[Setting]] = {
    "shrink ratio": [
        Setting("0.4", shrink(0.4)),
        Setting("0.5", shrink(0.5)),
        Setting("0.6", shrink(0.6)),
        Setting("0.4 -> 0.6", shrink(0.4, 0.6)),
    ],
    "learning rate": [
        Setting(f"{value:g}", rate(value)) for value in (5e-5, 1e-4, 3e-4, 5e-4, 1e-3)
    ],
    "optimizer": [
        optimizer("AdamW", 5e-4),
        optimizer("Adam", 5e-4),
        optimizer("Lamb", 5e-3),
        optimizer("RMSProp", 1e-4),
        optimizer("Momentum", 1e-2),
        optimizer("Adagrad", 5e-3),
    ],
    "schedule": [
        schedule("Cosine"),
        schedule("Linear"),
        schedule("Const"),
    ],
    "rounding of the kernels": [
        Setting(way, (f"Train.dataset.transforms.MakeShrinkMap.rounding={way}",))
        for way in ("truncate", "nearest")
    ],
    "form": [
        Setting("folded, as the weights come"),
        Setting("branches", ("Global.form=branches",)),
    ],
    "rate of the fresh head": [
        Setting(f"x {value}", (f"Optimizer.fresh_lr_mult={value}",)) for value in (1, 5, 25)
    ],
    "batch norm statistics": [
        Setting("of the weights", ("Global.freeze_bn_stats=true",)),
        Setting("gathered anew", ("Global.freeze_bn_stats=false",)),
    ],
    "crop size": [
        Setting(f"{width} x {height} px", crop("size", f"[{width},{height}]"))
        for width, height in ((256, 256), (352, 352), (480, 256), (480, 480))
    ],
    "scale of the crop": [
        Setting("x 1", crop("scale_range", "[1.0,1.0]")),
        Setting("x 0.9 to 1.1", crop("scale_range", "[0.9,1.1]")),
        Setting("x 0.8 to 1.25", crop("scale_range", "[0.8,1.25]")),
        Setting("x 0.5 to 2", crop("scale_range", "[0.5,2.0]")),
    ],
    "averaged weights": [
        Setting("none", ("Global.use_ema=false",)),
        Setting("EMA 0.98", ("Global.use_ema=true", "Global.ema_decay=0.98")),
    ],
    "parameter groups": [
        Setting("one rate"),
        Setting("head first", ("Optimizer.param_groups=head_first",)),
    ],
    "steps": [Setting(f"x {factor:g}", (), factor) for factor in (0.5, 1, 2)],
}
"""Each factor's settings; what a setting doesn't name is as the shipped config has it."""


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    if not RECEIPTS.is_dir():
        print("the receipts of ../shared/data are not here", file=sys.stderr)
        return 2
    import_paddle()
    split = make_split(OUTPUT, options.images)
    from ppocr_ft.commands.compare.run import run_all

    plans = {name: plan_of(FACTORS[name], split, options) for name in options.only or FACTORS}
    for factor, runs in plans.items():
        print(f"\n{factor.upper()}")
        table = table_of(factor, run_all(runs), split, options.steps)
        print(f"\n{table.markdown()}", flush=True)
        write(options.out, table)
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=216, help="steps of an arm, rounded up to "
                        "whole epochs (216)")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=FACTORS, metavar="FACTOR",
                        help=f"of {', '.join(map(repr, FACTORS))} (all)")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1, help="runs of each arm (1)")
    parser.add_argument("--images", type=int, help="no more than so many of each list, for a try")
    parser.add_argument("--out", type=Path, default=DOCUMENT, help="document (docs/recipe.md)")
    parser.add_argument("-o", dest="override", nargs="+", action="extend", default=[],
                        metavar="KEY=VALUE", help="keys of all arms")  # fmt: skip
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Split:
    """Label files, and how many images they name."""

    train: Path
    judge: tuple[Path, Path]
    train_images: int
    judge_images: int


def make_split(folder: Path, most: int | None = None) -> Split:
    """70 to train with, 30 held out and the 30 of val.txt to judge by; the same each time."""
    lines, validation = (
        RECEIPTS.joinpath(name).read_text(encoding="utf-8").splitlines(keepends=True)
        for name in ("train.txt", "val.txt")
    )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(lines))
    parts = {
        "train": [lines[i] for i in np.sort(order[HELD_OUT_IMAGES:])][:most],
        "held_out": [lines[i] for i in np.sort(order[:HELD_OUT_IMAGES])][:most],
        "val": validation[:most],
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.txt" for name in parts}
    for name, part in parts.items():
        paths[name].write_text("".join(part), encoding="utf-8")
    judges = len(parts["val"]) + len(parts["held_out"])
    return Split(paths["train"], (paths["val"], paths["held_out"]), len(parts["train"]), judges)


def plan_of(
    settings: Sequence[Setting], split: Split, options: argparse.Namespace
) -> list[PlannedRun]:
    """Return a factor's arms, checked and not yet run."""
    from ppocr_ft.commands.compare.run import plan

    common = [
        f"Global.save_model_dir={OUTPUT}",
        f"Train.dataset.data_dir={RECEIPTS}",
        f"Train.dataset.label_file_list=[{split.train}]",
        f"Eval.dataset.data_dir={RECEIPTS}",
        f"Eval.dataset.label_file_list=[{', '.join(map(str, split.judge))}]",
        f"PostProcess.unclip_ratio={UNCLIP_RATIO}",
        "Global.eval_batch_epoch=1000000",  # at the beginning and the end alone
        *options.override,
    ]
    arms = [
        Arm(setting.name, (run_length(setting, common, split, options.steps), *setting.overrides))
        for setting in settings
    ]
    configs = load_arms(CONFIG, arms, common)
    return plan(arms, configs, seeds=options.seeds, unclip_ratios=UNCLIP_RATIOS)


def run_length(setting: Setting, common: Sequence[str], split: Split, steps: int) -> str:
    """Whole epochs of at least so many steps."""
    (config,) = load_arms(CONFIG, [Arm(setting.name, setting.overrides)], common)
    loader, optimizer = config.Train.loader, config.Optimizer
    step_images = loader.batch_size_per_card * optimizer.gradient_accumulation_steps
    steps_per_epoch = -(-split.train_images // step_images)
    return f"Global.epoch_num={-(-round(steps * setting.steps_factor) // steps_per_epoch)}"


HEADER = (
    "arm", "steps", "hmean, unclip 1.5", "hmean_70, unclip 1.5",
    "best unclip", "hmean", "hmean_70", "minutes",
)  # fmt: skip


def table_of(factor: str, runs: Sequence[ArmRun], split: Split, steps: int) -> Table:
    """Return the table: the start, or each start if the arms begin differently, then the arms."""
    from ppocr_ft.commands.compare.table import by_arm

    arms = by_arm(runs)
    starts = {tuple(cells([run.start for run in arm_runs])) for arm_runs in arms.values()}
    rows = [["start", "0", *start, ""] for start in sorted(starts)]
    for arm, arm_runs in arms.items():
        name = f"{arm} (diverged)" if any(run.diverged for run in arm_runs) else arm
        last = [run.last for run in arm_runs]
        minutes = f"{mean(run.minutes for run in arm_runs):.1f}"
        rows.append([name, str(last[0].step), *cells(last), minutes])
    return Table(factor, HEADER, rows, facts(factor, runs, split, steps))


def cells(evaluations: Sequence[EvalResult]) -> list[str]:
    """Return hmean at both IoUs, at the usual ratio and at the one with the highest mean.

    They are means over the seeds, with the range (highest minus lowest) if there are several.
    """
    ratios = [evaluation.best_ratio("hmean", "hmean_70") for evaluation in evaluations]
    usual = [evaluation.rates[UNCLIP_RATIO] for evaluation in evaluations]
    best = [evaluation.rates[ratio] for evaluation, ratio in zip(evaluations, ratios, strict=True)]
    texts = [in_short([r[name] for r in rates])
             for rates in (usual, best) for name in ("hmean", "hmean_70")]  # fmt: skip
    return [*texts[:2], ", ".join(dict.fromkeys(f"{ratio:g}" for ratio in ratios)), *texts[2:]]


def in_short(values: Sequence[float]) -> str:
    spread = f" (spread {max(values) - min(values):.4f})" if len(values) > 1 else ""
    return f"{mean(values):.4f}{spread}"


def facts(factor: str, runs: Sequence[ArmRun], split: Split, steps: int) -> str:
    """Return what the figures depend on besides the config, and the command."""
    seeds = dict.fromkeys(str(run.seed) for run in runs)
    batches = dict.fromkeys(str(run.batch_size) for run in runs)
    more = f" --seeds {len(seeds)}" if len(seeds) > 1 else ""
    return (
        f"{split.train_images} receipts train, {split.judge_images} others judge; "
        f"batch {', '.join(batches)}; seed {', '.join(seeds)}.\n"
        f"`python -m experiments.recipe --steps {steps}{more} --only {shlex.quote(factor)}`"
    )


INTRODUCTION = """\
# Recipe

One factor at a time, around `configs/det_v4_ft.yml`, on the receipts; made by `make recipe`. Each
arm's last evaluation with unclip_ratio 1.5 and with the best of 0.8, 0.9, ... 2.4: the one with
the highest mean of hmean (IoU 0.5) and hmean_70 (IoU 0.7). Minutes are those of training alone on
two CPU cores.
"""


def write(document: Path, table: Table) -> None:
    """Write the table between its markers; at the document's end if it has no place yet."""
    text = document.read_text(encoding="utf-8") if document.exists() else INTRODUCTION
    try:
        text = replaced(text, table)
    except MarkerMissingError:
        begin, end = (f"<!-- {edge} table: {table.name} -->" for edge in ("begin", "end"))
        heading = f"{table.name[0].upper()}{table.name[1:]}"
        text = replaced(f"{text}\n## {heading}\n\n{begin}\n{end}\n", table)
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
