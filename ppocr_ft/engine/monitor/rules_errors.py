"""Rules on the errors that grew since the start: what a detector that got worse gets wrong.

At an evaluation that is below the start, by hmean at IoU 0.5 with its own best unclip ratio,

- merged or split texts have grown if their share of the labels is more than ``GREW`` above the
  start's (`ppocr_ft.metrics.errors`; with the config's unclip ratio),
- false boxes have grown if precision is more than ``FELL`` below it and recall held or rose,
- missed texts have grown if recall is more than ``FELL`` below it and precision held or rose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.monitor.series import Diagnosis, Series
from ppocr_ft.geometry import LINES_RATIO, WORDS_RATIO, unclip_ratio_for

FELL = GREW = 0.03
HELD = 0.005
"""What a rate may fall by and still count as held."""
EVALUATIONS = 2


def merged_texts(series: Series) -> Diagnosis | None:
    """Find a share of merged labels 0.03 above the start's in the last 2 evaluations."""
    return _lasting(series, _MERGED)


def split_texts(series: Series) -> Diagnosis | None:
    """Find a share of split labels 0.03 above the start's in the last 2 evaluations."""
    return _lasting(series, _SPLIT)


def false_boxes(series: Series) -> Diagnosis | None:
    """Find precision 0.03 below the start's while recall held, in the last 2 evaluations."""
    return _lasting(series, _FALSE)


def missed_texts(series: Series) -> Diagnosis | None:
    """Find recall 0.03 below the start's while precision held, in the last 2 evaluations."""
    return _lasting(series, _MISSED)


def grown_errors(series: Series) -> Diagnosis | None:
    """Find the first kind of error that has grown by the last evaluation alone."""
    found = (_lasting(series, kind, 1) for kind in (_MERGED, _SPLIT, _FALSE, _MISSED))
    return next(filter(None, found), None)


class _Kind(NamedTuple):
    """``growth``: in words, from the start to an evaluation; None if the kind hasn't grown."""

    growth: Callable[[EvalResult, EvalResult], str | None]
    remedy: Callable[[Series], str]


def _lasting(series: Series, kind: _Kind, evaluations: int = EVALUATIONS) -> Diagnosis | None:
    start, last = series.start, series.trained[-evaluations:]
    if start is None or len(last) < evaluations:
        return None
    worse = all(now.value("hmean") < start.value("hmean") for now in last)
    growths = [kind.growth(start, now) for now in last]
    if not worse or growths[-1] is None or None in growths:
        return None
    return Diagnosis(f"Since the start {growths[-1]}.", kind.remedy(series))


def _share_rose(name: Literal["merged", "split"], start: EvalResult, now: EvalResult) -> str | None:
    before: float | None = getattr(start, name)
    share: float | None = getattr(now, name)
    if before is None or share is None or share <= before + GREW:
        return None
    return f"the share of {name} texts among Eval's labels rose from {before:.1%} to {share:.1%}"


def _rate_fell(
    name: Literal["precision", "recall"], other: str, start: EvalResult, now: EvalResult
) -> str | None:
    before, rates = start.at_best("hmean"), now.at_best("hmean")
    if not {name, other} <= before.keys() & rates.keys():
        return None
    if rates[name] >= before[name] - FELL or rates[other] < before[other] - HELD:
        return None
    return (
        f"{name} fell from {before[name]:.3f} to {rates[name]:.3f} while {other} went from "
        f"{before[other]:.3f} to {rates[other]:.3f} (IoU 0.5)"
    )


def _more_merged(start: EvalResult, now: EvalResult) -> str | None:
    rose = _share_rose("merged", start, now)
    return rose and f"{rose}: one box covers several, whose kernels touch"


def _more_split(start: EvalResult, now: EvalResult) -> str | None:
    rose = _share_rose("split", start, now)
    return rose and f"{rose}: several boxes lie in one, whose kernel falls apart"


def _more_false(start: EvalResult, now: EvalResult) -> str | None:
    fell = _rate_fell("precision", "recall", start, now)
    return fell and f"{fell}: it finds text on background, which training's crops hardly show"


def _more_missed(start: EvalResult, now: EvalResult) -> str | None:
    fell = _rate_fell("recall", "precision", start, now)
    return fell and f"{fell}: it no longer finds texts that the start found"


def _merged_remedy(series: Series) -> str:
    larger = "train and evaluate at a larger limit_side_len (1.5 times)"
    ratio = series.evals[-1].shrink_ratio
    thinner = "" if ratio is not None and ratio <= WORDS_RATIO else _pair(series, WORDS_RATIO)
    advice = f"{thinner}, or {larger}" if thinner else larger.capitalize()
    return f"{advice}; ppocr-ft check says how many kernels touch."


def _split_remedy(series: Series) -> str:
    alike = "see by ppocr-ft check whether the labels of Train and Eval both mark lines, or words"
    ratio = series.evals[-1].shrink_ratio
    if ratio is not None and ratio >= LINES_RATIO:
        return f"{alike.capitalize()}, and lower Optimizer.lr.learning_rate to a third."
    return f"{_pair(series, LINES_RATIO)}, and {alike}."


def _pair(series: Series, shrink_ratio: float) -> str:
    """Name the unclip ratio of a perfect network; real kernels are larger and want less."""
    polygons = series.info.polygons
    most = f"{unclip_ratio_for(polygons, shrink_ratio):g}" if polygons else "what check says"
    return (
        f"Set shrink_ratio (and shrink_ratio_end) of both map operators to {shrink_ratio:g} and "
        f"PostProcess.unclip_ratio to at most {most}"
    )


def _false_remedy(series: Series) -> str:
    return (
        "Set ScaledCrop.text_p to 0.3 and ScaledCrop.size to [640, 480] or more, so that crops "
        "show more background, and fit PostProcess.box_thresh by ppocr-ft fit-postprocess."
    )


def _missed_remedy(series: Series) -> str:
    return (
        "Set MakeShrinkMap.min_text_size to 4, so that fewer texts are masked out of the loss, or "
        "train and evaluate at a larger limit_side_len; ppocr-ft check says how many are masked."
    )


_MERGED, _SPLIT = _Kind(_more_merged, _merged_remedy), _Kind(_more_split, _split_remedy)
_FALSE, _MISSED = _Kind(_more_false, _false_remedy), _Kind(_more_missed, _missed_remedy)
