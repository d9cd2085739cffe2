"""What the cores are best used for: a training step and an image's evaluation, in several ways.

Usage: make bench. Wall time, best of a few, each way in a process of its own, since Paddle reads
its settings when it is imported: one thread; Paddle's own threads, all cores in one operator; this
project's, each core with images of its own (Global.cpu_threads); and the latter as commands have
it, with the matrix library and the allocator chosen for the CPU (ppocr_ft/utils/cpu.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.utils.cpu import MKL_PATH, tune_cpu
from ppocr_ft.utils.system import cores

CONFIG = Path(__file__).parents[1] / "configs" / "det_v4_ft.yml"
STEPS, IMAGES = 6, 8


class Way(NamedTuple):
    """Paddle's threads of an operator, ours of images, and whether commands set the CPU so."""

    operator_threads: int
    threads: int
    is_tuned: bool = False


def ways() -> dict[str, Way]:
    return {
        "one thread": Way(1, 1),
        f"Paddle's {cores()} threads": Way(cores(), 1),
        f"{cores()} threads side by side": Way(1, cores()),
        "the same, CPU tuned": Way(1, cores(), is_tuned=True),
    }


def best_seconds(action: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(threads: int) -> dict[str, float]:
    """Seconds of a step, and of an image in Paddle and as commands evaluate it."""
    from ppocr_ft.config import load_config
    from ppocr_ft.engine.evaluation import probability_maps
    from ppocr_ft.engine.train_step import train_step
    from ppocr_ft.factory.device import device, passes
    from ppocr_ft.losses.db import DBLoss
    from ppocr_ft.runs.parts import prepare

    config = load_config(CONFIG, [f"Global.cpu_threads={threads}", "Global.use_gpu=false"])
    device(config)
    parts = prepare(config)
    state, forward = parts.state, passes(config)(parts.state.network)
    (batch,) = islice(parts.loader.epoch(1), 1)
    images = list(islice(parts.eval_images.samples(), IMAGES))
    state.optimizer.set_lr(0.0)

    def step() -> None:
        train_step(state.network, [batch], DBLoss(), state.optimizer, forward=forward)

    def evaluate(in_paddle: bool) -> float:
        def pass_over() -> None:
            list(probability_maps(state.network, images, threads=threads, in_paddle=in_paddle))

        return best_seconds(pass_over, 3) / IMAGES

    return {
        "training step": best_seconds(step, STEPS),
        "evaluated image, in Paddle": evaluate(in_paddle=True),
        "evaluated image, in ONNX Runtime": evaluate(in_paddle=False),
    }


def measured_apart(way: Way) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(way.operator_threads)}
    environment.pop(MKL_PATH, None)
    command = [sys.executable, __file__, str(way.threads), *["tuned"] * way.is_tuned]
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def main() -> None:
    if sys.argv[1:]:
        if "tuned" in sys.argv:
            tune_cpu()
        print(json.dumps(measure(int(sys.argv[1]))))
        return
    times = {name: measured_apart(way) for name, way in ways().items()}
    first, *_ = times.values()
    for what, alone in first.items():
        print(f"\n{what}, wall time, against one thread")
        for name, seconds in times.items():
            ratio = alone / seconds[what]
            print(f"  {name:24} {seconds[what]:7.3f} s   {ratio:5.2f} times as fast")


if __name__ == "__main__":
    main()
