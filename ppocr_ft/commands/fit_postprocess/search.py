"""Search for the best combination of values, and judge the choice on images held out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ppocr_ft.errors import DataError
from ppocr_ft.fitting.grid import Cell, Grid, Setting, more_ratios
from ppocr_ft.fitting.tally import (
    MAX_BLOCKS,
    Ints,
    Objective,
    Plateau,
    Tally,
    Truth,
    best_cell,
    grid_counts,
    plateau,
    score,
)
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import LEVELS, ProbMap, as_levels
from ppocr_ft.utils.progress import ProgressBar, no_progress

ZLIB_LEVEL = 1
"""Most pixels are 0: the fastest compression leaves a thirtieth."""
RESAMPLINGS = 2000
SURE_PERCENT = 95
"""The gain has to be above 0 in this number of a hundred resamplings."""
LEAST_IMAGES = 8
"""With fewer images with text, resamplings draw the same few again and again: they can't show that
a gain is more than chance."""
FOLDING, RESAMPLING = 1, 2
"""Random numbers of the two are independent of each other."""
MAX_GROWTHS = 6


class MapStore:
    """Maps by the name of their resize, in order, in a temporary folder that goes with it.

    They are kept in whole numbers, see `ppocr_ft.postprocess.db.as_levels`.

    Raises:
        DataError: in ``add``, if the disk has no room; it says how to take another one.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="ppocr_ft_fit_")
        self._sizes: dict[str, list[tuple[tuple[int, int], bool]]] = {}
        self.bytes_used = 0

    def __enter__(self) -> MapStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def folder(self) -> Path:
        return Path(self._folder.name)

    def add(self, resize: str, prob_map: ProbMap) -> None:
        """Keep the resize's next map (h, w)."""
        is_page = prob_map.dtype == np.uint16
        levels = prob_map if is_page else as_levels(np.asarray(prob_map, np.float32))
        data = zlib.compress(levels.tobytes(), ZLIB_LEVEL)
        sizes = self._sizes.setdefault(resize, [])
        try:
            self._path(resize, len(sizes)).write_bytes(data)
        except OSError as error:
            raise DataError(
                f"{self.bytes_used / 2**20:.0f} MiB of probability maps fit, then: "
                f"{error.strerror}; the environment variable TMPDIR names a folder with more room",
                path=self.folder,
            ) from error
        sizes.append(((prob_map.shape[0], prob_map.shape[1]), is_page))
        self.bytes_used += len(data)

    def maps(self, resize: str) -> Iterator[ProbMap]:
        """Yield the resize's maps (h, w), one at a time: those of pages in whole numbers."""
        for index, (size, is_page) in enumerate(self._sizes.get(resize, [])):
            data = zlib.decompress(self._path(resize, index).read_bytes())
            levels = np.frombuffer(data, dtype=np.uint16).reshape(size)
            yield levels if is_page else np.asarray(levels / np.float64(LEVELS), np.float32)

    def _path(self, resize: str, index: int) -> Path:
        return self.folder / f"{list(self._sizes).index(resize)}_{index}.map"


def blocks_of(images: int, seed: int) -> NDArray[np.intp]:
    """Draw each image's block (n,) at random; blocks differ by at most one image."""
    rng = np.random.default_rng((seed, FOLDING))
    return rng.permutation(images) % min(images, MAX_BLOCKS)


def folds_of(blocks: int, folds: int) -> list[NDArray[np.intp]]:
    """Return the blocks of each fold: every block in one of them."""
    count = min(folds, blocks)
    return [np.arange(first, blocks, count) for first in range(count)]


@dataclass(frozen=True)
class Gain:
    """By how much the objective is higher on the same images.

    ``gain_error`` is the standard error of ``gain``, ``gain_low`` the bound that 95 of 100
    resamplings of the images exceed (bootstrap, Efron 1979).
    """

    gain: float
    gain_error: float
    gain_low: float


