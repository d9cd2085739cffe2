"""RandomPerspective: its matrix beside hand-computed ones, the fitted canvas, dropped texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppocr_ft.errors import ConfigError
from ppocr_ft.transforms.random_perspective import RandomPerspective, View
from ppocr_ft.transforms.sample import Sample, fitted, rotation, transform
from tests.support.pictures import page, quads, run

STILL = {"degrees": 0.0, "scale": 0.0, "shear": 0.0, "perspective": 0.0}


def view(**changes: Any) -> View:
    values = {"tilt": (0.0, 0.0), "degrees": 0.0, "scale": 1.0, "shear": (0.0, 0.0), **changes}
    return View(**values)


# what differs from no change | where the corner (200, 100) of a 200 x 100 canvas goes, its middle 0
VIEWS: dict[str, tuple[dict[str, Any], tuple[float, float]]] = {
    "still": ({}, (100, 50)),
    "half the size": ({"scale": 0.5}, (50, 25)),
    "a quarter turn clockwise": ({"degrees": 90.0}, (-50, 100)),
    "sheared along x": ({"shear": (0.2, 0.0)}, (110, 50)),
    "sheared along y": ({"shear": (0.0, 0.2)}, (100, 70)),
    "tilted about y": ({"tilt": (0.001, 0.0)}, (100 / 1.1, 50 / 1.1)),
    "tilted before it is sheared": (
        {"tilt": (0.0, 0.001), "shear": (0.2, 0.0)},
        (110 / 1.05, 50 / 1.05),
    ),
}


@pytest.mark.parametrize(("changes", "expected"), VIEWS.values(), ids=VIEWS.keys())
def test_where_a_corner_goes(changes: dict[str, Any], expected: tuple[float, float]) -> None:
    matrix = view(**changes).matrix((200, 100))
    np.testing.assert_allclose(transform(matrix, np.array([[200, 100]])), [expected])


@pytest.mark.parametrize(
    ("degrees", "size"), [(0, (200, 100)), (90, (100, 200)), (45, (214, 214))], ids=str
)
def test_the_fitted_canvas_holds_the_page(degrees: float, size: tuple[int, int]) -> None:
    matrix, fitted_size = fitted(rotation(degrees, (100, 50)), (200, 100))
    assert fitted_size == size
    corners = transform(matrix, np.array([[0, 0], [200, 0], [200, 100], [0, 100]]))
    assert (corners > -1e-5).all()
    assert (corners < np.array(size) + 1e-5).all()


def test_the_page_is_seen_whole_only_on_a_fitted_canvas() -> None:
    drawn = view(scale=1.5, shear=(0.3, 0.1))
    sample = Sample.of(page(quads()))
    assert RandomPerspective(fit_output=True).apply(drawn, sample).size_px == (554, 390)
    kept = RandomPerspective(fit_output=False).apply(drawn, sample)
    assert kept.size_px == (300, 230)
    assert len(kept.texts) < len(sample.texts)


def test_values_are_drawn_within_their_bounds() -> None:
    operator = RandomPerspective(0.5, degrees=4, scale=0.3, shear=10, perspective=0.001)
    sample = Sample.of(page(quads(), (320, 160)))
    drawn = [operator.draw(np.random.default_rng(i), sample) for i in range(800)]
    views = [each for each in drawn if each is not None]
    assert 0.45 < len(views) / 800 < 0.55
    columns = np.array([(*v.tilt, v.degrees, v.scale, *v.shear) for v in views])
    slant = np.tan(np.deg2rad(10))
    tilt = 0.001 * 640 / 320
    highest = np.array([tilt, tilt, 4, 1.3, slant, slant])
    lowest = np.array([-tilt, -tilt, -4, 0.7, -slant, -slant])
    spread = highest - lowest
    assert (columns.max(axis=0) <= highest).all()
    assert (columns.min(axis=0) >= lowest).all()
    np.testing.assert_allclose(columns.max(axis=0), highest, atol=0.02 * spread.max())
    assert (np.ptp(columns, axis=0) > 0.97 * spread).all()


def test_a_text_of_which_little_is_left_is_dropped() -> None:
    sample = Sample.of(page(quads()))
    drawn = view(scale=0.3)  # 0.09 of each area
    assert len(RandomPerspective(min_area_ratio=0.1).apply(drawn, sample).texts) == 0
    assert len(RandomPerspective(min_area_ratio=0.08).apply(drawn, sample).texts) == 6


def test_a_text_without_an_area_is_dropped_whatever_the_least_one() -> None:
    line = [[20, 20], [60, 20], [60, 20], [20, 20]]
    sample = Sample.of(page([*quads()[:1], np.array(line, np.float32)]))
    assert len(RandomPerspective(min_area_ratio=0.0).apply(view(), sample).texts) == 1


def test_without_a_change_it_is_the_same_picture() -> None:
    data = page(quads())
    made = run([RandomPerspective(1.0, **STILL)], data, 0)
    np.testing.assert_array_equal(made["image"], data["image"])
    np.testing.assert_allclose(np.stack(made["polys"]), np.stack(data["polys"]), atol=1e-4)


def test_an_image_without_text() -> None:
    assert run([RandomPerspective(1.0)], page([]), 0)["polys"] == []


@pytest.mark.parametrize("black", [0, [0, 0, 0], (0.0, 0.0, 0.0)])
def test_black_is_the_only_background(black: Any) -> None:
    RandomPerspective(fill_value=black)
    with pytest.raises(ConfigError, match=r"fill_value is \[123\.675, 116\.28, 103\.53\]; .*black"):
        RandomPerspective(fill_value=(123.675, 116.28, 103.53))


@pytest.mark.parametrize(
    "arguments",
    [{"prob": 2}, {"scale": 1.0}, {"shear": 45}, {"perspective": 0.002}, {"degrees": -1}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_values_that_cannot_be_used(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        RandomPerspective(**arguments)
