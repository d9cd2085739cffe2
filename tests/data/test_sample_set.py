"""The sample data set of the package: sound labels, small enough, found by ``data_dir: sample``."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.check.data import Source, check_dataset
<<<<<<< HEAD:tests/test_sample_set.py
from ppocr_ft.data.sample_set import SAMPLE

=======
from ppocr_ft.data import sample_set
from ppocr_ft.data.sample_set import MANIFEST, SAMPLE, SampleSet, copy_sample
from ppocr_ft.errors import DataError
from ppocr_ft.metrics import DetMetric
from ppocr_ft.postprocess import DBPostProcess
from tests.support.postprocess_reference import compute_maps, load_maps

TOOL = Path(__file__).parents[2] / "tools" / "make_sample.py"
>>>>>>> cb504e5 (Tests mirror the package; helpers in tests/support, benches in benchmarks/, experiments in experiments/):tests/data/test_sample_set.py
LIMIT_BYTES = 6_000_000


def test_the_check_finds_nothing() -> None:
    train, val = (Source(path, SAMPLE.data_dir) for path in (SAMPLE.train_label, SAMPLE.val_label))
    report = check_dataset([train], [val])
    assert list(report.findings) == []


@pytest.mark.parametrize(
    ("label_file", "count"),
    [(SAMPLE.train_label, 120), (SAMPLE.val_label, 40)],
    ids=["train", "val"],
)
def test_every_text_lies_in_its_picture(label_file: Path, count: int) -> None:
    lines = label_file.read_text(encoding="utf-8").splitlines()
    assert len(lines) == count
    for line in lines:
        name, texts = line.split("\t")
        height, width = cv2.imread(str(SAMPLE.data_dir / name)).shape[:2]
        points = np.array([text["points"] for text in json.loads(texts)])
        assert points.min() >= 0
        assert (points.max(axis=(0, 1)) <= (width - 1, height - 1)).all()


def test_every_picture_has_a_label_and_all_are_small() -> None:
    lines = [*SAMPLE.train_label.open(encoding="utf-8"), *SAMPLE.val_label.open(encoding="utf-8")]
    pictures = {f"images/{path.name}" for path in (SAMPLE.data_dir / "images").iterdir()}
    assert {line.split("\t")[0] for line in lines} == pictures
    files = [path for path in SAMPLE.data_dir.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT_BYTES
