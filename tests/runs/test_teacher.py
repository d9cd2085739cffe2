"""A teacher labels images for a run: its boxes, what is said, what is refused, and a resume."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.check.cli import main as check
from ppocr_ft.commands.find_lr.cli import main as find_lr
from ppocr_ft.commands.train.cli import main as train
from ppocr_ft.config import load_config
from ppocr_ft.data.label_writing import UNREAD_TEXT
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.postprocess import DBPostProcess
from ppocr_ft.runs.folder import RESOLVED_CONFIG
from ppocr_ft.runs.teacher import DOUBTFUL, SURE, entries_of, sure_and_unsure
from tests.support import ROOT
from tests.support.pictures import noise
from tests.support.processes import KILLED_RUN, python
from tests.support.same_run import assert_same_run
from tests.support.small_run import assert_refused, small_config

MODEL = "PP-OCRv4_mobile_det"


def test_a_box_is_sure_or_ignored_or_background() -> None:
    prob_map = np.zeros((80, 160), np.float32)
    for row, value in enumerate([SURE + 0.1, SURE - 0.1, DOUBTFUL + 0.05, DOUBTFUL - 0.05]):
        prob_map[20 * row + 5 : 20 * row + 15, 20:100] = value
    sure, unsure = sure_and_unsure(prob_map, (160, 320), DBPostProcess(unclip_ratio=0.5))
    assert [int(box[:, 1].mean() // 40) for box in sure] == [0]
    assert sorted(int(box[:, 1].mean() // 40) for box in unsure) == [1, 2]
    left, right = sure[0][:, 0].min(), sure[0][:, 0].max()
    assert 30 <= left <= 40
    assert 198 <= right <= 210


def test_the_weak_rim_of_a_sure_box_is_no_unsure_text() -> None:
    prob_map = np.zeros((60, 160), np.float32)
    prob_map[18:42, 18:102] = DOUBTFUL + 0.05
    prob_map[20:40, 20:100] = 0.9
    sure, unsure = sure_and_unsure(prob_map, (60, 160), DBPostProcess(unclip_ratio=0.5))
    assert (len(sure), len(unsure)) == (1, 0)


def few_of_the_sample(folder: Path, count: int, images: int) -> list[str]:
    """Overrides: so many labelled images of the sample data set, and others without labels."""
    lines = SAMPLE.data_dir.joinpath("train.txt").read_text(encoding="utf-8").splitlines(True)
    labels = folder / "few.txt"
    labels.write_text("".join(lines[:count]), encoding="utf-8")
    pool = folder / "pool"
    pool.mkdir()
    for line in islice(lines, count, count + images):
        shutil.copy(SAMPLE.data_dir / line.split("\t")[0], pool)
    data = [f"{mode}.dataset.{key}" for mode in ("Train", "Eval")
            for key in (f"data_dir={SAMPLE.data_dir}", f"label_file_list=[{labels}]")]  # fmt: skip
    return [*data, f"Train.unlabelled.data_dir={pool}"]


@pytest.mark.slow
def test_another_detector_labels_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = few_of_the_sample(tmp_path, count=4, images=3)
    pool = tmp_path / "pool"
    cv2.imwrite(str(pool / "blank.png"), np.full((90, 120, 3), 255, np.uint8))
    (pool / "broken.png").write_bytes(b"no image")
    (pool / "notes.doc").write_text("no image", encoding="utf-8")
    config = small_config(tmp_path)
    more = [f"Train.unlabelled.teacher={MODEL}", "Train.unlabelled.share=0.75",
            "Global.epoch_num=4"]  # fmt: skip
    assert train(["-c", str(config), "-o", *values, *more]) == 0
    out = capsys.readouterr().out
    assert f"5 images without labels: from epoch 1 on {MODEL} labels some, up to 75%" in out
    assert "note: left out, no images by their names: 1 .doc (notes.doc)" in out
    assert f"from epoch 1 on: 3 images labelled by {MODEL}: " in out
    assert "left out, since no text is sure: 1 image" in out
    assert f"can't be read: 1 image\n{pool / 'broken.png'}" in out
    (labels,) = (tmp_path / "run").glob("unlabelled_epoch_*.txt")
    entries = entries_of(labels.read_text(encoding="utf-8"), labels)
    assert sorted(entry.images[0] for entry in entries) == sorted(map(str, pool.glob("*.jpg")))
    assert all(UNREAD_TEXT in entry.texts.transcriptions for entry in entries)


@pytest.mark.slow
def test_without_any_labels_another_detector_makes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [*few_of_the_sample(tmp_path, count=2, images=4),
              "Train.dataset.label_file_list=[]", f"Train.unlabelled.teacher={MODEL}",
              "Global.epoch_num=1"]  # fmt: skip
    command = ["-c", str(small_config(tmp_path)), "-o", *values]
    assert find_lr(command) == 2
    assert "there are no labels yet; ppocr-ft train has" in capsys.readouterr().err
    assert train(command) == 0
    labels = tmp_path / "run" / "teacher_labels_1.txt"
    out = capsys.readouterr().out
    assert f"4 images labelled by {MODEL}: " in out
    assert f"labels: {labels}" in out
    own = load_config(tmp_path / "run" / RESOLVED_CONFIG).Train
    assert own.unlabelled is None
    assert own.dataset.label_file_list == (str(labels),)
    assert len(read_label_file(labels, own.dataset.data_dir).entries) == 4
    longer = ["-o", "Global.epoch_num=2", "--force"]
    assert train(["--resume", str(tmp_path / "run"), *longer]) == 0
    assert "labelled by" not in capsys.readouterr().out


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same_run(tmp_path: Path) -> None:
    small = ["Train.dataset.transforms.ScaledCrop.size=[160, 160]",
             "Global.fit_scale=false", "Global.fit_targets=false", "Global.fit_postprocess=false",
             "Global.interpolate=false", "Global.epoch_num=3", "Global.save_epoch_step=1",
             "Eval.also={}"]  # fmt: skip
    values = [*few_of_the_sample(tmp_path, count=4, images=4), *small]
    config = str(ROOT / "configs" / "det_v4_ft.yml")
    for name, kills in {"whole": [], "killed": [4]}.items():
        run = tmp_path / name
        own = ["-c", config, "-o", *values, f"Global.save_model_dir={run}"]
        for count in kills:
            done = python(str(KILLED_RUN), "train", "step", str(count), *own)
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert (run / "unlabelled_epoch_2.txt").is_file()
            assert not (run / "unlabelled_epoch_3.txt").exists()
        resume = ["--resume"] if kills else []
        done = python(str(KILLED_RUN), "train", "step", "100", *own, *resume)
        assert done.returncode == 0, done.stderr
        assert "labelled by averaged" in done.stdout
    assert_same_run(tmp_path / "killed", tmp_path / "whole")
    for epoch in (2, 3):
        labels = [tmp_path / name / f"unlabelled_epoch_{epoch}.txt" for name in ("killed", "whole")]
        assert labels[0].read_bytes() == labels[1].read_bytes()
        assert labels[0].stat().st_size


def test_labels_that_are_gone_end_a_resumed_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(small_config(tmp_path))
    cv2.imwrite(str(tmp_path / "run.png"), np.full((90, 120, 3), 255, np.uint8))
    values = [f"Train.unlabelled={{data_dir: {tmp_path}/run.png, teacher: start}}"]
    assert train(["-c", config, "-o", *values, "Global.epoch_num=1"]) == 0
    assert "so the run goes on with the labelled images alone" in capsys.readouterr().out
    longer = ["-c", config, "-o", *values, "Global.epoch_num=2", "--resume", "--force"]
    (tmp_path / "run" / "unlabelled_epoch_1.txt").unlink()
    assert train(longer) == 2
    assert "unlabelled_epoch_1.txt: is gone" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_was_made_longer_goes_on_with_the_labels_it_has(tmp_path: Path) -> None:
    config = str(small_config(tmp_path))
    cv2.imwrite(str(tmp_path / "more.png"), noise(1))
    command = ["-c", config, "-o", f"Train.unlabelled={{data_dir: {tmp_path}/more.png}}",
               "Global.use_ema=true"]  # fmt: skip
    done = python(str(KILLED_RUN), "train", "step", "10", *command)  # in epoch 3 of 3
    assert done.returncode == -signal.SIGKILL, done.stderr
    # 3 epochs have labels from epochs 2 and 3 on, 5 epochs from 2 and 4 on
    assert train([*command, "Global.epoch_num=5", "--resume", "--force"]) == 0
    names = {path.stem for path in (tmp_path / "run").glob("unlabelled_*.txt")}
    assert names == {f"unlabelled_epoch_{epoch}" for epoch in (2, 3, 4)}


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (["Train.unlabelled.share=1.0"], "Train.unlabelled.share"),
        (["Train.unlabelled.share=0"], "Train.unlabelled.share"),
        (["Train.unlabelled.shares=0.5"], "did you mean 'share'"),
        (["Train.unlabelled.teacher=averaged"], "Global.use_ema is false"),
        (["Train.unlabelled.teacher=PP-OCRv6_smal_det"], "did you mean 'PP-OCRv6_small_det'"),
        (["Train.unlabelled.teacher=avreaged"], "did you mean 'averaged'"),
        (
            ["Train.unlabelled.teacher=start", "Train.dataset.label_file_list=[]"],
            "at least 1 value, and Train.unlabelled.teacher is start: name another detector",
        ),
        (
            ["Train.unlabelled={data_dir: nowhere, teacher: start}"],
            "Train.unlabelled.data_dir: no image found by",
        ),
        (["Train.unlabelled={data_dir: ., teacher: start}"], "judge the run"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    values: Sequence[str],
    part: str,
) -> None:
    (tmp_path / "pool").mkdir()
    cv2.imwrite(str(tmp_path / "pool" / "1.png"), np.full((90, 120, 3), 255, np.uint8))
    more = ["-o", "Train.unlabelled.data_dir=pool", *values]
    assert_refused(train, more, part, tmp_path, monkeypatch, capsys)
    assert not (tmp_path / "run" / "train.log").exists()


def test_check_says_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = str(small_config(tmp_path))
    (tmp_path / "pool").mkdir()
    shutil.copy(tmp_path / "1.png", tmp_path / "pool" / "copy.png")
    check(["-c", config, "-o", f"Train.unlabelled={{data_dir: {tmp_path}/pool, teacher: start}}"])
    assert "copy.png is" in " ".join(capsys.readouterr().out.split())
