"""The released weights on receipts that are stitched into large pages, and turned.

Usage: make pages (python -m experiments.pages_table [--only WHAT]). It needs the receipts of
../shared/data. The validation receipts, side by side and below each other with their labels, are
evaluated in tiles, and `predict --tiles` runs on pages of up to 200 megapixels in processes of its
own, whose peak memory is measured; the tables are printed and put into docs/tasks/large_pages.md.
Turned by quarters with their labels, the receipts are evaluated as they are; that table is in
docs/released.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from experiments.marked_tables import Table, replaced
from experiments.released_table import DATA, ROOT
from ppocr_ft.commands.common import command, import_paddle
from ppocr_ft.config import load_config
from ppocr_ft.data.labels import read_label_file

RECEIPTS = DATA / "receipts"
GAP_PX = 20
"""White between receipts, and around them."""
COLUMNS = (2, 3, 6)
SIDES_PX = (5_000, 10_000, 14_142)
THREADS = 2
RATES = ("precision", "recall", "hmean", "hmean_70")


class Labelled(NamedTuple):
    """An image and its texts: polygons (k, 2), and which don't count."""

    pixels: Any
    polygons: list[Any]
    ignored: list[bool]


def receipts() -> list[Labelled]:
    """Return the validation receipts."""
    return [
        Labelled(
            cv2.imread(entry.images[0]),
            [np.asarray(entry.texts.polygons[i]) for i in range(len(entry.texts))],
            entry.texts.ignored.tolist(),
        )
        for entry in read_label_file(str(RECEIPTS / "val.txt"), str(RECEIPTS)).entries
    ]


def stitched(images: Sequence[Labelled], columns: int) -> Labelled:
    """Return one page, row by row; rows are as high as their highest image."""
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    width = max(sum(one.pixels.shape[1] + GAP_PX for one in row) for row in rows) + GAP_PX
    heights = [max(one.pixels.shape[0] for one in row) + GAP_PX for row in rows]
    page = np.full((sum(heights) + GAP_PX, width, 3), 255, np.uint8)
    top, polygons, ignored = GAP_PX, [], []
    for row, row_px in zip(rows, heights, strict=True):
        left = GAP_PX
        for one in row:
            height, width = one.pixels.shape[:2]
            page[top : top + height, left : left + width] = one.pixels
            polygons += [polygon + np.array([left, top]) for polygon in one.polygons]
            ignored += one.ignored
            left += width + GAP_PX
        top += row_px
    return Labelled(page, polygons, ignored)


def turned(image: Labelled, quarters: int) -> Labelled:
    """Return the image after a number of quarter turns, clockwise."""
    pixels, polygons = image.pixels, image.polygons
    for _ in range(quarters):
        height = pixels.shape[0]
        pixels = np.ascontiguousarray(np.rot90(pixels, -1))
        polygons = [np.stack([height - of[:, 1], of[:, 0]], axis=1) for of in polygons]
    return Labelled(pixels, polygons, image.ignored)


def write_set(folder: Path, images: Iterable[Labelled]) -> int:
    """Write images and label.txt; return how many there are."""
    lines = []
    for index, image in enumerate(images):
        name = f"{index}.png"
        cv2.imwrite(str(folder / name), image.pixels)
        texts = [
            {"transcription": "###" if ignored else "text", "points": polygon.tolist()}
            for polygon, ignored in zip(image.polygons, image.ignored, strict=True)
        ]
        lines.append(f"{name}\t{json.dumps(texts)}\n")
    (folder / "label.txt").write_text("".join(lines), encoding="utf-8")
    return len(lines)


def evaluated(images: Iterable[Labelled], *more: str) -> tuple[int, dict[str, float]]:
    """Return how many images there are, and the rates of the released weights on them."""
    from ppocr_ft.factory import objects

    with tempfile.TemporaryDirectory() as folder:
        count = write_set(Path(folder), images)
        given = {
            "Train.dataset.data_dir": RECEIPTS,
            "Train.dataset.label_file_list": [str(RECEIPTS / "train.txt")],
            "Eval.dataset.data_dir": folder,
            "Eval.dataset.label_file_list": [f"{folder}/label.txt"],
        }
        config = load_config("det_v4_ft.yml", [*(f"{k}={v}" for k, v in given.items()), *more])
        network, _ = objects.network(config)
        samples = objects.eval_data(config).samples()
        return count, objects.evaluate(config, network, samples).summary


