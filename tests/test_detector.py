"""A detector as an object: what it may be opened from, and its way through a run and an export."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft import Detector, TrainResult, UserInputError
from ppocr_ft.config import load_config
from ppocr_ft.engine.metrics_file import read_metrics
from tests.conftest import HAS_PADDLE
from tests.support.config_files import written
from tests.support.pictures import write_different
from tests.support.report_run import run_folder
from tests.support.small_run import small_config

needs_paddle = pytest.mark.skipif(not HAS_PADDLE, reason="paddle is not installed")
IMAGES, HELD_OUT = 10, 2
SHORT = {
    "Global.epoch_num": 1,
    "Eval.loader.num_workers": 0,
    "PostProcess.box_thresh": 0.01,
}


@dataclass
class Tuned:
    """A detector that was fine-tuned on ``photos``, what came of it, and what ``progress`` got."""

    detector: Detector
    photos: Path
    result: TrainResult
    told: list[Any] = field(default_factory=list)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config, ten labelled images, and ``sample``, a name that means another data set in YAML."""
    folder = tmp_path_factory.mktemp("detector") / "sample"
    folder.mkdir()
    small_config(folder, IMAGES)
    write_different(folder, IMAGES)
    return folder


@pytest.fixture(scope="module")
def tuned(photos: Path) -> Tuned:
    told: list[Any] = []
    detector = Detector(photos / "c.yml")
    folder = photos.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(photos.parent)
        result = detector.finetune(
            "sample", minutes=None, folder=folder, overrides=SHORT, progress=told.append
        )
    return Tuned(detector, photos, result, told)


@needs_paddle
@pytest.mark.slow
def test_a_run_is_of_the_given_images_with_some_held_out(tuned: Tuned) -> None:
    assert tuned.result.folder == tuned.photos.parent / "run"
    assert (tuned.result.folder / "report.html").is_file()
    config = load_config(tuned.result.folder / "config.resolved.yml")
    assert config.Train.dataset.data_dir == str(tuned.photos)
    assert config.Train.dataset.label_file_list == (
        str(tuned.result.folder / "labels" / "Label.txt"),
    )
    assert config.Global.val_ratio == HELD_OUT / IMAGES


@needs_paddle
@pytest.mark.slow
def test_progress_is_told_every_row_with_its_figures(tuned: Tuned) -> None:
    _, rows = read_metrics(tuned.result.folder / "metrics.csv")
    steps = (IMAGES - HELD_OUT) // 2
    assert [(each["kind"], each["step"]) for each in tuned.told] == [
        (row["kind"], int(row["step"])) for row in rows
    ]
    assert {each["total_steps"] for each in tuned.told} == {steps}
    trained = [each for each in tuned.told if each["kind"] == "train"]
    assert [each["step"] for each in trained] == list(range(1, steps + 1))
    assert all(isinstance(each["loss"], float) for each in trained)
    assert "hmean" not in trained[0]
    assert tuned.told[0]["hmean"] == tuned.result.start.hmean


@needs_paddle
@pytest.mark.slow
def test_the_detector_has_what_the_run_delivers(tuned: Tuned) -> None:
    assert tuned.detector.evaluate().hmean == pytest.approx(tuned.result.best.hmean)
    again = Detector(tuned.result.folder)
    for images in (tuned.photos / "0.png", [tuned.photos / "0.png", tuned.photos / "1.png"]):
        one, two = (each.predict(images).images for each in (tuned.detector, again))
        assert one[0].boxes
        for here, there in zip(one, two, strict=True):
            np.testing.assert_array_equal(here.boxes, there.boxes)


@needs_paddle
@pytest.mark.slow
def test_evaluate_takes_labels_of_its_own(tuned: Tuned, tmp_path: Path) -> None:
    picture = tmp_path / "0.png"
    picture.write_bytes((tuned.photos / "0.png").read_bytes())
    (found,) = tuned.detector.predict(picture).images
    texts = [{"transcription": "a", "points": box.tolist()} for box in found.boxes]
    labels = tmp_path / "Label.txt"
    labels.write_text(f"0.png\t{json.dumps(texts)}\n", encoding="utf-8")
    for data in (tmp_path, str(labels)):
        assert tuned.detector.evaluate(data).hmean_70 == 1
    assert tuned.detector.evaluate(data, {"PostProcess.box_thresh": 1.0}).recall == 0
    picture.unlink()
    with pytest.raises(UserInputError, match=r"0\.png"):
        tuned.detector.evaluate(labels)


