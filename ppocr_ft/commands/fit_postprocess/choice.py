"""Which of several weights a run delivers, each with its own post-processing; as text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ppocr_ft.commands.fit_postprocess.search import (
    LEAST_IMAGES,
    Fitted,
    Gain,
    both_hmeans,
    gain_over,
)
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.fitting.tally import FLAT, score
from ppocr_ft.messages import counted
from ppocr_ft.utils.console import aligned

EQUAL_ERRORS = 1.0
"""Weights count as equal to the best ones if these lead by fewer standard errors than this: the
one-standard-error rule (Breiman et al., Classification and Regression Trees, 1984)."""
AVERAGE_ERRORS = 2.0
"""The same for an average of checkpoints, where training surely helped: of several weights the one
that is best on a few images is so by luck, too, and averages generalise better (Izmailov et al.,
Averaging Weights Leads to Wider Optima and Better Generalization, 2018)."""
HEADER = ("", "hmean", "at 0.7", "held out", "at 0.7", "over the start")


@dataclass(frozen=True)
class JudgedWeights:
    """Weights with the post-processing fitted to them.

    ``distance`` is that from the start, ``also`` hmean on each set of Eval.also where it was
    measured; ``is_out``: they lose too much there to be taken.
    """

    weights: Delivered
    fitted: Fitted
    distance: float
    also: Mapping[str, float] = field(default_factory=dict)
    is_out: bool = False

    @property
    def held_out(self) -> dict[str, float]:
        """Both hmeans of images that the post-processing was not chosen on."""
        return both_hmeans(self.fitted.judged, self.fitted.tally.gts)

    @property
    def named(self) -> dict[str, object]:
        return {"name": self.weights.name, **vars(self.weights)}


@dataclass(frozen=True)
class WeightsChoice:
    """The weights to deliver.

    ``judged`` begins with the start; ``at`` is the index of the chosen ones. ``gains`` are those
    over the start, of each on images that its post-processing was not chosen on. The chosen one's
    is that of the best of several, and so a little too high. ``left_out`` are the indices of those
    that lose too much at one IoU or on other images.
    """

    judged: Sequence[JudgedWeights]
    gains: Sequence[Gain]
    at: int
    left_out: frozenset[int]

    @property
    def gain(self) -> Gain:
        return self.gains[self.at]

    @property
    def chosen(self) -> JudgedWeights:
        return self.judged[self.at]

    @property
    def is_sure(self) -> bool:
        """Whether the chosen one's gain is more than chance."""
        return self.images >= LEAST_IMAGES and self.gain.gain_low > 0

    @property
    def images(self) -> int:
        """Those with texts that count."""
        return int((self.chosen.fitted.tally.gts > 0).sum())


def choose(judged: Sequence[JudgedWeights], seed: int) -> WeightsChoice:
    """Choose the best weights, or their equals that are likely to be better on other images.

    Where the best ones' gain over the start, ``judged[0]``, may be chance, that is the nearest to
    the start; where it is not, the average of the most checkpoints, then the farthest. All are
    counted on the same images, in the same blocks. Weights with which one of the two hmeans falls
    by more than ``FLAT`` are out of the question.
    """
    start, gts = judged[0].fitted, judged[0].fitted.tally.gts
    counts = np.stack([candidate.fitted.judged for candidate in judged])  # (weights, block, 3)
    gains_over = [
        [gain_over(other, after, gts, start.objective, seed) for after in counts]
        for other in counts
    ]
    half, strict, values = (
        score(counts.sum(axis=1), gts.sum(), rate)
        for rate in ("hmean", "hmean_70", start.objective)
    )
    is_out = np.array([candidate.is_out for candidate in judged])
    is_out |= (half < half[0] - FLAT) | (strict < strict[0] - FLAT)
    values[is_out] = -1.0
    best = int(values.argmax())
    is_one = len(gts) < 2  # an image alone has no standard error
    errors = np.array([np.inf if is_one else gain.gain_error for gain in gains_over[best]])
    is_sure = (gts > 0).sum() >= LEAST_IMAGES and gains_over[0][best].gain_low > 0
    is_mean = np.array([candidate.weights.averaged > 1 for candidate in judged])
    allowed = np.where(is_sure & is_mean, AVERAGE_ERRORS, EQUAL_ERRORS)
    equal = np.flatnonzero(values >= values[best] - allowed * errors)

    def rank(index: int) -> tuple[float, float]:
        weights = judged[index]
        return (weights.weights.averaged, weights.distance) if is_sure else (-weights.distance, 0)

    left_out = frozenset(np.flatnonzero(is_out).tolist())
    return WeightsChoice(judged, gains_over[0], max(equal.tolist(), key=rank), left_out)


def choice_text(choice: WeightsChoice, images: int) -> str:
    """Return the table of what was tried on the images; the chosen weights have a star."""
    rows = [
        _row(candidate, gain, is_chosen=candidate is choice.chosen)
        for candidate, gain in zip(choice.judged, choice.gains, strict=True)
    ]
    passes = f"{counted(len(rows), 'pass', 'passes')} over {counted(images, 'image')}"
    return "\n".join(
        [
            f"weights, each with its own post-processing, in {passes}:",
            *aligned([HEADER, *rows]),
            *_elsewhere(choice),
        ]
    )


def _row(candidate: JudgedWeights, gain: Gain, *, is_chosen: bool) -> list[str]:
    rates = candidate.fitted.tally.rates(candidate.fitted.chosen)
    return [
        f"{'* ' if is_chosen else '  '}{candidate.weights.short_name}",
        *(f"{rates[rate]:.4f}" for rate in ("hmean", "hmean_70")),
        *(f"{rate:.4f}" for rate in candidate.held_out.values()),
        f"{gain.gain:+.4f} +- {gain.gain_error:.4f}",
    ]


def _elsewhere(choice: WeightsChoice) -> list[str]:
    """Say what becomes of hmean on the sets of Eval.also where that was measured."""
    start, *others = choice.judged
    return [
        f"on {name}: hmean {other.also[name]:.4f} with {other.weights.name}, {before:.4f} with the "
        f"start{', more than Global.keep_general below it: left out' * other.is_out}"
        for other in others
        if other.also
        for name, before in start.also.items()
    ]


def choice_record(choice: WeightsChoice) -> dict[str, object]:
    """Return final.json: what was chosen, how it was judged, and from what it was chosen."""
    candidates = [
        {
            **candidate.named,
            "distance": candidate.distance,
            **vars(candidate.fitted.tally.setting(candidate.fitted.chosen)),
            **candidate.fitted.tally.rates(candidate.fitted.chosen),
            "held_out": {**candidate.held_out, **vars(gain)},
            "also": dict(candidate.also),
            "left_out": at in choice.left_out,
        }
        for at, (candidate, gain) in enumerate(zip(choice.judged, choice.gains, strict=True))
    ]
    return {
        **choice.chosen.named,
        "objective": choice.chosen.fitted.objective,
        "images": choice.images,
        "is_sure": choice.is_sure,
        **vars(choice.gain),
        "candidates": candidates,
    }
