"""Boxes by RapidOCR on ONNX Runtime: python boxes_rapidocr.py MODEL_FOLDER OUT IMAGE...

One JSON line an image. Runs where rapidocr 3 is installed and this project isn't.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import yaml

SAME = ("thresh", "box_thresh", "max_candidates", "unclip_ratio", "use_dilation", "score_mode")
"""Keys of ``PostProcess`` that RapidOCR has too, with the same meaning."""


def rapidocr_params(folder: Path) -> dict[str, Any]:
    """The parameters by which RapidOCR does what ``inference.yml`` says; it exits if none do."""
    settings = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    named = settings["Global"]
    known_type = "min" if "seal" in named["model_name"] else "max"
    steps = {k: v for step in settings["PreProcess"]["transform_ops"] for k, v in step.items()}
    resize, normalize = steps["DetResizeForTest"], steps["NormalizeImage"]
    post = settings["PostProcess"]
    can_not = {
        "image_shape": "resize_long" not in resize,
        "img_mode: RGB": steps["DecodeImage"]["img_mode"] != "BGR",
        "a scale but 1/255": not is_byte_scale(normalize["scale"]),
        "box_type: poly": post["box_type"] != "quad",
    }
    if any(can_not.values()):
        raise SystemExit(f"RapidOCR can't do {', '.join(k for k, v in can_not.items() if v)}")
    return {
        "Global.use_preprocess_img": False,  # a first resize, to 2000 px
        "Global.use_vertical_padding": False,
        "Det.model_path": str(folder / "inference.onnx"),
        "Det.limit_type": named.get("limit_type", known_type),
        "Det.limit_side_len": named.get("limit_side_len", resize["resize_long"]),
        "Det.mean": normalize["mean"],
        "Det.std": normalize["std"],
        **{f"Det.{key}": post[key] for key in SAME},
    }


def is_byte_scale(scale: str | float) -> bool:
    return scale == "1./255." or (not isinstance(scale, str) and math.isclose(scale, 1 / 255))


def main(folder: Path, out: Path, *images: str) -> None:
    from rapidocr import RapidOCR

    ocr = RapidOCR(params=rapidocr_params(folder))
    with out.open("w", encoding="utf-8") as lines:
        for image in images:
            found = ocr(image, use_cls=False, use_rec=False)
            boxes = [] if found.boxes is None else found.boxes.tolist()
            print(json.dumps({"image": image, "boxes": boxes}), file=lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
