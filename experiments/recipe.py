"""The defaults by measurement: one factor at a time, on two real sets or more.

Usage: make recipe ARGS="--only 'learning rate' --sets funsd icdar2015 --steps 120". Each arm is
configs/det_v4_ft.yml with its own few keys changed, and run as make real-sets runs it; but what
judges is a part of the training images that the run hasn't seen, so that nothing is decided by the
validation part. Finished arms, and arms that two factors share, are not run again. The tables are
printed and put into docs/recipe.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from experiments.marked_tables import MarkerMissingError, Table, replaced
from experiments.real_sets.arms import RunArm
from experiments.real_sets.sets import CONFIG, MINUTES, ROOT, inner, sets_of
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.commands.compare.variants import Arm, load_arms
from ppocr_ft.config.load import read_tree
from ppocr_ft.errors import RunFailed

if TYPE_CHECKING:
    from experiments.real_sets.runs import Record
    from experiments.real_sets.sets import RealSet

SMALL_CONFIG = ROOT / "configs" / "det_v4_ft_small.yml"
DOCUMENT = ROOT / "docs" / "recipe.md"
OUTPUT = ROOT / "output" / "recipe"
SETS = ("funsd", "icdar2015")
STEPS = 120
TRANSFORMS = "Train.dataset.transforms"


@dataclass(frozen=True)
class Setting:
    """One value of a factor: ``-o`` overrides."""

    name: str
    overrides: tuple[str, ...] = ()


def keys(path: str, **values: object) -> tuple[str, ...]:
    """Return the overrides of the keys at a path of the config."""
    return tuple(f"{path}.{key}={value}" for key, value in values.items())


def each(path: str, key: str, values: Sequence[object]) -> list[Setting]:
    """Return a setting for each value of one key."""
    return [Setting(f"{value}", keys(path, **{key: value})) for value in values]


def crop(**values: object) -> tuple[str, ...]:
    return keys(f"{TRANSFORMS}.ScaledCrop", **values)


def scale(side_px: int, limit_type: str) -> Setting:
    """Return the setting that trains and evaluates at another scale."""
    limits = {"limit_side_len": side_px, "limit_type": limit_type}
    evaluated = keys("Eval.dataset.transforms.DetResizeForTest", **limits)
    return Setting(
        f"{side_px}:{limit_type}", ("Global.fit_scale=false", *crop(**limits), *evaluated)
    )


def unfitted(name: str, ratio: float, *more: str) -> Setting:
    """Return a setting whose targets are not chosen by the labels."""
    operators = ("MakeBorderMap", "MakeShrinkMap")
    overrides = [keys(f"{TRANSFORMS}.{op}", shrink_ratio=ratio)[0] for op in operators]
    return Setting(name, ("Global.fit_targets=false", *overrides, *more))


def optimizer(name: str, learning_rate: float) -> Setting:
    overrides = (f"Optimizer.name={name}", f"Optimizer.lr.learning_rate={learning_rate}")
    return Setting(f"{name}, {learning_rate:g}", overrides)


def turned(*augmentations: str) -> tuple[str, ...]:
    """Return the override that gives IaaAugment these augmentations."""
    return (f"{TRANSFORMS}.IaaAugment.augmenter_args=[{', '.join(augmentations)}]",)


def affine(degrees: int) -> str:
    return f"{{type: Affine, args: {{rotate: [-{degrees}, {degrees}]}}}}"


def auxiliary(p4: float, p3: float, p2: float) -> tuple[str, ...]:
    """Return the overrides of the weights of the auxiliary heads' losses."""
    return keys("Loss", aux_weight_p4=p4, aux_weight_p3=p3, aux_weight_p2=p2)


def grouped(**factors: float) -> tuple[str, ...]:
    """Return the override that gives the parts of the network factors on the rate."""
    preset = ", ".join(f"{part}: {factor}" for part, factor in factors.items())
    return (f"Optimizer.param_groups={{preset: head_first, {preset}}}",)


def transforms_of(config: Path) -> list[dict[str, Any]]:
    tree: Any = read_tree(config).data
    return list(tree["Train"]["dataset"]["transforms"])


