"""What a picture's look is, and which looks may be those of one picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppocr_ft.transforms.likeness import BITS, Grey, Look, candidates, look_of


def patches(seed: int = 0, size: tuple[int, int] = (200, 100)) -> Grey:
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 12)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def look(seed: int = 0) -> Look:
    found = look_of(patches(seed))
    assert found is not None
    return found


def test_a_look_is_signs_a_thumbnail_and_an_aspect() -> None:
    one = look()
    assert (one.signs.shape, one.signs.dtype) == ((BITS,), np.int8)
    assert sorted(np.unique(one.signs).tolist()) == [-1, 1]
    assert (one.signs == 1).sum() == BITS // 2  # the middle one is not above the median
    assert (one.thumb.shape, one.thumb.dtype) == ((32, 32), np.uint8)
    assert one.aspect == 2


def test_brightness_and_contrast_change_no_sign() -> None:
    grey = patches()
    darker = look_of(np.asarray(np.rint(grey * 0.5 + 20), np.uint8))
    assert darker is not None
    assert (darker.signs != look().signs).sum() <= 4


def test_an_empty_picture_has_no_look() -> None:
    assert look_of(np.full((100, 200), 130, np.uint8)) is None


@pytest.mark.parametrize(
    ("changed_signs", "aspect", "alike"),
    [
        (0, 2.0, True), (28, 2.0, True), (29, 2.0, False), (BITS, 2.0, False),
        (0, 2.09, True), (0, 2.11, False), (0, 1.91, True), (0, 1.89, False),
    ],
)  # fmt: skip
def test_few_signs_and_a_little_of_the_aspect_may_differ(
    changed_signs: int, aspect: float, alike: bool
) -> None:
    one = look()
    flips = np.where(np.arange(BITS) < changed_signs, -1, 1).astype(np.int8)
    other = replace(one, signs=one.signs * flips, aspect=aspect)
    assert list(candidates([look(1), other], [look(2), look(3), one])) == [(1, 2)] * alike


def test_signs_alone_are_not_enough() -> None:
    one, other = look(0), look(1)
    assert list(candidates([one], [replace(one, thumb=other.thumb)])) == []
