"""Sheets of pictures: images large enough to read, lines that are seen, and what they mean."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.report.drawing import (
    FALSE,
    LEGEND,
    SHEET_PX,
    TILE_PX,
    Color,
    Marked,
    Outline,
    contact_sheet,
    side_by_side,
)
from ppocr_ft.utils.draw import Picture
from tests.support.report_run import rectangle

HEAD_PX = 90


def white(width: int, height: int, *outlines: Outline) -> Marked:
    return Marked(np.full((height, width, 3), 255, np.uint8), outlines)


def pixels_of(picture: Picture, color: Color) -> np.ndarray:
    return (np.abs(picture.astype(int) - color[::-1]) < 40).all(axis=2)


@pytest.mark.parametrize(
    ("size_px", "images", "shown"),
    [((1280, 720), 4, 4), ((400, 1000), 4, 2), ((60, 2000), 4, 2), ((30, 30), 2, 2)],
)
def test_images_are_as_wide_as_the_sheet_and_fewer_if_they_are_high(
    size_px: tuple[int, int], images: int, shown: int
) -> None:
    sheet = contact_sheet([white(*size_px)] * images, "heading")
    scale = min(TILE_PX[0] / size_px[0], TILE_PX[1] / size_px[1])
    assert sheet.shape[1] == TILE_PX[0]
    assert sheet.shape[0] < SHEET_PX + HEAD_PX + 40
    height_px = HEAD_PX + shown * (round(size_px[1] * scale) + 6)
    assert sheet.shape[0] == pytest.approx(height_px, abs=20)


def test_lines_are_two_pixels_wide_however_small_the_image_becomes() -> None:
    box = Outline(rectangle(600, 600, 1400, 600), FALSE)
    sheet = contact_sheet([white(2560, 1920, box)], "heading")
    row = pixels_of(sheet[HEAD_PX:], FALSE).sum(axis=0)
    assert row.max() > 100, "an upright line"
    (places,) = np.nonzero(row > 100)
    assert len(places) >= 4, "two lines of two columns"


def test_the_legend_has_every_color() -> None:
    head = contact_sheet([white(64, 48)], "heading")[:HEAD_PX]
    for color, _ in LEGEND.values():
        assert pixels_of(head, color).sum() > 20


def test_sheets_side_by_side() -> None:
    sheet, empty = contact_sheet([white(30, 90), white(90, 30)], "two"), contact_sheet([], "none")
    both = side_by_side([sheet, empty])
    assert both.shape[0] == sheet.shape[0]
    assert both.shape[1] > 2 * TILE_PX[0]
