"""Boxes by PaddleOCR 2's predict_det: python boxes_paddleocr2.py MODEL_FOLDER OUT IMAGE...

One JSON line an image. Runs where paddleocr 2 is installed and this project isn't.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

NORMALIZE = {
    "scale": "1./255.",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "order": "hwc",
}
MAX_CANDIDATES = 1000
"""What it looks at in any case; where there is more, it finds less than our settings would."""


def predict_det_options(folder: Path) -> list[str]:
    """The options by which predict_det does what ``inference.yml`` says; it exits if none do."""
    settings = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    named = settings["Global"]
    known_type = "min" if "seal" in named["model_name"] else "max"
    steps = {k: v for step in settings["PreProcess"]["transform_ops"] for k, v in step.items()}
    resize, post = steps["DetResizeForTest"], settings["PostProcess"]
    can_not = {
        "image_shape": "resize_long" not in resize,
        "img_mode: RGB": steps["DecodeImage"]["img_mode"] != "BGR",
        "another NormalizeImage": steps["NormalizeImage"] != NORMALIZE,
        "fewer max_candidates": post["max_candidates"] < MAX_CANDIDATES,
    }
    if any(can_not.values()):
        raise SystemExit(f"predict_det can't do {', '.join(k for k, v in can_not.items() if v)}")
    options = {
        "use_gpu": False,
        "det_model_dir": folder,
        "det_limit_type": named.get("limit_type", known_type),
        "det_limit_side_len": named.get("limit_side_len", resize["resize_long"]),
        "det_db_thresh": post["thresh"],
        "det_db_box_thresh": post["box_thresh"],
        "det_db_unclip_ratio": post["unclip_ratio"],
        "det_db_score_mode": post["score_mode"],
        "det_box_type": post["box_type"],
        "use_dilation": post["use_dilation"],
    }
    return [f"--{name}={value}" for name, value in options.items()]


def main(folder: Path, out: Path, *images: str) -> None:
    import cv2
    import paddleocr  # noqa: F401  makes tools/ importable
    from tools.infer.predict_det import TextDetector
    from tools.infer.utility import init_args

    detector = TextDetector(init_args().parse_args(predict_det_options(folder)))
    with out.open("w", encoding="utf-8") as lines:
        for image in images:
            boxes, _ = detector(cv2.imread(image))
            print(json.dumps({"image": image, "boxes": boxes.tolist()}), file=lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
