"""The real SimpleDataSet and DataLoader of PaddleOCR 2.10 yield each true epoch's maps."""

from __future__ import annotations

import functools
import itertools
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ppocr_ft import EPOCH_CLOCK
from ppocr_ft.errors import ConfigError
from ppocr_ft.upstream import install
from tests.support.samples import shared_data
from tests.upstream.upstream_data import (
    MAPS,
    TOTAL_EPOCHS,
    Dataset,
    Texts,
    assert_ratio,
    images_of,
    maps_at,
    ratio_at,
    yaml_config,
)

EPOCHS = range(1, TOTAL_EPOCHS + 3)
"""Two beyond the ramp's end."""


def test_the_data_set_tells_the_ratios_apart(dataset: Dataset) -> None:
    """What the other tests compare does change from epoch to epoch, for every image."""
    for texts in dataset.texts:
        ramp = [maps_at(ratio_at(epoch), texts) for epoch in range(TOTAL_EPOCHS + 1)]
        for earlier, later in itertools.pairwise(ramp):
            for name in ("shrink_map", "threshold_map", "threshold_mask"):
                assert (earlier[name] != later[name]).any()


def test_without_us_210_stays_at_its_first_ratio(build: Any, dataset: Dataset) -> None:
    loader = build(yaml_config(dataset))
    for _ in EPOCHS:
        for number, maps in images_of(loader):
            wanted = maps_at(0.4, dataset.texts[number])
            np.testing.assert_array_equal(maps["shrink_map"], wanted["shrink_map"])
    assert not EPOCH_CLOCK.is_set


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("seed", [1024, 3, None])
def test_each_epoch_has_its_ratio(
    build: Any, dataset: Dataset, workers: int, seed: int | None
) -> None:
    install()
    loader = build(yaml_config(dataset, workers=workers), seed=seed)
    for epoch in EPOCHS:
        assert assert_ratio(loader, dataset, ratio_at(epoch)) == len(dataset.texts)