def as_override(transforms: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return (f"{TRANSFORMS}={json.dumps(transforms)}",)


def borrowed(name: str, before: str) -> tuple[str, ...]:
    """Return the override that puts an operator of the small config before another."""
    (operator,) = (op for op in transforms_of(SMALL_CONFIG) if name in op)
    transforms = transforms_of(CONFIG)
    place = next(i for i, op in enumerate(transforms) if before in op)
    return as_override([*transforms[:place], operator, *transforms[place:]])


def without(name: str) -> tuple[str, ...]:
    """Return the override that leaves an operator out."""
    return as_override([op for op in transforms_of(CONFIG) if name not in op])


MIRRORED = "{type: Fliplr, args: {p: 0.5}}"
PERSPECTIVE = "{type: Perspective, args: {scale: [0, 0.03], p: 0.5}}"
FITTED = Setting("fitted to the data")
FACTORS: dict[str, list[Setting]] = {
    "scale of evaluation": [
        FITTED,
        scale(640, "max"),
        scale(960, "max"),
        scale(1280, "max"),
        scale(1280, "resize_long"),
        scale(640, "min"),
        scale(800, "min"),
        scale(960, "min"),
    ],
    "crop": [
        Setting(f"{width} x {height} px, text_p {p}", crop(size=f"[{width},{height}]", text_p=p))
        for width, height, p in (
            (480, 256, 0.9), (480, 256, 0.5), (480, 480, 0.6), (640, 480, 0.3),
            (640, 480, 0.5), (640, 640, 0.3),
        )
    ],
    "scale of the crop": [
        Setting(f"x {low} to {high}", crop(scale_range=f"[{low},{high}]"))
        for low, high in ((1.0, 1.0), (0.9, 1.1), (0.7, 1.4), (0.5, 2.0))
    ],
    "crops beyond the page": [
        Setting(f"paper_p {p}", crop(paper_p=p)) for p in (0.0, 0.25, 0.5, 0.75)
    ],
    "shrink ratio": [FITTED, *(unfitted(f"{ratio}", ratio) for ratio in (0.4, 0.5, 0.6))],
    "learning rate": each("Optimizer.lr", "learning_rate", (5e-5, 1e-4, 2e-4, 4e-4, 1e-3)),
    "decay to the start": each("Optimizer", "start_decay", (0, 1, 10, 40)),
    "fresh layers first, steps": each("Optimizer", "fresh_first", (0, 30, "auto")),
    "choice at the end": each("Global", "interpolate", ("false", "true")),
    "augmentation": [
        Setting("as shipped: mirrored, turned by 1 degree, colour"),
        Setting("not mirrored", turned(affine(1))),
        Setting("without colour", without("ColorJitter")),
        Setting("turned by 5 degrees", turned(MIRRORED, affine(5))),
        Setting("perspective", turned(MIRRORED, affine(1), PERSPECTIVE)),
        Setting("copy-paste", borrowed("CopyPaste", before="IaaAugment")),
        Setting("as det_v4_ft_small.yml", as_override(transforms_of(SMALL_CONFIG))),
    ],
    "loss of the shrink map": [
        FITTED,
        *(
            unfitted(f"{loss}, shrink ratio {ratio}", ratio, f"Loss.main_loss_type={loss}")
            for loss in ("DiceLoss", "BCELoss", "DiceFocalLoss")
            for ratio in (0.4, 0.6)
        ),
    ],
    "weight of the gaps": [
        FITTED,
        *(
            unfitted(f"{weight}", 0.6, f"{TRANSFORMS}.MakeShrinkMap.gap_weight={weight}")
            for weight in (1, 2, 4, 8)
        ),
    ],
    "optimizer": [
        optimizer("AdamW", 4e-4),
        optimizer("Adam", 4e-4),
        optimizer("Lamb", 5e-3),
        optimizer("RMSProp", 1e-4),
        optimizer("Momentum", 1e-2),
        optimizer("Adagrad", 5e-3),
    ],
    "schedule": each("Optimizer.lr", "name", ("Cosine", "Linear", "Const")),
    "rounding of the kernels": each(
        f"{TRANSFORMS}.MakeShrinkMap", "rounding", ("truncate", "nearest")
    ),
    "form": each("Global", "form", ("auto", "branches")),
    "rate of the fresh head": each("Optimizer", "fresh_lr_mult", (1, 5, 25)),
    "batch norm statistics of the weights": each("Global", "freeze_bn_stats", ("true", "false")),
    "averaged weights": each("Global", "use_ema", ("true", "false")),
    "parameter groups": each("Optimizer", "param_groups", ("null", "head_first")),
}  # fmt: skip
"""Each factor's settings; what a setting doesn't name is as the shipped config has it."""
V6_FACTORS: dict[str, list[Setting]] = {
    "rates of the parts": [
        Setting("all 0.0004"),
        Setting("backbone 0.00004, others 0.0004", grouped(backbone=0.1, neck=1)),
        Setting("backbone 0.00004, neck 0.0002, head 0.0004", grouped(backbone=0.1, neck=0.5)),
        Setting("all 0.0001", keys("Optimizer.lr", learning_rate=1e-4)),
    ],
    "auxiliary heads": [
        Setting("as PaddleOCR weighs them"),
        Setting("a tenth of that", auxiliary(0.02, 0.03, 0.04)),
        Setting("none", auxiliary(0, 0, 0)),
        Setting("none, DiceLoss", (*auxiliary(0, 0, 0), "Loss.main_loss_type=DiceLoss")),
    ],
}
"""Factors that only the configs of PP-OCRv6 have."""


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    known = FACTORS if options.config == CONFIG else {**FACTORS, **V6_FACTORS}
    factors = {name: known[name] for name in options.only or known}
    for settings in factors.values():  # a wrong key is said before hours have passed
        arms = [Arm(setting.name, setting.overrides) for setting in settings]
        load_arms(options.config, arms, options.override)
    sets = [inner(found) for found in sets_of(options.sets, options.images)]
    if not sets:
        return 2
    import_paddle()
    for name, settings in factors.items():
        table = table_of(name, settings, sets, options)
        print(f"\n{name.upper()}\n\n{table.markdown()}", flush=True)
        write(options.out or document_of(options), table)
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=[*FACTORS, *V6_FACTORS], metavar="FACTOR",
        help=f"of {', '.join(map(repr, FACTORS))} (all); with a --config of PP-OCRv6 of "
        f"{', '.join(map(repr, V6_FACTORS))}, too")  # fmt: skip
    add("--config", type=shipped_config, default=CONFIG, metavar="NAME",
        help=f"config of the arms ({CONFIG.stem})")  # fmt: skip
    add("--sets", nargs="+", choices=MINUTES, default=list(SETS), metavar="SET",
        help=f"of {', '.join(MINUTES)} ({' '.join(SETS)})")  # fmt: skip
    add("--steps", type=int, default=STEPS, help=f"steps of an arm, to whole epochs ({STEPS})")
    add("--seeds", type=int, default=1, help="runs of each arm (1)")
    add("--images", type=int, help="no more than so many images of each kind, for a try")
    add("--out", type=Path, help="document (docs/recipe.md)")
    add("-o", dest="override", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="keys of all arms")  # fmt: skip
    return parser.parse_args(argv)


