"""The released detectors side by side: size, speed, and hmean before and after fine-tuning.

Usage: make models ARGS="--only receipts" (python -m experiments.models_table). Of each detector
whose released weights are installed (docs/weights.md): its parameters, the milliseconds of an image
in each runtime that is installed, and hmean on the sets of make real-sets, with the same training
and validation parts: as released, with post-processing and resize fitted on the training part, and
fine-tuned by its shipped config. Those of PP-OCRv4_mobile_det are the runs of make real-sets.

The tables, of all that was ever measured, are printed and put into docs/models.md after each run.
What a finished run has found is kept in docs/models/ and not run again unless the config has
changed; an interrupted run, in output/models, goes on.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.real_sets.arms import RunArm
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
    from experiments.real_sets.report import Records
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
SPEEDS = "speeds.json"


@command
def main(argv: Sequence[str]) -> int:
    options = options_of(argv)
    sets = sets_of(options.only, options.images)
    configs = installed(options.models)
    if not sets or not configs:
        return 2
    import_paddle()
    from experiments.real_sets.runs import MODEL_RUNS

    is_try = options.images is not None
    root = MODEL_RUNS.with_name(f"models_{options.images}_images") if is_try else MODEL_RUNS
    try:
        for name, config in () if options.no_times else configs.items():
            keep_speed(root, name, parameters(name), milliseconds(config, sets[0], root / name))
            show(root, is_try=is_try)
        for each in sets:
            for name, config in configs.items():
                for _ in measured(each, name, config, root, options):
                    show(root, is_try=is_try)
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
    add("--seeds", type=int, default=3, help="runs of each (3); 0: released weights only")
    add("--no-times", action="store_true", help="leave the milliseconds as they are")
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


def keep_speed(root: Path, name: str, count: int, times: Mapping[str, float]) -> None:
    """Write the parameters and times of a model beside those of the others."""
    speeds = {**speeds_of(root), name: (count, times)}
    path = _speeds_path(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(speeds, indent=1) + "\n", encoding="utf-8")


def speeds_of(root: Path) -> Speeds:
    path = _speeds_path(root)
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _speeds_path(root: Path) -> Path:
    from experiments.real_sets.runs import records_of

    return records_of(root) / SPEEDS


def measured(
    each: RealSet, name: str, config: Path, root: Path, options: argparse.Namespace
) -> Iterator[None]:
    """Make the model's records on the set: released weights, fine-tuned; yield after each one."""
    from experiments.real_sets import runs

    if config == CONFIG:
        return
    # these configs have the released post-processing
    runs.bar(root, each, config=config, shipped_as=(), name=released(name))
    yield
    length = runs.length_of(each, root, options.steps, options.minutes, config)
    for seed in range(runs.FIRST_SEED, runs.FIRST_SEED + options.seeds):
        run = runs.Run(root, each, RunArm(name), seed, length, config=config)
        print(f"\n{each.name}, {name}, seed {seed}: {run.folder}", flush=True)
        run.record()
        yield


def released(name: str) -> str:
    """Return the arm of the model's released weights."""
    return f"released {name}"


def tables(speeds: Speeds, records: Records) -> Iterator[Table]:
    from experiments.real_sets.report import medians
    from experiments.real_sets.runs import AS_SHIPPED
    from ppocr_ft.weights.released import RELEASED_MODELS

    runtimes = [name for name in RUNTIMES if any(name in times for _, times in speeds.values())]
    yield Table(
        "models",
        ["model", "parameters", *(f"{runtime}, ms" for runtime in runtimes)],
        [
            [name, f"{count:,}", *(f"{times[r]:.0f}" if r in times else "-" for r in runtimes)]
            for name, (count, times) in speeds.items()
        ],
    )
    rows = []
    for each, name in product(SETS, RELEASED_MODELS):
        bars, runs = (records.get((each, arm), ()) for arm in (released(name), name))
        if bars:
            lengths = [f"{np.median([run.minutes for run in runs]):.1f}"] if runs else [""]
            trained = [medians(runs), str(len(runs)), *lengths]
            rows.append([each, name, medians(bars, AS_SHIPPED), medians(bars), *trained])
    yield Table(
        "models_hmean",
        ["set", "model", "as released, IoU 0.5 / 0.7", "fitted", "fine-tuned", "seeds", "minutes"],
        rows,
    )


def with_real_sets(records: Records) -> Records:
    """Return the records with those of make real-sets, whose config is that of PP-OCRv4."""
    from experiments.real_sets.arms import OURS
    from experiments.real_sets.runs import RELEASED, RUNS, finished

    model = next(name for name, config in shipped_models().items() if config == CONFIG)
    arms = {RELEASED: released(model), OURS.name: model}
    kept = finished(RUNS).items()
    return {**records, **{(each, arms[arm]): runs for (each, arm), runs in kept if arm in arms}}


def show(root: Path, *, is_try: bool) -> None:
    """Print the tables of the records in ``root``; put those of no try into the document."""
    from experiments.real_sets.runs import finished

    document = DOCUMENT.read_text(encoding="utf-8")
    records = finished(root) if is_try else with_real_sets(finished(root))
    for table in tables(speeds_of(root), records):
        print(f"\n{table.markdown()}", flush=True)
        document = replaced(document, table)
    if not is_try:
        DOCUMENT.write_text(document, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
