"""Tests beside a real PaddleOCR 2.10; `make test-upstream` builds the environment for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ppocr_ft import EPOCH_CLOCK
from ppocr_ft.upstream import uninstall
from tests.support.paddleocr_wheels import IN_CI
from tests.upstream.upstream_data import Dataset, make_dataset

NEEDS_NO_PADDLEOCR = "test_upstream_v6"
"""Has a stand-in, and is among the tests of an environment without PaddleOCR too."""
HAS_PADDLEOCR = find_spec("paddleocr") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not HAS_PADDLEOCR and not IN_CI:
        reason = "paddleocr is not installed here; make test-upstream builds an environment"
        for item in items:
            if item.path.parent == Path(__file__).parent and item.path.stem != NEEDS_NO_PADDLEOCR:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    EPOCH_CLOCK.reset()
    yield
    uninstall()


@pytest.fixture(scope="session")
def ppocr_data() -> ModuleType:
    """The real ``ppocr.data``, which importing the wheel makes importable."""
    import paddleocr  # noqa: F401
    import ppocr.data

    return ppocr.data


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("images"))


@pytest.fixture
def build(ppocr_data: ModuleType) -> Any:
    """PaddleOCR's build_dataloader as a training script would find it, on the CPU."""

    def build_loader(config: dict[str, Any], mode: str = "Train", seed: int | None = 1024) -> Any:
        return ppocr_data.build_dataloader(
            config, mode, "cpu", logging.getLogger("ppocr_test"), seed
        )

    return build_loader


@pytest.fixture(scope="session")
def wheel_root(ppocr_data: ModuleType) -> Path:
    """The folder of the installed wheel, which holds ``ppocr/`` and ``tools/``."""
    return Path(ppocr_data.__file__).parents[2]
