"""What images without labels bring: few labelled images, with and without the others.

Usage: make unlabelled ARGS="--only receipts --seeds 1" (python -m experiments.unlabelled, from the
root of the repository). Of a set's training part a few images keep their labels; the labels of the
others are never seen. The runs are configs/det_v4_ft.yml with data paths, seed and length set,
without Global.interpolate and Eval.also; the arms differ in Train.unlabelled alone. Post-processing
is fitted on the labelled images, and the validation part judges.

The table is printed and put into docs/unlabelled.md after each run. What a finished run has found
is kept in docs/unlabelled/ and not run again unless the config has changed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.real_sets.arms import RunArm
from experiments.real_sets.sets import ROOT, RealSet, drawn, sets_of
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.errors import RunFailed

if TYPE_CHECKING:
    from experiments.real_sets.report import Records

DOCUMENT = ROOT / "docs" / "unlabelled.md"
COUNTS = {"receipts": (10, 90), "icdar2015": (20, 174), "funsd": (10, 50)}
"""So many of a set's training images keep their labels, and the others."""
STEPS = 120
POOLS = Path("output", "unlabelled_images")
"""Below it a folder a set with the images that have no labels; relative, as the config has it."""
PLAIN = ("Global.interpolate=false", "Eval.also={}")
WITHOUT = "labelled alone"
TEACHERS = ("averaged", "start")
HEADER = (
    "set", "labelled", "unlabelled", "teacher", "steps", "seeds", "hmean, IoU 0.5 / 0.7",
    "gain at IoU 0.5", "gain at IoU 0.7", "minutes",
)  # fmt: skip


def few_labels(real: RealSet) -> tuple[RealSet, Sequence[str]]:
    """Return the set with its labelled images, on which a run chooses too, and the other lines."""
    labelled, others = drawn(real.train, *COUNTS[real.name])
    name = f"{real.name} {len(labelled)}"
    return replace(real, name=name, train=labelled, validate=labelled), others


def pool_of(name: str, data_dir: Path, lines: Sequence[str]) -> Path:
    """Return a folder with the images of label lines and nothing else."""
    folder = POOLS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for line in lines:
        image = data_dir / line.partition("\t")[0]
        (folder / image.name).symlink_to(image)
    return folder


def arm(teacher: str, pool: Path) -> RunArm:
    unlabelled = [f"Train.unlabelled={{data_dir: {pool.as_posix()}, teacher: {teacher}}}"]
    return RunArm(teacher, (*PLAIN, *unlabelled * (teacher != WITHOUT)))


def records(root: Path, real: RealSet, options: argparse.Namespace) -> Iterator[None]:
    """Make the records of a set; yield after each one."""
    from experiments.real_sets.runs import FIRST_SEED, Run, length_of

    few, others = few_labels(real)
    pool = pool_of(real.name, real.data_dir, others)
    length = length_of(few, root, options.steps, None)
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        for teacher in (WITHOUT, *options.teachers):
            run = Run(root, few, arm(teacher, pool), seed, length)
            print(f"\n{few.name}, {teacher}, seed {seed}: {run.folder}", flush=True)
            run.record()
            yield


def table(found: Records) -> Table:
    """Return the runs beside those without unlabelled images: medians over seeds, lowest gains."""
    from experiments.real_sets.judge import hmeans
    from experiments.real_sets.report import medians

    teachers = dict.fromkeys([WITHOUT, *(name for _, name in found)])
    rows = []
    for (name, (labelled, others)), teacher in product(COUNTS.items(), teachers):
        alone, runs = (found.get((f"{name} {labelled}", each), ()) for each in (WITHOUT, teacher))
        if not runs:
            continue
        gains = ["", ""]
        both = [(run, bar) for run in runs for bar in alone if run.seed == bar.seed]
        if teacher != WITHOUT and both:
            by_seed = np.array([hmeans(run.of()) - hmeans(bar.of()) for run, bar in both])
            middle, lowest = np.median(by_seed, axis=0), by_seed.min(axis=0)
            gains = [f"{m:+.4f} (lowest {low:+.4f})" for m, low in zip(middle, lowest, strict=True)]
        steps, minutes = (np.median([getattr(run, of) for run in runs])
                          for of in ("steps", "minutes"))  # fmt: skip
        numbers = [str(labelled), str(others) if teacher != WITHOUT else "-"]
        counts = [f"{steps:.0f}", str(len(runs))]
        rows.append([name, *numbers, teacher, *counts, medians(runs), *gains, f"{minutes:.1f}"])
    return Table("unlabelled", HEADER, rows)


@command
def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=COUNTS, default=list(COUNTS), help="sets (all)")
    add("--teachers", nargs="+", default=TEACHERS,
        help="as Train.unlabelled.teacher takes them (averaged start)")  # fmt: skip
    add("--seeds", type=int, default=3, help="runs of each (3)")
    add("--steps", type=int, default=STEPS, help=f"length of a run, up to whole epochs ({STEPS})")
    options = parser.parse_args(argv)
    sets = sets_of(options.only)
    if not sets:
        return 2
    import_paddle()
    from experiments.real_sets.runs import UNLABELLED_RUNS, finished

    try:
        for real in sets:
            for _ in records(UNLABELLED_RUNS, real, options):
                shown = table(finished(UNLABELLED_RUNS))
                print(f"\n{shown.markdown()}", flush=True)
                document = replaced(DOCUMENT.read_text(encoding="utf-8"), shown)
                DOCUMENT.write_text(document, encoding="utf-8")
    except RunFailed as ended:  # a signal, or losses that diverged: the same command goes on
        print(ended, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
