"""The maps that training draws, looked at: their ratio, the validation loss, and the real 2.7.0.3
operators in a run with the monitor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from experiments.regression.arms import BROKEN, DYNAMIC, Arm, draw_maps_as
from experiments.regression.data_sets import SAMPLE, SCANS, DataSet, first_lines
from experiments.regression.runs import RECIPE, map_arguments
from ppocr_ft import MakeShrinkMap
from ppocr_ft.config import Config, load_config
from ppocr_ft.engine.monitor import validation
from ppocr_ft.engine.monitor.series import RunInfo
from ppocr_ft.engine.monitor.validation import Crop, Validator, crops_wanted, drawn_ratio
from ppocr_ft.factory import objects
from ppocr_ft.losses.db import DBLoss
from ppocr_ft.runs import assemble
from ppocr_ft.runs.monitoring import validation_crops, validator
from ppocr_ft.runs.parts import prepare
from ppocr_ft.transforms.labels import Texts
from ppocr_ft.transforms.polygons import TextPolygons
from tests.support.paddleocr_wheels import wheel_dir
from tests.support.pictures import text
from tests.support.recorded_runs import rows_of, said
from tests.support.samples import random_sample
from tests.support.small_run import small_config

TRAIN_IMAGES, VAL_IMAGES, EVERY_STEPS = 10, 3, 5


# --- the ratio that maps show


def crop_of(polys: Sequence[np.ndarray], ignored: np.ndarray, shape: tuple[int, int]) -> Crop:
    image = np.zeros((3, *shape), np.float32)
    return Crop(image, Texts(TextPolygons.of(polys), ("",) * len(polys), ignored))


@pytest.fixture(scope="module")
def crops() -> list[Crop]:
    lines = [np.array(text("a", x, y, 90, h)["points"], np.float32)
             for x, y, h in ((5, 10, 16), (20, 40, 24), (10, 80, 34))]  # fmt: skip
    samples = map(random_sample, range(6))
    return [crop_of(lines, np.array([False, False, True]), (128, 128))] + [
        crop_of(sample.polys, sample.ignored, sample.shape) for sample in samples
    ]


def drawn_at(ratio: float, crops: list[Crop]) -> list[dict[str, np.ndarray]]:
    operator = MakeShrinkMap(shrink_ratio=ratio)
    return [
        operator({"image": np.zeros((*crop.image.shape[1:], 3), np.uint8), **crop.texts.fields()})
        for crop in crops
    ]


@pytest.mark.parametrize("drawn", [0.4, 0.5, 0.6, 0.81])
@pytest.mark.parametrize("wanted", [0.4, 0.6])
def test_the_ratio_of_maps_is_found(drawn: float, wanted: float, crops: list[Crop]) -> None:
    found = drawn_ratio(crops, drawn_at(drawn, crops), MakeShrinkMap(), wanted)
    assert found == pytest.approx(drawn, abs=0.011)


def test_kernels_of_the_least_area_tell_the_ratio(
    crops: list[Crop], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = drawn_at(0.4, crops)
    area = sum(float(maps["shrink_map"][maps["shrink_mask"] > 0].sum()) for maps in drawn)
    monkeypatch.setattr(validation, "LEAST_AREA_PX", area)
    assert drawn_ratio(crops, drawn, MakeShrinkMap(), 0.4) == 0.4
    monkeypatch.setattr(validation, "LEAST_AREA_PX", area + 1)
    assert drawn_ratio(crops, drawn, MakeShrinkMap(), 0.4) is None


def test_empty_maps_have_ratio_0_and_images_without_text_none(crops: list[Crop]) -> None:
    operator = MakeShrinkMap()
    empty = [{name: np.zeros(crop.image.shape[1:]) for name in ("shrink_map", "shrink_mask")}
             for crop in crops]  # fmt: skip
    assert drawn_ratio(crops, empty, operator, 0.4) == 0
    assert drawn_ratio([], [], operator, 0.4) is None
    ignored = [
        replace(crop, texts=replace(crop.texts, ignored=np.ones(len(crop.texts), bool)))
        for crop in crops
    ]
    assert drawn_ratio(ignored, drawn_at(0.4, ignored), operator, 0.4) is None


# --- the validation loss


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Config:
    folder = tmp_path_factory.mktemp("small")
    constant = [f"Train.dataset.transforms.{name}.shrink_ratio_end=0.4"
                for name in ("MakeBorderMap", "MakeShrinkMap")]  # fmt: skip
    return load_config(small_config(folder), constant)


def made(config: Config) -> tuple[Any, Validator]:
    parts = prepare(config)
    loss = DBLoss(config.Loss)
    return parts.state.network, validator(
        config, parts.loader, parts.eval_images, loss, parts.precision
    )


def test_the_loss_is_repeatable_and_leaves_the_network_as_it_was(small: Config) -> None:
    network, validate = made(small)
    network.train()
    network.sublayers()[3].eval()
    before = {key: each.numpy().copy() for key, each in network.state_dict().items()}
    modes = [layer.training for layer in network.sublayers(include_self=True)]
    first, again = validate(network, 1), validate(network, 1)
    assert first is not None
    assert first == again
    assert first.val_loss > 0
    assert (first.shrink_ratio, first.drawn_shrink_ratio) == (0.4, 0.4)
    assert [layer.training for layer in network.sublayers(include_self=True)] == modes
    for key, each in network.state_dict().items():
        np.testing.assert_array_equal(each.numpy(), before[key])
    with paddle.no_grad():
        for parameter in network.parameters():
            parameter.set_value(parameter * 1.5)
    changed = validate(network, 1)
    assert changed is not None
    assert changed.val_loss != first.val_loss


def test_the_targets_are_those_of_the_epoch(small: Config, tmp_path: Path) -> None:
    network, validate = made(load_config(small_config(tmp_path)))
    ratios = [validate(network, epoch) for epoch in (1, 3)]
    assert [each and each.shrink_ratio for each in ratios] == pytest.approx([0.4 + 0.2 / 3, 0.6])


def test_crops_hold_a_text_where_its_pixels_are(small: Config) -> None:
    images = objects.eval_data(small)
    crops = validation_crops(images, (64, 64), seed=5)
    assert len(crops) == 2
    for crop in crops:
        assert crop.image.shape == (3, 64, 64)
        assert len(crop.texts)
        assert not crop.texts.ignored.all()
    again = validation_crops(images, (64, 64), seed=5)
    assert all(np.array_equal(a.image, b.image) for a, b in zip(crops, again, strict=True))
    large = validation_crops(images, (512, 512), seed=5)[0].image
    assert large.shape == (3, 512, 512)
    assert not large[:, -64:].any()


@pytest.mark.parametrize(
    ("images", "pixels", "size", "wanted"),
    [
        (40, 960 * 704, (480, 256), 11),
        (1000, 960 * 704, (480, 256), 16),
        (2, 960 * 704, (640, 640), 2),
        (30, 96 * 64, (64, 64), 2),
    ],
)
def test_crops_cost_a_twentieth_of_the_pixels(
    images: int, pixels: int, size: tuple[int, int], wanted: int
) -> None:
    assert crops_wanted(images, pixels, size) == wanted


# --- the real 2.7.0.3 operators, seed 1024, in a run with the monitor


def run_of(arm: Arm, data_set: DataSet, folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Five steps between two evaluations: the run's folder, and what was named."""
    overrides = data_set.overrides(folder)
    labels = Path(overrides[3].partition("=[")[2].rstrip("]"))
    few = first_lines(labels, TRAIN_IMAGES, folder / "few.txt")
    config = load_config(
        RECIPE,
        [
            *overrides,
            f"Train.dataset.label_file_list=[{few}]",
            f"Global.save_model_dir={folder / 'run'}",
            f"Global.eval_batch_step=[0, {EVERY_STEPS}]",
            "Global.epoch_num=1",
            "Global.print_batch_step=1",
            "Optimizer.lr={name: Const, learning_rate: 0.0005}",
            *arm.overrides(),
        ],
    )
    run = assemble.training(config)
    draw_maps_as(arm, run.trainer.loader.data, map_arguments(config))
    run.trainer.run()
    run.close()
    lines = (folder / "run" / "verdicts.jsonl").read_text().splitlines()
    return folder / "run", [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("data_set", [SAMPLE, SCANS], ids=lambda each: each.name)
def test_wrong_targets_are_named_by_the_second_evaluation_and_ours_never(
    data_set: DataSet, tmp_path: Path
) -> None:
    if not data_set.is_here():
        pytest.skip(f"no shared data here: {data_set.place}")
    wheel_dir(BROKEN.version or "")
    few = replace(data_set, val_images=VAL_IMAGES)
    for arm, name in ((BROKEN, "theirs"), (DYNAMIC, "ours")):
        (tmp_path / name).mkdir()
        folder, verdicts = run_of(arm, few, tmp_path / name)
        rows = rows_of(folder / "metrics.csv")
        assert {row["step"] for row in rows if row["kind"] == "eval"} == {"0", "5"}
        blind = said([{**row, "drawn_shrink_ratio": ""} for row in rows], RunInfo(EVERY_STEPS))
        if arm is DYNAMIC:
            assert (verdicts, blind) == ([], [])
            continue
        assert [(each["step"], each["name"]) for each in verdicts] == [(0, "targets-wrong")]
        assert "about 0.81 instead of the config's 0.40" in verdicts[0]["sentence"]
        assert [(each.step, each.name) for each in blind] == [(5, "targets-wrong")]
