"""A training step as PaddleOCR's YAML has it: branches, batch norms that gather statistics.

Usage: make bench. PP-OCRv4_mobile_det from random weights, 4 crops of 640 x 640, forward and
backward pass, Adam. The peer is the network as PaddleOCR computes it, convolution by convolution
and batch norm by batch norm, with Paddle's own operators and threads; ours has the operators of
ppocr_ft/models/cpu_operators.py, and the CPU is set as commands set it. By turns, each in a process
of its own; wall time of each process's best step, and its peak memory. Then both train 20 steps of
4 x 256 x 256 with PaddleOCR's warm-up: how far apart are the losses? (By rounding alone they part:
the peer's with one thread from the peer's with two.)
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ppocr_ft.utils.cpu import MKL_PATH, tune_cpu
from ppocr_ft.utils.system import cores

ROUNDS, STEPS, COMPARED_STEPS = 3, 3, 20
BATCH, TIMED_PX, COMPARED_PX = 4, 640, 256
WARMUP_STEPS, RATE = 100, 0.001


def use_paddles_operators() -> None:
    """Take from the networks what is written for a CPU: they are computed as PaddleOCR's are."""
    import paddle

    from ppocr_ft.models import layers, lcnetv3

    for module in (layers, lcnetv3):
        module.is_fast = lambda x: False
    layers.Conv2D.forward = paddle.nn.Conv2D.forward
    layers.Conv2DTranspose.forward = paddle.nn.Conv2DTranspose.forward


def step_of(kind: str, side_px: int) -> Callable[[int], float]:
    """Return what trains a step, by its number, and gives back its loss."""
    if kind == "ours":
        tune_cpu()
    import paddle

    from ppocr_ft.engine.threaded_forward import ThreadedForward
    from ppocr_ft.engine.train_step import plain_forward
    from ppocr_ft.losses.db import DBLoss, DBTargets
    from ppocr_ft.models.architecture import build_detector

    if kind == "peer":
        use_paddles_operators()
    paddle.seed(1)
    network = build_detector("PP-OCRv4_mobile_det", "branches")
    network.train()
    forward = ThreadedForward(network, cores()) if kind == "ours" else plain_forward(network)
    optimizer = paddle.optimizer.Adam(RATE, parameters=network.parameters())
    rng, shape = np.random.default_rng(0), (BATCH, side_px, side_px)

    def batch() -> tuple[Any, DBTargets]:
        text = (rng.random(shape) < 0.2).astype(np.float32)
        maps = (0.5 * text, text, text, np.ones_like(text))
        images = rng.normal(size=(BATCH, 3, side_px, side_px)).astype(np.float32)
        return paddle.to_tensor(images), DBTargets(*map(paddle.to_tensor, maps))

    def step(number: int) -> float:
        optimizer.set_lr(RATE * min(1, number / WARMUP_STEPS))
        images, targets = batch()
        maps, backward = forward(images)
        loss = DBLoss()(maps, targets)["loss"]
        loss.backward()
        backward()
        optimizer.step()
        optimizer.clear_grad()
        return float(loss)

    return step


def measure(kind: str, what: str) -> list[float]:
    """Seconds of the best step and the process's peak memory in MB, or losses."""
    step = step_of(kind, TIMED_PX if what == "times" else COMPARED_PX)
    if what == "losses":
        return [step(number) for number in range(1, COMPARED_STEPS + 1)]
    step(0)
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step(0)
        seconds.append(time.perf_counter() - start)
    return [min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def measured_apart(kind: str, what: str, threads: int) -> list[float]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    environment.pop(MKL_PATH, None)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.branches", kind, what],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def main() -> None:
    if sys.argv[1:]:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    names = {"peer": "Paddle's operators", "ours": "ppocr_ft"}
    rounds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in names}
    for _ in range(ROUNDS):
        for kind, measured in rounds.items():
            threads = cores() if kind == "peer" else 1
            seconds, megabytes = measured_apart(kind, "times", threads)
            measured.append((seconds, megabytes))
    print(f"training step, branches, batch norms learning, {BATCH} x {TIMED_PX} x {TIMED_PX}")
    for kind, measured in rounds.items():
        times, sizes = zip(*measured, strict=True)
        print(
            f"  {names[kind]:20} {min(times):6.2f} to {max(times):.2f} s   "
            f"{BATCH / min(times):.2f} images/s   peak {max(sizes):,.0f} MB"
        )
    ratios = [peer[0] / ours[0] for peer, ours in zip(*rounds.values(), strict=True)]
    print(f"  {min(ratios):.2f} to {max(ratios):.2f} times as fast")
    peer, ours, again = (
        np.array(measured_apart(kind, "losses", threads))
        for kind, threads in (("peer", cores()), ("ours", 1), ("peer", 1))
    )
    print(f"losses of the first {COMPARED_STEPS} steps, largest difference from the peer's")
    print(f"  ppocr_ft             {largest(ours, peer):.1e}")
    print(f"  peer, one thread     {largest(again, peer):.1e}")


def largest(losses: Any, reference: Any) -> float:
    """Return the largest difference, as a share."""
    return float(np.max(np.abs(losses - reference) / reference))


if __name__ == "__main__":
    main()
