"""Images that a teacher has labelled, in place of a rising share of an epoch's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.transforms.pipeline import Pipeline

_PLACES = 3
"""First number of a generator's seed, beside those of `data.dataset`."""


@dataclass(frozen=True)
class Rise:
    """The share of an epoch's samples: none before ``first_epoch``, ``highest`` after the rise."""

    highest: float
    first_epoch: int
    epochs: int

    def count(self, epoch: int, samples: int) -> int:
        """Return how many of the samples of epoch 1, 2, ... the share is."""
        done = min(max(epoch - self.first_epoch + 1, 0) / self.epochs, 1)
        return round(self.highest * done * samples)


@dataclass(frozen=True)
class Taught:
    """The lines that a teacher has written for the epochs from ``since`` on, and their operators.

    An epoch goes on where the one before has ended; after the last line comes the first.
    """

    entries: Sequence[LabelEntry]
    pipeline: Pipeline
    rise: Rise
    since: int

    def line(self, epoch: int, index: int, samples: int, seed: int) -> int | None:
        """Return the line that takes the place of sample ``index``; None: that stays labelled."""
        count = self.rise.count(epoch, samples)
        places = np.random.default_rng([_PLACES, seed, epoch]).permutation(samples)[:count]
        (found,) = np.flatnonzero(places == index)[:1].tolist() or (None,)
        if found is None:
            return None
        before = sum(self.rise.count(earlier, samples) for earlier in range(self.since, epoch))
        return int(before + found) % len(self.entries)
