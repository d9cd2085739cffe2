"""What a run has come to: whether its best weights beat the start, and the one thing to try next.

The sentences stand here alone, so that the terminal, fitted.yml, the model card, the report and
the pictures say the same.

Nothing here needs Paddle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ppocr_ft.engine.eval_result import EvalResult, best
from ppocr_ft.messages import counted

Kind = Literal["better", "equal", "start", "unjudged", "no-start"]
NOT_TRAINED = "the best weights are the starting weights (step 0), not fine-tuned by this run."
"""How a sentence about weights that are the start's ends."""
SENTENCES: Mapping[Kind, str] = {
    "better": "The best weights (step {step}) beat the start.",
    "equal": "No evaluation beat the start: the best weights (step {step}) only equal it.",
    "start": f"No evaluation beat the start: {NOT_TRAINED}",
    "unjudged": f"Nothing was evaluated after the start: {NOT_TRAINED}",
    "no-start": "The start was not evaluated; the best weights are those of step {step}.",
}
"""What is said of each kind of outcome; ``step`` is the best weights'."""


@dataclass(frozen=True)
class Outcome:
    """The best weights of a run beside its start.

    Attributes:
        kind: better: the best weights rank above the start; equal: they are trained and rank as
            the start does; start: all evaluations rank below the start, so that it is the best;
            unjudged: nothing was evaluated after it; no-start: it was not evaluated.
        best: the evaluation of the weights in best_accuracy.
        start: that before the first step.
        trained: the best one of those after the start.
        indicator: Metric.main_indicator.
    """

    kind: Kind
    best: EvalResult
    start: EvalResult | None
    trained: EvalResult | None
    indicator: str

    @property
    def is_start(self) -> bool:
        """Whether the best weights are those that the run started from."""
        return self.best.step == 0

    @property
    def gain(self) -> float | None:
        """The main indicator of ``trained`` less the start's, each at its best unclip ratio."""
        if self.start is None or self.trained is None:
            return None
        return self.trained.value(self.indicator) - self.start.value(self.indicator)

    @property
    def sentence(self) -> str:
        """Say whether the best weights beat the start, and whether they are trained at all."""
        return SENTENCES[self.kind].format(step=self.best.step)


WEIGHTS: Mapping[str, str] = {
    "0": "the start",
    "0.25": "a quarter of the way (0.25) from the start to step {step}",
    "0.5": "half way (0.5) between the start and step {step}",
    "0.75": "three quarters of the way (0.75) from the start to step {step}",
    "1": "step {step}",
    "mean": "the mean of {averaged} checkpoints up to step {step}",
}
"""How weights between the start and trained ones are named."""
FINAL: Mapping[str, str] = {
    "start": "The final weights are the start: nothing beat it by more than chance, with its own "
    "fitted post-processing, on held-out images.",
    "better": "The final weights are {weights}, which beat the start, with its own fitted "
    "post-processing, on held-out images.",
}
"""What is said of the weights that a run delivers."""


@dataclass(frozen=True)
class Delivered:
    """The weights of final.pdparams: at ``alpha`` of the way from the start to trained ones.

    Attributes:
        alpha: 0: the start, 1: trained weights.
        step: the step of the trained ones.
        averaged: the checkpoints up to it whose mean they are; 1: they are no mean.
    """

    alpha: float
    step: int
    averaged: int = 1

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Delivered:
        """Return what final.json says of weights. Raises KeyError, ValueError or TypeError."""
        return cls(float(record["alpha"]), int(record["step"]), int(record["averaged"]))

    @property
    def is_start(self) -> bool:
        return self.alpha == 0

    @property
    def kind(self) -> str:
        """The key of its name in ``WEIGHTS``."""
        return "mean" if self.averaged > 1 and not self.is_start else f"{self.alpha:g}"

    @property
    def name(self) -> str:
        """Say where the weights are."""
        return WEIGHTS[self.kind].format(step=self.step, averaged=self.averaged)

    @property
    def short_name(self) -> str:
        """Say it in a few words, for a table."""
        part = {"mean": f"mean of {self.averaged} to ", "1": ""}.get(self.kind, f"{self.kind} to ")
        return "start" if self.is_start else f"{part}step {self.step}"

    @property
    def sentence(self) -> str:
        """Say what the weights are, and why if they are the start."""
        return FINAL["start" if self.is_start else "better"].format(weights=self.name)