@dataclass(frozen=True)
class HeldOut(Gain):
    """The results of the choice on images that it was not made on.

    The gain is that over the config's own values. ``choices`` has what is best on the other folds,
    per fold; ``counts`` (block, 3), ``hmean`` and ``hmean_70`` judge each image with its fold's
    choice. ``images`` are those with texts that count.
    """

    choices: tuple[Cell, ...]
    counts: Ints
    hmean: float
    hmean_70: float
    images: int

    @property
    def is_enough(self) -> bool:
        """Whether there are images enough to tell a gain from chance."""
        return self.images >= LEAST_IMAGES

    @property
    def is_sure(self) -> bool:
        return self.is_enough and self.gain_low > 0


def held_out(
    tally: Tally, current: Cell, objective: Objective, *, folds: int, seed: int
) -> HeldOut | None:
    """Judge the choice by cross-validation; None without two images with different results."""
    blocks = len(tally.gts)
    if blocks < 2:
        return None
    everything = np.arange(blocks)
    chosen_counts = np.zeros((blocks, tally.counts.shape[-1]), dtype=np.int64)
    choices = []
    for fold in folds_of(blocks, folds):
        others = np.setdiff1d(everything, fold)
        choice = best_cell(tally.values(objective, others), current)
        chosen_counts[fold] = tally.at(choice)[fold]
        choices.append(choice)
    gain = gain_over(tally.at(current), chosen_counts, tally.gts, objective, seed)
    return HeldOut(
        **vars(gain),
        **both_hmeans(chosen_counts, tally.gts),
        choices=tuple(choices),
        counts=chosen_counts,
        images=int((tally.gts > 0).sum()),
    )


def both_hmeans(counts: Ints, gts: Ints) -> dict[str, float]:
    """Return hmean and hmean_70 of counts (block, 3) of images with texts (block,)."""
    total, texts = counts.sum(axis=0), gts.sum()
    return {rate: float(score(total, texts, rate)) for rate in ("hmean", "hmean_70")}


def gain_over(before: Ints, after: Ints, gts: Ints, objective: Objective, seed: int) -> Gain:
    """Return the gain of counts (block, 3) over others, of the same images with texts (block,)."""
    blocks = len(gts)
    rng = np.random.default_rng((seed, RESAMPLING))
    drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLINGS)
    as_often = np.vstack([np.ones(blocks, dtype=np.int64), drawn])  # each block once, then drawn
    texts = as_often @ gts
    gain, *gains = score(as_often @ after, texts, objective) - score(
        as_often @ before, texts, objective
    )
    return Gain(float(gain), float(np.std(gains)), float(np.percentile(gains, 100 - SURE_PERCENT)))


