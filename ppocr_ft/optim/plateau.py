"""A learning rate that falls where the validation metric no longer rises. No paddle in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ppocr_ft.errors import ConfigError

Evaluated = tuple[int, float]
"""After which step, and the metric, of which more is better."""


def plateau_drops(values: Iterable[float], patience: int, cooldown: int) -> int:
    """How often the rate has fallen after evaluations that gave ``values``.

    It falls at the evaluation that is the ``patience + 1``-th in a row without a new best one;
    the ``cooldown`` evaluations after a fall aren't counted, though one may be the new best.
    torch.optim.lr_scheduler.ReduceLROnPlateau with ``threshold`` 0 counts alike.
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


@dataclass(frozen=True)
class Plateau:
    """``factor ** n``, never below ``min_ratio``, after n falls; constant within an epoch.

    A schedule as the others: what it gives for a step depends on the step and on the evaluations
    before that step's epoch alone. It holds no state; ``evaluations`` gives those of the run,
    which are saved with it. Those up to ``first_step``, the last of the warm-up, don't count, and
    so never the one before training.

    Raises:
        ConfigError: ``factor`` outside (0, 1), ``min_ratio`` outside [0, 1], a count too low.
    """

    evaluations: Callable[[], Sequence[Evaluated]]
    steps_per_epoch: int
    factor: float
    patience: int
    cooldown: int = 0
    min_ratio: float = 0.0
    first_step: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1:
            raise ConfigError(f"must lie between 0 and 1, is {self.factor!r}", key="factor")
        if not 0 <= self.min_ratio <= 1:
            raise ConfigError(f"must lie between 0 and 1, is {self.min_ratio!r}", key="min_ratio")
        for key, least in (("steps_per_epoch", 1), ("patience", 0), ("cooldown", 0)):
            if getattr(self, key) < least:
                message = f"must be {least} or above, is {getattr(self, key)!r}"
                raise ConfigError(message, key=key)

    def __call__(self, step: int) -> float:
        if step < 0:
            raise ValueError(f"a step is 0 or above, not {step}")
        epoch_start = step // self.steps_per_epoch * self.steps_per_epoch
        values = (v for s, v in self.evaluations() if self.first_step < s <= epoch_start)
        drops = plateau_drops(values, self.patience, self.cooldown)
        return max(float(self.factor**drops), self.min_ratio)
