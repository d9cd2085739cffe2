"""The memory of a training step, as check estimates it from a small one."""

from __future__ import annotations

import json
from pathlib import Path

import paddle
import pytest
from paddle.framework import core

from ppocr_ft.commands.check.cli import main
from ppocr_ft.commands.check.memory import HELD_ON_CPU, step_memory
from ppocr_ft.config import load_config
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.utils.system import MB
from tests.support.small_run import small_config

SIZE = "Train.dataset.transforms.ScaledCrop.size=[256, 192]"


def test_it_grows_with_the_batch_as_what_a_real_pass_allocates(tmp_path: Path) -> None:
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
def test_check_says_it_and_that_weights_are_random(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    words = ["--samples", "0", "--json", "-o", f"Global.pretrained_model={weights}"]
    main(["-c", config, *words, "Train.loader.batch_size_per_card=3"])
    notes = json.loads(capsys.readouterr().out)["notes"]
    step = [note for note in notes if "GB of memory" in note]
    random = [note for note in notes if "random weights" in note]
    assert len(random) == (weights == "null")
    assert len(step) == (weights == "null")  # released weights don't fit this small network
    assert all("with 3 image(s) of 64 x 64 px at once" in note for note in step)
