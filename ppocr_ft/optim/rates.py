"""The learning rates of a run; needs no Paddle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ppocr_ft.optim.schedules import Schedule


@dataclass(frozen=True)
class LrSchedules:
    """The base rate of step 0, 1, ...; a group's own is its ``lr_mult`` times that.

    With SGD, biases may warm up by a schedule of their own: from a high rate down while the
    weights' comes up from 0 (YOLOv5's ``warmup_bias_lr``, 0.1 against a base of 0.01). A bias
    starts far from where the data want it and its gradient is a plain sum, so it can take large
    steps while the weights can't yet. Optimizers of Adam's kind divide each gradient by its own
    size: their first steps are as long as the rate for any gradient, and 0.1 would throw a
    bias by 0.1 a step. With those, biases warm up as weights do unless a config asks otherwise.

    ``remark`` is the log's explanation of the rate. ``fresh_steps`` gives the number of first steps
    in which fresh parameters learn alone (`FreshFirst`), all at the base rate.
    """

    weights: Schedule
    biases: Schedule | None = None
    remark: str = ""
    fresh_steps: Callable[[], int] = lambda: 0

    def __call__(self, step: int) -> float:
        return self.weights(step)

    def is_fresh_alone(self, step: int) -> bool:
        """Return whether step 0, 1, ... is one in which fresh parameters learn alone."""
        return step < self.fresh_steps()

    def bias(self, step: int) -> float:
        """Return the base rate of biases."""
        return (self.biases or self.weights)(step)
