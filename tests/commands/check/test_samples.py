"""The contact sheet: training's samples as the network sees them, with their targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.commands.check.samples import (
    DrawnSample,
    denormalised,
    samples_picture,
    shown_epochs,
    with_targets,
)
from ppocr_ft.config import load_config
from ppocr_ft.factory.objects import data_set
from ppocr_ft.runs.parts import train_loader
from tests.support.small_run import small_config


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_config(tmp_path_factory.mktemp("samples"))


def test_first_middle_and_last_epoch() -> None:
    assert [shown_epochs(count) for count in (1, 2, 3, 10)] == [[1], [1, 2], [1, 2, 3], [1, 5, 10]]


def test_a_column_an_epoch_and_a_row_a_sample(config_file: Path) -> None:
    config = load_config(config_file)
    two, one = (samples_picture(config, count) for count in (2, 1))
    assert two.shape[1] == one.shape[1]
    single = samples_picture(load_config(config_file, ["Global.epoch_num=1"]), 1)
    assert one.shape[1] > 2.5 * single.shape[1]
    assert 64 < two.shape[0] - one.shape[0] < 400


@pytest.mark.parametrize("mode", ["BGR", "RGB"])
def test_pixels_come_back(config_file: Path, mode: str) -> None:
    """What KeepKeys lets out, denormalised, is the crop before NormalizeImage."""
    config = load_config(config_file, [f"Train.dataset.transforms.0.DecodeImage.img_mode={mode}"])
    dataset = config.Train.dataset
    shown = train_loader(config).data
    plain = data_set(config, "Train", dataset.transforms[:5])
    for data in (shown, plain):
        data.set_epoch(1)
    seen, source = shown[0].sample, plain[0].sample
    assert seen is not None
    assert source is not None
    channels = slice(None, None, -1 if mode == "RGB" else 1)
    picture = denormalised(seen["image"], dataset.transforms)
    np.testing.assert_array_equal(picture, source["image"][..., channels])


def test_targets_are_drawn_over() -> None:
    grey = np.full((40, 60, 3), 200, np.uint8)
    kernel, masked, border = (np.zeros((40, 60), np.float32) for _ in range(3))
    kernel[5:10], masked[15:20], border[25:30] = 1, 1, 1
    label = np.array([[10, 32], [50, 32], [50, 38], [10, 38]], np.float32)
    drawn = with_targets(DrawnSample(grey, [label], kernel, 1 - masked, border)).astype(int)
    blue, green, red = np.moveaxis(drawn, 2, 0)
    assert (green[7] > blue[7] + 40).all()
    assert (green[7] > red[7] + 40).all()
    assert (drawn[17] < 170).all()
    assert (red[27] > green[27] + 100).all()
    assert blue[32, 30] > red[32, 30] + 100
    np.testing.assert_array_equal(drawn[22], grey[22])
    np.testing.assert_array_equal(grey, 200)
