"""What MakeShrinkMap's rounding costs a perfect network, on the receipts of ../shared/data.

Usage: make rounding (python -m experiments.rounding_table). Each label is drawn as its shrink map
at the size at which evaluation sees the page; DBPostProcess then reads that map as if a network had
given it. The table is printed and put into docs/shrink.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from experiments.marked_tables import Table, replaced
from ppocr_ft import MakeShrinkMap
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms.resize import limited_size

ROOT = Path(__file__).parents[1]
RECEIPTS = ROOT.parent / "shared" / "data" / "receipts"
DOCUMENT = ROOT / "docs" / "shrink.md"
LIMIT_SIDE_LEN_PX = 960
PAIRS = ((0.4, 1.5), (0.4, 2.2), (0.5, 1.5), (0.6, 1.0), (0.6, 1.2), (0.7, 0.8), (0.7, 1.0))
HEADER = ["shrink ratio", "unclip_ratio", "rounding", "hmean", "hmean_70", "middle off by x, y px"]
Pages = list[tuple[tuple[int, int], np.ndarray]]


def pages() -> Pages:
    """Size (h, w) at evaluation's scale, and polygons (n, 4, 2) on it, of each training receipt."""
    pages = []
    for entry in read_label_file(RECEIPTS / "train.txt", RECEIPTS).entries:
        height, width = cv2.imread(entry.images[0]).shape[:2]
        size = limited_size((height, width), LIMIT_SIDE_LEN_PX, "max")
        polygons = np.array(entry.texts.polygons, np.float32)
        pages.append((size, polygons * (size[1] / width, size[0] / height)))
    return pages


def row(of: Pages, ratio: float, unclip_ratio: float, rounding: str) -> list[str]:
    operator = MakeShrinkMap(shrink_ratio=ratio, rounding=rounding)
    post_process = DBPostProcess(box_thresh=0.3, unclip_ratio=unclip_ratio)
    metric, off = DetMetric(), []
    for size, polygons in of:
        ignored = np.zeros(len(polygons), bool)
        image = np.zeros((*size, 3), np.uint8)
        targets = operator(
            {"image": image, "polys": polygons.copy(), "ignore_tags": ignored.copy()}
        )
        candidates = post_process.candidates(targets["shrink_map"])
        points, _ = post_process.boxes_from_candidates(candidates, size)
        metric.update(points, list(polygons), ignored)
        off.append(_off(polygons, np.asarray(points, np.float64)))
    rates = metric.summary()
    middle = np.concatenate(off).mean(axis=0)
    return [
        f"{ratio:g}",
        f"{unclip_ratio:g}",
        rounding,
        f"{rates['hmean']:.3f}",
        f"{rates['hmean_70']:.3f}",
        f"{middle[0]:+.2f}, {middle[1]:+.2f}",
    ]


def _off(polygons: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(m, 2): how far boxes lie from the labels whose middle is nearest, where within 5 px."""
    between = boxes.mean(axis=1)[None] - polygons.mean(axis=1)[:, None]  # (n, m, 2)
    nearest = np.linalg.norm(between, axis=2).argmin(axis=1)
    off = between[np.arange(len(polygons)), nearest]
    return np.asarray(off[np.linalg.norm(off, axis=1) < 5])


def main() -> int:
    if not RECEIPTS.is_dir():
        print("the receipts of ../shared/data are not here", file=sys.stderr)
        return 2
    of = pages()
    rows = [row(of, *pair, rounding) for pair in PAIRS for rounding in ("truncate", "nearest")]
    table = Table("rounding", HEADER, rows)
    print(table.markdown())
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(document, table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
