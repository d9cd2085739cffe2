"""The result of an evaluation, and which of several is the best.

This is the only place that decides what is best. An evaluation is ranked first by
Metric.main_indicator, then by hmean at IoU 0.7, each with its own best unclip ratio. Of two that
rank the same the later one is the best.

Rates are compared as metrics.csv has them, rounded to nine significant digits, so that a reader of
the file decides as the training did. A rate that is NaN or unknown is below all others.

Nothing here needs Paddle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import mean
from typing import Any

from ppocr_ft.engine.metrics_file import EVAL, FURTHER, SET, Row, number, written
from ppocr_ft.messages import counted
from ppocr_ft.metrics.det import RATES

TIE_BREAKER = "hmean_70"
_SHARED = (
    "val_loss", "shrink_ratio", "drawn_shrink_ratio", "merged", "split", "textless_boxes",
)  # fmt: skip
"""Columns of `EvalResult`'s attributes; they are the same in all rows of an evaluation."""
Rank = tuple[float, float]
"""The main indicator and the tie breaker, as they are compared."""


def rank(value: float | None, tie_breaker: float | None) -> Rank:
    """Return the values by which evaluations are compared."""
    return _comparable(value), _comparable(tie_breaker)


def replaces_best(later: Rank, best: Rank) -> bool:
    """Return whether a later evaluation becomes the best one: it does unless it ranks lower."""
    return later >= best


def _comparable(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else float(written(float(value)))


@dataclass(frozen=True)
class EvalResult:
    """The result of an evaluation.

    Attributes:
        rates: `RATES`, 0 to 1, for each unclip ratio; the config's ratio comes first.
        step: steps done before it.
        epoch: epochs done before it.
        val_loss: the loss on crops of Eval; None if unknown, as the next two.
        shrink_ratio: the ratio that training's shrink maps should have.
        drawn_shrink_ratio: the ratio measured on them, 0 if they are empty.
        merged: the share of labels that a box covers together with others, with the config's
            unclip ratio at IoU 0.5 (`ppocr_ft.metrics.errors`); None if unknown.
        split: the share of labels with several boxes inside, likewise.
        textless_boxes: the mean number of boxes on an image without text, likewise; None if there
            is no such image.
        images: the number of images, of all processes; 0 if a file was read.
        flooded: how many of them have more blobs than PostProcess.max_candidates.
        seconds: its duration.
    """

    rates: Mapping[float, Mapping[str, float]]
    step: int = 0
    epoch: int = 0
    val_loss: float | None = None
    shrink_ratio: float | None = None
    drawn_shrink_ratio: float | None = None
    merged: float | None = None
    split: float | None = None
    textless_boxes: float | None = None
    images: int = 0
    flooded: int = 0
    seconds: float = 0.0

    @property
    def unclip_ratio(self) -> float:
        """The config's."""
        return next(iter(self.rates))

    @property
    def at_config(self) -> Mapping[str, float]:
        """The rates with the config's unclip ratio."""
        return self.rates[self.unclip_ratio]

    def best_ratio(self, *indicators: str) -> float:
        """Return the ratio with the highest mean of ``indicators``.

        Among equals it is the one with the higher hmean at IoU 0.7, then the config's.
        """

        def height(ratio: float) -> Rank:
            rates = self.rates[ratio]
            value = mean(rates.get(name, math.nan) for name in indicators)
            return rank(value, rates.get(TIE_BREAKER))

        return max(self.rates, key=height)

    def at_best(self, *indicators: str) -> Mapping[str, float]:
        """Return the rates with that ratio."""
        return self.rates[self.best_ratio(*indicators)]

    def value(self, indicator: str) -> float:
        """Return the highest value of ``indicator``, NaN if unknown."""
        return self.at_best(indicator).get(indicator, math.nan)

    def rank(self, indicator: str) -> Rank:
        """Return the values by which it is compared, each at its own best unclip ratio."""
        return rank(self.value(indicator), self.value(TIE_BREAKER))

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield its rows of metrics.csv, one for each unclip ratio."""
        shared = {name: getattr(self, name) for name in ("step", "epoch", *_SHARED)}
        for ratio, rates in self.rates.items():
            yield {**shared, "unclip_ratio": ratio, **{name: rates[name] for name in RATES}}

    def describe(self, indicator: str) -> str:
        """Return hmean at both IoUs, with the config's unclip ratio and with the best one.

        False boxes on images without text are told where the set has such images, and so are
        images of which a part was not looked at.
        """
        parts = []
        for ratio in dict.fromkeys((self.unclip_ratio, self.best_ratio(indicator))):
            rates = self.rates[ratio]
            hmeans = f"{rates['hmean']:.4f} at IoU 0.5, {rates['hmean_70']:.4f} at 0.7"
            parts.append(f"hmean {hmeans} with unclip_ratio {ratio:g}")
        loss = "" if self.val_loss is None else f"; loss {self.val_loss:.4f}"
        false = self.textless_boxes
        textless = "" if false is None else f"; {false:.2f} boxes per image without text"
        flooded = f"; {flooded_text(self.flooded)}" if self.flooded else ""
        return f"{'; best: '.join(parts)}{textless}{flooded}{loss} ({self.seconds:.0f} s)"


def flooded_text(images: int) -> str:
    """Say that so many images have more blobs than are looked at."""
    return (
        f"{counted(images, 'image')} with more blobs than PostProcess.max_candidates, the rest of "
        "which was not looked at"
    )


def best(results: Sequence[EvalResult], indicator: str) -> EvalResult:
    """Return the best of some evaluations, which are in their order.

    Raises:
        ValueError: there are none.
    """
    winner, *others = results
    for later in others:
        if replaces_best(later.rank(indicator), winner.rank(indicator)):
            winner = later
    return winner


def results_of(rows: Iterable[Row]) -> list[EvalResult]:
    """Return the evaluations on ``Eval`` in the rows of a metrics.csv, in their order.

    A row without an unclip ratio or hmean is left out, and an evaluation with only such rows too.
    """
    return _results(row for row in rows if row["kind"] == EVAL)


def further_results(rows: Iterable[Row]) -> dict[str, list[EvalResult]]:
    """Return those of each set of ``Eval.also``, by its name."""
    by_set: dict[str, list[Row]] = {}
    for row in rows:
        if row["kind"] == FURTHER:
            by_set.setdefault(row.get(SET, ""), []).append(row)
    return {name: results for name, of in by_set.items() if (results := _results(of))}


def _results(rows: Iterable[Row]) -> list[EvalResult]:
    results = []
    for step, group in groupby(filter(_is_whole, rows), key=lambda row: int(row["step"])):
        first, *others = group
        rates = {float(row["unclip_ratio"]): _rates(row) for row in (first, *others)}
        shared: dict[str, Any] = {name: number(first, name) for name in _SHARED}
        results.append(EvalResult(rates, step, int(number(first, "epoch") or 0), **shared))
    return results


def _is_whole(row: Row) -> bool:
    return number(row, "unclip_ratio") is not None and number(row, "hmean") is not None


def _rates(row: Row) -> dict[str, float]:
    """Return the rates that the row has."""
    return {name: value for name in RATES if (value := number(row, name)) is not None}
