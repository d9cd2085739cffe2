"""The data of the charts: which columns they show, before anything is drawn."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ppocr_ft.engine.metrics_file import EVAL, LR, TRAIN, number
from ppocr_ft.report.drawing import IOUS
from ppocr_ft.report.page.matches import EvaluationMatches, threshold_curve
from ppocr_ft.report.page.run import HMEANS, Run, ratio_text
from ppocr_ft.report.page.translation import Label, Translated, name_of

COLORS = (
    "#3b82f6", "#e0690b", "#16a34a", "#a855f7", "#a67c00", "#0e93a8", "#e0408a", "#7a8698",
)  # fmt: skip
"""Contrast of 3:1 or more with white and with the page's dark paper (WCAG 2.2, 1.4.11)."""
ALERT_COLOR, MARK_COLOR = "#e5484d", "#7a8698"
RATES = ("precision", "recall", "hmean")
STEP, BOX_THRESH = Translated("curves.step"), Translated("curves.box_thresh")
TRAINED_SHARE = Translated("final.share")
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class ChartLine:
    """A line through ``points``, (x, y) by rising x."""

    name: Label
    points: Points
    color: str
    dashed: bool = False
    dots: bool = False
    lasting: bool = True
    """Whether a value stays true until the next point; an evaluation's does not."""

    def at(self, x: float) -> float | None:
        """Return the last value at or before ``x``; None before the first."""
        number = bisect_right(self.points, x, key=lambda point: point[0])
        return self.points[number - 1][1] if number else None

    def shown_at(self, x: float) -> float | None:
        """Return the value to show at ``x``: the last one if it lasts, else that of ``x`` alone."""
        return self.at(x) if self.lasting else dict(self.points).get(x)


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    ``mark`` is a vertical line and its name, None if the axis names it; ``alerts`` are the
    monitor's, (step, name). The legend has the values at ``legend_x``; None: the last ones.
    """

    name: str
    title: Label
    series: Sequence[ChartLine]
    axis: Translated = STEP
    mark: tuple[float, Label | None] | None = None
    alerts: Sequence[tuple[float, str]] = ()
    legend_x: float | None = None
    height_px: int = 190
    from_zero: bool = False
    value_format: str = ".4g"

    def values_at(self, x: float) -> list[str]:
        """Return each line's value to show at ``x`` as text."""
        return [self._text(series.shown_at(x)) for series in self.series]

    def legend(self) -> list[tuple[ChartLine, str]]:
        """Return the lines and their values."""
        x = math.inf if self.legend_x is None else self.legend_x
        return [(series, self._text(series.at(x))) for series in self.series]

    def _text(self, value: float | None) -> str:
        return "–" if value is None else format(value, self.value_format)  # noqa: RUF001


def curves(run: Run) -> list[Chart]:
    """Return the charts over the run's steps that have at least one line."""
    alerts = [
        (float(alert["step"]), str(alert.get("name")))
        for alert in run.alerts
        if isinstance(alert.get("step"), int)
    ]
    charts = []
    for chart in (_hmean(run), _losses(run), _learning_rates(run), _shrink(run), _errors(run)):
        lines = [line for line in chart.series if line.points]
        if lines:
            charts.append(replace(chart, series=lines, alerts=alerts))
    return charts


def points_of(run: Run, column: str, kind: str, *, best: bool = False) -> Points:
    """Return (step, value) of a column for each finite number.

    An evaluation has one row per unclip ratio; the first or the best of them counts.
    """
    points: dict[float, float] = {}
    for row in run.rows:
        value = number(row, column) if row["kind"] == kind else None
        if value is None or not math.isfinite(value):
            continue
        step = int(row["step"])
        if step not in points or (best and value > points[step]):
            points[step] = value
    return sorted(points.items())


def _line(number: int, name: Label, points: Points, *, of_evaluations: bool = False) -> ChartLine:
    """Return a line of the ``number``-th color; those of evaluations are dashed, with dots."""
    color = COLORS[number % len(COLORS)]
    return ChartLine(name, points, color, of_evaluations, of_evaluations, not of_evaluations)


def _hmean(run: Run) -> Chart:
    series = []
    for color, column, iou in zip(COLORS, HMEANS, IOUS, strict=False):
        best = Translated("curves.best_ratio", iou=iou)
        configured = Translated("curves.config_ratio", iou=iou)
        highest = points_of(run, column, EVAL, best=True)
        series.append(ChartLine(best, highest, color, dots=True, lasting=False))
        at_config = points_of(run, column, EVAL)
        series.append(ChartLine(configured, at_config, color, dashed=True, lasting=False))
    return Chart(
        "hmean",
        Translated("curves.hmean"),
        series,
        mark=None if run.best_step is None else (run.best_step, Translated("curves.best")),
        value_format=".4f",
    )


