"""Time of boxes and metric against PaddleOCR 2.10.0's, on the released detector's maps.

Both run in this process, by turns on each map, on one thread; CPU time of the best round, and the
ratio's range over the rounds. PaddleOCR's wheels come without its metric: `PeerMetric` makes the
calls that its DetMetric makes.

    python -m benchmarks.postprocess [--every N] [--rounds N]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from shapely.geometry import Polygon

from ppocr_ft.data.labels import read_label_file
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms.labels import Texts
from tests.support.postprocess_reference import (
    DATA,
    compute_maps,
    image_paths,
    load_maps,
    reference_class,
)

SHIPPED: dict[str, Any] = {"box_thresh": 0.6, "unclip_ratio": 1.5}
LIMIT, IGNORED_SHARE = 0.5, 0.5
Result = TypeVar("Result")
Points = Sequence[np.ndarray] | np.ndarray


class PeerMetric:
    """PaddleOCR's DetMetric: a pair of polygons at a time, all pairs, made anew for each number."""

    def __init__(self) -> None:
        self.counts = np.zeros(3, dtype=int)

    def update(self, found: Points, labels: Points, ignored: Sequence[bool] | np.ndarray) -> None:
        """Add one image's ground truths and detections that count, and its matches."""
        used = [i for i, points in enumerate(labels) if self._usable(points)]
        gts, ignored_gts = [labels[i] for i in used], [bool(ignored[i]) for i in used]
        dets = [points for points in found if self._usable(points)]
        unwanted = [gt for gt, is_ignored in zip(gts, ignored_gts, strict=True) if is_ignored]
        ignored_dets = [
            any(self._shared(gt, det) / Polygon(det).area > IGNORED_SHARE for gt in unwanted)
            for det in dets
        ]
        ious = np.empty((len(gts), len(dets)))
        for g, d in itertools.product(range(len(gts)), range(len(dets))):
            union = Polygon(dets[d]).union(Polygon(gts[g])).area
            ious[g, d] = self._shared(gts[g], dets[d]) / union
        free_gts, free_dets = (
            [not flag for flag in ignored_gts],
            [not flag for flag in ignored_dets],
        )
        counted = [sum(free_gts), sum(free_dets)]
        matches = 0
        for g, d in itertools.product(range(len(gts)), range(len(dets))):
            if free_gts[g] and free_dets[d] and ious[g, d] > LIMIT:
                free_gts[g] = free_dets[d] = False
                matches += 1
        self.counts += [*counted, matches]

    def rates(self) -> dict[str, float]:
        """Return precision, recall and hmean over all images."""
        gt, det, matched = self.counts.tolist()
        precision, recall = matched / det if det else 0.0, matched / gt if gt else 0.0
        hmean = 2 * precision * recall / (precision + recall) if matched else 0.0
        return {"precision": precision, "recall": recall, "hmean": hmean}

    @staticmethod
    def _usable(points: np.ndarray) -> bool:
        return bool(Polygon(points).is_valid and Polygon(points).is_simple)

    @staticmethod
    def _shared(gt: np.ndarray, det: np.ndarray) -> float:
        return float(Polygon(det).intersection(Polygon(gt)).area)


class Clock:
    """CPU milliseconds of what is done, by name and round."""

    def __init__(self, rounds: int) -> None:
        self._rounds: dict[str, np.ndarray] = {}
        self._count, self.round = rounds, 0

    def __call__(self, name: str, action: Callable[[], Result]) -> Result:
        start = time.thread_time()
        result = action()
        times = self._rounds.setdefault(name, np.zeros(self._count))
        times[self.round] += (time.thread_time() - start) * 1e3
        return result

    def of(self, *names: str) -> np.ndarray:
        """Return the milliseconds of each round, of several names together."""
        return np.sum([self._rounds[name] for name in names], axis=0)


def ratio(theirs: np.ndarray, ours: np.ndarray) -> str:
    """Best round against best round, and the range over the rounds."""
    each = theirs / ours
    return f"{theirs.min() / ours.min():.1f} ({each.min():.1f} to {each.max():.1f})"


def labels_of_images() -> dict[str, Texts]:
    """Return the real images' texts by the names that ``load_maps`` gives."""
    files = sorted(DATA.glob("*/*.txt"))
    entries = [entry for file in files for entry in read_label_file(file, file.parent).entries]
    paths = {Path(entry.images[0]): entry.texts for entry in entries}
    return {f"{path.parents[1].name}_{path.stem}": texts for path, texts in paths.items()}


