"""The map operators' time, beside that of the real PaddleOCR 2.10.0 pair in the same run.

Usage: make bench. One thread; every crop is timed several times, the best counts, both pairs by
turns. The ratio is of the sums over all crops.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from paddleocr_wheels import border_class, shrink_class
from samples import SHARED, read_labels, sample

from ppocr_ft import MakeBorderMap, MakeShrinkMap

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
        corners = [(x, y) for y in range(0, max(shape[0] - SIDE_PX, 0) + 1, 80) for x in (0, 120)]
        yield max((inside(lines - np.float32(corner)) for corner in corners), key=len)


def inside(lines: Polygons) -> Polygons:
    """The lines (n, 4, 2) that reach into the window."""
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
    ring = np.concatenate([top, top[::-1] + (0, height)])
    angle = rng.normal(0, 0.02)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (ring @ turn + rng.uniform(0, SIDE_PX - 100, 2)).astype(np.float32)


def seconds(operator: Operator, data: dict[str, Any]) -> float:
    with np.errstate(all="ignore"):
        start = time.perf_counter()
        operator(data)
        return time.perf_counter() - start


def pair_ms(operators: tuple[Operator, Operator], crops: list[Polygons]) -> np.ndarray:
    """Best time (crops, 2) of border and shrink operator, in ms."""
    best = np.full((len(crops), 2), np.inf)
    for _ in range(ROUNDS):
        for i, polys in enumerate(crops):
            data = sample(polys.copy(), (SIDE_PX, SIDE_PX))
            best[i] = np.minimum(best[i], [seconds(operator, data) for operator in operators])
    return best * 1e3


def pairs() -> dict[str, tuple[Operator, Operator]]:
    return {
        f"PaddleOCR {PEER}": (border_class(PEER)(), shrink_class(PEER)()),
        "ppocr_ft": (MakeBorderMap(), MakeShrinkMap()),
    }


def print_crops(name: str, crops: list[Polygons]) -> None:
    texts = np.mean([len(polys) for polys in crops])
    print(f"\n{len(crops)} crops of {SIDE_PX} x {SIDE_PX} px, {name}, {texts:.0f} texts each")
    print("| pair | border map ms | shrink map ms | both ms |\n|---|---|---|---|")
    both = {}
    for who, operators in pairs().items():
        border, shrink = pair_ms(operators, crops).mean(axis=0)
        both[who] = border + shrink
        print(f"| {who} | {border:.2f} | {shrink:.2f} | {both[who]:.2f} |")
    peer, own = both.values()
    print(f"ratio: {peer / own:.1f} times faster (wanted: at least 15)")


def print_scaling() -> None:
    print("\nCost against the number of texts and of points, one crop, both operators, ms")
    print("| texts | points | " + " | ".join(pairs()) + " | ratio |\n|---|---|---|---|---|")
    for texts, points in [(1, 4), (10, 4), (100, 4), (1000, 4), (50, 4), (50, 14), (50, 100)]:
        rng = np.random.default_rng(1)
        crop = [np.stack([line(rng, 18, points) for _ in range(texts)])]
        peer, own = (pair_ms(operators, crop).sum() for operators in pairs().values())
        print(f"| {texts} | {points} | {peer:.2f} | {own:.2f} | {peer / own:.1f} |")


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
