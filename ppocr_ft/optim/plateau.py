"""A learning rate that falls when the validation metric no longer rises; needs no Paddle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ppocr_ft.constructor_keys import checked
from ppocr_ft.declaration import NonNegativeInt, OpenShare, PositiveInt, Share

Evaluated = tuple[int, float]
"""After which step, and the metric, of which more is better."""


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

    A schedule as the others: what it gives for a step depends on the step and on the evaluations
    before that step's epoch alone. It holds no state; ``evaluations`` gives those of the run,
    which are saved with it. Those up to ``first_step``, the last of the warm-up, don't count, and
    so never the one before training.

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
