"""The order of images: doubt by maps, and unlikeness to what is labelled or chosen before."""

from __future__ import annotations

import numpy as np
import pytest

from ppocr_ft.commands.rank.order import disagreement, doubts, in_order, uncertainty

NONE = np.empty((0, 2))


def flat(value: float, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full(size, value, np.float32)


# map | entropy in bits
ENTROPIES = [
    ("no text", flat(0.05), 0.0),
    ("sure", flat(1.0), 0.0),
    ("one half", flat(0.5), 1.0),
    ("a quarter", flat(0.25), 0.811278),
    ("half sure", np.concatenate([flat(0.5), flat(1.0)]), 0.5),
    ("background counts for nothing", np.concatenate([flat(0.5), flat(0.02)]), 1.0),
]


@pytest.mark.parametrize(
    ("prob_map", "bits"), [row[1:] for row in ENTROPIES], ids=[row[0] for row in ENTROPIES]
)
def test_uncertainty_is_the_entropy_of_what_may_be_text(prob_map: np.ndarray, bits: float) -> None:
    assert uncertainty(prob_map) == pytest.approx(bits, abs=1e-4)


def test_disagreement_is_one_minus_the_iou_of_maps() -> None:
    left, right = flat(0.0), flat(0.0)
    left[:, :3], right[:, 3:] = 0.9, 0.9
    assert disagreement(left, left) == 0
    assert disagreement(left, right) == 1
    assert disagreement(left, np.maximum(left, right)) == pytest.approx(0.5)
    assert disagreement(flat(0.8), flat(0.4)) == pytest.approx(0.5)
    assert disagreement(flat(0.01), flat(0.09)) == 0


def test_doubts_are_mean_ranks_whatever_the_scale() -> None:
    first, second = np.array([1.0, 3.0, 2.0, 4.0]), np.array([5.0, 1.0, 1.0, 9.0])
    expected = np.array([(1 + 3) / 8, (3 + 2) / 8, (2 + 2) / 8, 1.0])
    assert doubts([first, second]) == pytest.approx(expected)
    assert doubts([100 * first, second - 7]) == pytest.approx(expected)


def test_all_alike_are_ordered_by_doubt() -> None:
    doubt = np.array([0.2, 0.9, 0.5])
    assert [one.image for one in in_order(doubt, np.zeros((3, 2)), NONE)] == [1, 2, 0]
    assert [one.image for one in in_order(doubt, np.eye(3), np.zeros((0, 3)))] == [1, 2, 0]


def test_what_is_like_a_labelled_or_chosen_image_waits() -> None:
    features = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 0.1], [0.0, 10.0]])
    doubt = np.array([1.0, 0.9, 0.8, 0.5])
    labelled = np.array([[0.0, 0.05]])
    order = in_order(doubt, features, labelled)
    assert [one.image for one in order] == [1, 3, 2, 0]
    for one in order:
        assert one.score == pytest.approx(one.doubt * one.unlike)
    assert order[1].unlike == pytest.approx(1)  # the farthest from what is labelled
    assert order[2].unlike < 0.05
    # without labels the most doubtful one is first, and its twin last
    assert [one.image for one in in_order(doubt, features, NONE)] == [0, 1, 3, 2]


def test_each_image_has_one_place() -> None:
    rng = np.random.default_rng(0)
    order = in_order(rng.random(40), rng.random((40, 5)), rng.random((3, 5)))
    assert sorted(one.image for one in order) == list(range(40))
    assert in_order(np.empty(0), np.empty((0, 2)), NONE) == []
    assert [one.image for one in in_order(np.ones(1), np.ones((1, 2)), np.ones((1, 2)))] == [0]
