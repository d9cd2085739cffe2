"""The contact sheet of training's samples, and the memory of a step, estimated from a small one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import paddle
import pytest
from paddle.framework import core

from ppocr_ft.commands.check.cli import main
from ppocr_ft.commands.check.preview import (
    HELD_ON_CPU,
    DrawnSample,
    denormalised,
    samples_picture,
    shown_epochs,
    step_memory,
    with_targets,
)
from ppocr_ft.config import load_config
from ppocr_ft.factory.objects import data_set, starting_network
from ppocr_ft.runs.parts import train_loader
from ppocr_ft.utils.system import MB
from tests.support.small_run import small_config

SIZE = "Train.dataset.transforms.ScaledCrop.size=[256, 192]"


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


def test_memory_grows_with_the_batch_as_what_a_real_pass_allocates(tmp_path: Path) -> None:
    path, estimates = small_config(tmp_path), []
    for images in (1, 5):
        batch = f"Train.loader.batch_size_per_card={images}"
        config = load_config(path, [SIZE, batch, "Global.use_gpu=false"])
        detector, _ = starting_network(config)
        estimates.append(step_memory(config, detector))
    assert [(of.images, of.size_px) for of in estimates] == [(1, (256, 192)), (5, (256, 192))]

    before = core.host_memory_stat_current_value("Allocated", 0)
    core.host_memory_stat_reset_peak_value("Allocated", 0)
    sum(of.mean() for of in detector(paddle.zeros([4, 3, 192, 256])).values()).backward()
    four = (core.host_memory_stat_peak_value("Allocated", 0) - before) / MB
    grown = (estimates[1].total_mb - estimates[0].total_mb) / HELD_ON_CPU
    assert grown == pytest.approx(four, rel=0.25)


@pytest.mark.parametrize("weights", ["null", "released"])
def test_check_says_the_memory_and_that_weights_are_random(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    words = ["--samples", "0", "--json", "-o", f"Global.pretrained_model={weights}"]
    main(["-c", config, *words, "Train.loader.batch_size_per_card=3"])
    notes = json.loads(capsys.readouterr().out)["notes"]
    step = [note for note in notes if "GB of memory" in note]
    random = [note for note in notes if "random weights" in note]
    assert len(random) == (weights == "null")
    assert len(step) == (weights == "null")  # no installed package has them
    assert all("with 3 image(s) of 64 x 64 px at once" in note for note in step)
