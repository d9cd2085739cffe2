"""What a picture's look is, and which looks may be those of one picture."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from ppocr_ft.transforms import likeness
from ppocr_ft.transforms.likeness import (
    BITS,
    Grey,
    Look,
    candidates,
    local_likeness,
    look_of,
    reduced,
    show_the_same,
)


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


@pytest.mark.parametrize("block", [1, 2, 3])
def test_looks_are_compared_in_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [look(seed) for seed in range(5)]
    monkeypatch.setattr(likeness, "_BLOCK", block)
    found = sorted(candidates(looks, [looks[i] for i in (3, 0, 4)]))
    assert found == [(0, 1), (3, 0), (4, 2)]


@pytest.mark.parametrize(("contrast", "has_look"), [(4, True), (3, False)])
def test_the_least_contrast_of_a_look(contrast: int, has_look: bool) -> None:
    """Halves ``contrast`` above and below the mean have that standard deviation."""
    assert (look_of(step(100 - contrast, 100 + contrast)) is not None) == has_look


def step(low: int, high: int, size: int = 256) -> Grey:
    """A left half of one grey beside a right half of another."""
    return np.repeat(np.uint8([low, high]), size // 2)[None].repeat(size, axis=0)


FLAT_GREY = step(100, 100)


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (step(90, 110), step(90, 110), 1.0),
        (step(90, 110), step(140, 160), 1.0),
        (step(90, 110), FLAT_GREY, 100 / (100 + 100)),
        (step(80, 120), FLAT_GREY, 100 / (400 + 100)),
        (step(90, 110), step(110, 90), (-2 * 100 + 100) / (200 + 100)),
        (step(90, 110), step(80, 120), (2 * 200 + 100) / (100 + 400 + 100)),
    ],
    ids=[
        "the same",
        "brighter",
        "no edge",
        "no sharp edge",
        "mirrored",
        "of more contrast",
    ],
)
def test_local_likeness_of_edges(one: Grey, other: Grey, wanted: float) -> None:
    """An edge between greys 2 d apart has the variance d * d in a window around it, a little less
    as it is blurred; noise has 100.
    """
    assert local_likeness(one, other) == pytest.approx(wanted, abs=0.07)
    assert local_likeness(other, one) == pytest.approx(local_likeness(one, other))
    assert show_the_same(one, other) == (wanted >= 0.4)


def test_pictures_are_compared_at_256_px() -> None:
    """Lines of 1 px become grey where a larger picture is reduced by 4, in one of 256 px not."""
    for size, alike in ((256, False), (1024, True)):
        lines = np.full((size, size), 100, np.uint8)
        lines[:, size // 4 :: size // 4] = 250
        assert show_the_same(lines, np.full_like(lines, 100)) == alike, size


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1024, 512), (128, 64)),
        ((1016, 504), (254, 126)),
        ((256, 512), (64, 128)),
        ((248, 512), (124, 256)),
        ((128, 128), (64, 64)),
        ((127, 300), (127, 300)),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_shorter_side_is_reduced_to_64_or_more(
    size: tuple[int, int], wanted: tuple[int, int], is_known: bool
) -> None:
    content = cv2.imencode(".png", patches(size=size))[1].tobytes()
    assert reduced(content, size if is_known else None, 64).shape == wanted[::-1]
