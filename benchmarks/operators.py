"""The map operators' time, beside that of the real PaddleOCR 2.10.0 pair in the same run.

Usage: make bench. One thread, CPU time; every crop is timed several times by turns, the best
counts. The ratio is of the means over all crops.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from ppocr_ft import MakeBorderMap, MakeShrinkMap
from tests.support.paddleocr_wheels import border_class, shrink_class
from tests.support.samples import SHARED, read_labels, sample

PEER = "2.10.0"
SIDE_PX = 640
CROPS = 40
ROUNDS = 7
Operator = Callable[[dict[str, Any]], dict[str, Any]]
Polygons = np.ndarray


def receipt_crops() -> Iterator[Polygons]:
    """640 x 640 px windows of the receipts at their own scale, the one with the most lines."""
    for shape, polys, _ in list(read_labels(SHARED / "data" / "receipts", "train.txt"))[:CROPS]:
        lines = np.stack(polys)
        down, across = (range(0, max(side - SIDE_PX, 0) + 1, 20) for side in shape)
        corners = [np.float32((x, y)) for y in down for x in across]
        yield max((inside(lines - corner) for corner in corners), key=len)


def inside(lines: Polygons) -> Polygons:
    """Return the lines (n, 4, 2) that reach into the window."""
    reach = (lines.max(axis=1) > 0).all(axis=1) & (lines.min(axis=1) < SIDE_PX).all(axis=1)
    return lines[reach]


def made_up_crops() -> Iterator[Polygons]:
    """Seeded lines of the receipts' shape: 50 a crop, 14 to 24 px high, 40 to 400 px long."""
    rng = np.random.default_rng(0)
    for _ in range(CROPS):
        yield np.stack([line(rng, rng.uniform(14, 24)) for _ in range(50)])


def line(rng: np.random.Generator, height: float, points: int = 4) -> Polygons:
    """One slightly turned text line of ``points`` points."""
    length = rng.uniform(40, 400)
    top = np.stack([np.linspace(0, length, points // 2), np.zeros(points // 2)], axis=1)
    ring = np.concatenate([top, top[::-1] + np.array([0, height])])
    angle = rng.normal(0, 0.02)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (ring @ turn + rng.uniform(0, SIDE_PX - 100, 2)).astype(np.float32)


def cpu_seconds(operator: Operator, data: dict[str, Any]) -> float:
    """CPU time of one call, so that other work on a shared machine counts less."""
    with np.errstate(all="ignore"):
        start = time.thread_time()
        operator(data)
        return time.thread_time() - start


def best_ms(crops: list[Polygons]) -> dict[str, np.ndarray]:
    """For each pair the best time (crops, 2) of border and shrink operator, in ms."""
    pairs = {
        f"PaddleOCR {PEER}": (border_class(PEER)(), shrink_class(PEER)()),
        "ppocr_ft": (MakeBorderMap(), MakeShrinkMap()),
    }
    best = {who: np.full((len(crops), 2), np.inf) for who in pairs}
    for _ in range(ROUNDS):
        for i, polys in enumerate(crops):
            for who, operators in pairs.items():
                data = sample(polys.copy(), (SIDE_PX, SIDE_PX))
                times = [cpu_seconds(operator, data) for operator in operators]
                best[who][i] = np.minimum(best[who][i], times)
    return {who: times * 1e3 for who, times in best.items()}


def print_crops(name: str, crops: list[Polygons]) -> None:
    texts = np.mean([len(polys) for polys in crops])
    print(f"\n{len(crops)} crops of {SIDE_PX} x {SIDE_PX} px, {name}, {texts:.0f} texts each")
    print("| pair | border map ms | shrink map ms | both ms |\n|---|---|---|---|")
    sums = []
    for who, times in best_ms(crops).items():
        border, shrink = times.mean(axis=0)
        sums.append(border + shrink)
        print(f"| {who} | {border:.2f} | {shrink:.2f} | {sums[-1]:.2f} |")
    print(f"ratio: {sums[0] / sums[1]:.1f} times faster (wanted: at least 20)")


def print_scaling() -> None:
    print("\nCost against the number of texts and of points, one crop, both operators")
    print(f"| texts | points | PaddleOCR {PEER} ms | ppocr_ft ms | ratio |\n|---|---|---|---|---|")
    for texts, points in [(1, 4), (10, 4), (100, 4), (1000, 4), (50, 4), (50, 14), (50, 100)]:
        rng = np.random.default_rng(1)
        crop = np.stack([line(rng, 18, points) for _ in range(texts)])
        peer, ours = (times.sum() for times in best_ms([crop]).values())
        print(f"| {texts} | {points} | {peer:.2f} | {ours:.2f} | {peer / ours:.1f} |")


def print_start() -> None:
    code = "import ppocr_ft; ppocr_ft.MakeBorderMap(); ppocr_ft.MakeShrinkMap()"
    for what, program in [("import ppocr_ft", "import ppocr_ft"), ("and both operators", code)]:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        print(f"{what}: {time.perf_counter() - start:.2f} s, the interpreter's start included")


def main() -> None:
    cv2.setNumThreads(1)
    if (SHARED / "data" / "receipts").is_dir():
        print_crops("receipts", list(receipt_crops()))
    print_crops("made-up labels", list(made_up_crops()))
    print_scaling()
    print()
    print_start()


if __name__ == "__main__":
    main()
