"""The search: maps once for each resize, then counts, then the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import paddle

from ppocr_ft.commands.fit_postprocess.count import Truth, grid_counts
from ppocr_ft.commands.fit_postprocess.grid import Cell, Grid, Setting, more_ratios
from ppocr_ft.commands.fit_postprocess.held_out import HeldOut, blocks_of, held_out
from ppocr_ft.commands.fit_postprocess.maps import FloatMap, MapStore
from ppocr_ft.commands.fit_postprocess.tally import Objective, Plateau, Tally, best_cell, plateau
from ppocr_ft.engine.batches import EvalImage
from ppocr_ft.engine.evaluate import Maps, maps_of
from ppocr_ft.errors import DataError
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess

MAX_GROWTHS = 6
Bar = Callable[[Iterable[FloatMap], int, str], Iterable[FloatMap]]
"""Passes the maps on: so many of them, to be shown under a name."""


@dataclass(frozen=True)
class Gathered:
    """What one pass over the images left beside the maps: their labels, and DetMetric's summary
    with the config's own values on the maps as the network gave them."""

    truths: list[Truth]
    summary: Mapping[str, float]


def gather(
    network: paddle.nn.Layer,
    images: Iterable[EvalImage],
    post_process: DBPostProcess,
    store: MapStore,
    resize: str,
    *,
    batch_size: int = 1,
    threads: int = 1,
) -> Gathered:
    """Run the network once on all images, keep their maps under the resize's name.

    Raises:
        DataError: the disk has no room for them, or none of the texts counts.
    """
    truths, metric = [], DetMetric()
    found = maps_of(network, images, batch_size=batch_size, threads=threads)
    with closing(found):
        for image, prob_map in _single(found):
            store.add(resize, prob_map)
            truth = Truth.of(image)
            points, _ = post_process.boxes_from_map(prob_map, truth.source_size)
            metric.update(points, truth.polygons, truth.ignored)
            truths.append(truth)
    summary = metric.summary()
    if not summary["gt"]:
        raise DataError(
            f"none of the texts of {len(truths)} images counts: there is nothing to fit to",
            key="Eval.dataset",
        )
    return Gathered(truths, summary)


def _single(found: Iterable[tuple[list[EvalImage], Maps]]) -> Iterator[tuple[EvalImage, FloatMap]]:
    for batch, maps in found:
        yield from zip(batch, maps[:, 0], strict=True)  # maps: (n, 1, h, w)


@dataclass(frozen=True)
class Plan:
    """What is searched how. ``start`` is the unclip ratio that the labels ask for, ``step`` the
    one between two ratios, None: no other ratios than the grid's."""

    grid: Grid
    own: Setting
    start: float
    step: float | None
    objective: Objective = "mean"
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """``best`` is ``best_cell`` of all images; ``chosen`` is that, unless held-out images deny its
    gain."""

    tally: Tally
    objective: Objective
    own: Cell
    start: Cell
    best: Cell
    held_out: HeldOut | None

    @property
    def chosen(self) -> Cell:
        sure = self.held_out is not None and self.held_out.is_sure
        return self.best if sure else self.own

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
    truths: Sequence[Truth],
    post_process: DBPostProcess,
    plan: Plan,
    bar: Bar = lambda maps, total, title: maps,
) -> Fitted:
    """Count everything and choose. Where the best unclip ratios reach the end of what was
    tried, further ones are tried, then those half a step to the best one's sides."""
    tally = count_all(store, resizes, truths, post_process, plan.grid, plan.seed, bar)
    for _ in range(MAX_GROWTHS):
        new = _wanted(tally, plan)
        if not new:
            break
        grid = plan.grid.with_ratios(new)
        more = count_all(store, resizes, truths, post_process, grid, plan.seed, bar)
        tally = tally.joined(more)
    own = tally.cell(plan.own)
    judged = held_out(tally, own, plan.objective, folds=plan.folds, seed=plan.seed)
    start = own._replace(unclip_ratio=tally.grid.unclip_ratios.index(plan.start))
    return Fitted(tally, plan.objective, own, start, _best(tally, plan), judged)


def _wanted(tally: Tally, plan: Plan) -> list[float]:
    """The unclip ratios to try next."""
    best, values = _best(tally, plan), tally.values(plan.objective)
    if plan.step is None or not values[best]:
        return []
    tried, flat = tally.grid.unclip_ratios, plateau(tally, values, best).unclip_ratios
    wanted = more_ratios(tried, best.unclip_ratio, flat, plan.step)
    return [ratio for ratio in wanted if ratio not in tried]


def _best(tally: Tally, plan: Plan) -> Cell:
    return best_cell(tally.values(plan.objective), tally.cell(plan.own))


def count_all(
    store: MapStore,
    resizes: Sequence[str],
    truths: Sequence[Truth],
    post_process: DBPostProcess,
    grid: Grid,
    seed: int,
    bar: Bar,
) -> Tally:
    """The counts of all maps of all resizes."""
    block_of = blocks_of(len(truths), seed)
    blocks = int(block_of.max()) + 1
    gts = np.zeros(blocks, dtype=np.int64)
    np.add.at(gts, block_of, [truth.counted_texts for truth in truths])
    counts = np.zeros((blocks, len(resizes), *grid.shape, 3), dtype=np.int64)
    for r, resize in enumerate(resizes):
        maps = bar(store.maps(resize), len(truths), f"search {resize}")
        for prob_map, truth, block in zip(maps, truths, block_of, strict=True):
            counts[block, r] += grid_counts(prob_map, truth, post_process, grid)
    return Tally(tuple(resizes), grid, counts, gts)
