"""How good a config is on labelled images, and by how much it is above another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.real_sets.sets import Lines, eval_overrides, written
from ppocr_ft.config import load_config
from ppocr_ft.metrics.det import Polygons, count_image

Counts = NDArray[np.int64]
"""(images, 4): the texts and boxes that count, and the matches at IoU 0.5 and at 0.7."""
RESAMPLES = 2000
PERCENT = 95
RESAMPLE_SEED = 0


def judge(config: Path, data_dir: Path, lines: Lines, more: Sequence[str] = ()) -> Counts:
    """Return what the config's weights, post-processing and resize find, image by image.

    ``more`` are further overrides. A label file is written beside the config.

    Raises:
        UserInputError: config, labels or weights can't be used.
    """
    from ppocr_ft.engine.evaluation import eval_records
    from ppocr_ft.factory import objects
    from ppocr_ft.factory.device import cpu_threads

    labels = written(lines, config.parent / "judged.txt")
    own = ["Global.val_ratio=0", *eval_overrides(data_dir, labels), *more]
    loaded = load_config(config, own)
    network, _ = objects.network(loaded)
    records = eval_records(
        network,
        objects.eval_data(loaded).samples(),
        objects.post_process(loaded),
        threads=cpu_threads(loaded),
    )
    rows = []
    for record in records:
        (boxes,) = record.boxes.values()
        found = count_image(Polygons.of(boxes["points"]), record.labels)
        rows.append((found.gt, found.det, found.matched, found.matched_70))
    if len(rows) != len(lines):
        raise ValueError(f"{len(lines)} label lines, {len(rows)} images could be judged")
    return np.array(rows, dtype=np.int64)


def hmeans(counts: Counts) -> NDArray[np.float64]:
    """Return hmean (..., 2) at IoU 0.5 and 0.7 of counts (..., images, 4).

    The harmonic mean of matched / gt and matched / det is 2 matched / (gt + det).
    """
    sums = counts.sum(axis=-2)
    return np.asarray(2 * sums[..., 2:] / np.maximum(sums[..., :1] + sums[..., 1:2], 1))


@dataclass(frozen=True)
class Gain:
    """Medians over seeds of the gains in hmean (2,) at IoU 0.5 and 0.7, and their interval.

    The interval has the middle 95 % of what other images of this kind would give, had they been
    drawn from these ones (bootstrap). ``lowest`` is the seed's with the smallest gain.
    """

    median: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    lowest: NDArray[np.float64]


def gain(runs: Sequence[Counts], bar: Counts) -> Gain:
    """Return what the runs, one per seed, have gained over ``bar`` on the same images."""
    own = np.stack(runs)  # (seeds, images, 4)
    images = len(bar)
    drawn = np.random.default_rng(RESAMPLE_SEED).integers(images, size=(RESAMPLES, images))
    resampled = hmeans(own[:, drawn]) - hmeans(bar[drawn])  # (seeds, resamples, 2)
    tail = (100 - PERCENT) / 2
    low, high = np.percentile(np.median(resampled, axis=0), (tail, 100 - tail), axis=0)
    gains = hmeans(own) - hmeans(bar)  # (seeds, 2)
    return Gain(np.median(gains, axis=0), low, high, gains.min(axis=0))
