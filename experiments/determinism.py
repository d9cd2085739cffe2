"""Which trainings are equal to the last bit, and which differ by rounding: docs/determinism.md.

Usage: make determinism [ARGS="--only 1 5"]. Pairs of small trainings, in processes of their own,
whose losses, weights and state are compared. The exit code is 1 where a pair isn't what it must be.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from experiments.faults_campaign.line import Process, must, training
from experiments.marked_tables import Table, replaced
from ppocr_ft.weights.files import read_weights
from tests.support.killed_run import kill_at
from tests.support.processes import team
from tests.support.same_run import figures
from tests.support.small_run import small_config, starting_weights

DOCUMENT = Path(__file__).parents[1] / "docs" / "determinism.md"
EQUAL, ROUNDED = "yes", "no, by rounding"
IMAGES, KILLED_IN_STEP = 8, 6
STATISTICS = ("._mean", "._variance")
MOST_APART = 0.01
"""Weights that are further apart than this, of their largest, aren't the same training."""
RELEASED = """\
Architecture:
  Backbone: {name: PPLCNetV3, scale: 0.75, det: true}
  Neck: {name: RSEFPN, out_channels: 96, shortcut: true}
  Head: {name: DBHead, k: 50, fix_nan: true}
"""
"""PP-OCRv4 mobile, which has both forms."""


@dataclass(frozen=True)
class How:
    """A way to run the training: keys, whether Paddle uses oneDNN, and how many processes.

    ``resumed``: it is killed in a step, and goes on with these keys. ``form``: of PP-OCRv4 mobile.
    """

    keys: tuple[str, ...] = ()
    onednn: bool = False
    processes: int = 1
    resumed: tuple[str, ...] | None = None
    form: str = ""


ONE, TWO, THREE = (f"Global.cpu_threads={count}" for count in (1, 2, 3))
BATCH_4 = "Train.loader.batch_size_per_card=4"
PLAIN, THREADS = How((ONE,)), How((TWO,))
WIDE, WIDE_THREADS = How((ONE, BATCH_4)), How((THREE, BATCH_4))
ONEDNN = How((ONE,), onednn=True)
TEAM = How((ONE,), processes=2)
ACCUMULATED = How((ONE, "Optimizer.gradient_accumulation_steps=2"))
FOLDED, BRANCHES = (How((ONE, "Global.epoch_num=1"), form=form) for form in ("folded", "branches"))


def readers(count: int) -> str:
    return f"Train.loader.num_workers={count}"


PAIRS: Sequence[tuple[str, How, How, str]] = (
    ("1 thread, twice", PLAIN, PLAIN, EQUAL),
    ("2 threads, twice", THREADS, THREADS, EQUAL),
    ("3 threads, batches of 4, twice", WIDE_THREADS, WIDE_THREADS, EQUAL),
    ("1 thread and 2", PLAIN, THREADS, ROUNDED),
    ("oneDNN on, twice", ONEDNN, ONEDNN, EQUAL),
    ("oneDNN off and on", PLAIN, ONEDNN, EQUAL),
    ("0 reader threads and 2", How((ONE, readers(0))), PLAIN, EQUAL),
    ("2 reader threads and 3", PLAIN, How((ONE, readers(3))), EQUAL),
    ("whole, and killed and resumed", PLAIN, How((ONE,), resumed=(ONE,)), EQUAL),
    (
        "whole, and resumed with 3 reader threads for 2",
        PLAIN,
        How((ONE,), resumed=(ONE, readers(3))),
        EQUAL,
    ),
    ("whole, and resumed with 2 threads for 1", PLAIN, How((ONE,), resumed=(TWO,)), ROUNDED),
    ("2 processes (gloo), twice", TEAM, TEAM, EQUAL),
    ("2 processes, and 1 that accumulates 2 batches", TEAM, ACCUMULATED, ROUNDED),
    ("form folded, twice", FOLDED, FOLDED, EQUAL),
    ("form branches, twice", BRANCHES, BRANCHES, EQUAL),
)
NOT_MEASURED = (
    ("1 card, twice", "not measured"),
    ("2 cards, twice", "not measured"),
    ("a CPU and a card", "not measured"),
    ("CPUs of two kinds", "not measured"),
)


