"""How time and memory grow: with label lines, with texts of an image, with pixels of an image.

Usage: python -m benchmarks.growth [--most N]. Each point is a process of its own; CPU time, one
thread; peak memory is the process's beyond what it had after its imports. *Growth* is how many
times as much CPU time each tenfold step takes: 10 is linear. The tables stand in docs/scale.md,
and so does the picture.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from experiments.marked_tables import Table, replaced
from ppocr_ft import MakeBorderMap, MakeShrinkMap
from ppocr_ft.data.dataset import SimpleDataSet
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.transforms.crops import ScaledCrop
from ppocr_ft.transforms.image_ops import DecodeImage, NormalizeImage, ToCHWImage
from ppocr_ft.transforms.labels import DetLabelEncode
from ppocr_ft.transforms.polygons import compile_kernels

ROOT = Path(__file__).parents[1]
DOCUMENT, PICTURE = ROOT / "docs" / "scale.md", ROOT / "docs" / "pictures" / "growth.png"
TEXTS_A_LINE, TEXTS_A_PAGE = 5, 50
SAMPLES = 5
"""A sample is made so many times; the least time counts."""


@dataclass(frozen=True)
class Size:
    """Equal label lines: one square page of so many texts."""

    side_px: int
    texts: int
    lines: int = 1


def write(folder: Path, size: Size) -> None:
    """Write page.jpg and labels.txt."""
    tile = np.asarray(cv2.imread(str(next((SAMPLE.data_dir / "images").iterdir()))))
    repeats = math.ceil(size.side_px / min(tile.shape[:2]))
    page = np.tile(tile, (repeats, repeats, 1))[: size.side_px, : size.side_px]
    cv2.imwrite(str(folder / "page.jpg"), page)
    columns = math.ceil(math.sqrt(size.texts))
    step = size.side_px / columns
    box = np.array([[0.1, 0.2], [0.9, 0.2], [0.9, 0.6], [0.1, 0.6]]) * step
    places = (np.array([i % columns, i // columns]) * step for i in range(size.texts))
    label = [{"transcription": "text", "points": (box + at).round(1).tolist()} for at in places]
    line = f"page.jpg\t{json.dumps(label)}\n"
    with (folder / "labels.txt").open("w", encoding="utf-8") as file:
        file.writelines(line for _ in range(size.lines))


def opened(folder: Path) -> SimpleDataSet:
    crop = ScaledCrop((640, 640), limit_side_len=960, limit_type="max")
    maps = MakeBorderMap(shrink_ratio=0.4), MakeShrinkMap(shrink_ratio=0.4)
    chain = DecodeImage("BGR"), DetLabelEncode(), crop, *maps, NormalizeImage(order="hwc")
    data = SimpleDataSet(folder, folder / "labels.txt", (*chain, ToCHWImage()))
    data.set_epoch(1)
    return data


def opening_s(folder: Path) -> float:
    before = time.process_time()
    opened(folder)
    return time.process_time() - before


def sample_s(folder: Path) -> float:
    data, times = opened(folder), []
    for _ in range(SAMPLES):
        before = time.process_time()
        data[0]
        times.append(time.process_time() - before)
    return min(times)


@dataclass(frozen=True)
class Kind:
    """What grows, what is timed, and the sizes by their number."""

    title: str
    seconds: Callable[[Path], float]
    size: Callable[[int], Size]
    counts: tuple[int, ...]


KINDS = {
    "lines": Kind(
        f"label lines of {TEXTS_A_LINE} texts: reading and checking them all",
        opening_s,
        lambda count: Size(400, TEXTS_A_LINE, count),
        (100, 1_000, 10_000, 100_000, 1_000_000),
    ),
    "texts": Kind(
        "texts of an image of 4 megapixels: one training sample, with its maps",
        sample_s,
        lambda count: Size(2000, count),
        (1, 10, 100, 1_000, 2_000),
    ),
    "megapixels": Kind(
        f"megapixels of a JPEG of {TEXTS_A_PAGE} texts: one training sample, with its maps",
        sample_s,
        lambda count: Size(round(math.sqrt(count * 1e6)), TEXTS_A_PAGE),
        (1, 4, 10, 40, 100),
    ),
}


def point(kind: str, folder: Path) -> tuple[float, float]:
    """Measure in this process: CPU seconds, and MB of memory."""
    compile_kernels()
    before = peak_mb()
    seconds = KINDS[kind].seconds(folder)
    return seconds, peak_mb() - before


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(kind: str, count: int) -> tuple[float, float]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), KINDS[kind].size(count))
        command = [sys.executable, "-m", "benchmarks.growth", "--point", kind, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    seconds, mb = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(mb)


def table(kind: str, points: dict[int, tuple[float, float]]) -> Table:
    rows, last = [], None
    for count, (seconds, mb) in points.items():
        growth = ""
        if last is not None:
            power = math.log(seconds / last[1]) / math.log(count / last[0])
            growth = f"{10**power:.1f}"
        rows.append([f"{count:,}", f"{1e3 * seconds:,.1f}", growth, f"{mb:,.0f}"])
        last = count, seconds
    return Table(f"growth {kind}", [kind, "CPU ms", "growth", "MB"], rows)


def picture(found: dict[str, dict[int, tuple[float, float]]]) -> None:
    figure = Figure(figsize=(9, 3), layout="constrained", dpi=80)
    for axes, (kind, points) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        times = [1e3 * seconds for seconds, _ in points.values()]
        axes.loglog(list(points), times, "o-", color="#009E73", label="CPU ms")
        linear = [times[-1] * count / list(points)[-1] for count in points]
        axes.loglog(list(points), linear, ":", color="grey", label="linear")
        axes.set_xlabel(kind)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(PICTURE, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="no more lines, texts, megapixels, for a try")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        cv2.setNumThreads(1)
        print(json.dumps(point(options.point[0], Path(options.point[1]))))
        return
    found = {}
    for kind, each in KINDS.items():
        counts = [count for count in each.counts if count <= (options.most or count)]
        found[kind] = {count: measured(kind, count) for count in counts}
        print(f"\n{each.title}\n{table(kind, found[kind]).markdown()}", flush=True)
    if not options.most:
        text = DOCUMENT.read_text(encoding="utf-8")
        for kind, points in found.items():
            text = replaced(text, table(kind, points))
        DOCUMENT.write_text(text, encoding="utf-8")
        picture(found)


if __name__ == "__main__":
    main()
