"""Kernels in training's crops: the share that touch or are thin, computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ppocr_ft.commands.check.geometry_table import geometry_lines
from ppocr_ft.commands.check.kernels import (
    DrawnTexts,
    Kernels,
    KernelShares,
    kernel_lines,
    measure_kernels,
    thin_kernels,
    touching_kernels,
)
from ppocr_ft.commands.check.text_geometry import Page, label_geometry
from ppocr_ft.config import load_config
from tests.commands.check.test_geometry import NO_TURNS, SCALED, line, pages
from tests.support.config_files import SMALL

WORDS = [line(0, 0, 32, 8), line(29, 0, 32, 8), line(0, 100, 32, 8)]
LOW = line(0, 200, 32, 7)
IMAGE = DrawnTexts([*WORDS, LOW], np.array([8.0, 8, 8, 7]))


def test_shares_by_hand() -> None:
    """Edges of 32 x 8 px move by 256 * (1 - r * r) / 80: by 2.05 px at 0.6, 2.69 px at 0.4.

    The first two overlap by 3 px, so that their kernels are 1.1 px apart at 0.6, 2.4 px at 0.4 and,
    1.5 times as large, 1.6 px at 0.6; kernels are 3.9, 2.6 and 5.9 px thick. The last text has 7
    px: it is masked out of the loss unless it is larger.
    """
    found = measure_kernels([IMAGE, DrawnTexts([], np.empty(0))], 0.6, (0.4, 0.6), 8)
    assert found == Kernels(
        KernelShares(0.6, 1.0, 3, 0.0, 2 / 3),
        (KernelShares(0.4, 1.0, 3, 1.0, 0.0), KernelShares(0.6, 1.5, 4, 0.0, 0.5)),
    )
    assert kernel_lines(found) == [
        "kernels in training's crops              texts  under 3 px  under 2 px apart",
        "shrink ratio 0.6                             3        0.0%             66.7%",
        "shrink ratio 0.4                             3      100.0%              0.0%",
        "shrink ratio 0.6 and 1.5 times the size      4        0.0%             50.0%",
    ]


def test_texts_of_other_images_are_no_neighbours() -> None:
    apart = [DrawnTexts([word], np.array([8.0])) for word in WORDS[:2]]
    found = measure_kernels(apart, 0.6, (), 8)
    assert found is not None
    assert found.configured.near == 0


def test_without_a_text_that_is_drawn_there_are_no_shares() -> None:
    assert measure_kernels([], 0.6, (0.4,), 8) is None
    assert measure_kernels([DrawnTexts([LOW], np.array([7.0]))], 0.6, (0.4,), 8) is None


def kernels(thin: float, near: float) -> Kernels:
    others = KernelShares(0.4, 1.0, 100, 0.12, 0.01), KernelShares(0.6, 1.5, 100, 0.0, 0.034)
    return Kernels(KernelShares(0.6, 1.0, 100, thin, near), others)


def test_each_finding_has_its_number_and_those_of_what_would_be_right() -> None:
    (touching,), (thin,) = touching_kernels(kernels(0, 0.23)), thin_kernels(kernels(0.23, 0))
    assert touching.message == (
        "with shrink ratio 0.6 the kernels of 23% of the texts in training's crops touch a "
        "neighbour's or come within 2 px of it, so that one box covers both; 1% with shrink ratio "
        "0.4, 3% with shrink ratio 0.6 and 1.5 times the size"
    )
    assert thin.message == (
        "with shrink ratio 0.6 the kernels of 23% of the texts in training's crops vanish or are "
        "under 3 px thick, and DBPostProcess drops such boxes; 12% with shrink ratio 0.4, 0% with "
        "shrink ratio 0.6 and 1.5 times the size"
    )


@pytest.mark.parametrize("of", [None, kernels(0.049, 0.049)])
def test_few_are_not_worth_a_word(of: Kernels | None) -> None:
    assert touching_kernels(of) == thin_kernels(of) == []


def test_the_labels_geometry_has_them() -> None:
    """Lines of 20 px at evaluation's scale, far apart: about 10 px are left at 0.6."""
    config = load_config(SMALL, [SCALED, NO_TURNS])
    found = label_geometry(config, pages(), 0.6)
    assert found.kernels is not None
    assert (found.kernels.configured.thin, found.kernels.configured.near) == (0, 0)
    assert [(each.shrink_ratio, each.size) for each in found.kernels.others] == [
        (0.4, 1), (0.5, 1), (0.6, 1.5)
    ]  # fmt: skip
    assert "kernels in training's crops" in "\n".join(geometry_lines(found))
    assert found.kind == (
        "the texts are lines, three quarters are less than 10.0 times as long as high (words: "
        "5.5): a shrink ratio of 0.6 suits them"
    )
    assert found.kind in geometry_lines(found)
    assert json.loads(json.dumps(found.as_dict()))["kernels"]["configured"]["near"] == 0
    unknown = [Page(None, page.polygons) for page in pages()]
    assert label_geometry(config, unknown, 0.6).kernels is None