def outcome(results: Sequence[EvalResult], indicator: str) -> Outcome | None:
    """Return the outcome of evaluations, which are in their order; None if there are none."""
    if not results:
        return None
    start = results[0] if results[0].step == 0 else None
    later = [result for result in results if result.step > 0]
    trained, winner = best(later, indicator) if later else None, best(results, indicator)
    kind: Kind = "equal"
    if start is None:
        kind = "no-start"
    elif not later:
        kind = "unjudged"
    elif winner.step == 0:
        kind = "start"
    elif winner.rank(indicator) > start.rank(indicator):
        kind = "better"
    return Outcome(kind, winner, start, trained, indicator)


def caption(step: int) -> str:
    """Name the weights after ``step`` steps, for a picture or a column."""
    if step == 0:
        return "start (step 0)"
    return f"fine-tuned, {counted(step, 'step')}"


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
ADVICE = {
    "verdict": "{verdict} was the trouble: {remedy}",
    "unfinished": "The run isn't over: let it go on by --resume.",
    "few-evaluations": "There was one evaluation after the start: set Global.eval_batch_epoch=1, "
    "so that better weights in between aren't missed.",
    "short": "The run was short, it ended at step {step}: raise Global.epoch_num.",
    "rate-high": "{indicator} fell below that of the start: lower "
    "Optimizer.lr.learning_rate to a third (ppocr-ft find-lr measures it).",
    "minutes": "The time was short: give the run more, Global.time_budget is {budget}.",
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
    """A piece of advice: its name in ``ADVICE``, and what fills the placeholders."""

    name: str
    values: Mapping[str, object]

    @property
    def sentence(self) -> str:
        return ADVICE[self.name].format(**self.values)


def advice(
    found: Outcome,
    results: Sequence[EvalResult],
    remedies: Mapping[str, str],
    *,
    is_over: bool = True,
    budget: str | None = None,
) -> Advice:
    """Return the advice for a run.

    Args:
        found: its outcome.
        results: its evaluations, in their order.
        remedies: what the monitor advised during the run, by verdict.
        is_over: whether it took all of its steps.
        budget: Global.time_budget, by which it chose its length and its evaluations.
    """
    verdict = next((name for name in EXPLAINING_VERDICTS if name in remedies), None)
    if verdict is not None and found.kind != "better":
        return Advice("verdict", {"verdict": verdict, "remedy": remedies[verdict]})
    if found.trained is None:
        return Advice("unfinished", {})
    later = [result for result in results if result.step > 0]
    start = found.start.value(found.indicator) if found.start else 0.0
    if not later[-1].value(found.indicator) >= KEPT * start:
        return Advice("rate-high", {"indicator": found.indicator})
    if found.best.value(found.indicator) > 1 - CHANGE / 100:
        return Advice("perfect", {"indicator": found.indicator})
    given = _by_course(found, found.trained, later)
    if given.name not in MORE_STEPS:
        return given
    if not is_over:
        return Advice("unfinished", {})
    return Advice("minutes", {"budget": budget}) if budget else given


def _by_course(found: Outcome, highest: EvalResult, later: Sequence[EvalResult]) -> Advice:
    """Return the advice that follows from how often, and where, the main indicator was highest."""
    last, indicator = later[-1], found.indicator
    if len(later) == 1 and last.epoch > 1:
        return Advice("few-evaluations", {})
    if len(later) == 1:
        return Advice("short", {"step": last.step})
    top, end = highest.value(indicator), last.value(indicator)
    if not end >= top - CHANGE:
        if highest is later[0] and found.is_start:
            return Advice("rate-high", {"indicator": indicator})
        values = {"indicator": indicator, "highest": top, "last": end, "step": highest.step}
        return Advice("overfitting", {**values, "epochs": max(highest.epoch, 1)})
    if highest is last and top > later[-2].value(indicator):
        return Advice("rising", {"indicator": indicator, "epochs": 2 * max(last.epoch, 1)})
    return Advice("errors" if found.kind == "better" else "labels", {})
