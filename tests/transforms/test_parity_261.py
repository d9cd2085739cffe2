"""At a constant ratio the pair's targets are those of the real PaddleOCR 2.6.1.3."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ppocr_ft import MakeBorderMap, MakeShrinkMap
from ppocr_ft.geometry import areas, offset, perimeters
from ppocr_ft.shrinking import shrink_distance
from tests.support.paddleocr_wheels import wheel_dir
from tests.support.reference_maps import Reference, reference, run_pair
from tests.support.samples import pictures_of, random_sample, read_labels, sample

pytestmark = pytest.mark.slow

VERSION = "2.6.1.3"
MAP_TOLERANCE = 1e-6


@pytest.fixture(autouse=True)
def _wheel() -> None:
    wheel_dir(VERSION)


@dataclass
class Tally:
    """What was compared, and how many pixels 2.6.1's NaN took from an edge."""

    images: int = 0
    texts: int = 0
    pixels: int = 0
    nan_pixels: int = 0

    def add(self, data: dict[str, Any], wanted: Reference) -> None:
        self.images += 1
        self.texts += len(data["polys"])
        self.pixels += wanted.repaired_map.size
        self.nan_pixels += int(wanted.nan_pixels.sum())

    def __str__(self) -> str:
        return (
            f"{self.images} images, {self.texts} texts, {self.pixels} pixels equal; "
            f"{self.nan_pixels} of them NaN in {VERSION}"
        )


def ours(data: dict[str, Any], ratio: float) -> dict[str, Any]:
    return run_pair(MakeBorderMap(shrink_ratio=ratio), MakeShrinkMap(shrink_ratio=ratio), data)


def assert_equal_to_261(data: dict[str, Any], ratio: float) -> Reference:
    wanted = reference(VERSION, data, shrink_ratio=ratio)
    before = copy.deepcopy(data)
    got = ours(data, ratio)
    for name in ("shrink_map", "shrink_mask", "threshold_mask"):
        assert got[name].dtype == wanted.maps[name].dtype
        np.testing.assert_array_equal(got[name], wanted.maps[name], err_msg=name)
    assert got["threshold_map"].dtype == wanted.repaired_map.dtype
    np.testing.assert_allclose(
        got["threshold_map"], wanted.repaired_map, rtol=0, atol=MAP_TOLERANCE
    )
    for name in ("polys", "ignore_tags"):
        np.testing.assert_array_equal(got[name], wanted.maps[name], err_msg=name)
        np.testing.assert_array_equal(data[name], before[name], err_msg=f"{name} of the caller")
    return wanted


@pytest.mark.parametrize("block", range(8))
def test_on_random_images(block: int) -> None:
    tally = Tally()
    for seed in range(block * 260, (block + 1) * 260):
        made = random_sample(seed)
        data = sample(made.polys, made.shape, made.ignored)
        tally.add(data, assert_equal_to_261(data, (0.4, 0.4, 0.5, 0.6, 0.3)[seed % 5]))
    print(tally)
    assert tally.images * 8 >= 2000
    assert tally.nan_pixels < tally.pixels / 1000


REAL_IMAGES = {
    ("sample", "val.txt"): 40,
    ("receipts", "train.txt"): 100,
    ("receipts", "val.txt"): 30,
    ("icdar2015_mini", "label.txt"): 10,
}


@pytest.mark.parametrize(("folder", "name"), REAL_IMAGES)
def test_on_real_images(folder: str, name: str) -> None:
    tally = Tally()
    for shape, polys, ignored in read_labels(pictures_of(folder), name):
        data = sample(np.stack(polys), shape, ignored)
        tally.add(data, assert_equal_to_261(data, 0.4))
    print(tally)
    assert tally.images == REAL_IMAGES[folder, name]


coordinates = st.one_of(
    st.floats(-40, 130, width=32), st.integers(-40, 130).map(float), st.floats(10, 60, width=32)
)
polygon_sets = st.integers(4, 14).flatmap(
    lambda points: hnp.arrays(
        st.sampled_from([np.float32, np.float64]),
        st.tuples(st.integers(1, 4), st.just(points), st.just(2)),
        elements=coordinates,
    )
)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(polys=polygon_sets, ratio=st.sampled_from([0.3, 0.4, 0.5, 0.6]), data=st.data())
def test_on_hypothesis_polygons(polys: np.ndarray, ratio: float, data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(8, 100), st.integers(8, 100)), label="shape")
    made = sample(polys, shape)
    ours(made, ratio)
    try:
        wanted = reference(VERSION, made, shrink_ratio=ratio)
    except (IndexError, ValueError):
        event("2.6.1.3 crashes")
        assume(False)
    assume(not paints_stray_column(polys, shape, ratio))
    assert_equal_to_261(made, ratio)
    event("NaN pixels" if wanted.nan_pixels.any() else "no NaN pixels")


def paints_stray_column(polys: np.ndarray, shape: tuple[int, int], ratio: float) -> bool:
    """2.6.1 paints along the image's far sides for a text that lies wholly beyond them."""
    h, w = shape
    solid = [polygon for polygon in polys if areas([polygon])[0] > 0]
    distances = shrink_distance(areas(solid), perimeters(solid), ratio)
    rings = [offset(polygon, d) for polygon, d in zip(solid, distances, strict=True)]
    return any((ring[0].min(axis=0) >= (w, h)).any() for ring in rings if ring)
