"""Which of several weights a run delivers, each with its own post-processing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.fit_postprocess.search import Fitted, Gain, folds_of, gain_over
from ppocr_ft.engine.outcome import Delivered
from ppocr_ft.fitting.tally import FLAT, Floats, score

EQUAL_SHARE = 0.1
"""Weights whose value is this share of a standard error below the best one's count as equal."""


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


@dataclass(frozen=True)
class WeightsChoice:
    """The weights to deliver.

    ``judged`` begins with the start; ``at`` is the index of the chosen ones. ``gains`` are those
    over the start, of each on images that its post-processing was not chosen on. ``gain`` is the
    choice's own: of each image with weights chosen without it.
    """

    judged: Sequence[JudgedWeights]
    gains: Sequence[Gain]
    at: int
    gain: Gain

    @property
    def chosen(self) -> JudgedWeights:
        return self.judged[self.at]

    @property
    def images(self) -> int:
        """Those with texts that count."""
        return int((self.chosen.fitted.tally.gts > 0).sum())


def choose(judged: Sequence[JudgedWeights], folds: int, seed: int) -> WeightsChoice:
    """Choose the best weights; the start, ``judged[0]``, unless others beat it on images held out.

    All are counted on the same images, in the same blocks.
    """
    start, gts = judged[0].fitted, judged[0].fitted.tally.gts
    counts = np.stack([each.fitted.judged for each in judged])  # (weights, block, 3)
    gains = [gain_over(counts[0], each, gts, start.objective, seed) for each in counts]
    everything = np.arange(len(gts))
    without = np.zeros_like(counts[0])
    for fold in folds_of(len(gts), folds):
        without[fold] = counts[_best(judged, gains, counts, np.setdiff1d(everything, fold)), fold]
    gain = gain_over(counts[0], without, gts, start.objective, seed)
    at = _best(judged, gains, counts, everything) if gain.gain > 0 else 0
    return WeightsChoice(judged, gains, at, gain)


def _best(
    judged: Sequence[JudgedWeights],
    gains: Sequence[Gain],
    counts: np.ndarray,
    blocks: NDArray[np.intp],
) -> int:
    """Return the index of what is best on some blocks; of equals that nearest to the start.

    Weights with which one of the two hmeans falls by more than ``FLAT`` are out of the question.
    """
    some, texts = counts[:, blocks].sum(axis=1), judged[0].fitted.tally.gts[blocks].sum()
    half, strict = (score(some, texts, rate) for rate in ("hmean", "hmean_70"))
    values: Floats = score(some, texts, judged[0].fitted.objective)
    is_out = np.array([each.is_out for each in judged])
    values[is_out | (half < half[0] - FLAT) | (strict < strict[0] - FLAT)] = -1.0
    best = int(values.argmax())
    equal = np.flatnonzero(values >= values[best] - EQUAL_SHARE * gains[best].gain_error)
    nearest: int = min(equal.tolist(), key=lambda index: judged[index].distance)
    return nearest
