"""The search for post-processing values: exact counts, a known optimum, a choice that must hold."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely

from ppocr_ft.commands.fit_postprocess import search as search_module
from ppocr_ft.commands.fit_postprocess.report import fit_csv, fit_report, heat_map
from ppocr_ft.commands.fit_postprocess.search import (
    Fitted,
    Gathered,
    MapStore,
    Plan,
    blocks_of,
    folds_of,
    held_out,
    search,
)
from ppocr_ft.errors import ConfigError, DataError
from ppocr_ft.fitting.grid import (
    Cell,
    Grid,
    Setting,
    more_ratios,
    ratio_step,
    ratios_about,
)
from ppocr_ft.fitting.tally import (
    FLAT,
    Tally,
    Truth,
    best_cell,
    counts_by_score,
    grid_counts,
    plateau,
)
from ppocr_ft.metrics import DetMetric
from ppocr_ft.metrics.det import Overlaps
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import LEVELS
from ppocr_ft.shrinking import shrink_distance, unclip_ratio_for

SIZE_PX = 256
SMALL_GRID = Grid((0.2, 0.45), ("fast", "slow"), (0.8, 1.6, 2.4), (0.0, 0.35, 0.5, 0.8))


def box(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def lines(seed: int, count: int = 8) -> list[np.ndarray]:
    """Text lines below each other."""
    rng = np.random.default_rng(seed)
    rows = np.arange(count) * (SIZE_PX // count)
    return [
        box(rng.uniform(5, 40), row + rng.uniform(3, 7), rng.uniform(70, 200), rng.uniform(16, 20))
        for row in rows
    ]


def truth_of(polygons: Sequence[np.ndarray], ignored: Iterable[bool] = ()) -> Truth:
    flags = np.array(list(ignored) or [False] * len(polygons), dtype=bool)
    return Truth((float(SIZE_PX), float(SIZE_PX)), tuple(polygons), flags)


def paint(prob_map: np.ndarray, polygon: np.ndarray, probability: float) -> None:
    """Polygon's pixels, raised to a probability."""
    inside = np.zeros(prob_map.shape, np.uint8)
    cv2.fillPoly(inside, [np.round(polygon).astype(np.int32)], 1)
    np.maximum(prob_map, inside * np.float32(probability), out=prob_map)


def kernel(polygon: np.ndarray, shrink_ratio: float) -> np.ndarray:
    """The text as a network has learnt to draw it."""
    text = shapely.Polygon(polygon)
    distance = shrink_distance(text.area, text.length, shrink_ratio)
    return np.array(text.buffer(-distance, join_style="mitre").exterior.coords[:-1])


def noisy_scene(seed: int) -> tuple[np.ndarray, Truth]:
    """Blobs of all strengths on, beside and across labels; some labels overlap, some are ignored,
    one is no polygon."""
    rng = np.random.default_rng(seed)
    texts = lines(seed)
    texts += [text + rng.uniform(-9, 9, 2).astype(np.float32) for text in texts[:3]]
    prob_map = np.zeros((SIZE_PX, SIZE_PX), np.float32)
    for text in texts:
        for part in range(int(rng.integers(1, 3))):
            moved = kernel(text, rng.uniform(0.4, 0.8)) + rng.uniform(-4, 4, 2) * part
            paint(prob_map, moved, rng.uniform(0.25, 1))
    prob_map = cv2.GaussianBlur(prob_map, (0, 0), 1.0)
    crossed = np.array([[0, 0], [20, 20], [20, 0], [0, 20]], np.float32)
    return prob_map, truth_of([*texts, crossed], [*(rng.random(len(texts)) < 0.2), False])


