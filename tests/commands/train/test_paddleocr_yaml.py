"""Files like PaddleOCR's PP-OCRv6 YAMLs train, unmodified but for paths, length and size."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppocr_ft.commands.train.cli import main
from tests.support.config_files import CONFIGS
from tests.support.pictures import text, write_different, write_set
from tests.support.same_run import figures

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "crop"),
    [("v6_tiny", "RandomCrop"), ("v6_small_first", "EastRandomCropData")],
)
def test_two_steps(name: str, crop: str, tmp_path: Path) -> None:
    texts = [text("a", 10, 10), text("b", 60, 40, 50, 20), text("c", 5, 70, 80, 14)]
    labels = write_set(tmp_path, {f"{i}.png": texts for i in range(4)})
    write_different(tmp_path, 4)
    resize = "Eval.dataset.transforms.DetResizeForTest"
    values = [
        f"Global.save_model_dir={tmp_path / 'run'}",
        "Global.epoch_num=2",
        "Global.print_batch_step=1",
        "Global.fit_postprocess=false",
        "Optimizer.lr.warmup_epoch=0",
        f"Train.dataset.transforms.{crop}.size=[64,64]",
        "Train.loader.batch_size_per_card=4",
        "Train.loader.num_workers=0",
        f"{resize}.limit_side_len=96",
        f"{resize}.limit_type=max",
        *(
            f"{split}.dataset.{key}"
            for split in ("Train", "Eval")
            for key in (f"data_dir={tmp_path}", f"label_file_list=[{labels}]")
        ),
    ]
    assert main(["-c", str(CONFIGS / f"like_{name}.yml"), "-o", *values]) == 0
    rows = [row for row in figures(tmp_path / "run") if row["kind"] == "train"]
    assert [row["step"] for row in rows] == ["1", "2"]
    ratios = [float(row["shrink_ratio"]) for row in rows]
    assert ratios == pytest.approx([0.35 + 0.2 / 300, 0.35 + 0.4 / 300])
    assert all(float(row["loss_aux_maps_p2"]) > 0 for row in rows)
    assert (tmp_path / "run" / "latest_ema.pdparams").is_file()
