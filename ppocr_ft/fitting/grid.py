"""The values that are tried: a grid of post-processing, and ``Eval``'s resize."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ppocr_ft.config import Config
from ppocr_ft.errors import ConfigError
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ScoreMode
from ppocr_ft.transforms.registry import OPERATORS, OperatorSection
from ppocr_ft.transforms.resize import (
    DEFAULT_LIMIT_PX,
    STRIDE_PX,
    DetResizeForTest,
    LimitType,
    Size,
)

FEW_THRESHS = (0.2, 0.3, 0.4)
"""What the fit at the end of a run tries, in one pass over the images."""
ENOUGH_IMAGES = 40
"""With fewer images in Eval that fit takes images of Train as well."""
BOX_THRESHS = tuple(round(0.2 + 0.05 * step, 2) for step in range(15))
SCORE_MODES: tuple[ScoreMode, ...] = ("fast", "slow")
RATIO_DIGITS = 3
"""Unclip ratios are rounded to this number of digits."""
LEAST_RATIO = 0.05
STEP_SHARE = 0.1
"""Step between two unclip ratios, as a share of the one that the labels ask for, in px of the map
about the same for all kernel sizes."""
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
    """The values to combine, in rising order and each once.

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
        """Return the grid with other unclip ratios."""
        return replace(self, unclip_ratios=tuple(sorted(ratios)))


def rising(values: Iterable[float], digits: int = RATIO_DIGITS) -> tuple[float, ...]:
    """Return the values, each once, rounded, in rising order."""
    return tuple(sorted({round(float(value), digits) for value in values}))


def ratio_step(start: float) -> float:
    """Return the step between two unclip ratios near ``start``."""
    return max(STEP_UNIT, round(start * STEP_SHARE / STEP_UNIT) * STEP_UNIT)


def ratios_about(start: float) -> tuple[float, ...]:
    """Return ``start``, and round unclip ratios from about half of it to 1.6 times it."""
    step = ratio_step(start)
    middle = round(start / step)
    steps = range(middle - STEPS_BELOW, middle + STEPS_ABOVE + 1)
    around = (number * step for number in steps)
    return tuple(sorted({start, *rising(ratio for ratio in around if ratio >= LEAST_RATIO)}))


def more_ratios(
    tried: Sequence[float], best: int, flat: tuple[float, float], step: float
) -> tuple[float, ...]:
    """Return the unclip ratios to try next, if ``tried[best]`` is the best so far.

    ``flat`` are the lowest and the highest ratio that are as good. If they reach the end of what
    was tried, these are ratios beyond it; otherwise those half a step on either side of the best;
    none if these are tried already.
    """
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


NEARBY_FACTORS = (0.8, 1.25)


@dataclass(frozen=True)
class LimitedResize:
    """``limit_side_len``, px, and ``limit_type`` of a DetResizeForTest."""

    limit_side_len: int
    limit_type: LimitType

    def __str__(self) -> str:
        return f"{self.limit_side_len}:{self.limit_type}"


def by_resize(config: Config, resizes: Sequence[LimitedResize]) -> dict[str, Config]:
    """Return the config itself, then with each other resize, by the names of the resizes.

    Raises:
        ConfigError: there are others, and the config has no DetResizeForTest.
    """
    configs = {resize_name(config): config}
    for resize in resizes:
        if str(resize) not in configs:
            configs[str(resize)] = with_resize(config, resize)
    return configs


def resize_name(config: Config) -> str:
    """Return the name of the config's resize."""
    resizer = resizer_of(config)
    if resizer is None:
        return "as it is"
    if resizer.image_shape is not None:
        return "x".join(map(str, resizer.image_shape)) + " keep_ratio" * bool(resizer.keep_ratio)
    if resizer.resize_long is not None:
        return f"{resizer.resize_long}:long"
    return str(limits_of(resizer))


def resizer_of(config: Config) -> OperatorSection | None:
    """Return the last DetResizeForTest of ``Eval``."""
    resizers = [op for op in config.Eval.dataset.transforms if op.is_a(DetResizeForTest)]
    return resizers[-1] if resizers else None


def eval_size(config: Config, size: Size) -> Size:
    """Return the size at which an image of ``size`` enters the network in evaluation."""
    resizer = resizer_of(config)
    resized: Size = size if resizer is None else resizer.build().target_size(size)
    return resized


def with_resize(config: Config, resize: LimitedResize) -> Config:
    """Return the config with another resize.

    Raises:
        ConfigError: the config has no DetResizeForTest.
    """
    replaced = resizer_of(config)
    if replaced is None:
        raise ConfigError(
            f"there is no DetResizeForTest that could resize to {resize}; without --resizes the "
            "images are taken as they are",
            key="Eval.dataset.transforms",
        )
    keys = {"limit_side_len": resize.limit_side_len, "limit_type": resize.limit_type}
    resizer = OPERATORS["DetResizeForTest"].model_validate(keys)
    dataset = config.Eval.dataset
    changed = tuple(resizer if op is replaced else op for op in dataset.transforms)
    dataset = dataset.model_copy(update={"transforms": changed})
    return config.model_copy(update={"Eval": config.Eval.model_copy(update={"dataset": dataset})})


def nearby_resizes(config: Config) -> list[LimitedResize]:
    """Return a smaller and a larger resize of the config's kind; none if it fixes the shape."""
    resizer = resizer_of(config)
    if resizer is None or resizer.image_shape is not None:
        return []
    limits = limits_of(resizer)
    sides = [
        max(round(limits.limit_side_len * factor / STRIDE_PX) * STRIDE_PX, STRIDE_PX)
        for factor in NEARBY_FACTORS
    ]
    return [
        LimitedResize(side, limits.limit_type) for side in sides if side != limits.limit_side_len
    ]


def limits_of(resizer: OperatorSection) -> LimitedResize:
    """Return the limits with the operator's own defaults."""
    if resizer.resize_long is not None:
        return LimitedResize(resizer.resize_long, "resize_long")
    side = resizer.limit_side_len
    return LimitedResize(side or DEFAULT_LIMIT_PX, resizer.limit_type or "min")


def more_images(eval_images: int) -> int:
    """Return how many images of Train the fit at the end of a run takes beside those of Eval."""
    return max(ENOUGH_IMAGES - eval_images, 0)
