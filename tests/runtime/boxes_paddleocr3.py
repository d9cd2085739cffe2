"""Boxes by PaddleOCR 3: python boxes_paddleocr3.py MODEL_FOLDER OUT IMAGE...

One JSON line an image. Runs where paddleocr 3 is installed and this project isn't.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import yaml


def main(folder: Path, out: Path, *images: str) -> None:
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")  # nothing to download
    from paddleocr import TextDetection

    settings = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    # Without the name it expects its own default model in the folder.
    named = settings["Global"]  # with limit_side_len and limit_type, if it must be told them
    detector = TextDetection(model_dir=str(folder), **named)
    with out.open("w", encoding="utf-8") as lines:
        for image in images:
            (page,) = detector.predict(image)
            boxes = [polygon.tolist() for polygon in page["dt_polys"]]
            print(json.dumps({"image": image, "boxes": boxes}), file=lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
