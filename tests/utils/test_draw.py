"""Boxes on a picture: scores are small, stay in the picture, and can be left out."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.utils.draw import FOUND_BGR, draw_polygons

GREY = 128
BOX = np.array([[20, 40], [120, 40], [120, 56], [20, 56]], np.int32)


def rows_and_columns(changed: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(changed)
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_a_score_is_small_and_above_the_right_end_of_its_box() -> None:
    picture = np.full((100, 200, 3), GREY, np.uint8)
    bare, scored = (draw_polygons(picture, [BOX], scores=scores) for scores in (None, [0.874]))
    assert (picture == GREY).all()
    assert np.abs(bare[40, 60].astype(int) - FOUND_BGR).max() < 20
    top, bottom, left, right = rows_and_columns((bare != scored).any(axis=2))
    assert 29 <= top <= bottom <= 40, "about the line, never in the box"
    assert 95 <= left <= right <= 121


@pytest.mark.parametrize("at", [(0, 0), (-5, -5), (190, 92)])
def test_a_score_at_the_edge_stays_in_the_picture(at: tuple[int, int]) -> None:
    picture = np.full((100, 200, 3), GREY, np.uint8)
    box = BOX - BOX[0] + at
    bare, scored = (draw_polygons(picture, [box], scores=scores) for scores in (None, [1.0]))
    assert (bare != scored).any(axis=2).sum() > 30


def test_scores_grow_with_large_pictures_only() -> None:
    heights = []
    for size in (300, 900, 3600):
        picture = np.full((size, size, 3), GREY, np.uint8)
        box = np.array([[20, 200], [280, 200], [280, 290], [20, 290]], np.int32)
        bare, scored = (draw_polygons(picture, [box], scores=s) for s in (None, [0.5]))
        top, bottom, *_ = rows_and_columns((bare != scored).any(axis=2))
        heights.append(bottom - top + 1)
    assert heights[0] == heights[1] < 17
    assert heights[2] > 3 * heights[1]


def test_a_score_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        draw_polygons(np.zeros((100, 200, 3), np.uint8), [BOX, BOX], scores=[0.5])
