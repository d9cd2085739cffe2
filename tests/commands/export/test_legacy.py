"""`export --legacy`: the older program, by a small network trained in branches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.commands.export.cli import main
from tests.support.small_run import small_config

pytestmark = pytest.mark.slow

BACKBONE = "Architecture.Backbone={name: PPLCNetV3, scale: 0.35, det: true}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights in branches whose batch norms differ, as training leaves them."""
    from ppocr_ft.config import load_config
    from ppocr_ft.models.architecture import build_architecture
    from ppocr_ft.weights import save_trained

    folder = tmp_path_factory.mktemp("run")
    config = load_config(str(small_config(folder)), [BACKBONE])
    architecture = config.Architecture.arguments()
    paddle.seed(3)
    network = build_architecture(architecture, form="branches")
    rng = np.random.default_rng(3)
    for key, tensor in network.state_dict().items():
        if key.endswith("_variance"):
            tensor.set_value(rng.uniform(0.7, 1.4, tensor.shape).astype(np.float32))
    save_trained(network, folder / "trained.pdparams", architecture)
    return folder / "trained.pdparams"


@pytest.mark.parametrize("name", [None, "PP-OCRv5_mobile_det"])
def test_pdmodel_of_folded_branches(
    name: str | None, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    config = str(checkpoint.parent / "c.yml")
    more = [
        f"Global.checkpoints={checkpoint}", f"Global.save_inference_dir={folder}", BACKBONE,
        f"Global.model_name={name or 'null'}",
    ]  # fmt: skip
    formats = [] if name else ["--legacy"]
    assert main(["-c", config, "-o", *more, *formats]) == 0, capsys.readouterr().err
    program = "inference.json" if name else "inference.pdmodel"
    assert {path.name for path in folder.iterdir()} == {
        program, "inference.pdiparams", "inference.yml", "parity.json", "model_card.md",
    }  # fmt: skip
    yml = (folder / "inference.yml").read_text(encoding="utf-8")
    assert f"model_name: {name or 'PP-OCRv4_mobile_det'}\n" in yml
    assert "resize_long: 96\n" in yml
