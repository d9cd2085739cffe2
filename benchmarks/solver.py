"""What the solver adds to a training step of configs/det_v4_ft.yml, beside plain Paddle's AdamW.

Usage: make bench. One thread, CPU time. The peer is ``paddle.optimizer.AdamW`` over all
parameters at a constant rate, on a second copy of the network in the same run. Forward and
backward pass are timed once for both; the updates by turns, on the same gradients; the best
counts. A whole step, with its update, is then compared with the peer's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle

from ppocr_ft.config import load_config
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.runs.parts import Parts, prepare

CONFIG = Path(__file__).parents[1] / "configs" / "det_v4_ft.yml"
PASSES, ROUNDS = 5, 40
LIMIT = 1.02
SOLVERS = {
    "as the config says": [],
    "clip_norm_global": ["Optimizer.clip_norm_global=5"],
    "head_first, no_decay": ["Optimizer.param_groups=[no_decay, head_first]"],
    "layer_decay, clip_norm_global": [
        "Optimizer.param_groups=layer_decay",
        "Optimizer.clip_norm_global=5",
    ],
}
"""What is timed, and the overrides that make it."""


def cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def backward(parts: Parts, inputs: Any) -> None:
    """Gradients of the first batch."""
    parts.state.network.train()
    losses = DBLoss()(parts.state.network(inputs.images), inputs.targets)
    losses["loss"].backward()


def first_batch(parts: Parts) -> Any:
    return next(iter(parts.loader.epoch(1)))


def solver_step(parts: Parts) -> Callable[[], None]:
    """Rate, norm, clipping and update, as the trainer does them."""
    state, rate = parts.state, parts.rate
    steps = iter(range(10**6))

    def step() -> None:
        number = next(steps)
        state.optimizer.set_lr(rate(number), rate.bias(number))
        state.optimizer.clip_gradients()
        state.optimizer.step()

    return step


def peer_of(parts: Parts) -> Callable[[], None]:
    """Plain Paddle over another copy of the network, with the same gradients."""
    plain = prepare(load_config(CONFIG)).state.network
    for ours, theirs in zip(parts.state.network.parameters(), plain.parameters(), strict=True):
        theirs.optimize_attr["learning_rate"] = 1.0
        theirs.regularizer = None
        if ours.grad is not None:
            theirs.grad = ours.grad.clone()
    learning = [p for p in plain.parameters() if not p.stop_gradient]
    step: Callable[[], None] = paddle.optimizer.AdamW(
        1e-4, parameters=learning, weight_decay=1e-4
    ).step
    return step


def main() -> None:
    every = {name: prepare(load_config(CONFIG, more)) for name, more in SOLVERS.items()}
    inputs = first_batch(next(iter(every.values())))
    passes = [cpu_seconds(lambda parts=parts: backward(parts, inputs)) for parts in every.values()]
    first = next(iter(every.values()))
    for _ in range(PASSES):
        first.state.optimizer.clear_grad()
        passes.append(cpu_seconds(lambda: backward(first, inputs)))
    peer = "Paddle's AdamW, one group"
    steps = {peer: peer_of(first), **{name: solver_step(parts) for name, parts in every.items()}}
    for step in steps.values():
        step()
    best = dict.fromkeys(steps, float("inf"))
    for _ in range(ROUNDS):
        for name, step in steps.items():
            best[name] = min(best[name], cpu_seconds(step))
    whole = min(passes) + best[peer]
    print(
        f"forward and backward pass: {1000 * min(passes):.0f} ms CPU, batch {inputs.images.shape}"
    )
    print(f"{'':32}{'ms CPU':>9}{'whole step':>13}")
    for name in steps:
        ratio = (min(passes) + best[name]) / whole
        word = "" if ratio < LIMIT else f"  above {LIMIT}"
        print(f"{name:32}{1000 * best[name]:9.2f}{ratio:13.4f}{word}")


if __name__ == "__main__":
    main()