@needs_paddle
@pytest.mark.slow
def test_what_was_exported_predicts_the_same_and_does_no_more(tuned: Tuned, tmp_path: Path) -> None:
    assert tuned.detector.export(tmp_path / "model").folder == tmp_path / "model"
    exported, pixels = Detector(tmp_path / "model"), cv2.imread(str(tuned.photos / "0.png"))
    (ours,), (theirs,) = (each.predict(pixels).images for each in (tuned.detector, exported))
    assert len(ours.boxes) == len(theirs.boxes) > 0
    np.testing.assert_allclose(np.array(ours.scores), np.array(theirs.scores), atol=1e-3)
    for action in (exported.evaluate, lambda: exported.finetune(tuned.photos)):
        with pytest.raises(UserInputError, match="is an exported model, which only predicts"):
            action()


@needs_paddle
@pytest.mark.slow
def test_a_run_is_fine_tuned_further_in_another_folder(tuned: Tuned, tmp_path: Path) -> None:
    detector = Detector(tuned.result.folder)
    with pytest.raises(UserInputError, match="has the weights to start from"):
        detector.finetune(tuned.photos, folder=tuned.result.folder)
    short = {"Global.epoch_num": 1, "Global.fit_postprocess": False}
    further = detector.finetune(
        tuned.photos, minutes=None, folder=tmp_path / "further", overrides=short
    )
    assert further.start.hmean == pytest.approx(tuned.result.best.hmean)
    log = (further.folder / "train.log").read_text("utf-8")
    assert f"weights: {tuned.result.weights}\n" in log


@needs_paddle
@pytest.mark.slow
def test_what_progress_raises_ends_the_run(photos: Path, tmp_path: Path) -> None:
    def refuse(figures: Any) -> None:
        raise LookupError(figures["kind"])

    with pytest.raises(LookupError, match="eval"):
        Detector(photos / "c.yml").finetune(
            photos, minutes=None, folder=tmp_path / "run", overrides=SHORT, progress=refuse
        )


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("PP-OCRv4_mobil_det", "did you mean 'PP-OCRv4_mobile_det'?"),
        ("nowhere.yml", "is no released model"),
        ("", "is no released model"),
        (None, "model is None; give a name or a path"),
    ],
)
def test_a_model_that_is_none(
    model: Any, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserInputError, match=re.escape(part)) as caught:
        Detector(model)
    assert "\n" not in str(caught.value)


@needs_paddle
def test_a_folder_without_a_model_and_a_run_without_weights(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="is no released model"):
        Detector(tmp_path)
    with pytest.raises(UserInputError, match="is a run without weights"):
        Detector(run_folder(tmp_path / "run", boxes=False))


def test_a_config_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    config = written(tmp_path, "Gobal: {}\n")
    with pytest.raises(UserInputError, match="Gobal"):
        Detector(config)


@pytest.mark.parametrize("model", ["PP-OCRv4_mobile_det", "det_v4_ft_small", "det_v6_tiny_ft.yml"])
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"data": None}, "data is None"),
        ({"data": "nowhere"}, "nowhere: there is no such file or folder"),
        ({"data": ""}, "holds no label file"),
        ({"data": "x", "minutes": 0}, "minutes is 0; give a number above 0"),
        ({"data": "x", "minutes": "20"}, "minutes is '20'; give a number above 0"),
        ({"data": "x", "folder": None}, "folder is None"),
    ],
)
def test_wrong_arguments_are_one_line_and_write_nothing(
    model: str,
    arguments: dict[str, Any],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserInputError, match=re.escape(part)) as caught:
        Detector(model).finetune(**arguments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_faults_of_labels_come_together_and_notes_are_warnings(tmp_path: Path) -> None:
    good = '[{"transcription": "a", "points": [[1, 1], [9, 1], [9, 9], [1, 9]]}]'
    labels = tmp_path / "Label.txt"
    labels.write_text(f"gone.png\t{good}\n0.png\t[{{\n0.png\t{good}\n", encoding="utf-8")
    for name in ("0.png", "1.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 20, 3), np.uint8))
    detector = Detector()
    with pytest.raises(UserInputError) as caught:
        detector.finetune(tmp_path, folder=tmp_path / "run")
    assert "gone.png" in str(caught.value)
    assert f"{labels}:2: broken JSON" in str(caught.value)
    labels.write_text(f"0.png\t{good}\n", encoding="utf-8")
    with (
        pytest.warns(UserWarning, match=r"1 image \(1\.png\) of the folder without a label"),
        pytest.raises(UserInputError, match=r"Global\.epoch_nun"),
    ):
        detector.finetune(tmp_path, folder=tmp_path / "run", overrides=["Global.epoch_nun=1"])
