"""The page, made of its parts."""

from __future__ import annotations

import base64
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ppocr_ft.metrics.errors import KINDS
from ppocr_ft.report import outlines
from ppocr_ft.report.evaluations import KeptEvaluation
from ppocr_ft.report.page import charts, comparison, drawing, figures, gallery, run_details, summary
from ppocr_ft.report.page.matches import EvaluationMatches
from ppocr_ft.report.page.run import Run, ratio_text
from ppocr_ft.report.page.translation import LANGUAGES, Translated, name_of
from ppocr_ft.version import __version__

Language = Literal["auto", "en", "zh"]


def render(run: Run, language: Language = "auto", curves_png: bytes = b"") -> str:
    """Return the page as HTML; ``auto`` follows the reader's browser.

    Without JavaScript the page shows ``curves_png`` instead of the charts.
    """
    drawing.read_picture.cache_clear()
    before, best = (_matches(run, evaluation) for evaluation in (run.before, run.best))
    later = None if run.shown_step is None else run.kept(run.shown_step)
    after = best if later is run.best else _matches(run, later)
    environment = _environment()
    return environment.get_template("page.html").render(
        run=run,
        best=best,
        language=language,
        version=__version__,
        curves_png=base64.b64encode(curves_png).decode(),
        **_verdict(run),
        **_charts(run, best, environment),
        **_pictures(run, before, after or best),
        **_details(run, best or before),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ppocr_ft.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        t=Translated,
        name_of=name_of,
        languages=LANGUAGES,
        ratio_text=ratio_text,
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


def _verdict(run: Run) -> dict[str, Any]:
    comparisons = comparison.compare_with_start(run)
    return {
        "facts": summary.facts(run),
        "comparisons": comparisons,
        "outcome": comparison.outcome_of(run, comparisons),
        "sentences": comparison.sentences(run, comparisons),
        "after_name": _name(run, run.shown_step),
        "fitted_name": comparison.weights_name(run.delivered)
        if run.delivered
        else _name(run, run.best_step),
        "other_rates": summary.other_rates,
        "alert_text": summary.alert_text,
        "forgetting": comparison.forgetting(run),
        "forgetting_rows": comparison.forgetting_rows(run),
        "advice": summary.advice_text(run),
        "next_steps": summary.next_steps(run),
        "fitted_sentences": summary.fitted_sentences(run),
        "fitted_rows": summary.fitted_rows(run),
        "final_sentences": summary.final_sentences(run),
        "final_rows": summary.final_rows(run),
        "evaluation_rows": summary.evaluation_rows(run),
    }


def _name(run: Run, step: int | None) -> Translated:
    """Name the weights after ``step``, which are the start's, the best, or the best trained."""
    if step == 0:
        return Translated("pictures.start")
    return Translated("pictures.fine_tuned" if step == run.best_step else "verdict.at_end")


def _charts(run: Run, best: EvaluationMatches | None, environment: Environment) -> dict[str, Any]:
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
    table = gallery.error_table(before, judged) if judged else {}
    return {
        "colors": outlines,
        "before": before,
        "judged": judged,
        "judged_name": name,
        "changed_images": gallery.changed_images(before, judged, name)
        if before and judged
        else None,
        "error_table": table,
        "most_kind": max(KINDS, key=lambda kind: table[kind][1].after) if judged else None,
        "errors_left": gallery.errors_left(table) if judged else (),
        "error_crops": list(gallery.error_crops(judged)) if judged else (),
    }


def _details(run: Run, evaluated: EvaluationMatches | None) -> dict[str, Any]:
    data_sets, weights = run_details.data_sets(run, evaluated), run.weights or {}
    return {
        "config_rows": run_details.config_rows(run),
        "data_sets": data_sets,
        "data_rows": run_details.data_rows(data_sets),
        "histograms": run_details.histograms(data_sets) if data_sets else (),
        "steps_sentence": run_details.steps_sentence(run),
        "weight_table": run_details.weight_table(weights) if "parts" in weights else None,
        "environment_rows": run_details.environment_rows(run),
    }