@dataclass(frozen=True)
class Gathered:
    """The results of one pass over the images, besides the maps.

    ``truths`` are their labels, ``summary`` is DetMetric's with the config's own values on the maps
    as the network gave them. ``more`` are the labels of further images, which follow in the store.
    """

    truths: list[Truth]
    summary: Mapping[str, float] = field(default_factory=dict)
    more: list[Truth] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The plan of a search: its values and its objective.

    ``start`` is the unclip ratio that the labels ask for, ``step`` the distance of two ratios; None
    means no other ratios than the grid's. ``must_be_sure``: a gain that may be chance is not taken.
    """

    grid: Grid
    own: Setting
    start: float
    step: float | None
    objective: Objective = "mean"
    folds: int = 5
    seed: int = 0
    must_be_sure: bool = True


@dataclass(frozen=True)
class Fitted:
    """The outcome of a search.

    ``best`` is ``best_cell`` of all images; ``chosen`` is that, unless held-out images deny its
    gain: it must be above 0 and, if ``must_be_sure``, more than chance.
    """

    tally: Tally
    objective: Objective
    own: Cell
    start: Cell
    best: Cell
    held_out: HeldOut | None
    must_be_sure: bool = True

    @property
    def chosen(self) -> Cell:
        return self.own if self._taken is None else self.best

    @property
    def judged(self) -> Ints:
        """Counts (block, 3) with the chosen values, of each image with a choice made without it."""
        return self.tally.at(self.own) if self._taken is None else self._taken.counts

    @property
    def _taken(self) -> HeldOut | None:
        """What the best values do on images held out, if that is enough to take them."""
        held = self.held_out
        if held is None or self.best == self.own:
            return None
        enough = held.is_sure if self.must_be_sure else held.is_enough and held.gain > 0
        return held if enough else None

    @property
    def value(self) -> float:
        """The objective with the chosen values, on all images by which they were chosen."""
        return float(self.tally.values(self.objective)[self.chosen])

    @property
    def gain(self) -> float:
        """Of the objective on the images that the choice was made on."""
        values = self.tally.values(self.objective)
        return float(values[self.best] - values[self.own])

    @property
    def plateau(self) -> Plateau:
        return plateau(self.tally, self.tally.values(self.objective), self.best)


def search(
    store: MapStore,
    resizes: Sequence[str],
    gathered: Gathered,
    post_process: DBPostProcess,
    plan: Plan,
    bar: ProgressBar = no_progress,
) -> Fitted:
    """Count everything and choose.

    If the best unclip ratios reach the end of what was tried, ratios beyond it are tried, then
    those half a step on either side of the best.
    """
    count = partial(count_all, store, resizes, gathered, post_process, seed=plan.seed, bar=bar)
    tally = count(plan.grid)
    for _ in range(MAX_GROWTHS):
        new = _wanted(tally, plan)
        if not new:
            break
        tally = tally.joined(count(plan.grid.with_ratios(new)))
    current = tally.cell(plan.own)
    held = held_out(tally, current, plan.objective, folds=plan.folds, seed=plan.seed)
    start = current._replace(unclip_ratio=tally.grid.unclip_ratios.index(plan.start))
    best = _best(tally, plan)
    return Fitted(tally, plan.objective, current, start, best, held, plan.must_be_sure)


def _wanted(tally: Tally, plan: Plan) -> list[float]:
    """Return the unclip ratios to try next."""
    best, values = _best(tally, plan), tally.values(plan.objective)
    if plan.step is None or not values[best]:
        return []
    tried, flat = tally.grid.unclip_ratios, plateau(tally, values, best).unclip_ratios
    ratios = more_ratios(tried, best.unclip_ratio, flat, plan.step)
    return [ratio for ratio in ratios if ratio not in tried]


def _best(tally: Tally, plan: Plan) -> Cell:
    return best_cell(tally.values(plan.objective), tally.cell(plan.own))


def count_all(
    store: MapStore,
    resizes: Sequence[str],
    gathered: Gathered,
    post_process: DBPostProcess,
    grid: Grid,
    *,
    seed: int,
    bar: ProgressBar,
) -> Tally:
    """Count all maps of all resizes."""
    truths, further = gathered.truths, gathered.more
    block_of = blocks_of(len(truths), seed)
    blocks = int(block_of.max()) + 1
    gts = np.zeros(blocks, dtype=np.int64)
    np.add.at(gts, block_of, [truth.counted_texts for truth in truths])
    counts = np.zeros((blocks, len(resizes), *grid.shape, 3), dtype=np.int64)
    more = np.zeros(counts.shape[1:], dtype=np.int64)
    for r, resize in enumerate(resizes):
        places = [*(counts[block, r] for block in block_of), *[more[r]] * len(further)]
        everything = [*truths, *further]
        maps = bar(store.maps(resize), len(everything), f"search {resize}")
        for prob_map, truth, place in zip(maps, everything, places, strict=True):
            place += grid_counts(prob_map, truth, post_process, grid)
    more_gts = sum(truth.counted_texts for truth in further)
    return Tally(tuple(resizes), grid, counts, gts, more, more_gts)
