"""Pictures of predictions: with their scores, or with the boxes alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ppocr_ft.commands.predict.run import prediction_folder
from ppocr_ft.postprocess.db import ImageBoxes


def test_scores_can_be_left_out_of_the_pictures(tmp_path: Path) -> None:
    image = str(tmp_path / "a.png")
    cv2.imwrite(image, np.full((100, 200, 3), 255, np.uint8))
    box = np.array([[20, 40], [120, 40], [120, 56], [20, 56]], np.int32)
    boxes: ImageBoxes = {"points": [box], "scores": np.array([0.75])}
    above: dict[bool, int] = {}
    for scores in (True, False):
        out = tmp_path / str(scores)
        with prediction_folder(out, scores=scores) as write:
            write(image, boxes)
        picture = cv2.imread(str(out / "a.jpg"))
        above[scores] = int((picture[28:37, 95:121] < 200).sum())
        assert '"score": 0.75' in (out / "boxes.jsonl").read_text()
    assert above[True] > 10 > above[False]
