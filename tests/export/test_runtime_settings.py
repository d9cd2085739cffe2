"""What the scripts of tests/runtime and the model card tell other runtimes is what inference.yml
says; no runtime is needed for it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ppocr_ft.export.card import Origin, model_card
from ppocr_ft.export.parity import Parity
from ppocr_ft.export.settings import InferenceSettings, ResizeRule
from ppocr_ft.export.write import Formats
from ppocr_ft.postprocess import DBPostProcess
from tests.runtime.boxes_paddleocr2 import predict_det_options
from tests.runtime.boxes_rapidocr import rapidocr_params

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POST_PROCESS = DBPostProcess(
    thresh=0.25, box_thresh=0.55, unclip_ratio=1.1, use_dilation=True, score_mode="slow"
)
SETTINGS = InferenceSettings(
    "PP-OCRv4_mobile_det", "BGR", ResizeRule(864), 1 / 255, MEAN, STD, POST_PROCESS
)


def folder_of(settings: InferenceSettings, folder: Path) -> Path:
    (folder / "inference.yml").write_text(settings.to_yaml(), encoding="utf-8")
    return folder


def test_rapidocr_is_told_everything(tmp_path: Path) -> None:
    settings = replace(SETTINGS, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert rapidocr_params(folder_of(settings, tmp_path)) == {
        "Global.use_preprocess_img": False,
        "Global.use_vertical_padding": False,
        "Det.model_path": str(tmp_path / "inference.onnx"),
        "Det.limit_type": "max",
        "Det.limit_side_len": 864,
        "Det.mean": [0.1, 0.2, 0.3],
        "Det.std": [0.4, 0.5, 0.6],
        "Det.thresh": 0.25,
        "Det.box_thresh": 0.55,
        "Det.max_candidates": 1000,
        "Det.unclip_ratio": 1.1,
        "Det.use_dilation": True,
        "Det.score_mode": "slow",
    }


def test_predict_det_is_told_everything(tmp_path: Path) -> None:
    assert predict_det_options(folder_of(SETTINGS, tmp_path)) == [
        "--use_gpu=False",
        f"--det_model_dir={tmp_path}",
        "--det_limit_type=max",
        "--det_limit_side_len=864",
        "--det_db_thresh=0.25",
        "--det_db_box_thresh=0.55",
        "--det_db_unclip_ratio=1.1",
        "--det_db_score_mode=slow",
        "--det_box_type=quad",
        "--use_dilation=True",
    ]


POLY = replace(POST_PROCESS, box_type="poly")
FEW = replace(POST_PROCESS, max_candidates=50)
SEAL: dict[str, Any] = {
    "model_name": "PP-OCRv4_server_seal_det",
    "resize": ResizeRule(shortest_px=640),
}


@pytest.mark.parametrize(
    ("change", "rapidocr", "predict_det"),
    [
        ({"resize": ResizeRule(None, (640, 640))}, "image_shape", "image_shape"),
        ({"img_mode": "RGB"}, "img_mode: RGB", "img_mode: RGB"),
        ({"scale": 1 / 127.5}, "a scale but 1/255", "another NormalizeImage"),
        ({"mean": (0.5, 0.5, 0.5)}, None, "another NormalizeImage"),
        ({"post_process": POLY}, "box_type: poly", None),
        ({"post_process": FEW}, None, "fewer max_candidates"),
    ],
)
def test_what_a_runtime_can_not_do_is_said(
    change: dict[str, object], rapidocr: str | None, predict_det: str | None, tmp_path: Path
) -> None:
    folder = folder_of(replace(SETTINGS, **change), tmp_path)
    for settings_of, refusal in ((rapidocr_params, rapidocr), (predict_det_options, predict_det)):
        if refusal is None:
            settings_of(folder)
            continue
        with pytest.raises(SystemExit, match=refusal):
            settings_of(folder)


def card_of(settings: InferenceSettings, formats: Formats) -> str:
    parity = Parity(1, 0, {"hmean": 1.0, "hmean_70": 1.0}, {})
    return model_card(settings, Origin({}, {}), parity, formats)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="the longest side"),
        pytest.param(SEAL, id="a seal's shortest side"),
        pytest.param({"resize": ResizeRule(shortest_px=800)}, id="the shortest side"),
        pytest.param({"post_process": FEW}, id="other candidates"),
    ],
)
def test_the_model_card_tells_rapidocr_the_same(change: dict[str, Any], tmp_path: Path) -> None:
    settings = replace(SETTINGS, **change)
    card = card_of(settings, Formats(onnx=True))
    told = re.search(r"RapidOCR\(params=(\{.*?\})\)", card, re.DOTALL)
    assert told is not None
    params = ast.literal_eval(told[1])
    wanted = rapidocr_params(folder_of(settings, tmp_path))
    own = {k: v for k, v in wanted.items() if k.startswith("Det.")}
    own.pop("Det.model_path")  # another folder
    assert {k: params.get(k) for k in own} == own


def test_the_model_card_tells_how_to_enlarge() -> None:
    enlarging = replace(SETTINGS, resize=ResizeRule(shortest_px=800))
    card = card_of(enlarging, Formats())
    assert "model_dir=\"THIS_FOLDER\", limit_side_len=800, limit_type='min')" in card
    assert "which it does not read from `inference.yml`" in card
    assert 'text_det_limit_side_len=800, text_det_limit_type="min"' in card
    assert "shortest side at least 800 px" in card
    assert "limit_side_len=800" not in card_of(SETTINGS, Formats())
    assert 'det_limit_side_len=800, det_limit_type="min"' in card_of(
        enlarging, Formats(legacy=True)
    )


def test_predict_det_is_told_to_enlarge(tmp_path: Path) -> None:
    options = predict_det_options(
        folder_of(replace(SETTINGS, resize=ResizeRule(shortest_px=800)), tmp_path)
    )
    assert {"--det_limit_type=min", "--det_limit_side_len=800"} <= set(options)


def test_the_model_card_of_a_seal_detector() -> None:
    card = card_of(replace(SETTINGS, **SEAL, post_process=POLY), Formats(onnx=True))
    assert 'SealTextDetection(model_name="PP-OCRv4_server_seal_det"' in card
    assert 'SealRecognition(\n        seal_text_detection_model_name="PP-OCRv4_server' in card
    assert 'seal_det_limit_side_len=640, seal_det_limit_type="min"' in card
    assert "shortest side at least 640 px" in card
    assert "RapidOCR has no polygons" in card
    assert 'det_limit_side_len=640, det_limit_type="min"' in card_of(
        replace(SETTINGS, **SEAL), Formats(legacy=True)
    )