@dataclass
class Runs:
    """Runs in a folder; of equal ways the first is made once."""

    folder: Path
    made: dict[How, Path] = field(default_factory=dict)

    def pair(self, first: How, second: How) -> tuple[Path, Path]:
        known = self.made.get(first) or self.made.setdefault(first, self.run(first))
        return known, self.run(second)

    def run(self, how: How) -> Path:
        """Run a training to its end; return its folder."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        start = starting_weights(place)
        config = small_config(place, IMAGES)
        keys = [*how.keys, f"Global.pretrained_model={start}"]
        if how.form:
            text = config.read_text()
            begin, end = text.index("Architecture:"), text.index("Optimizer:")
            config.write_text(text[:begin] + RELEASED + text[end:])
            keys = [*how.keys, "Global.pretrained_model=released", f"Global.form={how.form}"]
        if how.processes > 1:
            arguments = ["-m", "ppocr_ft", "train", "-c", str(config), "-o", *keys]
            for done in team(how.processes, *arguments):
                must(done.returncode == 0, done.stderr[-500:])
        elif how.resumed is None:
            ended(training(config, *keys), place, onednn=how.onednn)
        else:
            ended(killed(training(config, *keys)), place, code=-signal.SIGKILL)
            ended(training(config, *how.resumed, keys[-1]), place)
        return place / "run"


def killed(action: Callable[[], int]) -> Callable[[], int]:
    """Return the action that is killed in a step."""

    def act() -> int:
        from ppocr_ft.engine import trainer

        kill_at(trainer, "train_step", KILLED_IN_STEP)
        return action()

    return act


def ended(action: Callable[[], int], place: Path, *, onednn: bool = False, code: int = 0) -> None:
    def act() -> int:
        import paddle

        paddle.set_flags({"FLAGS_use_mkldnn": onednn})
        return action()

    Process.of(act, place / "output.txt").ended().ends(code, of=str(place))


def apart(first: Path, second: Path) -> float:
    """Return 0 for runs that are equal to the bit; else how far their weights are apart at most.

    That is relative to the largest weight of each tensor, and at least the least float. Statistics
    of batch norms are left out: those of two processes are averages of their own.
    """
    names = ("latest.pdparams", "best_accuracy.pdparams")
    same = all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    if same and figures(first) == figures(second):
        return 0.0
    ours, theirs = (read_weights(run / names[0]) for run in (first, second))
    differences = (
        float(np.abs(ours[key] - theirs[key]).max() / max(np.abs(ours[key]).max(), 1e-3))
        for key in ours
        if not key.endswith(STATISTICS)
    )
    return max(*differences, sys.float_info.min)


def table(folder: Path, only: Sequence[int]) -> tuple[Table, bool]:
    """Return the table of pairs, and whether each is what it must be."""
    runs, rows, held = Runs(folder), [], True
    for number, (name, first, second, wanted) in enumerate(PAIRS, start=1):
        if only and number not in only:
            continue
        distance = apart(*runs.pair(first, second))
        is_so = distance == 0 if wanted == EQUAL else 0 < distance < MOST_APART
        held = held and is_so
        rows.append([str(number), name, wanted if is_so else f"FAULT: {distance:.1e} apart"])
        print(f"{name}: {distance:.1e}", file=sys.stderr)
    if not only:
        rows += [["", name, said] for name, said in NOT_MEASURED]
    return Table("determinism", ["#", "runs", "equal to the bit"], rows), held


def main(argv: Sequence[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", type=int, nargs="+", default=[], metavar="N")
    only = arguments.parse_args(argv).only
    with tempfile.TemporaryDirectory() as folder:
        made, held = table(Path(folder), only)
    print(made.markdown())
    if held and not only:
        document = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(replaced(document, made), encoding="utf-8")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
