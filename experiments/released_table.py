"""The released weights: our eval beside the inference program with PaddleOCR's own boxes.

Usage: make released (python -m experiments.released_table). It needs the real
images of ../shared/data; it prints the tables and puts them into docs/released.md.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from experiments.marked_tables import Table, replaced
from ppocr_ft.commands.common import import_paddle
from ppocr_ft.config import Config, load_config
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.metrics import DetMetric
from ppocr_ft.utils.cpu import tune_cpu
from tests.support.postprocess_reference import compute_maps, load_maps, reference_boxes

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "released.md"
DATA = ROOT.parent / "shared" / "data"
SETS = {"receipts": "val.txt", "icdar2015_mini": "label.txt"}
RATES = ("precision", "recall", "hmean", "hmean_70")


def config_for(folder: str, labels: str) -> Config:
    place = DATA / folder
    return load_config(
        ROOT / "configs" / "det_v4_ft.yml",
        [
            f"Eval.dataset.data_dir={place}",
            f"Eval.dataset.label_file_list=[{place / labels}]",
            "PostProcess.unclip_ratio=1.5",  # the one in the released inference.yml
        ],
    )


def ours(config: Config) -> Any:
    from ppocr_ft.factory import objects

    network, _ = objects.network(config)
    data = objects.eval_data(config)
    return objects.evaluate(config, network, data.samples())


def program(config: Config) -> dict[str, float]:
    """Evaluate the inference program's maps with PaddleOCR 2.10.0's own post-processing."""
    dataset = config.Eval.dataset
    labels = read_label_file(dataset.label_file_list[0], dataset.data_dir)
    images = {f"{Path(dataset.data_dir).name}_{Path(e.images[0]).stem}": e for e in labels.entries}
    metric = DetMetric()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(entry.images[0]) for entry in images.values()]
        for name, prob_map, size in load_maps(compute_maps(paths, Path(folder))):
            boxes, _ = reference_boxes(config.PostProcess.arguments(), prob_map, size)
            texts = images[name].texts
            polygons = [np.asarray(texts.polygons[i]) for i in range(len(texts))]
            metric.update(boxes, polygons, texts.ignored)
    return metric.summary()


def main() -> int:
    if not DATA.is_dir():
        print("the real images of ../shared/data are not here", file=sys.stderr)
        return 2
    tune_cpu()
    import_paddle()
    rows, times = [], []
    for folder, labels in SETS.items():
        config = config_for(folder, labels)
        result = ours(config)
        for who, rates in (("inference program", program(config)), ("ppocr_ft", result.summary)):
            rows.append([folder, who, *(f"{rates[rate]:.4f}" for rate in RATES)])
        shares = result.stopwatch.shares()
        times.append(
            [folder, *(f"{shares[s]:.1%}" for s in ("read", "network", "boxes", "metric"))]
        )
    tables = [
        Table("hmean", ["images", "who", *RATES], rows),
        Table("time", ["images", "read", "network", "boxes", "metric"], times),
    ]
    document = DOCUMENT.read_text(encoding="utf-8")
    for table in tables:
        print(table.markdown(), end="\n\n")
        document = replaced(document, table)
    DOCUMENT.write_text(document, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
