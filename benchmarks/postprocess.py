"""Time of DBPostProcess against PaddleOCR 2.10.0's, on the released detector's maps.

Both run in this process, one after the other on each map, on one core.

    python -m benchmarks.postprocess [--every N]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ppocr_ft.postprocess import DBPostProcess
from tests.support.postprocess_reference import (
    compute_maps,
    image_paths,
    load_maps,
    reference_class,
)


def timed(call: Any, *args: Any) -> tuple[float, int]:
    start = time.perf_counter()
    boxes = len(call(*args)[0]["points"])
    return time.perf_counter() - start, boxes


def row(files: list[Path], keys: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds of PaddleOCR's class and of ours over all maps, and the boxes found."""
    theirs, ours = reference_class()(**keys), DBPostProcess(**keys)
    seconds, boxes = np.zeros(2), 0
    for _, prob_map, source_size in load_maps(files):
        maps, shapes = prob_map[None, None], np.array([[*source_size, 1.0, 1.0]])
        theirs_s, theirs_boxes = timed(theirs, {"maps": maps}, shapes)
        ours_s, ours_boxes = timed(ours, maps, shapes)
        assert theirs_boxes == ours_boxes
        seconds += theirs_s, ours_s
        boxes += ours_boxes
    return seconds[0], seconds[1], boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="take every n-th image (default: 1)")
    images = image_paths()[:: parser.parse_args().every]
    if not images:
        raise SystemExit("no real images beside the repository (shared/data)")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = compute_maps(images, Path(folder))
        row(files[:3], {})
        print(f"{len(files)} maps; box_thresh 0.6, unclip_ratio 1.5; milliseconds a map")
        print(
            "| box_type | score_mode | dilation | boxes a map | PaddleOCR 2.10.0 | here | ratio |"
        )
        print("|---|---|---|---|---|---|---|")
        for box_type, score_mode, dilation in itertools.product(
            ("quad", "poly"), ("fast", "slow"), (False, True)
        ):
            keys = {"box_type": box_type, "score_mode": score_mode, "use_dilation": dilation}
            theirs_s, ours_s, boxes = row(files, {**keys, "box_thresh": 0.6, "unclip_ratio": 1.5})
            theirs_ms, ours_ms = 1e3 * theirs_s / len(files), 1e3 * ours_s / len(files)
            print(
                f"| {box_type} | {score_mode} | {dilation} | {boxes / len(files):.1f} "
                f"| {theirs_ms:.2f} | {ours_ms:.2f} | {theirs_ms / ours_ms:.1f} |"
            )


if __name__ == "__main__":
    main()
