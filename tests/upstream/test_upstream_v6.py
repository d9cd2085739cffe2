"""The PaddleOCR of PP-OCRv6 (main of mid-2026), whose data set counts epochs in shared memory.

``stand_in_v6`` stands in for its data set, loader and operators, none of which a wheel holds. It
was written from a description of that version, not from its code: each sample bears ``epoch``, a
counter that starts at 0 and advances only where an entry of ``ratio_list`` is below 1; nothing is
rebuilt and the workers live on; the operators add 0.2 * epoch / total_epoch without a bound.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppocr_ft import EpochClock, MakeBorderMap, MakeShrinkMap
from ppocr_ft.commands.check.shrink_versions import shrink_versions
from tests.upstream.checkout import python

pytestmark = pytest.mark.slow
PROGRAM = Path(__file__).parent / "means_of_v6.py"
TEXT = np.array([[[8, 8], [56, 12], [52, 44], [10, 40]]], np.float32)
TOTAL, LAST = 4, 6


def config_of(ratio_list: list[float], workers: int = 0, start: int = 1) -> dict[str, Any]:
    keys = {"shrink_ratio": 0.4, "total_epoch": TOTAL}
    dataset = {
        "transforms": [{"MakeBorderMap": keys}, {"MakeShrinkMap": keys}],
        "ratio_list": ratio_list,
    }
    loader = {"shuffle": True, "batch_size_per_card": 2, "num_workers": workers}
    return {
        "Global": {"epoch_num": LAST, "start_epoch": start},
        "Train": {"dataset": dataset, "loader": loader},
    }


def means(config: dict[str, Any], whose: str) -> list[list[list[float]]]:
    """Of each epoch: the means of the threshold maps and of the shrink maps of its 4 samples."""
    done = python(PROGRAM, json.dumps(config), whose, str(LAST))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found: list[list[list[float]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def means_at(ratio: float) -> list[list[Any]]:
    """What our operators draw at a constant ratio, for 4 equal samples."""
    data = {
        "image": np.zeros((64, 64, 3), np.uint8),
        "polys": TEXT.copy(),
        "ignore_tags": np.array([False]),
    }
    for operator in (MakeBorderMap, MakeShrinkMap):
        data = operator(shrink_ratio=ratio, clock=EpochClock())(data)
    return [
        [pytest.approx(float(data[name].mean()))] * 4 for name in ("threshold_map", "shrink_map")
    ]


@pytest.mark.parametrize(
    ("ratio_list", "workers", "start"), [([1.0], 2, 1), ([1.0, 0.5], 2, 3), ([1.0], 0, 3)]
)
def test_ours_follows_the_true_epoch(ratio_list: list[float], workers: int, start: int) -> None:
    found = means(config_of(ratio_list, workers, start), "ours")
    ratios = [0.4 + 0.2 * min(epoch / TOTAL, 1) for epoch in range(start, LAST + 1)]
    assert found == [means_at(ratio) for ratio in ratios]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("ratio_list", "ratios"),
    [([1.0], [0.4] * 6), ([1.0, 0.3], [0.45, 0.5, 0.55, 0.6, 0.65, 0.7])],
)
def test_theirs_is_what_check_says(ratio_list: list[float], ratios: list[float]) -> None:
    found = means(config_of(ratio_list, workers=2), "theirs")
    assert found == [[[pytest.approx(ratio)] * 4] * 2 for ratio in ratios]
    said = shrink_versions(config_of(ratio_list))
    assert said is not None
    (v6,) = [version for version in said.versions if "since PP-OCRv6" in version.version]
    assert (v6.first, v6.last) == (pytest.approx(ratios[0]), pytest.approx(ratios[-1]))
