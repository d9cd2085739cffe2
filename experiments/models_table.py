"""The released detectors side by side: size, speed, and hmean before and after fine-tuning.

Usage: make models ARGS="--only receipts" (python -m experiments.models_table). Of each detector
whose released weights are installed (docs/weights.md): its parameters, the milliseconds of an image
in each runtime that is installed, and hmean on the sets of make real-sets, with the same training
and validation parts: as released, with post-processing and resize fitted on the training part, and
fine-tuned by its shipped config.

The tables are printed and put into docs/models.md after each run. A finished run is kept in
output/models and not run again; an interrupted one goes on.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.real_sets.arms import SHIPPED, RunArm
from experiments.real_sets.sets import (
    CONFIG,
    MINUTES,
    ROOT,
    RealSet,
    eval_overrides,
    sets_of,
    written,
)
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.config.load import shipped_models
from ppocr_ft.errors import RunFailed, WeightsError

if TYPE_CHECKING:
    from ppocr_ft.export.runtime import Floats, Run

DOCUMENT = ROOT / "docs" / "models.md"
SETS = tuple(name for name in MINUTES if name != "small")
RUN_MINUTES = 15.0
TIMED_IMAGES, REPEATS = 5, 3
"""An image's time is the least of so many, and the median over so many images is shown."""
PARITY_IMAGES = 2
RUNTIMES = {
    "Paddle": ".",
    "ONNX Runtime": "inference.onnx",
    "OpenVINO": "inference.xml",
}
"""What of an exported folder each runtime opens."""

Speeds = Mapping[str, tuple[int, Mapping[str, float]]]
"""By model its parameters, and milliseconds an image by runtime."""
Rates = Mapping[tuple[str, str], tuple[str, str, str]]
"""By set and model: hmean at IoU 0.5 / 0.7 as released, fitted, fine-tuned."""


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    sets = sets_of(options.only, options.images)
    configs = installed(options.models)
    if not sets or not configs:
        return 2
    import_paddle()
    root = ROOT / "output" / (f"models_{options.images}_images" if options.images else "models")
    speeds: dict[str, tuple[int, Mapping[str, float]]] = {}
    rates: dict[tuple[str, str], tuple[str, str, str]] = {}
    try:
        for name, config in configs.items():
            speeds[name] = parameters(name), milliseconds(config, sets[0], root / name)
            show(speeds, rates, is_try=options.images is not None)
        for each in sets:
            for name, config in configs.items():
                rates[each.name, name] = hmeans_of(each, name, config, root, options)
                show(speeds, rates, is_try=options.images is not None)
    except RunFailed as ended:  # a signal, or losses that diverged: the same command goes on
        print(ended, file=sys.stderr)
        return 1
    return 0


def options_of(argv: Sequence[str]) -> argparse.Namespace:
    from ppocr_ft.weights.released import RELEASED_MODELS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=SETS, default=list(SETS), metavar="SET",
        help=f"of {', '.join(SETS)} (all)")  # fmt: skip
    add("--models", nargs="+", choices=RELEASED_MODELS, default=list(RELEASED_MODELS),
        metavar="NAME", help=f"of {', '.join(RELEASED_MODELS)} (all)")  # fmt: skip
    add("--minutes", type=float, default=RUN_MINUTES, help=f"length of a run ({RUN_MINUTES:g})")
    add("--steps", type=int, help="length of a run in steps, up to whole epochs, not by the clock")
    add("--images", type=int, help="no more than so many images of each kind, for a try: the "
        "tables are only printed")  # fmt: skip
    return parser.parse_args(argv)


def installed(names: Sequence[str]) -> dict[str, Path]:
    """Return the shipped config of each model whose weights are installed; the others are said."""
    from ppocr_ft.weights.released import released_model

    configs = {}
    for name in names:
        try:
            released_model(name)
        except WeightsError as error:
            print(f"{name}: left out, {error.message}", file=sys.stderr)
        else:
            configs[name] = shipped_models()[name]
    return configs


