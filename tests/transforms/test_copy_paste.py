"""Texts of another image, pasted and moved along."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppocr_ft.transforms.geometric import CopyPaste, IaaAugment
from ppocr_ft.transforms.sample import Sample
from tests.support.pictures import page, quads, run


def donor() -> dict[str, Any]:
    """A red page; each text is a field of its own grey."""
    data = page(quads(3, 1), (160, 230))
    data["image"] = np.zeros((230, 160, 3), np.uint8)
    data["image"][..., 2] = 255
    for i, poly in enumerate(data["polys"]):
        cv2.fillPoly(data["image"], [np.round(poly).astype(np.int32)], (90 + 50 * i,) * 3)
    data["texts"] = [f"pasted {i}" for i in range(3)]
    return data


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_pasted_texts_are_there_and_cover_no_other(seed: int) -> None:
    data = {**page(quads(2, 1), (400, 400)), "ext_data": [donor()]}
    made = run([CopyPaste(1.0)], data, seed)
    assert len(made["polys"]) == 2 + len(made["drawn"][0])
    np.testing.assert_array_equal(np.stack(made["polys"][:2]), np.stack(data["polys"]))
    for poly, text in list(zip(made["polys"], made["texts"], strict=True))[2:]:
        assert (poly >= -0.01).all()
        assert (poly <= 400.01).all()
        x, y = poly.mean(axis=0).astype(int)
        grey = 90 + 50 * int(text.split()[1])
        assert np.abs(made["image"][y, x].astype(int) - grey).max() <= 2
    boxes = [cv2.boundingRect(poly) for poly in made["polys"]]
    for i in range(2, len(boxes)):
        assert all(not _overlap(boxes[i], other) for other in boxes[:i])
    assert made["image"][..., 2].max() <= 255
    assert _share_of_red(made["image"]) < 0.004  # nothing of the donor around its texts


def _overlap(a: Any, b: Any) -> bool:
    return (
        min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]) > 2
        and min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]) > 2
    )


def _share_of_red(image: np.ndarray) -> float:
    return float(((image[..., 2] > 200) & (image[..., 0] < 40)).mean())


def test_pasted_texts_move_with_the_page() -> None:
    data = {**page(quads(1, 1), (400, 400)), "ext_data": [donor()]}
    steps = [
        {"type": "Affine", "args": {"rotate": [-15, 15]}},
        {"type": "Resize", "args": {"size": [0.8, 2.0]}},
    ]
    for seed in range(8):
        made = run([CopyPaste(1.0), IaaAugment(steps)], data, seed)
        for poly, text in list(zip(made["polys"], made["texts"], strict=True))[1:]:
            x, y = poly.mean(axis=0)
            if 0 <= x < made["image"].shape[1] and 0 <= y < made["image"].shape[0]:
                grey = 90 + 50 * int(text.split()[1])
                assert np.abs(made["image"][int(y), int(x)].astype(int) - grey).max() <= 2


@pytest.mark.parametrize(
    ("ratio", "texts", "pasted"),
    [
        pytest.param(0.2, 3, 1, id="at least one"),
        pytest.param(0.5, 6, 3, id="half"),
        pytest.param(1.0, 0, 0, id="a donor without text"),
    ],
)
def test_how_many_are_pasted(ratio: float, texts: int, pasted: int) -> None:
    other = page(quads(texts, 1) if texts else [], (160, 100 + 70 * texts))
    data = {**page([], (900, 900)), "ext_data": [other]}
    assert len(run([CopyPaste(ratio)], data, 0)["polys"]) == pasted


def test_ignored_texts_are_not_pasted() -> None:
    other = donor()
    other["ignore_tags"][:2] = True
    for seed in range(10):
        made = run([CopyPaste(1.0)], {**page([], (400, 400)), "ext_data": [other]}, seed)
        assert made["texts"] == ["pasted 2"]


def test_a_page_too_small_for_any_takes_none() -> None:
    data = {**page([], (20, 20)), "ext_data": [donor()]}
    assert run([CopyPaste(1.0)], data, 0)["polys"] == []


def test_without_another_image_nothing_is_pasted() -> None:
    assert len(run([CopyPaste(1.0)], page(quads(2, 1)), 0)["polys"]) == 2


def test_angles_go_all_the_way_round() -> None:
    operator, angles = CopyPaste(0.1), []
    sample = Sample.of({**page([], (600, 600)), "ext_data": [donor()]})
    for seed in range(60):
        for one in operator.draw(np.random.default_rng(seed), sample):
            angles.append(math.degrees(math.atan2(one.matrix[1, 0], one.matrix[0, 0])) % 360)
    assert {int(angle // 90) for angle in angles} == {0, 1, 2, 3}
