"""What the data set check costs.

Usage: python -m benchmarks.check. 100,000 label lines without opening images,
with as many texts a line as receipts have (the shared ones' labels over and over) and with ten,
those also with paths of another machine; a hundredth of the lines has a fault. Before that the
receipts' images, by 0, 1 and 2 threads, and the margins behind the limits of docs/check_data.md.
CPU time is what counts, the clock's stands beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.commands.check.data import DataReport, Source, check_dataset
from ppocr_ft.commands.check.data.dataset import shares_of_line
from ppocr_ft.commands.check.data.parsed_labels import scan_source
from ppocr_ft.data.sample_set import copy_sample
from ppocr_ft.transforms.likeness import local_likeness
from ppocr_ft.utils.progress import progress
from tests.support.samples import SHARED

LINES, LIMIT_S = 100_000, 60.0
FAULTY_SHARE = 0.01
ALIKE = 60
"""So many pairs of the most similar thumbnails are compared."""
Texts = list[dict[str, Any]]


def labels() -> tuple[str, Path, list[Texts]]:
    """Where the labels are from, their folder, and the texts of each of its training images."""
    folder = SHARED / "data" / "receipts"
    name = "receipts"
    if not folder.is_dir():
        folder = copy_sample(Path(tempfile.mkdtemp()) / "sample", train=30).data_dir
        name = "the sample data set"
    lines = (folder / "train.txt").read_text("utf-8").splitlines()
    return name, folder, [json.loads(line.split("\t", 1)[1]) for line in lines]


def write_lines(folder: Path, pages: list[Texts], texts: int | None, prefix: str) -> Path:
    """LINES lines of different images; a share of them with a text that runs anticlockwise.

    ``prefix`` stands before each image's path.
    """
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "train.txt").open("w", encoding="utf-8") as file:
        for i in range(LINES):
            page = pages[i % len(pages)][:texts]
            if rng.random() < FAULTY_SHARE:
                page = [{**page[0], "points": page[0]["points"][::-1]}, *page[1:]]
            (folder / "images" / f"{i}.jpg").touch()
            file.write(f"{prefix}images/{i}.jpg\t{json.dumps(page, ensure_ascii=False)}\n")
    return folder / "train.txt"


def timed(action: Callable[[], DataReport]) -> tuple[float, float, DataReport]:
    """CPU seconds, seconds and the report."""
    start, cpu = time.perf_counter(), time.process_time()
    report = action()
    return time.process_time() - cpu, time.perf_counter() - start, report


def check_lines(name: str, pages: list[Texts], texts: int | None, prefix: str = "") -> bool:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "set"
        source = Source(write_lines(folder, pages, texts, prefix), folder)
        size = source.label_file.stat().st_size / 1e6
        cpu, seconds, report = timed(
            lambda: check_dataset([source], [], images=False, bar=progress)
        )
    counts = report.counts[str(source.label_file)]
    texts_a_line = counts.texts / counts.lines
    print(f"{counts.lines:,} lines of {texts_a_line:.1f} texts ({name}, {size:.0f} MB), no image")
    if prefix:
        print(f"opened, all found by the end of their path ({prefix}...): ", end="")
    else:
        print("opened: ", end="")
    print(f"CPU {cpu:.1f} s, clock {seconds:.1f} s; {len(report.findings):,} findings")
    return cpu <= LIMIT_S


def check_images(name: str, folder: Path) -> None:
    train, val = (Source(folder / f"{split}.txt", folder) for split in ("train", "val"))
    for threads in (0, 1, 2, 0, 1, 2):
        cpu, seconds, report = timed(lambda n=threads: check_dataset([train], [val], workers=n))
        count = len(report.pictures)
        per_image = f"CPU {cpu / count * 1e3:.2f} ms, clock {seconds / count * 1e3:.2f} ms each"
        print(f"{count} images ({name}), {threads} threads: {per_image}")


def grey(path: Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)


def copies(picture: Any) -> Iterator[tuple[str, Any]]:
    """Yield the picture in other sizes and JPEG qualities."""
    for scale, quality in ((1, 85), (1, 30), (1.7, 90), (1 / 2, 75), (1 / 3, 60), (1 / 4, 40)):
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        sized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how)
        _, encoded = cv2.imencode(".jpg", sized, [cv2.IMWRITE_JPEG_QUALITY, quality])
        yield f"{scale:.2f} at {quality}", cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)


def likeness(folders: list[Path]) -> None:
    """Print the lowest likeness of a picture with its copies, the highest with another."""
    paths = sorted(path for folder in folders for path in (folder / "images").iterdir())
    pictures = [grey(path) for path in paths]
    least: dict[str, float] = {}
    for picture in pictures:
        for name, copy in copies(picture):
            least[name] = min(least.get(name, 1.0), local_likeness(picture, copy))
    print(f"{len(paths)} images; least likeness with a copy, by scale and JPEG quality:")
    print("  " + ", ".join(f"{name}: {value:.2f}" for name, value in least.items()))
    thumbs = [cv2.resize(p, (32, 32), interpolation=cv2.INTER_AREA).ravel() for p in pictures]
    alike = np.triu(np.corrcoef(np.array(thumbs, float)), 1)
    nearest = np.dstack(np.unravel_index(np.argsort(-alike, axis=None)[:ALIKE], alike.shape))[0]
    likenesses = [
        (local_likeness(pictures[i], pictures[j]), paths[i], paths[j]) for i, j in nearest
    ]
    for value, one, other in sorted(likenesses, reverse=True)[:3]:
        print(f"  {one.name} and {other.name}: {value:.2f}")


def words_and_lines(folder: Path) -> None:
    """How far images by lines are from those by words."""
    shares = []
    for split in ("train", "val"):
        scan = scan_source(Source(folder / f"{split}.txt", folder), lambda items, *_: items)
        shares += [shares_of_line(scan, index) for index in range(len(scan.lines))]
    close, spaced = np.array([s for s in shares if s]).T
    print(f"{len(close)} images: at most {close.max():.2f} of the texts with a close neighbour,")
    print(f"  at least {spaced.min():.2f} with a space inside")


def main() -> None:
    name, folder, pages = labels()
    check_images(name, folder)
    words_and_lines(folder)
    sample = copy_sample(Path(tempfile.mkdtemp()) / "sample", train=30, val=20)
    photos = SHARED / "data" / "icdar2015_mini"
    likeness([sample.data_dir, *(f for f in {folder, photos} if f.is_dir())])
    good = [check_lines(name, pages, texts) for texts in (10, None)]
    good.append(check_lines(name, pages, 10, "C:\\me\\set\\"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.1f} GB")
    if not all(good):
        sys.exit(f"100,000 lines took more than {LIMIT_S:g} s")


if __name__ == "__main__":
    main()
