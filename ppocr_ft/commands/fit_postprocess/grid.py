"""The values that are tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ppocr_ft.errors import ConfigError
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ScoreMode

RATIO_DIGITS = 3
"""Unclip ratios are told apart by so many digits."""
LEAST_RATIO = 0.05
STEP_SHARE = 0.1
"""Step between two unclip ratios, as a share of the one that the labels ask for, in px of the map
about the same whatever the kernels' size."""
STEP_UNIT = 0.05
"""It is a multiple of this."""
STEPS_BELOW, STEPS_ABOVE = 5, 6
GROWN_STEPS = 3


class Cell(NamedTuple):
    """One combination of values, by their indices."""

    resize: int
    thresh: int
    score_mode: int
    unclip_ratio: int
    box_thresh: int


@dataclass(frozen=True)
class Setting:
    """One combination of values; ``resize`` is the name of an evaluation resize."""

    resize: str
    thresh: float
    score_mode: ScoreMode
    unclip_ratio: float
    box_thresh: float


@dataclass(frozen=True)
class Grid:
    """What is combined with each other, in rising order and each once.

    Raises:
        ConfigError: nothing to try, or a value that DBPostProcess doesn't take; ``key`` is its.
    """

    threshs: tuple[float, ...]
    score_modes: tuple[ScoreMode, ...]
    unclip_ratios: tuple[float, ...]
    box_threshs: tuple[float, ...]

    def __post_init__(self) -> None:
        axes = {
            "thresh": self.threshs,
            "score_mode": self.score_modes,
            "unclip_ratio": self.unclip_ratios,
            "box_thresh": self.box_threshs,
        }
        for key, values in axes.items():
            if not values or list(values) != sorted(set(values)):
                raise ConfigError(f"{values} are not rising values", key=key)
        if self.unclip_ratios[0] <= 0:
            raise ConfigError(
                f"must be above 0, found {self.unclip_ratios[0]:g}", key="unclip_ratio"
            )
        for end in (0, -1):  # rising values: those between are right if both ends are
            DBPostProcess(
                thresh=self.threshs[end],
                box_thresh=self.box_threshs[end],
                unclip_ratio=self.unclip_ratios[end],
                score_mode=self.score_modes[end],
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (
            len(self.threshs),
            len(self.score_modes),
            len(self.unclip_ratios),
            len(self.box_threshs),
        )

    def with_ratios(self, ratios: Iterable[float]) -> Grid:
        """The same with other unclip ratios."""
        return replace(self, unclip_ratios=tuple(sorted(ratios)))


def rising(values: Iterable[float], digits: int = RATIO_DIGITS) -> tuple[float, ...]:
    """Each once, rounded to so many digits, in rising order."""
    return tuple(sorted({round(float(value), digits) for value in values}))


def ratio_step(start: float) -> float:
    """The step between two unclip ratios about ``start``."""
    return max(STEP_UNIT, round(start * STEP_SHARE / STEP_UNIT) * STEP_UNIT)


def ratios_about(start: float) -> tuple[float, ...]:
    """``start``, and round unclip ratios from about half of it to 1.6 times it."""
    step = ratio_step(start)
    middle = round(start / step)
    steps = range(middle - STEPS_BELOW, middle + STEPS_ABOVE + 1)
    around = (number * step for number in steps)
    return tuple(sorted({start, *rising(ratio for ratio in around if ratio >= LEAST_RATIO)}))


def more_ratios(
    tried: Sequence[float], best: int, flat: tuple[float, float], step: float
) -> tuple[float, ...]:
    """What to try next where ``tried[best]`` is the best, and those in ``flat``, from the lowest
    to the highest, are as good: further ones where these reach the end of what was tried,
    otherwise those half a step to the best one's sides; none where those are tried already."""
    low, high = flat
    numbers = range(1, GROWN_STEPS + 1)
    if high == tried[-1]:
        return rising(high + number * step for number in numbers)
    lower = [low - number * step for number in numbers if low - number * step >= LEAST_RATIO]
    if low == tried[0] and lower:
        return rising(lower)
    return _between(tried, best, step)


def _between(tried: Sequence[float], best: int, step: float) -> tuple[float, ...]:
    value, wide = tried[best], 0.75 * step
    new = []
    if best > 0 and value - tried[best - 1] > wide:
        new.append(value - step / 2)
    if best < len(tried) - 1 and tried[best + 1] - value > wide:
        new.append(value + step / 2)
    return rising(new)
