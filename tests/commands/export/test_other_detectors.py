"""The detectors that no package carries, and those for seals: each is exported under its name.

Their weights are made up, but for the mobile seal detector's, which are PP-OCRv4 mobile's.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import yaml

from ppocr_ft.commands.export.cli import main
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.weights import write_weights
from tests.support import hugging_face_reference as hugging_face
from tests.support.nets_reference import hashed_state, shapes

pytestmark = pytest.mark.slow

ROWS, COLUMNS = slice(60, 252), slice(80, 336)  # of a picture of the sample: three lines of text
SEAL = ["PostProcess.box_type=poly", "PostProcess.unclip_ratio=0.5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("paddle2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    folder = tmp_path_factory.mktemp("data")
    picture = cv2.imread(str(SAMPLE.data_dir / "images" / "val_0000.jpg"))
    cv2.imwrite(str(folder / "small.png"), picture[ROWS, COLUMNS])
    (folder / "val.txt").write_text("small.png\t[]\n", encoding="utf-8")
    return folder


def made_up(name: str, folder: Path) -> str:
    """Weights of a detector; of seals', that of texts."""
    network = name.replace("_seal", "")
    if network == "PP-OCRv4_mobile_det":
        return "released"
    if network in hugging_face.DETECTORS:
        state = hugging_face.state(hugging_face.shapes(network))
    else:
        state = hashed_state(shapes(network))
    path = folder / "weights.safetensors"
    write_weights(path, state)
    return str(path)


@pytest.mark.parametrize(
    ("config", "name", "thresh"),
    [
        pytest.param("det_v6_medium_ft", "PP-OCRv6_medium_det", 0.3, id="v6 medium"),
        pytest.param("det_v5_server_ft", "PP-OCRv5_server_det", 0.65, id="v5 server"),
        pytest.param("det_v4_ft", "PP-OCRv4_mobile_seal_det", 0.2, id="mobile seal"),
        pytest.param("det_v4_server_ft", "PP-OCRv4_server_seal_det", 0.55, id="server seal"),
    ],
)
def test_it_is_exported_and_equal(
    config: str, name: str, thresh: float, data: Path, tmp_path: Path
) -> None:
    """``thresh`` is one at which these weights, in this picture, find several boxes."""
    is_seal = "_seal_" in name
    folder = tmp_path / "model"
    overrides = [
        f"Global.model_name={name}",
        f"Global.pretrained_model={made_up(name, tmp_path)}",
        f"Global.save_inference_dir={folder}",
        "Global.use_gpu=false",
        f"Eval.dataset.data_dir={data}",
        f"Eval.dataset.label_file_list=[{data / 'val.txt'}]",
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=192",
        f"Eval.dataset.transforms.DetResizeForTest.limit_type={'min' if is_seal else 'max'}",
        f"PostProcess.thresh={thresh}",
        "PostProcess.box_thresh=0.5",
    ]
    assert main(["-c", config, "--onnx", "-o", *overrides, *(SEAL if is_seal else [])]) == 0
    settings = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    assert settings["Global"]["model_name"] == name
    assert settings["PostProcess"]["box_type"] == ("poly" if is_seal else "quad")
    parity = json.loads((folder / "parity.json").read_text(encoding="utf-8"))
    assert parity["equal"] is True
    assert parity["boxes"] > 1
    assert set(parity["trials"]) == {"Paddle", "ONNX Runtime"}
    assert name in (folder / "model_card.md").read_text(encoding="utf-8")
    assert (folder / "inference.onnx").is_file()