# The counts are DetMetric's.


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("base", "grid"),
    [
        (DBPostProcess(), SMALL_GRID),
        (DBPostProcess(use_dilation=True, max_candidates=9), SMALL_GRID),
        (DBPostProcess(box_type="poly"), Grid((0.3,), ("fast",), (1.2, 2.0), (0.3, 0.6))),
    ],
    ids=["quads", "dilated, few candidates", "polygons"],
)
def test_each_combination_counts_what_the_metric_counts(
    seed: int, base: DBPostProcess, grid: Grid
) -> None:
    prob_map, truth = noisy_scene(seed)
    counts = grid_counts(prob_map, truth, base, grid)
    assert len(np.unique(counts[..., 1:])) > 2, "too easy a scene"
    gts = np.array([truth.counted_texts])
    tally = Tally(("own",), grid, counts[None, None], gts)
    for index in np.ndindex(*grid.shape):
        tried = tally.setting(Cell(0, *index))
        values: dict[str, Any] = {**vars(base), **vars(tried)}
        values.pop("resize")
        points, _ = DBPostProcess(**values).boxes_from_map(prob_map, truth.source_size)
        metric = DetMetric()
        metric.update(points, truth.polygons, truth.ignored)
        summary = metric.summary()
        assert counts[index].tolist() == [summary[n] for n in ("det", "matched", "matched_70")]
        assert tally.rates(Cell(0, *index)) == {n: summary[n] for n in tally.rates(Cell(0, *index))}


@pytest.mark.parametrize("seed", range(5))
def test_contested_pairs_are_matched_again_for_each_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gt, det = (each.ravel() for each in np.meshgrid(np.arange(6), np.arange(9), indexing="ij"))
    chosen = rng.random(len(gt)) < 0.4
    none, nothing = np.zeros(6, bool), np.zeros(9, bool)
    ignored = rng.random(9) < 0.2
    chosen &= ~ignored[det]
    iou = rng.uniform(0.3, 1, chosen.sum())
    found = Overlaps(none, none, nothing, ignored, gt[chosen], det[chosen], iou)
    scores = rng.choice([0.2, 0.4, 0.6, 0.8], 9)
    limits = (0.1, 0.4, 0.5, 0.8, 0.9)
    counts = counts_by_score(found, scores, limits)
    for limit, (dets, loose, strict) in zip(limits, counts.tolist(), strict=True):
        there = scores[found.det] >= limit
        pairs = (found.gt[there], found.det[there], found.iou[there])
        left = Overlaps(none, none, nothing, ignored, *pairs)
        assert dets == int(((scores >= limit) & ~ignored).sum())
        assert [loose, strict] == [left.matched(0.5), left.matched(0.7)]


# Maps on the disk.


def test_maps_come_back_to_within_half_a_level() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.random((5, 9), dtype=np.float32), rng.random((7, 3), dtype=np.float32)]
    with MapStore() as store:
        folder = store.folder
        for prob_map in maps:
            store.add("960:max", prob_map)
        store.add("736:min", maps[1])
        back = list(store.maps("960:max"))
        assert len(list(store.maps("736:min"))) == 1
        assert store.bytes_used == sum(path.stat().st_size for path in folder.iterdir())
    assert [each.shape for each in back] == [(5, 9), (7, 3)]
    for kept, was in zip(back, maps, strict=True):
        assert np.abs(kept - was).max() <= 0.51 / LEVELS
    assert not folder.exists()


def test_the_map_of_a_page_in_tiles_comes_back_as_it_was() -> None:
    page = np.random.default_rng(1).integers(0, LEVELS, (7, 9)).astype(np.uint16)
    with MapStore() as store:
        store.add("own", np.zeros((2, 2), np.float32))
        store.add("own", page)
        first, second = store.maps("own")
    assert first.dtype == np.float32
    assert second.dtype == np.uint16
    np.testing.assert_array_equal(second, page)


def test_nan_is_no_text() -> None:
    with MapStore() as store:
        store.add("own", np.array([[np.nan, 1.0]], np.float32))
        (back,) = store.maps("own")
    assert back.tolist() == [[0.0, 1.0]]


def test_a_full_disk_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with MapStore() as store:
        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"No space left on device.*TMPDIR"):
            store.add("own", np.zeros((4, 4), np.float32))


