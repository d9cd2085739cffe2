"""Older PaddleOCRs, from their unpacked wheels: 2.7 and 2.8 pass the seed as the epoch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.paddleocr_wheels import wheel_dir
from tests.upstream.checkout import python
from tests.upstream.upstream_data import Dataset, yaml_config

PROGRAM = Path(__file__).parent / "ratios_of_old.py"


SHIPPED = {"total_epoch": 500}


def ratios(version: str, whose: str, dataset: Dataset, tmp_path: Path) -> list[list[float]]:
    """Of both operators in three epochs, with PaddleOCR's seed 1024."""
    config = tmp_path / "config.yml"
    config.write_text(yaml.safe_dump(yaml_config(dataset, pair=SHIPPED)), encoding="utf-8")
    folder = wheel_dir(version) / "paddleocr"
    done = python(PROGRAM, folder, config, whose, "3")
    assert done.returncode == 0, done.stdout[:4000] + done.stderr[-4000:]
    found: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("version", ["2.6.1.3", "2.7.0.3", "2.8.1"])
def test_the_seed_does_not_move_ours(version: str, dataset: Dataset, tmp_path: Path) -> None:
    found = ratios(version, "ours", dataset, tmp_path)
    wanted = [0.4 + 0.2 * epoch / 500 for epoch in (1, 2, 3)]
    assert found == [[pytest.approx(ratio, abs=1e-12)] * 2 for ratio in wanted]


@pytest.mark.parametrize(
    ("version", "ratio"), [("2.6.1.3", 0.4), ("2.7.0.3", 0.8096), ("2.8.1", 0.8096)]
)
def test_theirs_takes_it_for_the_epoch(
    version: str, ratio: float, dataset: Dataset, tmp_path: Path
) -> None:
    found = ratios(version, "theirs", dataset, tmp_path)
    assert found == [[pytest.approx(ratio, abs=1e-12)] * 2] * 3