def shipped_config(name: str) -> Path:
    return (CONFIG.parent / name).with_suffix(".yml")


def document_of(options: argparse.Namespace) -> Path:
    return OUTPUT / "try.md" if options.images else DOCUMENT


HEADER = ("set", "arm", "steps", "IoU 0.5 / 0.7", "gain at IoU 0.5", "gain at IoU 0.7", "minutes")


def table_of(
    factor: str, settings: Sequence[Setting], sets: Sequence[RealSet], options: argparse.Namespace
) -> Table:
    """Return the table; what isn't finished yet is run."""
    from experiments.real_sets.runs import bar

    rows: list[list[str]] = []
    for real in sets:
        fitted = bar(OUTPUT, real, config=options.config)
        rows += set_rows(fitted, [(s.name, runs_of(s, real, options)) for s in settings])
    name = factor if options.config == CONFIG else f"{factor}, {options.config.stem}"
    return Table(name, HEADER, rows, facts(factor, sets, options))


def runs_of(setting: Setting, real: RealSet, options: argparse.Namespace) -> list[Record]:
    """Return the records of a setting's seeds; none if one of them diverged."""
    from experiments.real_sets.runs import FIRST_SEED, Run, length_of

    arm = RunArm(setting.name, (*options.override, *setting.overrides))
    length = length_of(real, OUTPUT, options.steps, None, options.config)
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    runs = [Run(OUTPUT, real, arm, seed, length, config=options.config) for seed in seeds]
    try:
        for run in runs:
            print(f"\n{real.name}, {setting.name}, seed {run.seed}: {run.folder}", flush=True)
        return [run.record() for run in runs]
    except RunFailed as diverged:
        print(diverged, file=sys.stderr)
        return []


def set_rows(fitted: Record, arms: Sequence[tuple[str, Sequence[Record]]]) -> list[list[str]]:
    """Return a set's rows: the fitted start, then the arms."""
    from experiments.real_sets.report import gain_cells, medians

    name = fitted.real_set.partition(",")[0]
    rows = [[name, "fitted start", "0", medians([fitted]), "", "", ""]]
    for arm, runs in arms:
        if not runs:
            rows.append([name, f"{arm} (diverged)", *[""] * 5])
            continue
        minutes = f"{mean(run.minutes for run in runs):.1f}"
        rows.append(
            [name, arm, str(runs[0].steps), medians(runs), *gain_cells(runs, fitted), minutes]
        )
    return rows


def facts(factor: str, sets: Sequence[RealSet], options: argparse.Namespace) -> str:
    """Return what the figures depend on besides the config, and the command."""
    images = "; ".join(
        f"{real.name.partition(',')[0]}: {len(real.train)} images train, {len(real.judge)} judge"
        for real in sets
    )
    words = ["--only", factor, "--sets", *options.sets, "--steps", str(options.steps)]
    words += ["--config", options.config.stem] if options.config != CONFIG else []
    words += ["--seeds", str(options.seeds)] if options.seeds > 1 else []
    words += ["-o", *options.override] if options.override else []
    return f"{images}.\n`python -m experiments.recipe {shlex.join(words)}`"


INTRODUCTION = "# Recipe\n"


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
