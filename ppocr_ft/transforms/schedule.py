"""The shrink ratio over the epochs, as a pure function."""

from __future__ import annotations

from dataclasses import dataclass

from ppocr_ft.errors import ConfigError
from ppocr_ft.geometry import check_ratio

PADDLEOCR_RISE = 0.2
"""What PaddleOCR's ``total_epoch`` adds to ``shrink_ratio`` by its last epoch (2.7 on)."""


@dataclass(frozen=True)
class ShrinkSchedule:
    """``ratio(e) = start + (end - start) * min(e / total_epoch, 1)``.

    A schedule is constant where ``start == end``; ``total_epoch`` is then without effect.
    PaddleOCR computes ``shrink_ratio + 0.2 * epoch / total_epoch`` without the bound.
    """

    start: float
    end: float
    total_epoch: float = 1.0

    @classmethod
    def from_keys(
        cls,
        shrink_ratio: float = 0.4,
        shrink_ratio_end: float | None = None,
        total_epoch: float | None = None,
        epoch_num: float | None = None,
    ) -> ShrinkSchedule:
        """The schedule that a YAML's keys ask for.

        ``total_epoch`` alone means what PaddleOCR meant: up by 0.2 over ``total_epoch`` epochs.
        ``shrink_ratio_end`` alone ramps over the run's ``epoch_num``. Neither: constant.

        Raises:
            ConfigError: a ratio outside (0, 1), a horizon that isn't above 0, or a ramp
                without a horizon; it names the key.
        """
        start = check_ratio(shrink_ratio, "shrink_ratio")
        if shrink_ratio_end is None and total_epoch is None:
            return cls(start, start)
        end = _end_of(start, shrink_ratio_end)
        if total_epoch is not None:
            return cls(start, end, _check_horizon(total_epoch, "total_epoch"))
        if epoch_num is not None:
            return cls(start, end, _check_horizon(epoch_num, "Global.epoch_num"))
        if end == start:
            return cls(start, start)
        raise ConfigError(
            "not given, but shrink_ratio_end needs to know over how many epochs to ramp; "
            "set total_epoch, or Global.epoch_num",
            key="total_epoch",
        )

    @property
    def is_constant(self) -> bool:
        return self.start == self.end

    def ratio(self, epoch: float) -> float:
        """The ratio in the true epoch 1, 2, ...; 0 stands for "before training"."""
        if epoch < 0:
            raise ValueError(f"an epoch is 0 or above, not {epoch}")
        return self.start + (self.end - self.start) * min(epoch / self.total_epoch, 1.0)

    def describe(self) -> str:
        if self.is_constant:
            return f"constant {self.start:g}"
        return f"{self.start:g} -> {self.end:g} over {self.total_epoch:g} epochs"


def check_same(border: ShrinkSchedule, shrink: ShrinkSchedule) -> None:
    """
    Raises:
        ConfigError: the two map operators of a pipeline follow different schedules.
    """
    if border != shrink:
        raise ConfigError(
            f"MakeShrinkMap's is {shrink.describe()}, MakeBorderMap's {border.describe()}; both "
            "maps describe the same text, so give both the same shrink_ratio, shrink_ratio_end "
            "and total_epoch",
            key="shrink_ratio",
        )


def _end_of(start: float, shrink_ratio_end: float | None) -> float:
    if shrink_ratio_end is not None:
        return check_ratio(shrink_ratio_end, "shrink_ratio_end")
    end = start + PADDLEOCR_RISE
    if end >= 1.0:
        raise ConfigError(
            f"found {start:g}; with total_epoch it rises by {PADDLEOCR_RISE:g} to {end:g}, which "
            "must stay below 1: lower shrink_ratio or set shrink_ratio_end",
            key="shrink_ratio",
        )
    return end


def _check_horizon(value: float, key: str) -> float:
    try:
        horizon = float(value)
    except (TypeError, ValueError):
        raise ConfigError(f"found {value!r}, which is not a number of epochs", key=key) from None
    if not 0.0 < horizon < float("inf"):
        raise ConfigError(f"found {value!r}; it must be a number of epochs above 0", key=key)
    return horizon
