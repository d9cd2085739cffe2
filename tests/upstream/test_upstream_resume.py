"""Where the clock starts: a new run, a resumed one, a look at weights in between."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ppocr_ft import EPOCH_CLOCK
from ppocr_ft.upstream import install
from tests.upstream.upstream_data import Dataset, assert_ratio, ratio_at, yaml_config


@pytest.fixture
def save_load(ppocr_data: ModuleType) -> ModuleType:
    import ppocr.utils.save_load

    return ppocr.utils.save_load


@pytest.fixture
def run(save_load: ModuleType, tmp_path: Path) -> Any:
    """A run's model and optimizer, saved by PaddleOCR's save_model after epoch 2."""
    import paddle

    model = paddle.nn.Linear(2, 2)
    optimizer = paddle.optimizer.Adam(0.1, parameters=model.parameters())
    model(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    config = yaml_config_of_run(tmp_path / "latest")
    state = {"best_model_dict": {"hmean": 0.5}, "epoch": 2, "global_step": 6}
    logger = logging.getLogger("ppocr_test")
    save_load.save_model(model, optimizer, str(tmp_path), logger, config, prefix="latest", **state)
    return model, optimizer


def yaml_config_of_run(checkpoints: Path | None) -> dict[str, Any]:
    return {
        "Global": {"checkpoints": None if checkpoints is None else str(checkpoints)},
        "Architecture": {"model_type": "det", "algorithm": "DB"},
    }


def test_a_resumed_run_starts_where_it_is(
    save_load: ModuleType, build: Any, run: Any, dataset: Dataset, tmp_path: Path
) -> None:
    install()
    loader = build(yaml_config(dataset, workers=2))
    found = save_load.load_model(yaml_config_of_run(tmp_path / "latest"), *run)
    assert found["start_epoch"] == 3
    for epoch in (3, 4):
        assert_ratio(loader, dataset, ratio_at(epoch))


def test_a_new_run_in_the_same_process_starts_at_one(
    save_load: ModuleType, build: Any, run: Any, dataset: Dataset
) -> None:
    install()
    loader = build(yaml_config(dataset))
    for _ in range(2):
        save_load.load_model(yaml_config_of_run(None), *run)
        for epoch in (1, 2):
            assert_ratio(loader, dataset, ratio_at(epoch))


def test_looking_at_weights_does_not_disturb_the_run(
    save_load: ModuleType, build: Any, run: Any, dataset: Dataset, tmp_path: Path
) -> None:
    """tools/export_model.py and the like call load_model without an optimizer."""
    install()
    loader = build(yaml_config(dataset))
    save_load.load_model(yaml_config_of_run(None), *run)
    assert_ratio(loader, dataset, ratio_at(1))
    save_load.load_model(yaml_config_of_run(tmp_path / "latest"), run[0])
    assert_ratio(loader, dataset, ratio_at(2))


def test_a_resume_without_optimizer_before_any_run_counts(
    save_load: ModuleType, build: Any, run: Any, dataset: Dataset, tmp_path: Path
) -> None:
    install()
    save_load.load_model(yaml_config_of_run(tmp_path / "latest"), run[0])
    assert_ratio(build(yaml_config(dataset)), dataset, ratio_at(3))


def test_without_install_loading_moves_nothing(
    save_load: ModuleType, run: Any, tmp_path: Path
) -> None:
    assert save_load.load_model(yaml_config_of_run(tmp_path / "latest"), *run)["start_epoch"] == 3
    assert not EPOCH_CLOCK.is_set