# What is tried.


@pytest.mark.parametrize("start", [0.4, 1.0, 1.13, 2.1])
def test_ratios_lie_about_the_labels_own(start: float) -> None:
    ratios = ratios_about(start)
    assert start in ratios
    assert list(ratios) == sorted(set(ratios))
    assert ratios[0] <= 0.6 * start
    assert 1.5 * start <= ratios[-1] <= 2 * start


@pytest.mark.parametrize(
    ("tried", "best", "flat", "wanted"),
    [
        ((0.8, 0.9, 1.0), 2, (1.0, 1.0), (1.1, 1.2, 1.3)),
        ((0.8, 0.9, 1.0), 1, (0.9, 1.0), (1.1, 1.2, 1.3)),
        ((0.8, 0.9, 1.0), 0, (0.8, 0.9), (0.5, 0.6, 0.7)),
        ((0.1, 0.2, 0.3), 0, (0.1, 0.1), (0.15,)),
        ((0.8, 0.9, 1.0), 1, (0.9, 0.9), (0.85, 0.95)),
        ((0.8, 0.9, 0.95), 1, (0.9, 0.9), (0.85,)),
        ((0.85, 0.9, 0.95), 1, (0.9, 0.9), ()),
    ],
    ids=[
        "the highest",
        "as good as the highest",
        "the lowest",
        "the lowest there may be",
        "between",
        "one side finer",
        "fine enough",
    ],
)
def test_what_is_tried_next(
    tried: tuple[float, ...], best: int, flat: tuple[float, float], wanted: tuple[float, ...]
) -> None:
    assert more_ratios(tried, best, flat, 0.1) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("axes", "key"),
    [
        (((), ("fast",), (1.0,), (0.5,)), "thresh"),
        (((0.3, 1.2), ("fast",), (1.0,), (0.5,)), "thresh"),
        (((0.3,), ("fast",), (0.0, 1.0), (0.5,)), "unclip_ratio"),
        (((0.3,), ("fast",), (1.0,), (0.5, 0.4)), "box_thresh"),
        (((0.3,), ("fast",), (1.0,), (-0.1, 0.4)), "box_thresh"),
        (((0.3,), ("medium",), (1.0,), (0.4,)), "score_mode"),
    ],
    ids=["nothing", "over 1", "no growth", "falling", "under 0", "unknown mode"],
)
def test_values_that_cannot_be_tried(axes: Any, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Grid(*axes)
    assert caught.value.key == key


# A known optimum.


def fit_scene(
    shrink_ratio: float, *, start_factor: float = 1.0, images: int = 8
) -> tuple[Fitted, float]:
    """Kernels shrunk by a known ratio at 0.9, on pages at 0.35, beside false blobs at 0.55. The
    search starts at the ``start_factor``-fold of the unclip ratio that these kernels ask for,
    which is given too."""
    every = [text for seed in range(images) for text in lines(seed, count=6)]
    asked = unclip_ratio_for(every, shrink_ratio)
    start = round(start_factor * asked, 2)
    own = Setting("own", 0.3, "fast", 1.5, 0.4)
    ratios = tuple(sorted({*ratios_about(start), own.unclip_ratio}))
    grid = Grid((0.3, 0.5), ("fast",), ratios, (0.4, 0.5, 0.7))
    with MapStore() as store:
        truths = []
        for seed in range(images):
            texts = lines(seed, count=6)
            prob_map = np.full((SIZE_PX, SIZE_PX), 0.35, np.float32)
            for text in texts:
                paint(prob_map, kernel(text, shrink_ratio), 0.9)
            paint(prob_map, box(225, 10 + 30 * seed, 24, 14), 0.55)
            store.add("own", prob_map)
            truths.append(truth_of(texts))
        plan = Plan(grid, own, start, ratio_step(start), "hmean_70")
        return search(store, ["own"], Gathered(truths), DBPostProcess(), plan), asked


@pytest.mark.parametrize("start_factor", [0.45, 1.0, 2.0], ids=["far below", "there", "far above"])
@pytest.mark.parametrize("shrink_ratio", [0.4, 0.6])
def test_finds_the_optimum_that_was_put_in(shrink_ratio: float, start_factor: float) -> None:
    fitted, asked = fit_scene(shrink_ratio, start_factor=start_factor)
    found = fitted.tally.setting(fitted.chosen)
    low, high = fitted.plateau.unclip_ratios
    assert low <= found.unclip_ratio <= high
    assert 0.9 * low <= asked <= 1.1 * high
    assert (found.thresh, found.box_thresh) == (0.5, 0.7)
    assert fitted.tally.rates(fitted.chosen)["hmean_70"] == 1
    assert fitted.held_out is not None
    assert fitted.held_out.is_sure
    assert 0.9 * fitted.gain < fitted.held_out.gain <= fitted.gain


def test_a_search_goes_on_six_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a best ratio that is always at the end of what was tried."""
    wanted = iter(np.arange(3.0, 4.0, 0.1).round(1).tolist())
    monkeypatch.setattr(search_module, "_wanted", lambda tally, plan: [next(wanted)])
    own = Setting("own", 0.3, "fast", 1.5, 0.4)
    with MapStore() as store:
        store.add("own", np.zeros((SIZE_PX, SIZE_PX), np.float32))
        plan = Plan(Grid((0.3,), ("fast",), (1.5,), (0.4,)), own, 1.5, 0.1)
        gathered = Gathered([truth_of(lines(0))])
        fitted = search(store, ["own"], gathered, DBPostProcess(), plan)
    assert fitted.tally.grid.unclip_ratios == (1.5, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5)


def test_reports_what_it_found() -> None:
    fitted, _ = fit_scene(0.6)
    text, table = fit_report(fitted), fit_csv(fitted).splitlines()
    assert "[1000]" in text
    assert "combinations of the two" in text
    assert "the fitted values are taken" in text
    assert len(table) == 1 + fitted.tally.values("mean").size
    best = fitted.tally.setting(fitted.best)
    assert (
        f"own,{best.thresh},fast,{best.unclip_ratio},{best.box_thresh},1.000000,1.000000" in table
    )
    picture = cv2.imdecode(np.frombuffer(heat_map(fitted), np.uint8), cv2.IMREAD_COLOR)
    assert min(picture.shape[:2]) > 200


# The choice and whether it holds.


def tally_of(counts: np.ndarray) -> Tally:
    """counts (block, box_thresh) of matches of 10 texts and 10 boxes, at both IoUs."""
    blocks, columns = counts.shape
    threshs = tuple(round(0.1 * (i + 1), 1) for i in range(columns))
    whole = np.stack([np.full_like(counts, 10), counts, counts], axis=-1)
    grid = Grid((0.3,), ("fast",), (1.0,), threshs)
    return Tally(("own",), grid, whole[:, None, None, None, None], np.full(blocks, 10))


OWN = Cell(0, 0, 0, 0, 0)


def test_a_gain_on_every_image_is_taken() -> None:
    tally = tally_of(np.tile([5, 6, 8, 6], (10, 1)))
    best = best_cell(tally.values("mean"), OWN)
    judged = held_out(tally, OWN, "mean", folds=5, seed=1)
    assert best.box_thresh == 2
    assert judged is not None
    assert judged.is_sure
    assert set(judged.choices) == {best}
    assert judged.gain == pytest.approx(0.3)
    assert judged.gain_error == pytest.approx(0)
    assert (judged.hmean, judged.hmean_70) == pytest.approx((0.8, 0.8))


@pytest.mark.parametrize(
    ("images", "others", "taken"), [(8, 0, True), (7, 0, False), (7, 9, False)]
)
def test_a_few_images_with_text_prove_nothing(images: int, others: int, taken: bool) -> None:
    """``others`` have no text that counts."""
    tally = tally_of(np.tile([5, 6, 8, 6], (images + others, 1)))
    counts, gts = tally.counts.copy(), tally.gts.copy()
    counts[images:, ..., 1:], gts[images:] = 0, 0
    tally = replace(tally, counts=counts, gts=gts)
    judged = held_out(tally, OWN, "mean", folds=5, seed=1)
    best = best_cell(tally.values("mean"), OWN)
    fitted = Fitted(tally, "mean", OWN, OWN, best, judged)
    assert best != OWN
    assert fitted.chosen == (best if taken else OWN)
    words = f"{images} images with text can't show that this is more than chance, it takes 8"
    assert (words in fit_report(fitted)) != taken


def test_a_gain_on_one_image_alone_is_not() -> None:
    counts = np.full((10, 3), 5)
    counts[0, 1] = 9
    tally = tally_of(counts)
    judged = held_out(tally, OWN, "mean", folds=5, seed=1)
    fitted = Fitted(tally, "mean", OWN, OWN, best_cell(tally.values("mean"), OWN), judged)
    assert fitted.best.box_thresh == 1
    assert fitted.gain == pytest.approx(0.04)
    assert judged is not None
    assert judged.gain == pytest.approx(0)
    assert fitted.chosen == OWN
    assert "which may be chance" in fit_report(fitted)


def test_noise_alone_is_seldom_taken_for_a_gain() -> None:
    """Forty thresholds that are equally good: the best of them seems better on the images."""
    taken, gains = 0, []
    for seed in range(40):
        counts = np.random.default_rng(seed).binomial(10, 0.7, (25, 40))
        tally = tally_of(counts[:, :9])
        best = best_cell(tally.values("mean"), OWN)
        judged = held_out(tally, OWN, "mean", folds=5, seed=seed)
        assert judged is not None
        taken += judged.is_sure
        gains.append(tally.values("mean")[best] - tally.values("mean")[OWN])
    assert np.mean(gains) > 0.02
    assert taken <= 6


def test_one_image_proves_nothing() -> None:
    tally = tally_of(np.array([[5, 9]]))
    assert held_out(tally, OWN, "mean", folds=5, seed=1) is None
    fitted = Fitted(tally, "mean", OWN, OWN, Cell(0, 0, 0, 0, 1), None)
    assert fitted.chosen == OWN


@pytest.mark.parametrize(("images", "folds"), [(23, 5), (4, 5), (1000, 5), (2, 2)])
def test_folds_are_seeded_and_disjoint(images: int, folds: int) -> None:
    blocks = blocks_of(images, seed=7)
    assert np.array_equal(blocks, blocks_of(images, seed=7))
    assert images < 20 or not np.array_equal(blocks, blocks_of(images, seed=8))
    count = int(blocks.max()) + 1
    sizes = np.bincount(blocks)
    assert sizes.max() - sizes.min() <= 1
    parts = folds_of(count, folds)
    assert len(parts) == min(folds, count)
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))
    members = [np.flatnonzero(np.isin(blocks, part)) for part in parts]
    assert sorted(np.concatenate(members).tolist()) == list(range(images))


def test_each_image_is_judged_by_a_choice_made_without_it() -> None:
    """Every fold's images love a threshold of their own; none of that may come back to them."""
    folds = 4
    counts = np.full((8, 5), 2)
    counts[:, 0] = 4
    for fold, members in enumerate(folds_of(8, folds)):
        counts[members, fold + 1] = 10
    judged = held_out(tally_of(counts), Cell(0, 0, 0, 0, 0), "mean", folds=folds, seed=3)
    assert judged is not None
    for fold, choice in enumerate(judged.choices):
        assert choice.box_thresh != fold + 1
    assert judged.gain <= 0


@pytest.mark.parametrize(
    ("row", "own", "wanted"),
    [
        ([5, 7, 6, 7, 7], 3, 3),
        ([5, 7, 3, 7, 7, 7, 2], 0, 4),
        ([7, 1, 1, 7], 2, 3),
    ],
    ids=["own among the best", "middle of the broadest", "nearest to own"],
)
def test_which_of_equals(row: list[int], own: int, wanted: int) -> None:
    values = tally_of(np.array([row])).values("mean")
    assert best_cell(values, Cell(0, 0, 0, 0, own)).box_thresh == wanted


def test_thresh_and_mode_change_only_where_it_pays() -> None:
    """(resize, thresh, score mode, unclip ratio, box_thresh): the config's is the first."""
    values = np.full((2, 2, 2, 3, 2), 0.5)
    values[1, 1, 1, 2, 1] = 0.8
    assert best_cell(values, OWN) == Cell(1, 1, 1, 2, 1)
    values[0, 1, 0, 1, 0] = 0.8 - 0.9 * FLAT
    assert best_cell(values, OWN) == Cell(0, 1, 0, 1, 0)
    values[0, 0, 0, 2, 1] = 0.8 - 0.95 * FLAT
    assert best_cell(values, OWN) == Cell(0, 0, 0, 2, 1)
    values[OWN] = 0.8 - 1.1 * FLAT
    assert best_cell(values, OWN) == Cell(0, 0, 0, 2, 1)
    values[OWN] = 0.8 - 0.9 * FLAT
    assert best_cell(values, OWN) == OWN


def test_plateau_ends_where_it_breaks_off() -> None:
    tally = tally_of(np.array([[9, 2, 9, 9, 9, 5]]))
    flat = plateau(tally, tally.values("mean"), Cell(0, 0, 0, 0, 3))
    assert flat.box_threshs == (0.3, 0.5)
    assert (flat.combinations, flat.tried) == (4, 6)


def test_more_ratios_join_in_order() -> None:
    def of(ratios: tuple[float, ...]) -> Tally:
        counts = np.broadcast_to(
            np.array(ratios)[:, None, None] * 100, (2, 1, 1, 1, len(ratios), 1, 3)
        )
        return Tally(
            ("own",), Grid((0.3,), ("fast",), ratios, (0.5,)), counts.astype(int), np.ones(2)
        )

    joined = of((0.5, 1.0)).joined(of((0.8, 1.2)))
    assert joined.grid.unclip_ratios == (0.5, 0.8, 1.0, 1.2)
    assert joined.counts[0, 0, 0, 0, :, 0, 0].tolist() == [50, 80, 100, 120]


def test_further_images_choose_and_are_not_judged() -> None:
    """Own images: 10 boxes right of 10 texts at unclip 1.0, 9 at 1.2; further ones: 20 and 30."""
    grid = Grid((0.3,), ("fast",), (1.0, 1.2), (0.5,))
    own = np.zeros((2, 1, 1, 1, 2, 1, 3), np.int64)
    own[:, 0, 0, 0, :, 0] = [[5, 5, 5], [5, 5, 4]], [[5, 5, 5], [5, 4, 4]]
    more = np.zeros((1, 1, 1, 2, 1, 3), np.int64)
    more[0, 0, 0, :, 0] = [30, 20, 10], [30, 30, 30]
    alone = Tally(("own",), grid, own, np.array([5, 5]))
    both = replace(alone, more=more, more_gts=30)
    assert best_cell(alone.values("hmean"), Cell(0, 0, 0, 0, 0)).unclip_ratio == 0
    best = best_cell(both.values("hmean"), Cell(0, 0, 0, 0, 0))
    assert best.unclip_ratio == 1
    assert both.values("hmean")[best] == pytest.approx(39 / 40)
    assert both.rates(best) == alone.rates(best)
    assert both.rates(best)["hmean"] == pytest.approx(0.9)
    # with another ratio between the two, as a search goes on
    between = replace(both, grid=grid.with_ratios([1.1]), counts=own[..., :1, :, :])
    joined = both.joined(replace(between, more=more[..., :1, :, :]))
    assert joined.grid.unclip_ratios == (1.0, 1.1, 1.2)
    assert joined.values("hmean").ravel() == pytest.approx([30 / 40, 30 / 40, 39 / 40])