def time_boxes(files: Sequence[Path], keys: dict[str, Any], rounds: int) -> tuple[Clock, int]:
    """Return the times of both classes over all maps, and how many boxes they find."""
    theirs, ours, clock, boxes = reference_class()(**keys), DBPostProcess(**keys), Clock(rounds), 0
    for clock.round in range(rounds):
        for _, prob_map, source_size in load_maps(files):
            maps, shapes = prob_map[None, None], np.array([[*source_size, 1.0, 1.0]])
            expected = clock("theirs", partial(theirs, {"maps": maps}, shapes))[0]["points"]
            found = clock("ours", partial(ours, maps, shapes))[0]["points"]
            check_equal(found, expected)
            boxes += len(found)
    return clock, boxes // rounds


def time_evaluation(files: Sequence[Path], rounds: int) -> Clock:
    """Return the times of boxes and metric as a YAML of PaddleOCR has them, over all maps."""
    theirs, ours, clock = reference_class()(**SHIPPED), DBPostProcess(**SHIPPED), Clock(rounds)
    texts = labels_of_images()
    for clock.round in range(rounds):
        their_metric, our_metric = PeerMetric(), DetMetric()
        for name, prob_map, source_size in load_maps(files):
            maps, shapes = prob_map[None, None], np.array([[*source_size, 1.0, 1.0]])
            labels = [np.asarray(polygon) for polygon in texts[name].polygons]
            expected = clock("their boxes", partial(theirs, {"maps": maps}, shapes))[0]["points"]
            clock(
                "their metric", partial(their_metric.update, expected, labels, texts[name].ignored)
            )
            found = clock("our boxes", partial(ours, maps, shapes))[0]["points"]
            clock("our metric", partial(our_metric.update, found, labels, texts[name].ignored))
            check_equal(found, expected)
        summary = our_metric.summary()
        assert [summary[key] for key in ("gt", "det", "matched")] == their_metric.counts.tolist()
    return clock


def check_equal(found: Points, expected: Points) -> None:
    """Stop if the boxes of an image are not the same."""
    assert len(found) == len(expected)
    assert all(map(np.array_equal, found, expected))


def print_boxes(files: Sequence[Path], rounds: int) -> None:
    print(f"boxes, {len(files)} maps; milliseconds a map")
    print("| box_type | score_mode | dilation | boxes a map | PaddleOCR 2.10.0 | here | ratio |")
    print("|---|---|---|---|---|---|---|")
    for box_type, score_mode, dilation in itertools.product(
        ("quad", "poly"), ("fast", "slow"), (False, True)
    ):
        keys = {"box_type": box_type, "score_mode": score_mode, "use_dilation": dilation}
        clock, boxes = time_boxes(files, {**keys, **SHIPPED}, rounds)
        theirs, ours = clock.of("theirs") / len(files), clock.of("ours") / len(files)
        print(
            f"| {box_type} | {score_mode} | {dilation} | {boxes / len(files):.1f} "
            f"| {theirs.min():.2f} | {ours.min():.2f} | {ratio(theirs, ours)} |"
        )


def print_evaluation(files: Sequence[Path], rounds: int) -> None:
    print("\nboxes and metric, quads, equal boxes and counts; milliseconds a map")
    print(
        "| set | maps | PaddleOCR 2.10.0: boxes | metric | here: boxes | metric | ratio of both |"
    )
    print("|---|---|---|---|---|---|---|")
    sets: dict[str, list[Path]] = {"all": list(files)}
    for file in files:
        sets.setdefault(file.stem.rpartition("_")[0].removesuffix("_img"), []).append(file)
    for name, chosen in sets.items():
        clock = time_evaluation(chosen, rounds)
        stages = ("their boxes", "their metric", "our boxes", "our metric")
        cells = " | ".join(f"{clock.of(stage).min() / len(chosen):.2f}" for stage in stages)
        both = ratio(clock.of(*stages[:2]), clock.of(*stages[2:]))
        print(f"| {name} | {len(chosen)} | {cells} | {both} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every n-th image (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run (default: 3)")
    options = parser.parse_args()
    images = image_paths()[:: options.every]
    if not images:
        raise SystemExit("no real images beside the repository (shared/data)")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = compute_maps(images, Path(folder))
        time_evaluation(files[:3], 1)  # what is made once, is made here
        print(f"box_thresh 0.6, unclip_ratio 1.5; best of {options.rounds} rounds")
        print_boxes(files, options.rounds)
        print_evaluation(files, options.rounds)


if __name__ == "__main__":
    main()
