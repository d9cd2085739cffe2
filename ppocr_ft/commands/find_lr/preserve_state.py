"""Trying something on a run without a trace."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import paddle

from ppocr_ft.engine.state import TrainState
from ppocr_ft.transforms.clock import EpochClock


@contextmanager
def unchanged(state: TrainState, *clocks: EpochClock) -> Iterator[None]:
    """Whatever happens within, afterwards all is as it was, bit for bit.

    That is all of ``state``, the optimizer's base rate (biases then have it too; each step of
    training sets both), each layer's mode, the process's random numbers (Python's, numpy's,
    Paddle's on every device), and the ``clocks``. Also after an exception, such as Ctrl-C's.
    Gradients are the business of what happens within; train_step leaves none.
    """
    with ExitStack() as put_back:  # all of it, also where a part of it fails
        put_back.callback(state.restore, state.arrays())
        put_back.callback(state.optimizer.set_lr, state.optimizer.get_lr())
        for layer in state.network.sublayers(include_self=True):
            put_back.callback(setattr, layer, "training", layer.training)
        for clock in clocks:
            put_back.callback(*((clock.set, clock.epoch) if clock.is_set else (clock.reset,)))
        put_back.callback(random.setstate, random.getstate())
        put_back.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002
        generator = paddle.base.core.default_cpu_generator()
        put_back.callback(generator.set_state, generator.get_state())
        put_back.callback(paddle.set_cuda_rng_state, paddle.get_cuda_rng_state())
        yield
