"""``results.png``: the curves of a run as one picture, over one axis of steps."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ppocr_ft.report.figures import as_png, new_figure
from ppocr_ft.report.page.charts import ALERT_COLOR, MARK_COLOR, Chart, curves
from ppocr_ft.report.page.run import Run
from ppocr_ft.report.page.translation import text_of

WIDTH_INCHES, TITLE_INCHES, INCHES_PER_PX = 10.0, 1.0, 1 / 75
MARGIN = 0.02
"""Share of the axis of steps that is left free at its end."""


def results_png(run: Run) -> bytes:
    """Draw the report's curves, without a shrink ratio that never changes; return a PNG."""
    charts = [chart for chart in curves(run) if chart.name != "shrink" or _changes(chart)]
    heights = [chart.height_px * INCHES_PER_PX for chart in charts]
    figure = new_figure(WIDTH_INCHES, TITLE_INCHES + sum(heights))
    figure.suptitle(run.name, parse_math=False)
    if charts:
        panels = figure.subplots(
            len(charts), 1, sharex=True, squeeze=False, height_ratios=heights
        ).ravel()
        for axes, chart in zip(panels, charts, strict=True):
            _draw(axes, chart)
        panels[-1].set_xlabel("step")
        panels[-1].set_xlim(-MARGIN * run.last_step, max((1 + MARGIN) * run.last_step, 1))
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return as_png(figure)


def _changes(chart: Chart) -> bool:
    return len({value for line in chart.series for _, value in line.points}) > 1


def _draw(axes: Axes, chart: Chart) -> None:
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
