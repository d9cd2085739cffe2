"""The first steps of a fine-tune, in which only what the weights did not fill learns.

Needs no Paddle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ppocr_ft.messages import counted

AUTO = "auto"
WINDOW_STEPS = 10
MOST_STEPS, MOST_SHARE = 100, 0.25
"""The most that ``auto`` takes: steps, and share of the run."""
SETTLED = 0.95


def settled(losses: Sequence[float]) -> bool:
    """Return whether the mean of the last 10 losses is above 95 % of that of the 10 before."""
    if len(losses) < 2 * WINDOW_STEPS:
        return False
    now, before = losses[-WINDOW_STEPS:], losses[-2 * WINDOW_STEPS : -WINDOW_STEPS]
    return fmean(now) > SETTLED * fmean(before)


@dataclass(frozen=True)
class FreshFirst:
    """The first ``steps`` of a run at a constant ``rate``, which no group's factor multiplies.

    With ``auto`` they end earlier if the loss called ``loss`` has settled. ``names`` are beginnings
    of the names of the parameters that learn.
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


def longest(total_steps: int) -> int:
    """Return the most steps that ``auto`` takes of a run."""
    return max(min(MOST_STEPS, int(MOST_SHARE * total_steps)), 1)