def row(name: str, images: Iterable[Labelled], *more: str) -> list[str]:
    count, rates = evaluated(images, *more)
    print(name, count, rates, flush=True)
    return [name, str(count), *(f"{rates[rate]:.4f}" for rate in RATES)]


def pages() -> Table:
    images = receipts()
    rows = [row("single receipts", images)]
    for columns in COLUMNS:
        per_page = min(columns * columns, len(images))
        made = [
            stitched(images[i : i + per_page], columns) for i in range(0, len(images), per_page)
        ]
        name = f"pages of up to {per_page} receipts, in tiles"
        rows.append(row(name, made, "Eval.tiles=auto"))
    rows.append(row(f"pages of up to {per_page} receipts, as a whole", made))
    return Table("pages", ["images", "number", *RATES], rows)


def memory(pictures: bool = False) -> Table:
    """Run ``predict`` on square pages full of receipts, at their own scale."""
    once, rows = stitched(receipts(), COLUMNS[-1]).pixels, []
    for side in SIDES_PX:
        repeats = (-(-side // once.shape[0]), -(-side // once.shape[1]), 1)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.jpg"
            cv2.imwrite(str(page), np.tile(once, repeats)[:side, :side])
            seconds, peak, boxes = predicted(page, pictures)
        megapixels = side * side / 1e6
        cells = [f"{megapixels:.0f}", f"{boxes:,}", f"{seconds:.0f}", f"{peak / 2**10:,.0f}"]
        rows.append([f"{side:,} x {side:,} px", *cells])
        print(rows[-1], flush=True)
    return Table("memory", ["page", "megapixels", "boxes", "seconds", "peak MiB"], rows)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""In a small process between: a child's peak begins with that of the process that starts it."""


def predicted(page: Path, pictures: bool) -> tuple[float, int, int]:
    """Return the seconds of ``predict``, the peak of its memory, KiB, and the number of boxes."""
    label, start = page.parent / "Label.txt", time.perf_counter()
    words = ["predict", "-c", "det_v4_ft.yml", "-o", f"Global.cpu_threads={THREADS}"]
    words += ["--images", str(page), "--tiles", "1", "--save-label", str(label)]
    words += ["--out", str(page.parent / "out")] if pictures else []
    line = [sys.executable, "-c", MEASURE, sys.executable, "-m", "ppocr_ft", *words]
    printed = subprocess.run(line, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    seconds, peak = time.perf_counter() - start, int(printed.splitlines()[-1])
    (found,) = label.read_text(encoding="utf-8").splitlines()
    return seconds, peak, len(json.loads(found.partition("\t")[2]))


def quarters() -> Table:
    images = receipts()
    rows = [
        row(f"{90 * number} degrees", [turned(image, number) for image in images])
        for number in range(4)
    ]
    return Table("turned", ["turned by", "images", *RATES], rows)


TABLES: dict[str, tuple[str, Callable[[], Table]]] = {
    "pages": ("tasks/large_pages.md", pages),
    "memory": ("tasks/large_pages.md", memory),
    "turned": ("released.md", quarters),
}


@command
def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=TABLES, action="append", help="make this table alone")
    parser.add_argument(
        "--pictures", action="store_true", help="memory: print it with pictures, and no more"
    )
    options = parser.parse_args(argv)
    chosen = options.only or list(TABLES)
    if not RECEIPTS.is_dir():
        print("the receipts of ../shared/data are not here", file=sys.stderr)
        return 2
    import_paddle()
    if options.pictures:
        print(memory(pictures=True).markdown())
        return 0
    for name in chosen:
        place, made = TABLES[name]
        table, document = made(), ROOT / "docs" / place
        print(f"\n{table.markdown()}\n", flush=True)
        document.write_text(replaced(document.read_text("utf-8"), table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
