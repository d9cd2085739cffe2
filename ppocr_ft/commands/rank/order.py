"""The order in which labels would teach most: by doubt, and by unlikeness to what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Map = NDArray[np.float32]
LEAST_TEXT = 0.1
"""A pixel may be text from this probability on: else the background would outweigh all texts."""


class RankedImage(NamedTuple):
    """The index of an image, and why it has its place: ``score`` is ``doubt`` times ``unlike``."""

    image: int
    score: float
    doubt: float
    unlike: float


def uncertainty(prob_map: Map) -> float:
    """Return the mean entropy, bits, of the pixels (h, w) that may be text; 0 if there are none.

    Entropy sampling, as in Settles 2009, "Active learning literature survey", section 3.1.
    """
    p = prob_map[prob_map >= LEAST_TEXT].astype(np.float64)
    if not p.size:
        return 0.0
    p = np.clip(p, None, 1 - 1e-6)
    return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean())


def disagreement(one: Map, other: Map) -> float:
    """Return 1 minus the IoU of two maps (h, w), sum of minima over sum of maxima; 0 to 1.

    Two maps without text agree. Between two detectors this is query by committee (Seung et al.
    1992); between an image and its mirror picture it is the consistency of Gao et al. 2020,
    "Consistency-based semi-supervised active learning".
    """
    lower, upper = np.minimum(one, other), np.maximum(one, other)
    text = upper >= LEAST_TEXT
    if not text.any():
        return 0.0
    return float(1 - lower[text].sum() / upper[text].sum())


def doubts(measures: Sequence[Floats]) -> Floats:
    """Return the mean, over the measures (n,), of each image's rank in them, above 0, at most 1.

    Ranks have no scale, so that no measure outweighs another one. Equal values share their rank.
    """
    ranks = [np.searchsorted(np.sort(each), each, side="right") / len(each) for each in measures]
    return np.asarray(np.mean(ranks, axis=0))


def in_order(doubt: Floats, features: Floats, labelled: Floats) -> list[RankedImage]:
    """Order images by doubt (n,) times distance to the nearest image labelled or chosen before.

    ``features`` (n, d) and ``labelled`` (m, d) describe what images look like. The greedy k-center
    of Sener and Savarese 2018, "Active learning for convolutional neural networks: a core-set
    approach", weighted by doubt. ``unlike`` is the distance over the largest at the start.
    """
    if not len(doubt):
        return []
    everything = np.concatenate([features, labelled])
    spread = everything.std(axis=0)
    middle, spread = everything.mean(axis=0), np.where(spread > 0, spread, 1.0)
    points, known = (features - middle) / spread, (labelled - middle) / spread
    nearest = np.full(len(points), np.inf)
    for place in known:
        nearest = np.minimum(nearest, _distances(points, place))
    if not len(known):  # the first one is unlike nothing; its doubt alone counts
        nearest = _distances(points, points[int(doubt.argmax())])
    largest = float(nearest.max()) or 1.0
    left = np.ones(len(points), bool)
    chosen: list[RankedImage] = []
    for step in range(len(points)):
        unlike = nearest / largest if step or len(known) else np.ones(len(points))
        scores = np.where(left, doubt * unlike, -1.0)
        best = int(np.lexsort((doubt, scores))[-1])
        chosen.append(
            RankedImage(best, float(scores[best]), float(doubt[best]), float(unlike[best]))
        )
        left[best] = False
        nearest = np.minimum(nearest, _distances(points, points[best]))
    return chosen


def _distances(points: Floats, place: Floats) -> Floats:
    return np.asarray(np.sqrt(((points - place) ** 2).sum(axis=1)))
