"""RandomCrop: windows, texts that they cut, and the space around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.random_crop import PlacedWindow, RandomCrop, cut
from ppocr_ft.transforms.sample import Sample, Window
from tests.support.pictures import page, run


def box(x: float, y: float, w: float, h: float) -> np.ndarray:
    return np.float32([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


LINE = box(50, 100, 200, 20)
SLANTED = np.float32([[100, 100], [180, 180], [160, 200], [80, 120]])
CROSSED = np.float32([[50, 100], [250, 130], [250, 100], [50, 110]])
ARC = np.float32([[50, 150], [100, 100], [200, 100], [250, 150], [190, 130], [110, 130]])

# text, window (left, top, width, height), the outline that is left; None: dropped
CUTS: dict[str, tuple[np.ndarray, tuple[int, int, int, int], np.ndarray | None]] = {
    "inside": (LINE, (0, 0, 300, 230), LINE),
    "outside": (LINE, (0, 0, 300, 90), None),
    "left part outside": (LINE, (100, 0, 200, 230), box(100, 100, 150, 20)),
    "both ends outside": (LINE, (100, 0, 50, 230), box(100, 100, 50, 20)),
    "0.4 of the height left": (LINE, (50, 0, 250, 108), box(50, 100, 200, 8)),
    "0.3 of the height left": (LINE, (50, 0, 250, 106), None),
    "an end shorter than 0.35 heights": (LINE, (244, 0, 56, 230), None),
    "less than 80 px^2": (box(50, 100, 200, 8), (241, 0, 59, 230), None),
    "just over 80 px^2": (box(50, 100, 200, 8), (239, 0, 61, 230), box(239, 100, 11, 8)),
    "an edge in common": (LINE, (250, 0, 50, 230), None),
    "a curve in two thin pieces": (ARC, (0, 135, 300, 95), None),
}


@pytest.mark.parametrize(("text", "window", "left"), CUTS.values(), ids=CUTS.keys())
def test_what_a_window_leaves_of_a_text(
    text: np.ndarray, window: tuple[int, int, int, int], left: np.ndarray | None
) -> None:
    after = cut(Sample.of(page([text])), Window(*window))
    if left is None:
        assert len(after.texts) == 0
        return
    (polygon,) = after.texts.fields()["polys"]
    assert polygon.dtype == np.float32
    assert (
        shapely.Polygon(polygon).normalize().equals_exact(shapely.Polygon(left).normalize(), 1e-4)
    )


def test_a_cut_corner_adds_a_point() -> None:
    after = cut(Sample.of(page([SLANTED])), Window(0, 0, 170, 230))
    (polygon,) = after.texts.fields()["polys"]
    assert len(polygon) == 5
    expected = shapely.Polygon(SLANTED).intersection(shapely.box(0, 0, 170, 230))
    assert shapely.Polygon(polygon).area == pytest.approx(expected.area)


def test_of_a_crossing_outline_the_largest_piece_is_cut() -> None:
    after = cut(Sample.of(page([CROSSED])), Window(170, 0, 130, 230))
    (polygon,) = after.texts.fields()["polys"]
    assert shapely.Polygon(polygon).is_valid
    assert np.ptp(polygon[:, 0]) == 80


def test_an_ignored_text_keeps_its_outline_while_it_touches_the_window() -> None:
    data = page([LINE, box(0, 200, 40, 10)])
    data["ignore_tags"] = np.array([True, True])
    after = cut(Sample.of(data), Window(240, 0, 60, 230))
    (polygon,) = after.texts.fields()["polys"]
    np.testing.assert_array_equal(polygon, LINE)


def many(seed: int, **arguments: Any) -> list[dict[str, Any]]:
    texts = [LINE, box(20, 30, 60, 14), box(150, 180, 100, 16)]
    return [run([RandomCrop(**arguments)], page(texts), seed * 1000 + i) for i in range(60)]


def test_each_crop_has_a_text_inside_its_window() -> None:
    windows = set()
    for made in many(1, size=(64, 96), max_tries=200):
        assert made["image"].shape == (96, 64, 3)
        assert len(made["polys"]) >= 1
        windows.add(made["drawn"][0].window)
        for polygon in made["polys"]:
            assert (polygon >= -1e-3).all()
            assert (polygon <= (65, 97)).all()
    assert len(windows) > 50


def test_sides_lie_between_a_share_of_the_image_and_three_crops() -> None:
    windows = [made["drawn"][0].window for made in many(2, size=(64, 64), max_tries=500)]
    widths = [window.width for window in windows]
    assert min(widths) >= 30
    assert max(widths) <= 192
    assert max(widths) > 150
    assert all(window.right <= 300 and window.bottom <= 230 for window in windows)


def test_nothing_is_enlarged_and_the_window_lies_anywhere_in_the_crop() -> None:
    window = Window(40, 90, 220, 60)
    operator = RandomCrop((320, 320))
    sample = Sample.of(page([LINE]))
    for left, top in ((0.0, 0.0), (0.5, 0.25), (0.999, 0.999)):
        made = operator.apply(PlacedWindow(window, left, top), sample)
        x, y = int(left * 101), int(top * 261)
        assert made.filled_px == (220, 60)
        assert made.filled_from == (x, y)
        np.testing.assert_allclose(
            made.texts.fields()["polys"][0], LINE - (40, 90) + (x, y), atol=1e-4
        )


def test_what_the_window_does_not_fill_is_black() -> None:
    data = {**page([LINE]), "image": np.full((230, 300, 3), 200, np.uint8)}
    places = set()
    for seed in range(20):
        made = run([RandomCrop((256, 256), max_tries=100)], data, seed)
        rows, columns = np.nonzero(made["image"].any(axis=2))
        part = made["image"][rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert (part == 200).all()
        window = made["drawn"][0].window
        scale = min(1.0, 256 / window.width, 256 / window.height)
        assert part.shape[:2] == (int(window.height * scale), int(window.width * scale))
        places.add((int(rows.min()), int(columns.min())))
    assert len(places) > 15


@pytest.mark.parametrize("polys", [[], [box(-40, -40, 20, 10)]], ids=["no text", "all outside"])
def test_without_a_text_the_whole_image_is_taken(polys: list[np.ndarray]) -> None:
    made = run([RandomCrop((96, 96))], page(polys), 3)
    assert made["drawn"][0].window == Window(0, 0, 300, 230)
    assert made["polys"] == []


def test_a_tiny_image_is_possible() -> None:
    for seed in range(20):
        made = run([RandomCrop((64, 64))], page([box(1, 1, 2, 2)], (4, 4)), seed)
        assert made["image"].shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "key"),
    [({"size": (100, 64)}, "size"), ({"max_tries": 0}, "max_tries"), ({"p": 1}, "p")],
)
def test_values_that_cannot_be_used(arguments: dict[str, Any], key: str) -> None:
    with pytest.raises((ConfigError, TypeError), match=key):
        RandomCrop(**arguments)
