"""What a run has come to: whether its best weights beat the start, in words.

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
    "start": "The final weights are the start: nothing beat it, with its own fitted "
    "post-processing, on held-out images.",
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
    return Outcome(_kind(start, winner, later, indicator), winner, start, trained, indicator)


def _kind(
    start: EvalResult | None, winner: EvalResult, later: Sequence[EvalResult], indicator: str
) -> Kind:
    if start is None:
        return "no-start"
    if not later:
        return "unjudged"
    if winner.step == 0:
        return "start"
    return "better" if winner.rank(indicator) > start.rank(indicator) else "equal"


def caption(step: int) -> str:
    """Name the weights after ``step`` steps, for a picture or a column."""
    if step == 0:
        return "start (step 0)"
    return f"fine-tuned, {counted(step, 'step')}"