def test_workers_that_live_on_see_each_epoch(
    build: Any, dataset: Dataset, ppocr_data: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PaddleOCR's YAML has no key for them, so its module gets a DataLoader that keeps them."""
    kept = functools.partial(ppocr_data.DataLoader, persistent_workers=True)
    monkeypatch.setattr(ppocr_data, "DataLoader", kept)
    install()
    loader = build(yaml_config(dataset, workers=2))
    iterators = []
    for epoch in EPOCHS:
        iterators.append(iter(loader))
        assert assert_ratio(iterators[-1], dataset, ratio_at(epoch)) == len(dataset.texts)
    assert all(iterator is iterators[0] for iterator in iterators)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_rebuilt_each_epoch_goes_on(build: Any, dataset: Dataset, workers: int) -> None:
    """As program.train does where ratio_list is below 1: half the images, seed=epoch."""
    install()
    config = yaml_config(dataset, workers=workers, ratio_list=[0.5])
    loader = build(config)
    assert loader.dataset.need_reset
    for epoch in EPOCHS:
        loader = build(config, seed=epoch)
        assert assert_ratio(loader, dataset, ratio_at(epoch)) == len(dataset.texts) // 2


def test_an_evaluation_between_epochs_moves_nothing(build: Any, dataset: Dataset) -> None:
    install()
    config = yaml_config(dataset)
    train, test = build(config), build(config, "Eval")
    for epoch in EPOCHS:
        assert len(list(test)) == len(dataset.texts)
        assert assert_ratio(train, dataset, ratio_at(epoch))
        assert len(list(test)) == len(dataset.texts)


def test_an_epoch_that_is_broken_off_counts_once(build: Any, dataset: Dataset) -> None:
    """program.train leaves the loop one batch early on Windows."""
    install()
    loader = build(yaml_config(dataset, workers=2))
    for epoch in EPOCHS:
        assert assert_ratio([next(iter(loader))], dataset, ratio_at(epoch))


@pytest.mark.parametrize(
    ("pair", "ratios"),
    [
        pytest.param({}, [0.4, 0.4, 0.4], id="constant"),
        pytest.param({"shrink_ratio_end": 0.6}, [0.45, 0.5, 0.55], id="over Global.epoch_num"),
        pytest.param(
            {"shrink_ratio_end": 0.5, "total_epoch": 2}, [0.45, 0.5, 0.5], id="end and horizon"
        ),
    ],
)
def test_our_keys_work_in_paddleocrs_yaml(
    build: Any, dataset: Dataset, pair: dict[str, Any], ratios: list[float]
) -> None:
    install()
    loader = build(yaml_config(dataset, pair=pair))
    for ratio in ratios:
        assert_ratio(loader, dataset, ratio)


def test_two_schedules_are_refused_when_the_data_set_is_built(build: Any, dataset: Dataset) -> None:
    config = yaml_config(dataset)
    operators = {k: v for op in config["Train"]["dataset"]["transforms"] for k, v in op.items()}
    del operators["MakeShrinkMap"]["total_epoch"]
    build(config)  # PaddleOCR says nothing
    install()
    with pytest.raises(ConfigError, match=r"MakeBorderMap's 0.4 -> 0.6 over 4 epochs"):
        build(config)


def test_the_schedule_in_force_is_logged_once(
    build: Any, dataset: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    install()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            build(yaml_config(dataset, ratio_list=[0.5]))
    said = [text for text in caplog.messages if "ppocr_ft" in text]
    assert said == ["ppocr_ft: shrink ratio 0.4 -> 0.6 over 4 epochs, by the true epoch"]


class KeepPolygons:
    """An operator for tests: the texts as they reach the map operators."""

    def __init__(self, **kwargs: Any) -> None:
        pass

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        seen = {"seen_polys": data["polys"], "seen_ignored": data["ignore_tags"]}
        return {**data, **{name: np.array(value) for name, value in seen.items()}}


def full_pipeline(config: dict[str, Any], crop_px: int) -> None:
    """PP-OCRv4's augmentations before the maps, one image a batch."""
    flip = {"type": "Fliplr", "args": {"p": 0.5}}
    turn = {"type": "Affine", "args": {"rotate": [-10, 10]}}
    size = {"type": "Resize", "args": {"size": [0.5, 3]}}
    crop = {"size": [crop_px, crop_px], "max_tries": 50, "keep_ratio": True}
    augment = [{"IaaAugment": {"augmenter_args": [flip, turn, size]}}, {"EastRandomCropData": crop}]
    transforms = config["Train"]["dataset"]["transforms"]
    transforms[2:2] = [*augment, {"KeepPolygons": None}]
    transforms[-1]["KeepKeys"]["keep_keys"] += ["seen_polys", "seen_ignored"]
    config["Train"]["loader"]["batch_size_per_card"] = 1


def use_receipts(config: dict[str, Any], label_file: Path) -> None:
    folder = shared_data("receipts")
    lines = (folder / "train.txt").read_text(encoding="utf-8").splitlines()[:6]
    label_file.write_text("\n".join(lines), encoding="utf-8")
    config["Train"]["dataset"]["data_dir"] = str(folder)
    config["Train"]["dataset"]["label_file_list"] = [str(label_file)]


@pytest.mark.parametrize("kind", ["made up", "receipts"])
def test_paddleocrs_own_augmentations_before_the_maps(
    kind: str,
    build: Any,
    dataset: Dataset,
    ppocr_data: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(ppocr_data.imaug, "KeepPolygons", KeepPolygons, raising=False)
    config = yaml_config(dataset, workers=2)
    if kind == "receipts":
        use_receipts(config, tmp_path / "some.txt")
    crop_px = 96 if kind == "made up" else 320
    full_pipeline(config, crop_px)
    install()
    loader = build(config)
    assert len(loader) == 6
    for epoch in (1, 2, 3):
        for batch in loader:
            _, *maps, polys, ignored = (np.asarray(item)[0] for item in batch)
            wanted = maps_at(ratio_at(epoch), Texts(polys, ignored), (crop_px, crop_px))
            for name, found in zip(MAPS, maps, strict=True):
                np.testing.assert_array_equal(found, wanted[name], name)
