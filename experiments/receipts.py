"""From images to the runtimes: train, fit, export, run, on the receipts of ../shared/data.

Usage: make receipts (python -m experiments.receipts [--epochs N] [--images N] [--released]). It
prints every command before it runs it. The trained network, PaddleOCR 3, RapidOCR on ONNX Runtime
and PaddleOCR 2.10's predict_det then find the text of the validation receipts, and one table has
their hmean. Exit code 1 if one of them differs from the network's by more than 0.005.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.marked_tables import Table
from tests.runtime.runtimes import (
    HMEAN_LIMIT,
    RATES,
    ROOT,
    RUNTIMES,
    Runtime,
    RuntimeFailed,
    difference,
    images_of,
    labels_of,
    rates,
)

DATA = Path("../shared/data/receipts")
CONFIG = "configs/det_v4_ft.yml"
OUTPUT = Path("output/receipts")
EPOCHS = 24
OURS = "ppocr_ft, the trained network"


class CommandFailed(Exception):  # noqa: N818  an outcome
    """One of the commands did; it has said why."""


@dataclass(frozen=True)
class Plan:
    """The run in ``folder``; ``images`` of each label file, or all."""

    folder: Path
    epochs: int
    images: int | None
    released: bool

    def label_file(self, name: str) -> Path:
        if self.images is None:
            return DATA / name
        lines = (DATA / name).read_text(encoding="utf-8").splitlines(keepends=True)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines[: self.images]), encoding="utf-8")
        return path

    def data(self) -> list[str]:
        """Return the overrides that name the receipts."""
        return [
            f"{section}.dataset.{key}"
            for section, name in (("Train", "train.txt"), ("Eval", "val.txt"))
            for key in (f"data_dir={DATA}", f"label_file_list=[{self.label_file(name)}]")
        ]

    def model(self, *, legacy: bool) -> Path:
        return self.folder / ("inference_legacy" if legacy else "inference")

    def commands(self) -> list[list[str]]:
        """Train, fit, and export in both layouts."""
        start = "" if self.released else f"Global.checkpoints={self.folder / 'best_accuracy'}"
        run = [f"Global.save_model_dir={self.folder}", *self.data()]
        train = [f"Global.epoch_num={self.epochs}", "Global.fit_postprocess=false"]
        fit = ["tools/fit_postprocess.py", "-c", CONFIG, "-o", *filter(None, [start]), *run]
        export = ["tools/export.py", "-c", str(self.folder / "fitted.yml"), "-o"]
        folders = {
            "--onnx": f"Global.save_inference_dir={self.model(legacy=False)}",
            "--legacy": f"Global.save_inference_dir={self.model(legacy=True)}",
        }
        training = [["tools/train.py", "-c", CONFIG, "-o", *run, *train]]
        return [
            *([] if self.released else training),
            fit,
            *([*export, place, layout] for layout, place in folders.items()),
        ]


def main(argv: Sequence[str] | None = None) -> int:
    options = options_of(argv)
    os.chdir(ROOT)
    if not DATA.is_dir():
        print("the receipts of ../shared/data are not here", file=sys.stderr)
        return 2
    plan = Plan(options.output, options.epochs, options.images, options.released)
    try:
        for command in plan.commands():
            run(command)
        results = {OURS: own_rates(plan)}
        results |= {runtime.name: in_runtime(plan, runtime) for runtime in RUNTIMES}
    except (CommandFailed, RuntimeFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{table(results).markdown()}\n")
    return verdict(results)


def options_of(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--epochs", type=int, default=EPOCHS, help=f"length of the training ({EPOCHS})"
    )
    parser.add_argument(
        "--images", type=int, metavar="N", help="train and judge on the first N of each (all)"
    )
    parser.add_argument(
        "--released", action="store_true", help="the released weights, fitted but not trained"
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="DIR", help=f"folder of the run ({OUTPUT})"
    )
    return parser.parse_args(argv)


def run(command: Sequence[str], *, quiet: bool = False) -> str:
    """Run one of tools/*.py; what it printed, where it is ``quiet``.

    Raises:
        CommandFailed: its exit code isn't 0.
    """
    print(f"\n$ python {shlex.join(command)}", flush=True)
    done = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"{command[0]}: exit code {done.returncode}")
    return done.stdout or ""


def own_rates(plan: Plan) -> dict[str, float]:
    output = run(["tools/eval.py", "-c", str(plan.folder / "fitted.yml"), "--json"], quiet=True)
    summary = json.loads(output.splitlines()[-1])
    return {name: float(summary[name]) for name in RATES}


def in_runtime(plan: Plan, runtime: Runtime) -> dict[str, float]:
    labels = labels_of(plan.label_file("val.txt"), DATA)
    model = plan.model(legacy=runtime.legacy)
    out = plan.folder / f"{Path(runtime.script).stem}.jsonl"
    print(f"\n$ {runtime.python} tests/runtime/{runtime.script} {model} {out} ...", flush=True)
    return rates(runtime.boxes(model, images_of(labels), out), labels)


def table(results: Mapping[str, Mapping[str, float]]) -> Table:
    ours = results[OURS]
    rows = [
        [name, *(f"{values[rate]:.4f}" for rate in RATES), f"{difference(values, ours):.4f}"]
        for name, values in results.items()
    ]
    return Table("receipts", ["where", "hmean, IoU 0.5", "IoU 0.7", "differs by"], rows)


def verdict(results: Mapping[str, Mapping[str, float]]) -> int:
    """0 where all are equal enough; otherwise who isn't is said, and 1."""
    apart = [
        name for name, rates in results.items() if difference(rates, results[OURS]) > HMEAN_LIMIT
    ]
    for name in apart:
        print(f"{name}: more than {HMEAN_LIMIT} from the trained network", file=sys.stderr)
    if not apart:
        print(f"all within {HMEAN_LIMIT}")
    return int(bool(apart))


if __name__ == "__main__":
    sys.exit(main())
