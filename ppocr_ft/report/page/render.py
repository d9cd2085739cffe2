"""The page, made of its parts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from ppocr_ft.metrics.errors import KINDS
from ppocr_ft.report import drawing
from ppocr_ft.report.evaluations import KeptEvaluation
from ppocr_ft.report.page import charts, comparison, gallery, summary
from ppocr_ft.report.page.matches import EvaluationMatches
from ppocr_ft.report.page.run import Run, ratio_text
from ppocr_ft.report.page.translation import LANGUAGES, Translated, name_of
from ppocr_ft.version import __version__

Language = Literal["auto", "en", "zh"]
_FILES = (files("ppocr_ft.report.page") / "templates").iterdir()
TEMPLATES = DictLoader({file.name: file.read_text(encoding="utf-8") for file in _FILES})
"""Read with the program: when a run ends, the package may be another one."""


@dataclass(frozen=True)
class Live:
    """What a page has besides that a server keeps up to date.

    ``version`` is another one whenever the page is; ``pictures`` are files beside it.
    """

    version: int
    running: bool
    pictures: Sequence[str] = ()


def render(
    run: Run, language: Language = "auto", curves_png: bytes = b"", live: Live | None = None
) -> str:
    """Return the page as HTML; ``auto`` follows the reader's browser.

    Without JavaScript the page shows ``curves_png`` instead of the charts. A ``live`` one follows
    the run.
    """
    drawing.read_picture.cache_clear()
    before, best = (_matches(run, evaluation) for evaluation in (run.before, run.best))
    later = None if run.shown_step is None else run.judged.kept(run.shown_step)
    after = best if later is run.best else _matches(run, later)
    environment = _environment()
    return environment.get_template("page.html").render(
        run=run,
        best=best,
        language=language,
        live=live,
        version=__version__,
        curves_png=base64.b64encode(curves_png).decode(),
        comparisons=comparison.compare_with_start(run),
        after_name=_name(run, run.shown_step),
        best_name=_name(run, run.best_step),
        data_sets=summary.data_sets(run, best or before),
        **_charts(run, best, environment),
        **_pictures(run, before, after or best),
    )


def render_waiting(name: str, live: Live) -> str:
    """Return the page of a run that has no figures yet."""
    return _environment().get_template("waiting.html").render(name=name, live=live)


def _environment() -> Environment:
    environment = Environment(
        loader=TEMPLATES,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # the templates take sentences and rows from ``summary`` and ``comparison`` themselves
    environment.globals.update(
        t=Translated,
        name_of=name_of,
        languages=LANGUAGES,
        ratio_text=ratio_text,
        drawing=drawing,
        summary=summary,
        comparison=comparison,
        bar_colors=charts.COLORS,
        alert_color=charts.ALERT_COLOR,
        mark_color=charts.MARK_COLOR,
    )
    return environment


def _matches(run: Run, evaluation: KeptEvaluation | None) -> EvaluationMatches | None:
    """Return the evaluation with the unclip ratio that is best for these weights."""
    if evaluation is None:
        return None
    ratio = run.unclip_ratio(evaluation.about.step)
    return EvaluationMatches(evaluation, evaluation.about.unclip_ratio if ratio is None else ratio)


def _name(run: Run, step: int | None) -> Translated:
    """Name the weights after ``step``, which are the start's, the best, or the best trained."""
    if step == 0:
        return Translated("pictures.start")
    return Translated("pictures.fine_tuned" if step == run.best_step else "verdict.at_end")


def _charts(run: Run, best: EvaluationMatches | None, environment: Environment) -> dict[str, Any]:
    from ppocr_ft.report.page import figures

    curves = charts.curves(run)
    thresholds, caption = charts.threshold_charts(best) if best else ([], None)
    tooltip = environment.get_template("tooltip.html")
    final = charts.final_charts(run)
    script, divs = figures.embed(
        [curves, thresholds, final], lambda chart: tooltip.render(chart=chart)
    )
    return {
        "curves": curves,
        "max_points": figures.MAX_POINTS,
        "thresholds": thresholds,
        "final_charts": final,
        "thresholds_caption": caption,
        "bokeh_script": Markup(figures.bokeh_script()),
        "charts_script": Markup(script),
        "chart_divs": {name: Markup(div) for name, div in divs.items()},
    }


def _pictures(
    run: Run, start: EvaluationMatches | None, judged: EvaluationMatches | None
) -> dict[str, Any]:
    """Compare the ``judged`` evaluation with the start, unless it is the start itself."""
    before = start if judged and judged.about.step > 0 else None
    name = _name(run, judged.about.step if judged else None)
    parts: dict[str, Any] = {
        "before": before,
        "judged": judged,
        "judged_name": name,
        "changed_images": None,
    }
    if judged is None:
        return {**parts, "errors_left": ()}
    if before is not None:
        parts["changed_images"] = gallery.changed_images(before, judged, name)
    table = gallery.error_table(before, judged)
    return {
        **parts,
        "error_table": table,
        "angle_table": gallery.angle_table(before, judged),
        "textless": gallery.textless(before, judged),
        "most_kind": max(KINDS, key=lambda kind: table[kind][1].after),
        "errors_left": gallery.errors_left(table),
        "error_crops": list(gallery.error_crops(judged)),
    }
