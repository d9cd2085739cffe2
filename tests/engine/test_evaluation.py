"""Records of images counted into rates and shares of errors."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord, RateCounter, batches
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes
from tests.support.report_run import rectangle

CANDIDATES = DBPostProcess().candidates(np.zeros((32, 32), "f4"))


def record(labels: list[np.ndarray], **boxes: list[np.ndarray]) -> EvalRecord:
    """An image with these labels and the boxes of two unclip ratios, the config's first."""
    ignored = np.zeros(len(labels), bool)
    sample = EvalSample(np.zeros((3, 32, 32), "f4"), np.ones(4), "a", tuple(labels), ignored)
    found: dict[float, ImageBoxes] = {
        ratio: {"points": points, "scores": np.ones(len(points))}
        for ratio, points in zip((1.5, 1.0), boxes.values(), strict=True)
    }
    return EvalRecord(sample, CANDIDATES, found)


def test_merged_and_split_labels_are_counted_with_the_configs_unclip_ratio() -> None:
    """Of five labels on two images one box covers two, and two boxes lie in one."""
    pair = [rectangle(0, 0, 95, 20), rectangle(105, 0, 95, 20)]
    halves = [rectangle(0, 50, 45, 20), rectangle(55, 50, 45, 20)]
    long = rectangle(0, 50, 100, 20)
    counter = RateCounter((1.5, 1.0))
    counter.add(record([*pair, long], config=[rectangle(0, 0, 200, 20), *halves], other=[]))
    counter.add(record([*pair], config=pair, other=[rectangle(0, 0, 200, 20)]))
    result = counter.result()
    assert (result.merged, result.split, result.images) == (2 / 5, 1 / 5, 2)
    assert result.at_config["recall"] == 2 / 5


def test_without_labels_no_share_is_known() -> None:
    counter = RateCounter((1.5, 1.0))
    counter.add(record([], config=[rectangle(0, 0, 20, 20)], other=[]))
    result = counter.result()
    assert (result.merged, result.split) == (None, None)


def test_neighbours_of_one_size_make_a_batch() -> None:
    sizes = [(4, 6), (4, 6), (4, 6), (6, 4), (4, 6), (4, 6), (4, 6), (4, 6)]
    samples = [
        EvalSample(np.zeros((3, *size), "f4"), np.ones(4), "a", (), np.zeros(0, bool))
        for size in sizes
    ]
    made = list(batches(samples, 3))
    assert [len(batch) for batch in made] == [3, 1, 3, 1]
    assert list(map(id, chain(*made))) == list(map(id, samples))
    assert [len(batch) for batch in batches(samples[:2], 3)] == [2]
    assert list(batches([], 3)) == []


def test_images_of_which_a_part_was_not_looked_at_are_told() -> None:
    counter = RateCounter((1.5, 1.0))
    found: dict[float, ImageBoxes] = {
        ratio: {"points": [], "scores": np.ones(0)} for ratio in (1.5, 1.0)
    }
    sample = EvalSample(np.zeros((3, 32, 32), "f4"), np.ones(4), "a", (), np.zeros(0, bool))
    for left_out in (0, 3, 1):
        counter.add(EvalRecord(sample, replace(CANDIDATES, left_out=left_out), found))
    result = counter.result()
    assert result.flooded == 2
    assert "; 2 images with more blobs than PostProcess.max_candidates" in result.describe("hmean")
    assert "max_candidates" not in replace(result, flooded=0).describe("hmean")


def test_boxes_on_images_without_text_are_a_figure_of_their_own() -> None:
    """Two such images; a box on ignored text or an invalid one does not count."""
    text, other = rectangle(0, 0, 20, 8), rectangle(0, 12, 20, 8)
    counter = RateCounter((1.5, 1.0))
    counter.add(record([text], config=[text, other], other=[]))
    assert counter.result().textless_boxes is None
    counter.add(record([], config=[text, other, np.zeros((4, 2))], other=[]))
    ignored = EvalSample(np.zeros((3, 32, 32), "f4"), np.ones(4), "a", (text,), np.array([True]))
    found: dict[float, ImageBoxes] = {
        ratio: {"points": [text, other], "scores": np.ones(2)} for ratio in (1.5, 1.0)
    }
    counter.add(EvalRecord(ignored, CANDIDATES, found))
    result = counter.result()
    assert result.textless_boxes == (2 + 1) / 2
    assert "; 1.50 boxes per image without text (" in result.describe("hmean")
    (first, _) = result.rows()
    assert first["textless_boxes"] == 1.5