def parameters(name: str) -> int:
    """Return how many numbers the model has, folded, without what only training runs."""
    from ppocr_ft.models.architecture import build_detector

    network = build_detector(name, "folded")
    network.head.drop_training_branches()
    return sum(math.prod(tensor.shape) for tensor in network.state_dict().values())


def milliseconds(config: Path, each: RealSet, folder: Path) -> dict[str, float]:
    """Export the released weights; return the network's time of an image by runtime.

    The images are the first that judge, at the config's size, one at a time on all cores.
    """
    from ppocr_ft.api import export_model
    from ppocr_ft.export.runtime import open_model
    from ppocr_ft.utils.system import cores

    model = folder / "inference"
    labels = written(each.judge, folder / "judged.txt")
    has = {name: importlib.util.find_spec(name) is not None for name in ("onnxruntime", "openvino")}
    export_model(
        config,
        ["Global.val_ratio=0", f"Global.save_inference_dir={model}",
         *eval_overrides(each.data_dir, labels)],
        onnx=has["onnxruntime"],
        openvino=has["openvino"],
        parity_images=PARITY_IMAGES,
    )  # fmt: skip
    paths = [each.data_dir / line.split("\t")[0] for line in each.judge[:TIMED_IMAGES]]
    found = {}
    for runtime, place in RUNTIMES.items():
        if not (model / place).exists():
            continue
        opened = open_model(model / place, cores())
        times = []
        for path in paths:
            image = opened.read(path).image[np.newaxis]
            opened.run(image)  # the first time a size comes it is prepared for
            times.append(min(_seconds_of(opened.run, image) for _ in range(REPEATS)))
        found[runtime] = 1000 * float(np.median(times))
    return found


def _seconds_of(run: Run, image: Floats) -> float:
    started = time.perf_counter()
    run(image)
    return time.perf_counter() - started


def hmeans_of(
    each: RealSet, name: str, config: Path, root: Path, options: argparse.Namespace
) -> tuple[str, str, str]:
    """Return hmean of the model on the set as released, fitted and fine-tuned."""
    from experiments.real_sets import runs
    from experiments.real_sets.judge import hmeans
    from experiments.real_sets.runs import AS_SHIPPED

    # the others' configs have the released post-processing
    released = runs.bar(root, each, config=config, shipped_as=SHIPPED if config == CONFIG else ())
    length = runs.length_of(each, root, options.steps, options.minutes, config)
    run = runs.Run(root, each, RunArm(name), runs.FIRST_SEED, length, config=config)
    print(f"\n{each.name}, {name}: {run.folder}", flush=True)
    counts = released.of(AS_SHIPPED), released.of(), run.record().of()
    first, fitted, trained = (" / ".join(f"{rate:.4f}" for rate in hmeans(c)) for c in counts)
    return first, fitted, trained


def tables(speeds: Speeds, rates: Rates) -> Iterator[Table]:
    runtimes = [name for name in RUNTIMES if any(name in times for _, times in speeds.values())]
    yield Table(
        "models",
        ["model", "parameters", *(f"{runtime}, ms" for runtime in runtimes)],
        [
            [name, f"{count:,}", *(f"{times[r]:.0f}" if r in times else "-" for r in runtimes)]
            for name, (count, times) in speeds.items()
        ],
    )
    yield Table(
        "models_hmean",
        ["set", "model", "as released, IoU 0.5 / 0.7", "fitted", "fine-tuned"],
        [[*key, *found] for key, found in rates.items()],
    )


def show(speeds: Speeds, rates: Rates, *, is_try: bool) -> None:
    """Print the tables, and put those of no try into the document."""
    document = DOCUMENT.read_text(encoding="utf-8")
    for table in tables(speeds, rates):
        print(f"\n{table.markdown()}", flush=True)
        document = replaced(document, table)
    if not is_try:
        DOCUMENT.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
