"""The charts drawn: by Bokeh on the page, by matplotlib in ``results.png``.

No other file of the package imports Bokeh.
"""

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
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.report.page.charts import (
    ALERT_COLOR,
    MARK_COLOR,
    STEP,
    Chart,
    ChartLine,
    Points,
    curves,
)
from ppocr_ft.report.page.run import Run
from ppocr_ft.report.page.translation import text_of
from ppocr_ft.utils.sampling import sample_evenly

MAX_POINTS = 3000
"""More points of a line than these are evenly thinned."""
WIDTH_INCHES, TITLE_INCHES, INCHES_PER_PX = 10.0, 1.0, 1 / 75
MARGIN = 0.02
"""Share of the axis of steps that is left free at its end."""


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
        _draw_line(plot, series)
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


def _draw_line(plot: figure, series: ChartLine) -> None:
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


def results_png(run: Run) -> bytes:
    """Draw the report's curves, without a shrink ratio that never changes; return a PNG."""
    charts = []
    for chart in curves(run):
        values = {value for line in chart.series for _, value in line.points}
        if chart.name != "shrink" or len(values) > 1:
            charts.append(chart)
    heights = [chart.height_px * INCHES_PER_PX for chart in charts]
    figure = new_figure(WIDTH_INCHES, TITLE_INCHES + sum(heights))
    figure.suptitle(run.name, parse_math=False)
    if charts:
        panels = figure.subplots(
            len(charts), 1, sharex=True, squeeze=False, height_ratios=heights
        ).ravel()
        for axes, chart in zip(panels, charts, strict=True):
            _draw_panel(axes, chart)
        panels[-1].set_xlabel("step")
        panels[-1].set_xlim(-MARGIN * run.last_step, max((1 + MARGIN) * run.last_step, 1))
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return as_png(figure)


def _draw_panel(axes: Axes, chart: Chart) -> None:
    for line in chart.series:
        axes.plot(
            *zip(*line.points, strict=True),
            color=line.color,
            linestyle="--" if line.dashed else "-",
            marker="o" if line.dots or len(line.points) == 1 else None,
            markersize=4,
            label=text_of(line.name, "en"),
        )
    for step, alert in chart.alerts:
        axes.axvline(step, color=ALERT_COLOR, linestyle=":", label=f"{alert}: step {step:g}")
    if chart.mark is not None:
        step, name = chart.mark
        label = f"{text_of(name, 'en')}: step {step:g}"
        axes.axvline(step, color=MARK_COLOR, linestyle=":", label=label)
    if chart.from_zero:
        axes.set_ylim(bottom=0)
    axes.set_title(str(text_of(chart.title, "en")), fontsize=10, loc="left")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
