"""The measure: the default config on four real sets and a small one, judged on unseen images.

Usage: make real-sets ARGS="--only small --seeds 1" (python -m experiments.real_sets). Each run is
configs/det_v4_ft.yml with data paths, seed and length set, and nothing else. It sees the training
part of a set; the validation part judges what the run's own fitted.yml finds. The bar is the
released weights with post-processing and resize fitted on the training part.

The tables are printed and put into docs/real_sets.md after each run. What a finished run has found
is kept in docs/real_sets/ and not run again unless the config has changed; an interrupted run, in
output/real_sets, goes on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.real_sets.arms import ARMS, RunArm
from experiments.real_sets.sets import MINUTES, ROOT, RealSet, ceiling, folds, sets_of, unseen
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.errors import RunFailed

DOCUMENT = ROOT / "docs" / "real_sets.md"
PICTURE = ROOT / "docs" / "pictures" / "real_sets.png"
ABOUT = "hmean on the runs' own validation images over the steps"
README_TABLES = (
    (ROOT / "README.md",
     ("set", "released, as shipped", "released, fitted", "PaddleOCR 2.7's targets",
      "PaddleOCR 2.10's targets", "ppocr_ft"), ABOUT),
    (ROOT / "README.zh-CN.md",
     ("数据集", "原样的发布权重", "拟合后的发布权重", "PaddleOCR 2.7 的目标",
      "PaddleOCR 2.10 的目标", "ppocr_ft"), "各次训练在自留验证图像上的 hmean 随步数的变化"),
)  # fmt: skip
"""The READMEs' headers of the story, and what their picture shows."""


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    sets = sets_of(options.only, options.images)
    if options.ceiling:
        sets = [ceiling(each) for each in sets]
    if options.unseen:
        sets = [unseen(each) for each in sets]
    if options.folds:
        sets = [fold for each in sets for fold in folds(each, options.folds)]
    if not sets:
        return 2
    import_paddle()
    from experiments.real_sets.runs import root_of

    measure = Measure(root_of(options.images, is_try=bool(options.override)), options)
    try:
        for each in sets:
            for _ in measure.records(each):
                measure.show()
    except RunFailed as ended:  # a signal, or losses that diverged: the same command goes on
        print(ended, file=sys.stderr)
        return 1
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=MINUTES, default=list(MINUTES), metavar="SET",
        help=f"of {', '.join(MINUTES)} (all)")  # fmt: skip
    add("--arms", nargs="+", choices=ARMS, default=["ours"],
        help="whose targets: ours, and PaddleOCR's by its real wheels, for as many steps as ours "
        "(ours)")  # fmt: skip
    add("--seeds", type=int, default=3, help="runs of each (3)")
    add("--minutes", type=float, help="length of a run (the set's own)")
    add("--steps", type=int, help="length of a run in steps, up to whole epochs, not by the clock")
    add("--ceiling", action="store_true",
        help="train on the validation part itself: what limits, if not the images?")  # fmt: skip
    add("--unseen", action="store_true",
        help="judge by all images of the folder that a run doesn't see; of small 95")  # fmt: skip
    add("--folds", type=int, metavar="N",
        help="cross-validation: each of N parts judges runs on the others")  # fmt: skip
    add("--images", type=int, help="no more than so many images of each kind, for a try")
    add("-o", dest="override", nargs="+", action="extend", default=[], metavar="KEY=VALUE",
        help="other values of the default config, for a try")  # fmt: skip
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Measure:
    """Runs what ``options`` ask for; records are in ``root``."""

    root: Path
    options: argparse.Namespace

    def records(self, each: RealSet) -> Iterator[None]:
        """Make the set's records; yield after each one."""
        from experiments.real_sets.runs import FIRST_SEED, Run, bar, length_of

        options = self.options
        others = tuple(
            other
            for other in sets_of(list(MINUTES), options.images)
            if other.data_dir != each.data_dir and not (options.folds or options.unseen)
        )
        bar(self.root, each, others)
        yield
        length = length_of(each, self.root, options.steps, options.minutes)
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            ours = Run(self.root, each, self._arm("ours"), seed, length, others)
            for name in dict.fromkeys(("ours", *options.arms)):
                run, arm = ours, self._arm(name)
                if arm.maps is not None:
                    same = f"Global.epoch_num={ours.record().epochs}"
                    run = Run(self.root, each, arm, seed, same)
                print(f"\n{each.name}, {arm.name}, seed {seed}: {run.folder}", flush=True)
                run.record()
                yield

    def _arm(self, name: str) -> RunArm:
        arm = ARMS[name]
        return RunArm(arm.name, (*self.options.override, *arm.overrides), arm.maps)

    def show(self) -> None:
        """Print the tables, and put them where they belong."""
        from experiments.real_sets import report, runs

        records = runs.finished(self.root)
        found = report.tables(records, f"![{ABOUT}](pictures/{PICTURE.name})")
        for table in found:
            print(f"\n{table.name.upper()}\n{table.markdown()}", flush=True)
        if self.root != runs.root_of():
            report.picture(records, self.root / PICTURE.name)
            return
        report.picture(records, PICTURE)
        report.write(DOCUMENT, found)
        picture = PICTURE.relative_to(ROOT)
        for readme, header, about in README_TABLES:
            report.write(readme, [report.story(records, header, f"![{about}]({picture})")])


if __name__ == "__main__":
    sys.exit(main())
