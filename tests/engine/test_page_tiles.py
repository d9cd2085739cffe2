"""Pages in tiles: their boxes are those of the whole page, without doubles or cuts."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import eval_records, probability_maps
from ppocr_ft.engine.page_tiles import in_tiles
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.transforms.tiles import LargePage, spans
from tests.support.report_run import rectangle

HEIGHT, WIDTH = 1600, 1100
ACROSS = [
    rectangle(spans(WIDTH)[0].core[1] - 90, 100, 180, 24),  # over the seam between columns
    rectangle(200, spans(HEIGHT)[0].core[1] - 12, 160, 24),  # over that between rows
    rectangle(1010, 60, 24, 1240),  # over all of those between rows
    rectangle(30, 1400, 1040, 24),  # over a whole row of tiles
    rectangle(spans(WIDTH)[0].core[1] - 20, spans(HEIGHT)[1].core[1] - 20, 40, 40),  # a corner
    rectangle(40, 20, 100, 24),
]
POST_PROCESS = DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.5)


class Darkness(paddle.nn.Layer):
    """A network whose map is the image's first channel."""

    def forward(self, images: paddle.Tensor) -> dict[str, paddle.Tensor]:
        return {"maps": images[:, :1]}


def page_map(texts: list[np.ndarray]) -> np.ndarray:
    """Probabilities in levels, a little noise in the background."""
    drawn = np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH)).astype(np.uint8)
    for text in texts:
        cv2.fillPoly(drawn, [text.astype(np.int32)], 230)
    return cv2.GaussianBlur(drawn, (5, 5), 0)


def to_input(data: dict[str, Any]) -> dict[str, Any]:
    return {"image": (data["image"] / np.float32(255)).transpose(2, 0, 1).astype(np.float32)}


def samples(drawn: np.ndarray) -> tuple[EvalSample, EvalSample]:
    """The page as a whole, and in tiles."""
    shape, pixels = np.array([HEIGHT, WIDTH, 1.0, 1.0]), np.dstack([drawn] * 3)
    whole = EvalSample(to_input({"image": pixels})["image"], shape)
    small = np.zeros((3, 32, 32), np.float32)
    return whole, EvalSample(small, shape, page=LargePage(pixels, [to_input]))


def test_boxes_over_seams_are_those_of_the_whole_page() -> None:
    whole, tiled = (
        record.boxes[1.5]
        for record in eval_records(Darkness(), samples(page_map(ACROSS)), POST_PROCESS)
    )
    assert len(whole["points"]) == len(tiled["points"]) == len(ACROSS)
    np.testing.assert_array_equal(tiled["points"], whole["points"])
    np.testing.assert_allclose(tiled["scores"], whole["scores"], atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_pages_and_images_keep_their_order(batch_size: int, threads: int) -> None:
    drawn = page_map(ACROSS)
    whole, tiled = samples(drawn)
    _, other = samples(drawn[::-1].copy())
    given = [tiled, whole, other]
    mapped = list(probability_maps(Darkness(), given, batch_size=batch_size, threads=threads))
    assert [sample for sample, _ in mapped] == given
    assert [prob_map.dtype for _, prob_map in mapped] == ["uint16", "float32", "uint16"]
    for (_, prob_map), expected in zip(mapped, (drawn, drawn, drawn[::-1]), strict=True):
        unit = 65535 if prob_map.dtype == np.uint16 else 1
        np.testing.assert_allclose(prob_map / unit, expected / 255, atol=1e-5)


def test_a_page_has_boxes_for_each_part_of_it() -> None:
    """``max_candidates`` counts on an image of usual size; this page is two of them."""
    texts = [rectangle(20, y, 60, 16) for y in range(20, 1580, 40)]
    found = DBPostProcess(box_thresh=0.5, max_candidates=len(texts) // 2 + 1)
    records = eval_records(Darkness(), samples(page_map(texts)), found)
    whole, tiled = (len(record.boxes[found.unclip_ratio]["points"]) for record in records)
    assert whole == len(texts) // 2 + 1
    assert tiled == len(texts)


def test_one_page_is_in_memory_at_a_time() -> None:
    alive: list[weakref.ref[Any]] = []

    def pages() -> Iterator[EvalSample]:
        for _ in range(3):
            assert not any(each() is not None for each in alive)
            pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            alive.append(weakref.ref(pixels))
            page = LargePage(pixels, [to_input])
            del pixels
            yield EvalSample(np.zeros((3, 32, 32), np.float32), np.ones(4), page=page)

    parts = in_tiles(pages())
    assert sum(1 for _ in parts) == 3 * len(spans(HEIGHT)) * len(spans(WIDTH))
    assert len(alive) == 3
