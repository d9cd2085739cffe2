"""The one thing to try after a run, chosen by what its evaluations and verdicts showed.

Nothing here needs Paddle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ppocr_ft.engine.eval_result import EvalResult
from ppocr_ft.engine.outcome import Outcome

CHANGE = 0.005
"""What the main indicator may change by without meaning anything."""
KEPT = 0.9
"""Of the start's main indicator; healthy fine-tunes lose less (docs/shrink.md)."""
EXPLAINING_VERDICTS = (
    "targets-wrong",
    "nan",
    "grad-exploding",
    "merged-texts",
    "split-texts",
    "false-boxes",
    "missed-texts",
    "loss-not-falling",
)
"""Verdicts of the monitor that explain why a run came to nothing, the deepest cause first."""
MORE_STEPS = frozenset({"few-evaluations", "short", "rising"})
"""Advice that the steps which a broken-off run still has may make needless."""
SENTENCES = {
    "verdict": "{verdict} was the trouble: {remedy}",
    "unfinished": "The run isn't over: let it go on by --resume.",
    "few-evaluations": "There was one evaluation after the start: set Global.eval_batch_epoch=1, "
    "so that better weights in between aren't missed.",
    "short": "The run was short, it ended at step {step}: raise Global.epoch_num.",
    "rate-high": "{indicator} fell below that of the start: lower "
    "Optimizer.lr.learning_rate to a third (ppocr-ft find-lr measures it).",
    "perfect": "{indicator} on Eval is 1.0000, which nothing can beat: judge on more images, or "
    "harder ones.",
    "overfitting": "{indicator} fell from {highest:.4f} after step {step} to {last:.4f} at the "
    "end: train shorter (Global.epoch_num={epochs}), augment more, or add images.",
    "rising": "{indicator} still rose at the end: train longer (Global.epoch_num={epochs}).",
    "labels": "Look at the labels with ppocr-ft check: do Train's mark text as Eval's do, as lines "
    "or as words? If so, try another rate by ppocr-ft find-lr.",
    "errors": "Look at the errors in report.html: images like those help most.",
}
"""Each piece of advice by its name; `Advice.values` fill the placeholders."""


@dataclass(frozen=True)
class Advice:
    """A piece of advice: its name in ``SENTENCES``, and what fills the placeholders."""

    name: str
    values: Mapping[str, object]

    @property
    def sentence(self) -> str:
        return SENTENCES[self.name].format(**self.values)


def advice(
    found: Outcome,
    results: Sequence[EvalResult],
    remedies: Mapping[str, str],
    *,
    is_over: bool = True,
) -> Advice:
    """Return the advice for a run.

    Args:
        found: its outcome.
        results: its evaluations, in their order.
        remedies: what the monitor advised during the run, by verdict.
        is_over: whether it took all of its steps.
    """
    verdict = next((name for name in EXPLAINING_VERDICTS if name in remedies), None)
    if verdict is not None and found.kind != "better":
        return Advice("verdict", {"verdict": verdict, "remedy": remedies[verdict]})
    if found.trained is None:
        return Advice("unfinished", {})
    later = [result for result in results if result.step > 0]
    if _has_collapsed(found, later[-1]):
        return Advice("rate-high", {"indicator": found.indicator})
    if found.best.value(found.indicator) > 1 - CHANGE / 100:
        return Advice("perfect", {"indicator": found.indicator})
    given = _by_extent(later[0]) if len(later) == 1 else _by_course(found, found.trained, later)
    return given if is_over or given.name not in MORE_STEPS else Advice("unfinished", {})


def _has_collapsed(found: Outcome, last: EvalResult) -> bool:
    """Return whether the run ended a tenth or more below the start's rate."""
    start = found.start.value(found.indicator) if found.start else 0.0
    return not last.value(found.indicator) >= KEPT * start


def _by_extent(only: EvalResult) -> Advice:
    """Return the advice after one evaluation."""
    if only.epoch > 1:
        return Advice("few-evaluations", {})
    return Advice("short", {"step": only.step})


def _by_course(found: Outcome, highest: EvalResult, later: Sequence[EvalResult]) -> Advice:
    """Return the advice that follows from where the main indicator was highest."""
    last, indicator = later[-1], found.indicator
    top, end = highest.value(indicator), last.value(indicator)
    if not end >= top - CHANGE:
        if highest is later[0] and found.is_start:
            return Advice("rate-high", {"indicator": indicator})
        values = {"indicator": indicator, "highest": top, "last": end}
        return Advice(
            "overfitting", {**values, "step": highest.step, "epochs": max(highest.epoch, 1)}
        )
    if highest is last and top > later[-2].value(indicator):
        return Advice("rising", {"indicator": indicator, "epochs": 2 * max(last.epoch, 1)})
    return Advice("errors" if found.kind == "better" else "labels", {})