def _losses(run: Run) -> Chart:
    """Chart the training losses, and the columns of evaluations with ``loss`` in their name."""
    series: list[ChartLine] = []
    losses = [column for column in run.columns if "loss" in column]
    for column in losses:
        points = points_of(run, column, TRAIN)
        if column.startswith("loss") and any(value for _, value in points):
            series.append(_line(len(series), name_of("loss", column), points))
    for column in losses:
        if points := points_of(run, column, EVAL):
            loss = name_of("loss", column.removeprefix("val_"))
            name = Translated("curves.validation", loss=loss)
            series.append(_line(len(series), name, points, of_evaluations=True))
    return Chart("losses", Translated("curves.losses"), series, from_zero=True)


def _learning_rates(run: Run) -> Chart:
    """Chart one line per group; groups with the same rates in the whole run share one."""
    columns = [column for column in run.columns if column.startswith(LR)] or ["lr"]
    groups: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for column in columns:
        if points := points_of(run, column, TRAIN):
            groups.setdefault(tuple(points), []).append(column.removeprefix(LR))
    series = []
    for order, (points, (first, *others)) in enumerate(groups.items()):
        more = Translated("curves.more_groups", group=first, others=len(others))
        series.append(_line(order, more if others else first, points))
    return Chart("lr", Translated("curves.rates"), series, from_zero=True)


def _shrink(run: Run) -> Chart:
    """Chart the operators' ratio, and the one that the monitor measured on drawn maps."""
    title, drawn = Translated("curves.shrink"), Translated("curves.drawn_shrink")
    measured = points_of(run, "drawn_shrink_ratio", EVAL)
    lines = [
        _line(0, title, points_of(run, "shrink_ratio", TRAIN)),
        _line(1, drawn, measured, of_evaluations=True),
    ]
    return Chart("shrink", title, lines, height_px=140)


def _errors(run: Run) -> Chart:
    """Chart the shares of labels whose kernels touch or fall apart."""
    lines = [
        _line(order, name_of("kind", column), points_of(run, column, EVAL), of_evaluations=True)
        for order, column in enumerate(("merged", "split"))
    ]
    title = Translated("curves.error_shares")
    return Chart("errors", title, lines, height_px=140, from_zero=True)


def threshold_charts(evaluated: EvaluationMatches) -> tuple[list[Chart], Translated]:
    """Return precision, recall and hmean over box_thresh at both IoUs, and the caption."""
    about, rows = evaluated.about, threshold_curve(evaluated)
    charts = []
    for suffix, iou, first in zip(("", "_70"), IOUS, (1, 4), strict=True):
        series = [
            _line(number, name_of("rate", rate), [(row[0], row[first + number]) for row in rows])
            for number, rate in enumerate(RATES)
        ]
        charts.append(
            Chart(
                f"thresh{suffix}",
                Translated("curves.iou", iou=iou),
                series,
                BOX_THRESH,
                mark=(about.box_thresh, None),
                legend_x=about.box_thresh,
                value_format=".4f",
            )
        )
    best, strict_best = (max(rows, key=lambda row: row[column]) for column in (3, 6))
    caption = Translated(
        "thresholds.caption",
        step=about.step,
        ratio=ratio_text(evaluated.unclip_ratio),
        box_thresh=about.box_thresh,
        lowest_score=about.lowest_score,
        best=best[0],
        hmean=best[3],
        strict_best=strict_best[0],
        strict_hmean=strict_best[6],
    )
    return charts, caption


def final_charts(run: Run) -> list[Chart]:
    """Return hmean of held-out images on each way from the start to trained weights, if any."""
    if run.final is None or run.delivered is None:
        return []
    start, *others = run.final["candidates"]
    ways: dict[int, list[Mapping[str, Any]]] = {}
    for candidate in others:
        if candidate["averaged"] == 1:
            ways.setdefault(candidate["step"], [start]).append(candidate)
    series: list[ChartLine] = []
    for step, way in ways.items():
        for column, iou in zip(HMEANS, IOUS, strict=True):
            points = sorted(
                (candidate["alpha"], candidate["held_out"][column]) for candidate in way
            )
            name = Translated("final.line", iou=iou, step=step)
            color = COLORS[len(series) % len(COLORS)]
            series.append(ChartLine(name, points, color, dots=True, lasting=False))
    chosen = None if run.delivered.kind == "mean" else run.delivered.alpha
    return [
        Chart(
            "final",
            Translated("final.chart"),
            series,
            TRAINED_SHARE,
            mark=None if chosen is None else (chosen, Translated("final.chosen")),
            legend_x=chosen,
            value_format=".4f",
        )
    ]
