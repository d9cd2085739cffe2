"""A detector with auxiliary heads trains, in branches and folded, and is exported."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ppocr_ft.commands.export.cli import main as export
from ppocr_ft.commands.train.cli import main as train
from ppocr_ft.config import load_config
from ppocr_ft.models.architecture import build_architecture
from ppocr_ft.weights.sources import open_source
from ppocr_ft.weights.trace import tensor_order
from tests.support.small_run import small_config

V6 = [
    "Architecture.Backbone={name: PPLCNetV4, model_size: tiny}",
    "Architecture.Neck={name: RepLKFPN, out_channels: 32, dilated_kernel_size: 5}",
    "Architecture.Head={name: DBHead, aux_in_channels: 32, fix_nan: true}",
    "Loss={main_loss_type: DiceFocalLoss, aux_weight_p4: 0.2, aux_weight_p3: 0.3}",
    "Global.eval_batch_step=[0,100]",
    "Global.fit_postprocess=false",
]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["branches", "folded"])
def test_train_and_export(form: str, tmp_path: Path) -> None:
    config = ["-c", str(small_config(tmp_path)), "-o", *V6, f"Global.form={form}"]
    assert train([*config, "Global.epoch_num=1", "Global.cpu_threads=2"]) == 0
    run = tmp_path / "run"
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        steps = [row for row in csv.DictReader(file) if row["kind"] == "train"]
    assert len(steps) == 4
    for row in steps:
        terms = {key: float(row[f"loss_{key}"]) for key in ("aux_maps_p4", "aux_maps_p3")}
        own = sum(float(row[f"loss_{key}_maps"]) for key in ("shrink", "threshold", "binary"))
        weighted = 0.2 * terms["aux_maps_p4"] + 0.3 * terms["aux_maps_p3"]
        assert float(row["loss"]) == pytest.approx(own + weighted, rel=1e-5)
        assert "loss_aux_maps_p2" not in row  # its weight is 0

    folder = tmp_path / "model"
    named = ["Global.model_name=PP-OCRv4_mobile_det", f"Global.save_inference_dir={folder}"]
    checkpoint = f"Global.checkpoints={run / 'latest'}"
    assert export([*config, checkpoint, *named]) == 0
    network = build_architecture(load_config(tmp_path / "c.yml", V6).Architecture, "folded")
    assert len(open_source(folder).tensors) == len(tensor_order(network))
