"""PaddleOCR 3, RapidOCR and PaddleOCR 2.10 find with an exported model what the network finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import shapely

from ppocr_ft.commands.export.cli import main as export
from ppocr_ft.config import load_config
from ppocr_ft.data.labels import LabelEntry
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory import objects
from ppocr_ft.geometry import as_shapely
from tests.runtime.runtimes import (
    HMEAN_LIMIT,
    PADDLEOCR_2,
    PADDLEOCR_3,
    RAPIDOCR,
    ROOT,
    Boxes,
    Polygon,
    Runtime,
    difference,
    images_of,
    labels_of,
    rates,
)
from tests.support.samples import SHARED

IMAGES, SAMPLE_IMAGES = 8, 24
"""An image of the sample data set has fewer texts."""
RECEIPTS = SHARED / "data" / "receipts"
RESIZE = "Eval.dataset.transforms.DetResizeForTest"
ENLARGING = (f"{RESIZE}.limit_type=min", f"{RESIZE}.limit_side_len=800")
CONFIGS = [
    *(pytest.param((f"det_{name}_ft.yml",), id=name) for name in ("v4", "v6_tiny", "v6_small")),
    pytest.param(("det_v4_ft.yml", *ENLARGING), id="v4, enlarged"),
]
OTHER_THAN_DEFAULTS = [
    f"{RESIZE}.limit_side_len=864",
    "PostProcess.thresh=0.45",
    "PostProcess.box_thresh=0.93",
    "PostProcess.unclip_ratio=1.1",
    "PostProcess.score_mode=slow",
]
"""A runtime that missed any of them would find other boxes than the test lets pass."""
SAME_BOX_PX = 2.0
"""All were within 1 px when this was written."""
SAME_BOXES_RATIO = 0.99


@dataclass(frozen=True)
class Trial:
    """The released weights of a config on labelled images, and what they find there."""

    config: str
    overrides: list[str]
    labels: list[LabelEntry]
    boxes: Boxes


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Label file and data folder: the first receipts, or of the sample data set without them."""
    data_dir, count = (RECEIPTS, IMAGES) if RECEIPTS.is_dir() else (SAMPLE.data_dir, SAMPLE_IMAGES)
    lines = (data_dir / "val.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path_factory.mktemp("set") / "val.txt"
    path.write_text("".join(lines[:count]), encoding="utf-8")
    return path, data_dir


@pytest.fixture(scope="session", params=CONFIGS)
def trial(request: pytest.FixtureRequest, labels: tuple[Path, Path]) -> Trial:
    label_file, data_dir = labels
    file_name, *more = request.param
    name = str(ROOT / "configs" / file_name)
    overrides = [
        *OTHER_THAN_DEFAULTS,
        *more,
        f"Eval.dataset.data_dir={data_dir}",
        f"Eval.dataset.label_file_list=[{label_file}]",
        "Global.use_gpu=false",
    ]
    config = load_config(name, overrides)
    entries = labels_of(label_file, data_dir)
    try:
        network, _ = objects.network(config)
    except WeightsError as error:
        pytest.skip(str(error))
    images = objects.image_files(config, [str(path) for path in images_of(entries)])
    found = objects.predict(config, network, images.samples())
    boxes: Boxes = {str(Path(path).absolute()): list(each["points"]) for path, each in found}
    return Trial(name, overrides, entries, boxes)


@pytest.fixture(scope="session")
def models(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The exported folder by whether it has the older layout, which PP-OCRv6 is not tried in."""
    folder = tmp_path_factory.mktemp("models")
    layouts = (False,) if "_v6_" in trial.config else (False, True)
    made = {legacy: folder / ("legacy" if legacy else "new") for legacy in layouts}
    for legacy, path in made.items():
        place = f"Global.save_inference_dir={path}"
        flags = ["--legacy" if legacy else "--onnx", "--parity-images", "1"]
        assert export(["-c", trial.config, *flags, "-o", *trial.overrides, place]) == 0
    return made


@pytest.mark.parametrize(
    "runtime", [PADDLEOCR_3, RAPIDOCR, PADDLEOCR_2], ids=lambda runtime: runtime.name
)
def test_it_finds_what_the_network_finds(
    runtime: Runtime, trial: Trial, models: dict[bool, Path], tmp_path: Path
) -> None:
    if runtime.legacy not in models:
        pytest.skip("PaddleOCR 2 has no max_candidates: PP-OCRv6 is for PaddleOCR 3")
    images = images_of(trial.labels)
    boxes = runtime.boxes(models[runtime.legacy], images, tmp_path / "boxes.jsonl")
    ours, theirs = rates(trial.boxes, trial.labels), rates(boxes, trial.labels)
    print(f"{runtime.name}: {theirs}; ours: {ours}")
    assert ours["hmean"] > 0.4  # the sample data set is hard
    assert difference(theirs, ours) <= HMEAN_LIMIT
    count = max(sum(map(len, found.values())) for found in (trial.boxes, boxes))
    same = sum(with_counterpart(found, boxes[path]) for path, found in trial.boxes.items())
    assert same >= SAME_BOXES_RATIO * count


def with_counterpart(some: list[Polygon], others: list[Polygon]) -> int:
    """How many of ``some`` have an outline of ``others`` within ``SAME_BOX_PX``."""
    a = as_shapely([np.asarray(box, np.float64) for box in some])
    b = as_shapely([np.asarray(box, np.float64) for box in others])
    near = shapely.hausdorff_distance(a[:, np.newaxis], b) <= SAME_BOX_PX
    return int(near.any(axis=1).sum())
