"""The learning rates of a run beside its schedule: first steps of fresh parts, falls at a plateau.

Needs no Paddle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from ppocr_ft.constructor_keys import checked
from ppocr_ft.declaration import NonNegativeInt, OpenShare, PositiveInt, Share
from ppocr_ft.messages import counted
from ppocr_ft.optim.schedules import Schedule

AUTO = "auto"
WINDOW_STEPS = 10
MOST_STEPS, MOST_SHARE = 100, 0.25
"""The most that ``auto`` takes: steps, and share of the run."""
SETTLED = 0.95

Evaluated = tuple[int, float]
"""After which step, and the metric, of which more is better."""


@dataclass(frozen=True)
class LrSchedules:
    """The base rate of step 0, 1, ...; a group's own is its ``lr_mult`` times that.

    With SGD, biases may warm up by a schedule of their own: from a high rate down while the
    weights' comes up from 0 (YOLOv5's ``warmup_bias_lr``, 0.1 against a base of 0.01). A bias
    starts far from where the data want it and its gradient is a plain sum, so it can take large
    steps while the weights can't yet. The first steps of Adam's kind are as long as the rate for
    any gradient; with those, biases warm up as weights do unless a config asks otherwise.

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


@dataclass(frozen=True)
class FreshFirst:
    """The first ``steps`` of a run at a constant ``rate``, which no group's factor multiplies.

    Only what the weights did not fill learns then. With ``auto`` they end earlier if the loss
    called ``loss`` has settled. ``names`` are beginnings of the names of the parameters that learn.
    """

    steps: int
    rate: float
    auto: bool = False
    names: tuple[str, ...] = ()
    loss: str = "loss"

    def is_over(self, step: int, losses: Sequence[float]) -> bool:
        """Return whether it ends after ``step`` steps, whose applied ones gave ``losses``."""
        return step >= self.steps or (self.auto and settled(losses))

    def describe(self) -> str:
        """Return a line for the log."""
        names = ", ".join(name.removesuffix(".") for name in self.names[:3])
        more = f" and {len(self.names) - 3} more" if len(self.names) > 3 else ""
        length = counted(self.steps, "step")
        if self.auto:
            length = f"until {self.loss} settles, at most {length}"
        return (
            f"fresh parts first: {names}{more} alone, {length} at rate {self.rate:g} "
            "(fresh_first); then all parameters, by the schedule"
        )


def settled(losses: Sequence[float]) -> bool:
    """Return whether the mean of the last 10 losses is above 95 % of that of the 10 before."""
    if len(losses) < 2 * WINDOW_STEPS:
        return False
    now, before = losses[-WINDOW_STEPS:], losses[-2 * WINDOW_STEPS : -WINDOW_STEPS]
    return fmean(now) > SETTLED * fmean(before)


def longest(total_steps: int) -> int:
    """Return the most steps that ``auto`` takes of a run."""
    return max(min(MOST_STEPS, int(MOST_SHARE * total_steps)), 1)


def plateau_drops(values: Iterable[float], patience: int, cooldown: int) -> int:
    """Return how often the rate has fallen after evaluations that gave ``values``.

    It falls at the evaluation that is the ``patience + 1``-th in a row without a new best one;
    the ``cooldown`` evaluations after a fall aren't counted, though one may be the new best.
    torch.optim.lr_scheduler.ReduceLROnPlateau with ``threshold`` 0 counts in the same way.
    """
    best, without_best, resting, drops = float("-inf"), 0, 0, 0
    for value in values:
        without_best = 0 if value > best else without_best + 1
        best = max(best, value)
        if resting:
            resting, without_best = resting - 1, 0
        elif without_best > patience:
            drops, resting, without_best = drops + 1, cooldown, 0
    return drops


@checked
@dataclass(frozen=True)
class ReduceOnPlateau:
    """``factor ** n``, never below ``min_ratio``, after n falls; constant within an epoch.

    Its factor for a step depends on the step and on the evaluations before that step's epoch
    alone. ``evaluations`` gives those of the run, which are saved with it. Those up to
    ``first_step``, the last of the warm-up, don't count, and so never the one before training.

    Raises:
        ConfigError: ``factor`` outside (0, 1), ``min_ratio`` outside [0, 1], a count too low.
    """

    evaluations: Callable[[], Sequence[Evaluated]]
    steps_per_epoch: PositiveInt
    factor: OpenShare
    patience: NonNegativeInt
    cooldown: NonNegativeInt = 0
    min_ratio: Share = 0.0
    first_step: NonNegativeInt = 0

    def __call__(self, step: int) -> float:
        if step < 0:
            raise ValueError(f"a step is 0 or above, not {step}")
        epoch_start = step // self.steps_per_epoch * self.steps_per_epoch
        values = (v for s, v in self.evaluations() if self.first_step < s <= epoch_start)
        drops = plateau_drops(values, self.patience, self.cooldown)
        return max(float(self.factor**drops), self.min_ratio)
