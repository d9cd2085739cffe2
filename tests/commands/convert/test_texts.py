"""Numbers of labels: angles, bounds, areas, and how they are written."""

from __future__ import annotations

import math

import pytest

from ppocr_ft.commands.convert.formats.texts import area_px, bounds, degrees_of, plain

TRIANGLE = ((10.0, 20.0), (60.0, 20.0), (60.0, 40.0))


@pytest.mark.parametrize(
    ("value", "degrees"),
    [
        (30, 30), ("12.5", 12.5), (-90, -90), (360, 0), (370.5, 10.5), ("-400", -40),
        ("steep", 0), (None, 0), ([45], 0), (math.inf, 0), ("nan", 0), (10**400, 0), (True, 1),
    ],
)  # fmt: skip
def test_an_angle_is_a_number_or_0(value: object, degrees: float) -> None:
    assert degrees_of(value) == degrees


def test_bounds_and_area() -> None:
    assert bounds(TRIANGLE) == (10, 20, 60, 40)
    assert area_px(TRIANGLE) == area_px(TRIANGLE[::-1]) == 500


def test_whole_numbers_are_written_without_a_point() -> None:
    assert [str(value) for value in plain([3.0, -2, 0.5])] == ["3", "-2", "0.5"]
