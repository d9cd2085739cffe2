"""Whether a choice that was made on some images holds on others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.commands.fit_postprocess.grid import Cell
from ppocr_ft.commands.fit_postprocess.tally import MAX_BLOCKS, Objective, Tally, best_cell, score

RESAMPLINGS = 2000
SURE_PERCENT = 95
"""The gain has to be above 0 in so many of a hundred resamplings."""
FOLDING, RESAMPLING = 1, 2
"""Random numbers of the two are independent of each other."""


def blocks_of(images: int, seed: int) -> NDArray[np.intp]:
    """Each image's block (n,), drawn at random, all as large as each other to within one image."""
    rng = np.random.default_rng((seed, FOLDING))
    return rng.permutation(images) % min(images, MAX_BLOCKS)


def folds_of(blocks: int, folds: int) -> list[NDArray[np.intp]]:
    """The blocks of each fold: every block in one of them."""
    count = min(folds, blocks)
    return [np.arange(first, blocks, count) for first in range(count)]


@dataclass(frozen=True)
class HeldOut:
    """``choices``: of each fold, what is best on the other folds. ``hmean`` and ``hmean_70``:
    each image judged with its fold's choice. ``gain``: of the objective, over the config's own
    values; ``gain_error`` its standard error and ``gain_low`` the bound that it is above in 95 of
    100 resamplings of the images (bootstrap, Efron 1979)."""

    choices: tuple[Cell, ...]
    hmean: float
    hmean_70: float
    gain: float
    gain_error: float
    gain_low: float

    @property
    def is_sure(self) -> bool:
        return self.gain_low > 0


def held_out(
    tally: Tally, own: Cell, objective: Objective, *, folds: int, seed: int
) -> HeldOut | None:
    """Judge the choice by cross-validation; None where there are no two images to tell apart."""
    blocks = len(tally.gts)
    if blocks < 2:
        return None
    everything = np.arange(blocks)
    judged = np.zeros((blocks, tally.counts.shape[-1]), dtype=np.int64)
    choices = []
    for fold in folds_of(blocks, folds):
        others = np.setdiff1d(everything, fold)
        choice = best_cell(tally.values(objective, others), own)
        judged[fold] = tally.at(choice)[fold]
        choices.append(choice)
    before = tally.at(own)
    rng = np.random.default_rng((seed, RESAMPLING))
    weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLINGS)
    gains = _gain(weights, judged, before, tally.gts, objective)
    whole = np.ones((1, blocks), dtype=np.int64)
    hmean, hmean_70 = (
        float(score(judged.sum(axis=0), tally.gts.sum(), rate)) for rate in ("hmean", "hmean_70")
    )
    return HeldOut(
        tuple(choices),
        hmean,
        hmean_70,
        float(_gain(whole, judged, before, tally.gts, objective)[0]),
        float(gains.std()),
        float(np.percentile(gains, 100 - SURE_PERCENT)),
    )


def _gain(
    weights: NDArray[np.int64],
    after: NDArray[np.int64],
    before: NDArray[np.int64],
    gts: NDArray[np.int64],
    objective: Objective,
) -> NDArray[np.float64]:
    """The gain (r,) where each block counts as often as ``weights`` (r, blocks) says."""
    texts = weights @ gts
    return score(weights @ after, texts, objective) - score(weights @ before, texts, objective)
