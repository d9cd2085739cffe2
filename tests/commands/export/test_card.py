"""What the model card says of the training: nothing where there was none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.commands.export.run import card_origin
from ppocr_ft.config import load_config
from ppocr_ft.export.card import Origin
from ppocr_ft.runs.weights_origin import WeightsOrigin
from ppocr_ft.weights import CoverageReport
from tests.support.small_run import small_config


def origin(tmp_path: Path, step: int | None) -> Origin:
    (tmp_path / "tensors").write_bytes(b"")
    config = load_config(small_config(tmp_path))
    coverage = CoverageReport("run/best_accuracy", (), ())
    return card_origin(config, coverage, WeightsOrigin(step), tmp_path / "tensors")


def test_weights_of_a_step_have_their_recipe(tmp_path: Path) -> None:
    card = origin(tmp_path, 8)
    assert card.kind == "fine-tuned"
    assert card.recipe["length"] == "step 8 of a run of 3 epochs, 2 images a step"
    assert card.data.keys() == {"trained on", "judged on"}


@pytest.mark.parametrize(
    ("step", "kind"), [(0, "starting weights with the post-processing below"), (None, "")]
)
def test_a_start_and_an_unknown_step_have_none(step: int | None, kind: str, tmp_path: Path) -> None:
    card = origin(tmp_path, step)
    assert card.kind == kind
    assert not card.recipe.keys() & {"length", "optimizer", "started from"}
    assert card.data.keys() == {"judged on"}
