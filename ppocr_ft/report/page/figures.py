"""The charts as Bokeh draws them; no other file of the package imports Bokeh."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bokeh.embed import components
from bokeh.models import (
    AdaptiveTicker,
    BasicTickFormatter,
    ColumnDataSource,
    CrosshairTool,
    DataRange1d,
    HoverTool,
    Model,
    Range1d,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from bokeh.resources import Resources

from ppocr_ft.report.page.charts import ALERT_COLOR, MARK_COLOR, STEP, Chart, ChartLine, Points
from ppocr_ft.utils.sampling import sample_evenly

MAX_POINTS = 3000
"""More points of a line than these are evenly thinned."""


def bokeh_script() -> str:
    """Return Bokeh's own code as one ``<script>``."""
    return Resources(mode="inline", components=["bokeh"]).render_js()


def embed(
    groups: Sequence[Sequence[Chart]], tooltip: Callable[[Chart], str]
) -> tuple[str, dict[str, str]]:
    """Return a ``<script>`` that draws the charts and, by chart, the ``<div>`` for it.

    The charts of a group share their range and the cursor. ``tooltip`` makes the HTML that a
    chart shows next to the cursor; the lines' values replace ``@{value_0}`` and so on.
    """
    figures: dict[str, Model] = {}
    for charts in groups:
        places = [x for chart in charts for series in chart.series for x, _ in series.points]
        if not places:
            continue
        low, high = min(places), max(places)
        margin = (high - low or 1) / 100
        x_range = Range1d(start=low - margin, end=high + margin)
        cursor = Span(dimension="height", line_color=MARK_COLOR, line_width=1)
        for chart in charts:
            figures[chart.name] = _figure(chart, x_range, cursor, tooltip(chart))
    if not figures:
        return "", {}
    return components(figures)


def _figure(chart: Chart, x_range: Range1d, cursor: Span, tooltip: str) -> figure:
    plot = figure(
        name=chart.name,
        height=chart.height_px,
        sizing_mode="stretch_width",
        x_range=x_range,
        y_range=DataRange1d(start=0) if chart.from_zero else DataRange1d(),
        tools="xpan,xbox_zoom,reset",
        active_drag=None,  # a finger scrolls the page
        min_border_left=64,
        min_border_right=8,
    )
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=4)
    if chart.axis is STEP:
        plot.xaxis.ticker = AdaptiveTicker(min_interval=1, desired_num_ticks=8)
        plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    for series in chart.series:
        _draw(plot, series)
    for step, _ in chart.alerts:
        plot.add_layout(_upright(step, ALERT_COLOR))
    if chart.mark is not None:
        plot.add_layout(_upright(chart.mark[0], MARK_COLOR))
    # an invisible line that has every place: one tooltip for all lines
    hovered = plot.line("x", "y", source=_values(chart), line_alpha=0)
    plot.add_tools(
        HoverTool(
            renderers=[hovered],
            tooltips=tooltip,
            mode="vline",
            line_policy="nearest",
            limit=1,
            visible=False,  # in the toolbar
        ),
        CrosshairTool(overlay=cursor, visible=False),
    )
    return plot


def _draw(plot: figure, series: ChartLine) -> None:
    xs, ys = zip(*thinned(series.points), strict=True)
    source = ColumnDataSource({"x": xs, "y": ys})
    dash = "dashed" if series.dashed else "solid"
    width = 1.5 if series.dashed else 2
    plot.line("x", "y", source=source, color=series.color, line_width=width, line_dash=dash)
    if series.dots or len(xs) == 1:
        plot.scatter("x", "y", source=source, color=series.color, size=6)


def _upright(x: float, color: str) -> Span:
    return Span(location=x, dimension="height", line_color=color, line_dash="dotted", line_width=2)


def _values(chart: Chart) -> ColumnDataSource:
    """Return all lines' values as texts at each x of any line, and the alerts near it."""
    places = {x for series in chart.series for x, _ in thinned(series.points)}
    xs = sorted(places | {x for x, _ in chart.alerts})
    first = chart.series[0]
    texts = [chart.values_at(x) for x in xs]
    columns = {f"value_{i}": [row[i] for row in texts] for i in range(len(chart.series))}
    near = (xs[-1] - xs[0]) / 60
    alerts = [
        ", ".join(name for step, name in chart.alerts if abs(step - x) <= near) or "–"  # noqa: RUF001
        for x in xs
    ]
    ys = [first.points[0][1] if (y := first.at(x)) is None else y for x in xs]
    return ColumnDataSource({"x": xs, "y": ys, "alerts": alerts, **columns})


def thinned(points: Points) -> Points:
    """Return at most `MAX_POINTS` of the points, including the last one."""
    return [*sample_evenly(points[:-1], MAX_POINTS - 1), points[-1]]
