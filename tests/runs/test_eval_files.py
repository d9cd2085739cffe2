"""The pictures of an evaluation in a run's folder: whose they are, and what is drawn in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.report.contact_sheet import Marked
from ppocr_ft.report.outlines import FALSE, FITTING, LOOSE, MISSED
from ppocr_ft.runs import eval_files
from ppocr_ft.runs.eval_files import Findings, preview_of, save_findings
from ppocr_ft.utils.draw import Picture
from tests.support.report_run import rectangle

NAMES = ("val_before.jpg", "val_best.jpg", "before_after.jpg")
SIZE_PX, NETWORK_PX = (180, 120), (90, 60)
"""The image file's and the network's width and height."""


def preview(*boxes: np.ndarray) -> Marked:
    """A grey image with four labels, the last of them ignored, and the boxes found on it."""
    labels = tuple(rectangle(10, 10 + 30 * row, 100, 20) for row in range(4))
    grey = np.linspace(-2, 2, NETWORK_PX[0] * NETWORK_PX[1], dtype=np.float32)
    image = np.stack([grey.reshape(NETWORK_PX[::-1])] * 3)
    size = np.array([*SIZE_PX[::-1], 0.5, 0.5])
    sample = EvalSample(image, size, "a", labels, np.array([False, False, False, True]))
    found: ImageBoxes = {
        "points": [box.astype(np.int32) for box in boxes],
        "scores": np.ones(len(boxes)),
    }
    candidates = DBPostProcess().candidates(np.zeros(NETWORK_PX[::-1], "f4"))
    return preview_of(EvalRecord(sample, candidates, {1.5: found}))


def test_boxes_have_the_colors_of_the_report_in_the_networks_pixels() -> None:
    fitting, loose = rectangle(10, 10, 100, 20), rectangle(10, 46, 100, 20)
    away, on_ignored = rectangle(120, 10, 40, 20), rectangle(10, 100, 100, 20)
    shown = preview(fitting, loose, away, on_ignored)
    assert [(o.color, o.dashed) for o in shown.outlines] == [
        (FITTING, False), (LOOSE, False), (FALSE, False), (MISSED, True)
    ]  # fmt: skip
    np.testing.assert_array_equal(shown.outlines[0].polygon, fitting / 2)
    np.testing.assert_array_equal(shown.outlines[3].polygon, rectangle(10, 70, 100, 20) / 2)
    assert shown.picture.shape == (60, 90, 3)
    assert (shown.picture.min(), shown.picture.max()) == (0, 255)


def test_each_picture_is_headed_by_the_weights_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headings: list[str] = []
    draw = eval_files.contact_sheet

    def drawn(images: Sequence[Marked], heading: str) -> Picture:
        headings.append(heading)
        return draw(images, heading)

    monkeypatch.setattr(eval_files, "contact_sheet", drawn)
    post_process = DBPostProcess(unclip_ratio=1.5)
    save_findings(tmp_path, Findings([], [preview()] * 2, post_process), 0, 0.5)
    start, best, both = (cv2.imread(str(tmp_path / name)) for name in NAMES)
    np.testing.assert_array_equal(start, best)
    assert both.shape[1] < 1.1 * start.shape[1], "the start alone is shown once"
    shown = preview(rectangle(10, 10, 100, 20))
    save_findings(tmp_path, Findings([], [shown] * 2, post_process), 7, 0.75)
    start, best, both = (cv2.imread(str(tmp_path / name)) for name in NAMES)
    assert start.shape == best.shape
    assert both.shape[1] > 2 * start.shape[1]
    heading_px = 90
    assert np.abs(start[heading_px:].astype(int) - best[heading_px:]).max() > 50
    assert headings == [
        "start (step 0): hmean 0.500 at IoU 0.5, unclip_ratio 1.5",
        "fine-tuned, 7 steps: hmean 0.750 at IoU 0.5, unclip_ratio 1.5",
    ]
