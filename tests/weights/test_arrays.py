"""Weights between two states, the mean of several, and what tells one state from another."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.weights.arrays import digest, distance, interpolated, mean_of


def state(*values: float) -> dict[str, np.ndarray]:
    return {"backbone.w": np.float32(values[:2]), "head.w": np.float32(values[2:])}


START, TUNED = state(1, 0.1, -3, 7), state(5, 0.7, 1e-9, -1)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and np.array_equal(one[key], other[key]) for key in one
    )


def test_the_ends_are_exact_and_the_middle_is_the_mean() -> None:
    rng = np.random.default_rng(3)
    start, tuned = ({"w": rng.normal(size=999).astype(np.float32)} for _ in range(2))
    assert same(interpolated(start, tuned, 0), start)
    assert same(interpolated(start, tuned, 1), tuned)
    quarter = interpolated(state(0, 1, 2, 3), state(4, 5, 6, 7), 0.25)
    assert same(quarter, state(1, 2, 3, 4))


def test_what_the_start_lacks_and_whole_numbers_are_the_tuned() -> None:
    start = {"backbone.w": START["backbone.w"], "count": np.array([1])}
    mixed = interpolated(start, {**TUNED, "count": np.array([5])}, 0)
    assert same(mixed, {**TUNED, "backbone.w": START["backbone.w"], "count": np.array([5])})


def test_each_part_may_have_its_own() -> None:
    mixed = interpolated(START, TUNED, {"": 1.0, "back": 0.5, "backbone.": 0.0})
    assert same(mixed, {"backbone.w": START["backbone.w"], "head.w": TUNED["head.w"]})


def test_mean() -> None:
    mean = mean_of(iter([state(0, 0, 3, 1), state(3, 0, 3, 2), state(6, 3, 3, 6)]))
    assert same(mean, state(3, 1, 3, 3))


def test_distance_counts_what_the_start_has() -> None:
    assert distance(state(0, 0, 0, 0), state(1, -1, 1, 1)) == pytest.approx(2)
    assert distance({"head.w": np.float32([0, 4])}, state(9, 9, 3, 8)) == pytest.approx(5)


def test_digest_tells_values_and_keys() -> None:
    renamed = {"backbone.v": START["backbone.w"], "head.w": START["head.w"]}
    others = [TUNED, renamed, {key: value[::-1] for key, value in START.items()}]
    assert len({digest(each) for each in (START, *others)}) == 4
    assert digest(dict(reversed(START.items()))) == digest(START)
