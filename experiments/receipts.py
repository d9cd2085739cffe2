"""From images to the runtimes: a run as make real-sets makes it, exported, in other programs.

Usage: make receipts ARGS="--released". What a run on the receipts has trained, or the fitted
released weights, is exported in both layouts. The network itself,
PaddleOCR 3, RapidOCR on ONNX Runtime and PaddleOCR 2.10's predict_det then find the text of the
validation receipts, and one table has their hmean. Exit code 1 if one of them differs from the
network's by more than 0.005.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.marked_tables import Table
from experiments.real_sets.arms import OURS
from experiments.real_sets.sets import ROOT, RealSet, sets_of, written
from ppocr_ft.commands.common import command, import_paddle
from tests.runtime.runtimes import (
    HMEAN_LIMIT,
    RATES,
    RUNTIMES,
    Runtime,
    RuntimeFailed,
    difference,
    images_of,
    labels_of,
    rates,
)

if TYPE_CHECKING:
    from experiments.real_sets.runs import Record

OUTPUT = ROOT / "output" / "receipts"
NETWORK = "ppocr_ft, the network itself"


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    sets = sets_of(["receipts"], options.images)
    if not sets:
        return 2
    import_paddle()
    from experiments.real_sets.judge import hmeans
    from experiments.real_sets.runs import FITTED

    folder, record = made(sets[0], options)
    values = hmeans(record.of()).tolist()
    results = {NETWORK: dict(zip(RATES, values, strict=True))}
    models = exported(folder / FITTED)
    try:
        for runtime in RUNTIMES:
            results[runtime.name] = in_runtime(runtime, models[runtime.legacy], sets[0])
    except RuntimeFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{table(results).markdown()}\n")
    return verdict(results)


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--released", action="store_true", help="the released weights, fitted but not trained")
    add("--minutes", type=float, help="length of the run (25)")
    add("--steps", type=int, help="length of the run in steps, up to whole epochs")
    add("--images", type=int, metavar="N", help="train and judge on the first N of each (all)")
    return parser.parse_args(argv)


def made(receipts: RealSet, options: argparse.Namespace) -> tuple[Path, Record]:
    """Return the folder of the run, or of the released weights, and its record."""
    from experiments.real_sets.runs import FIRST_SEED, Run, bar, bar_folder, length_of

    if options.released:
        return bar_folder(OUTPUT, receipts), bar(OUTPUT, receipts)
    length = length_of(receipts, OUTPUT, options.steps, options.minutes)
    run = Run(OUTPUT, receipts, OURS, FIRST_SEED, length)
    return run.folder, run.record()


def exported(config: Path) -> dict[bool, Path]:
    """Export the config's weights; return the models by whether they have the older layout."""
    from ppocr_ft.api import export_model

    models = {legacy: OUTPUT / f"inference{'_legacy' * legacy}" for legacy in (False, True)}
    for legacy, folder in models.items():
        print(f"\nexport to {folder}", flush=True)
        place = {"Global.save_inference_dir": str(folder)}
        export_model(config, place, onnx=not legacy, legacy=legacy)
    return models


def in_runtime(runtime: Runtime, model: Path, receipts: RealSet) -> dict[str, float]:
    labels = labels_of(written(receipts.judge, OUTPUT / "judge.txt"), receipts.data_dir)
    out = OUTPUT / f"{Path(runtime.script).stem}.jsonl"
    print(f"\n{runtime.python} tests/runtime/{runtime.script} {model} {out} ...", flush=True)
    return rates(runtime.boxes(model, images_of(labels), out), labels)


def table(results: Mapping[str, Mapping[str, float]]) -> Table:
    ours = results[NETWORK]
    rows = [
        [name, *(f"{values[rate]:.4f}" for rate in RATES), f"{difference(values, ours):.4f}"]
        for name, values in results.items()
    ]
    return Table("receipts", ["where", "hmean, IoU 0.5", "IoU 0.7", "differs by"], rows)


def verdict(results: Mapping[str, Mapping[str, float]]) -> int:
    """0 where all are equal enough; otherwise who isn't is said, and 1."""
    ours = results[NETWORK]
    apart = [name for name, values in results.items() if difference(values, ours) > HMEAN_LIMIT]
    for name in apart:
        print(f"{name}: more than {HMEAN_LIMIT} from the network itself", file=sys.stderr)
    if not apart:
        print(f"all within {HMEAN_LIMIT}")
    return int(bool(apart))


if __name__ == "__main__":
    sys.exit(main())
