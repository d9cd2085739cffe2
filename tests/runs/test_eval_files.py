"""The pictures of an evaluation in a run's folder: whose they are, and what is drawn in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import EvalRecord
from ppocr_ft.engine.outcome import caption
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.report.drawing import FALSE, FITTING, GAP_PX, LOOSE, MISSED, Marked
from ppocr_ft.runs import eval_files
from ppocr_ft.runs.eval_files import Findings, preview_of, save_findings
from ppocr_ft.utils.draw import Picture
from tests.support.report_run import rectangle

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


@pytest.fixture
def headings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the sheets are headed by."""
    kept: list[str] = []
    draw = eval_files.contact_sheet

    def drawn(images: Sequence[Marked], heading: str) -> Picture:
        kept.append(heading)
        return draw(images, heading)

    monkeypatch.setattr(eval_files, "contact_sheet", drawn)
    return kept


HALF, BOTH = 1, 2
HEADING_PX = 90


def pictures(folder: Path, *names: str) -> list[Picture]:
    return [cv2.imread(str(folder / name)) for name in names]


def sheets_in(folder: Path) -> int:
    start, both = pictures(folder, "val_before.jpg", "before_after.jpg")
    return round(both.shape[1] / start.shape[1])


def save(folder: Path, step: int, hmean: float, *boxes: np.ndarray, is_best: bool = True) -> None:
    findings = Findings([], [preview(*boxes)] * 2, DBPostProcess(unclip_ratio=1.5))
    save_findings(folder, findings, step, hmean, is_best=is_best)


def test_the_best_evaluation_stands_beside_the_start(tmp_path: Path, headings: list[str]) -> None:
    save(tmp_path, 0, 0.5)
    assert sheets_in(tmp_path) == HALF
    save(tmp_path, 7, 0.75, rectangle(10, 10, 100, 20))
    assert sheets_in(tmp_path) == BOTH
    start, best = pictures(tmp_path, "val_before.jpg", "val_best.jpg")
    assert start.shape == best.shape
    assert np.abs(start[HEADING_PX:].astype(int) - best[HEADING_PX:]).max() > 50
    assert headings == [
        f"{caption(0)}: hmean 0.500 at IoU 0.5, unclip_ratio 1.5",
        f"{caption(7)}: hmean 0.750 at IoU 0.5, unclip_ratio 1.5",
    ]


def test_the_best_of_training_stands_beside_a_start_that_is_better(
    tmp_path: Path, headings: list[str]
) -> None:
    (tmp_path / "val_trained.jpg").write_bytes(b"another run's")
    save(tmp_path, 0, 0.9, rectangle(10, 10, 100, 20))
    assert sheets_in(tmp_path) == HALF
    save(tmp_path, 7, 0.75, is_best=False)
    assert sheets_in(tmp_path) == BOTH
    start, best = pictures(tmp_path, "val_before.jpg", "val_best.jpg")
    np.testing.assert_array_equal(start, best)
    trained, both = pictures(tmp_path, "val_trained.jpg", "before_after.jpg")
    right = both[: len(trained), -trained.shape[1] - GAP_PX : -GAP_PX].astype(int)
    assert np.abs(right - trained).mean() < 3
    save(tmp_path, 9, 0.95)
    assert headings[-1].startswith(caption(9))
    (best,) = pictures(tmp_path, "val_best.jpg")
    both = pictures(tmp_path, "before_after.jpg")[0]
    right = both[: len(best), -best.shape[1] - GAP_PX : -GAP_PX].astype(int)
    assert np.abs(right - best).mean() < 3
