"""Results as pictures: RGB, and the same in the file that is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft import Prediction, RunFailed, TrainResult, UserInputError
from ppocr_ft.utils.draw import FOUND_BGR
from tests.support.pictures import noise
from tests.support.report_run import run_folder

BOX = np.array([[20, 20], [100, 20], [100, 44], [20, 44]])


def test_a_run_s_curves(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", boxes=False)
    rates: Any = None
    result = TrainResult(folder, folder / "w", None, rates, rates, rates, 4)
    drawn = result.plot(tmp_path / "curves.png")
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "curves.png"))[..., ::-1], drawn)
    (folder / "metrics.csv").unlink()
    with pytest.raises(UserInputError, match=r"metrics\.csv"):
        result.plot()


def test_boxes_are_drawn_on_the_file_and_on_the_array_alike(tmp_path: Path) -> None:
    picture = noise(0)
    cv2.imwrite(str(tmp_path / "0.png"), picture)
    of_file = Prediction(str(tmp_path / "0.png"), (BOX,), (0.9,))
    of_array = Prediction("images[0]", (BOX,), (0.9,), picture)
    drawn = of_array.plot(tmp_path / "drawn.png")
    np.testing.assert_array_equal(of_file.plot(), drawn)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "drawn.png"))[..., ::-1], drawn)
    assert np.abs(drawn[44, 60].astype(int) - FOUND_BGR[::-1]).max() < 30
    np.testing.assert_array_equal(picture, noise(0))
    assert (of_file.plot(scores=False) != drawn).any()
    (tmp_path / "0.png").unlink()
    with pytest.raises(UserInputError, match=r"0\.png: can't be read any more"):
        of_file.plot()


@pytest.mark.parametrize(
    ("name", "kind", "part"),
    [
        ("drawn.txt", UserInputError, "its suffix is no picture's"),
        ("drawn", UserInputError, "its suffix is no picture's"),
        ("nowhere/drawn.png", RunFailed, "can't be written"),
    ],
)
def test_a_file_that_can_t_be_written(
    name: str, kind: type[Exception], part: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=re.escape(part)):
        Prediction("images[0]", (BOX,), (0.9,), noise(0)).plot(tmp_path / name)
