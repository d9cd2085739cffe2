"""An evaluation end to end beside PaddleOCR 2.10.0's: images read, network, boxes, metric.

Receipts at 960 px, from the first image to the rates, wall time, all cores, each way by turns in a
process of its own, with the same weights and the same boxes' keys. The peer does what PaddleOCR's
``eval`` does, image by image: its operators in two worker processes, the network in Paddle with
Paddle's own operators and threads, its DBPostProcess, its metric (`benchmarks.postprocess`). It
evaluates the network as it trains it, in branches; folded is what it would gain by folding. Ours is
what ``ppocr-ft eval`` does.

    python -m benchmarks.evaluation [--images N] [--rounds N]
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.branches import use_paddles_operators
from benchmarks.data import PEER, one_after_the_other, their_chain, their_data
from benchmarks.postprocess import PeerMetric
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.utils.cpu import MKL_PATH, tune_cpu
from ppocr_ft.utils.system import cores
from ppocr_ft.utils.timing import Stopwatch
from tests.support.postprocess_reference import DATA, reference_class

CONFIG = Path(__file__).parents[1] / "configs" / "det_v4_ft.yml"
LABELS = DATA / "receipts" / "train.txt"
WAYS = {
    "branches": f"PaddleOCR {PEER}",
    "folded": f"PaddleOCR {PEER}, folded",
    "ours": "ppocr_ft",
}
STAGES = ("read", "network", "boxes", "metric")


def config_of(way: str) -> Config:
    return load_config(
        CONFIG,
        [
            f"Global.form={'branches' if way == 'branches' else 'folded'}",
            "Global.use_gpu=false",
            f"Eval.dataset.data_dir={LABELS.parent}",
            f"Eval.dataset.label_file_list=[{LABELS}]",
        ],
    )


def peer(config: Config, network: Any, images: int) -> tuple[dict[str, float], Stopwatch]:
    import numpy as np
    from paddle.io import DataLoader, Dataset

    class Receipts(Dataset):  # type: ignore[misc]
        """What PaddleOCR's SimpleDataSet gives of each line."""

        def __init__(self) -> None:
            lines = LABELS.read_text(encoding="utf-8").splitlines()
            labels = [line.split("\t", 1)[1] for line in lines]
            entries = read_label_file(LABELS, LABELS.parent).entries
            self.items = list(zip(entries, labels, strict=True))[:images]
            self.chain = their_chain(train=False)

        def __len__(self) -> int:
            return len(self.items)

        def __getitem__(self, index: int) -> list[Any]:
            data = one_after_the_other(self.chain, their_data(*self.items[index]))
            return [data[key] for key in ("image", "shape", "polys", "ignore_tags")]

    stopwatch, metric = Stopwatch(), PeerMetric()
    post_process = reference_class()(**config.PostProcess.arguments())
    loader = DataLoader(Receipts(), batch_size=1, num_workers=2, return_list=True)
    for batch in stopwatch.waiting("read", loader):
        with stopwatch.stage("network"):
            maps = network(batch[0])["maps"]
            _, shapes, polys, ignored = (item.numpy() for item in batch)
        with stopwatch.stage("boxes"):
            (boxes,) = post_process({"maps": maps}, shapes)
        with stopwatch.stage("metric"):
            metric.update(boxes["points"], polys[0], np.asarray(ignored[0], dtype=bool))
    return metric.rates(), stopwatch


def ours(config: Config, network: Any, images: int) -> tuple[dict[str, float], Stopwatch]:
    from ppocr_ft.factory import objects

    samples = islice(objects.eval_data(config).samples(), images)
    report = objects.evaluate(config, network, samples)
    return report.summary, report.stopwatch


def measure(way: str, images: int) -> dict[str, float]:
    """Return the seconds of an evaluation, those of its stages, and the hmean."""
    if way == "ours":
        tune_cpu()
    import paddle

    from ppocr_ft.factory import objects
    from ppocr_ft.factory.device import device

    config = config_of(way)
    device(config)
    if way != "ours":
        use_paddles_operators()
    network, _ = objects.network(config)
    network.eval()
    evaluate = functools.partial(ours if way == "ours" else peer, config, network)
    with paddle.no_grad():
        evaluate(2)
        start = time.perf_counter()
        rates, stopwatch = evaluate(images)
        seconds = time.perf_counter() - start
    stages = {stage: stopwatch.seconds.get(stage, 0.0) for stage in STAGES}
    return {"all": seconds, "hmean": rates["hmean"], **stages}


def measured_apart(way: str, images: int) -> dict[str, float]:
    threads = 1 if way == "ours" else cores()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment.pop(MKL_PATH, None)
    command = [sys.executable, "-m", "benchmarks.evaluation", "--way", way, "--images", str(images)]
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def lines_of(rounds: dict[str, list[dict[str, float]]], images: int) -> Iterator[str]:
    """Yield a way's best and median round, its stages, hmean, and how much faster ours is."""
    yield "| evaluation | s | median | images/s | read | network | boxes | metric | hmean | ours |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for way, measured in rounds.items():
        seconds = [each["all"] for each in measured]
        best = measured[seconds.index(min(seconds))]
        stages = " | ".join(f"{1e3 * best[stage] / images:.1f}" for stage in STAGES)
        pairs = zip(seconds, rounds["ours"], strict=True)
        ratios = [theirs / ours["all"] for theirs, ours in pairs]
        faster = f"{min(ratios):.2f} to {max(ratios):.2f} times" if way != "ours" else ""
        yield (
            f"| {WAYS[way]} | {min(seconds):.1f} | {median(seconds):.1f} "
            f"| {images / min(seconds):.2f} | {stages} | {best['hmean']:.4f} | {faster} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100, help="receipts (default: 100)")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run (default: 3)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not LABELS.is_file():
        raise SystemExit("no receipts beside the repository (shared/data)")
    if options.way:
        print(json.dumps(measure(options.way, options.images)))
        return
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(options.rounds):
        for way, measured in rounds.items():
            measured.append(measured_apart(way, options.images))
    print(
        f"{options.images} receipts at 960 px, {cores()} cores, {options.rounds} rounds; "
        "stages in ms an image (waits, where they run beside others)"
    )
    print(*lines_of(rounds, options.images), sep="\n")


if __name__ == "__main__":
    main()
