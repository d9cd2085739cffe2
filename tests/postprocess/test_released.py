"""Boxes equal PaddleOCR 2.10.0's on the released detector's maps of real images.

Every seventh image; all of them with PPOCR_FT_ALL_IMAGES=1.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.postprocess import DBPostProcess
from tests.support.postprocess_reference import (
    compute_maps,
    image_paths,
    load_maps,
    reference_boxes,
    reference_class,
)

pytestmark = pytest.mark.slow

EVERY = 1 if os.environ.get("PPOCR_FT_ALL_IMAGES") == "1" else 7
SHIPPED = {"box_thresh": 0.6, "unclip_ratio": 1.5}
KEYS = [
    {"box_type": box_type, "score_mode": score_mode, "use_dilation": use_dilation, **SHIPPED}
    for box_type, score_mode, use_dilation in itertools.product(
        ("quad", "poly"), ("fast", "slow"), (False, True)
    )
]
KEYS += [{}, {"thresh": 0.2, "box_thresh": 0.3, "unclip_ratio": 1.0, "max_candidates": 20}]


@pytest.fixture(scope="module")
def map_files() -> Iterator[list[Path]]:
    images = [*sorted((SAMPLE.data_dir / "images").glob("val_*.jpg"))[::4], *image_paths()[::EVERY]]
    reference_class()
    with tempfile.TemporaryDirectory() as folder:
        files = compute_maps(images, Path(folder))
        assert len(files) == len(images)
        yield files


@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: "-".join(map(str, keys.values())))
def test_boxes_and_scores_equal_paddleocr(map_files: list[Path], keys: dict[str, Any]) -> None:
    post, boxes = DBPostProcess(**keys), {"receipts": 0, "sample": 0, "scenes": 0}
    pictures = dict.fromkeys(boxes, 0)
    for name, prob_map, source_size in load_maps(map_files):
        polygons, scores = post.boxes_from_map(prob_map, source_size)
        expected_polygons, expected_scores = reference_boxes(keys, prob_map, source_size)
        assert [p.tolist() for p in polygons] == [p.tolist() for p in expected_polygons], name
        np.testing.assert_array_equal(scores, expected_scores, err_msg=name)
        kind = next((kind for kind in boxes if name.startswith(f"{kind}_")), "scenes")
        boxes[kind] += len(polygons)
        pictures[kind] += 1
    dense = ("receipts", "sample")  # pages and panels: an empty result would prove nothing
    assert sum(boxes[kind] for kind in dense) > 10 * sum(pictures[kind] for kind in dense)
    assert pictures["sample"] > 0
