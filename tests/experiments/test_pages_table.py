"""Stitched and turned images: their labels lie where their pixels are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.pages_table import GAP_PX, Labelled, stitched, turned, write_set
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.transforms.image_ops import read_image


def marked(number: int, height: int, width: int) -> Labelled:
    """A black image with a text, whose pixels are its number."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[5:9, 10:26] = number
    polygon = np.array([[10, 5], [26, 5], [26, 9], [10, 9]])
    return Labelled(pixels, [polygon], [number == 2])


def inside(image: Labelled, polygon: np.ndarray) -> np.ndarray:
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    return image.pixels[top:bottom, left:right, 0]


def test_labels_move_with_the_images_of_a_page() -> None:
    page = stitched([marked(1, 30, 40), marked(2, 50, 40), marked(3, 20, 60)], 2)
    assert page.pixels.shape == (50 + 20 + 3 * GAP_PX, 40 + 40 + 3 * GAP_PX, 3)
    assert page.ignored == [False, True, False]
    for number, polygon in enumerate(page.polygons, start=1):
        assert inside(page, polygon).shape == (4, 16)
        assert (inside(page, polygon) == number).all()
    assert page.pixels[0, 0, 0] == 255


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_labels_turn_with_the_image(quarters: int) -> None:
    image = turned(marked(7, 30, 40), quarters)
    (polygon,) = image.polygons
    assert (inside(image, polygon) == 7).all()
    assert inside(image, polygon).shape == ((16, 4) if quarters % 2 else (4, 16))
    assert (image.pixels == 7).sum() == 4 * 16 * 3


def test_a_set_is_read_back(tmp_path: Path) -> None:
    images = [marked(1, 30, 40), marked(2, 50, 40)]
    assert write_set(tmp_path, images) == 2
    entries = read_label_file(tmp_path / "label.txt", tmp_path).entries
    for entry, image in zip(entries, images, strict=True):
        np.testing.assert_array_equal(read_image(entry.images[0]), image.pixels)
        np.testing.assert_array_equal(entry.texts.polygons[0], image.polygons[0])
        assert entry.texts.ignored.tolist() == image.ignored
