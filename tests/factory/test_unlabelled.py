"""The images of Train.unlabelled: what is left out or refused, and how a student sees them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import DataError
from ppocr_ft.factory.objects import data_set
from ppocr_ft.factory.unlabelled import student_pipeline, unlabelled_images
from ppocr_ft.transforms.shrink_schedule import TRUE_EPOCH
from tests.support.pictures import noise, write_different
from tests.support.small_run import IMAGES, small_config


@pytest.fixture
def config_of(tmp_path: Path) -> Callable[..., Config]:
    path = small_config(tmp_path)
    write_different(tmp_path, IMAGES)
    lines = (tmp_path / "label.txt").read_text().splitlines(keepends=True)
    (tmp_path / "train.txt").write_text("".join(lines[:4]))
    (tmp_path / "val.txt").write_text("".join(lines[4:]))
    pool = tmp_path / "pool"
    pool.mkdir()
    for seed in range(100, 103):
        cv2.imwrite(str(pool / f"{seed}.png"), noise(seed))

    def made(folder: str = "pool", *overrides: str) -> Config:
        files = [f"{mode}.dataset.label_file_list=[{tmp_path}/{name}.txt]"
                 for mode, name in (("Train", "train"), ("Eval", "val"))]  # fmt: skip
        unlabelled = f"Train.unlabelled={{data_dir: {tmp_path}/{folder}, teacher: start}}"
        return load_config(path, [*files, unlabelled, *overrides])

    return made


def found(config: Config) -> tuple[list[str], tuple[str, ...]]:
    assert config.Train.unlabelled is not None
    paths, notes = unlabelled_images(config, config.Train.unlabelled)
    return [Path(path).name for path in paths], notes


def test_labelled_images_and_their_copies_are_left_out(
    tmp_path: Path, config_of: Callable[..., Config]
) -> None:
    shutil.copy(tmp_path / "0.png", tmp_path / "pool" / "copy.png")
    (tmp_path / "pool" / "1.png").symlink_to(tmp_path / "1.png")
    (tmp_path / "pool" / "notes.doc").write_text("no image")
    names, notes = found(config_of())
    assert names == ["100.png", "101.png", "102.png"]
    assert any("labelled already: 2 images" in note for note in notes)
    assert any("notes.doc" in note for note in notes)


@pytest.mark.parametrize("set_of", ["Eval", "Eval.also"])
def test_an_image_that_judges_is_refused_by_name(
    tmp_path: Path, config_of: Callable[..., Config], set_of: str
) -> None:
    shutil.copy(tmp_path / "5.png", tmp_path / "pool" / "same.png")
    more = []
    if set_of == "Eval.also":
        shutil.copy(tmp_path / "train.txt", tmp_path / "four.txt")
        more = [f"Eval.dataset.label_file_list=[{tmp_path}/four.txt]",
                f"Eval.also={{kept: {{data_dir: {tmp_path}, label_file_list: [{tmp_path}/val.txt]}}}}"]  # fmt: skip  # noqa: E501
    with pytest.raises(
        DataError, match=r"1 image of .*pool judge the run: .*same\.png is .*5\.png"
    ):
        found(config_of("pool", *more))


def test_images_that_val_ratio_holds_out_are_left_out_too(
    tmp_path: Path, config_of: Callable[..., Config]
) -> None:
    for number in range(4):
        shutil.copy(tmp_path / f"{number}.png", tmp_path / "pool" / f"{number}.png")
    ratio = ["Global.val_ratio=0.3", f"Eval.dataset.label_file_list=[{tmp_path}/train.txt]"]
    assert found(config_of("pool", *ratio))[0] == ["100.png", "101.png", "102.png"]


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_images(tmp_path: Path, config_of: Callable[..., Config], folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"no image found by .*{folder}") as raised:
        found(config_of(folder))
    assert raised.value.key == "Train.unlabelled.data_dir"


def test_all_are_labelled(tmp_path: Path, config_of: Callable[..., Config]) -> None:
    shutil.rmtree(tmp_path / "pool")
    (tmp_path / "pool").mkdir()
    shutil.copy(tmp_path / "0.png", tmp_path / "pool")
    with pytest.raises(DataError, match=r"all 1 images of .* are labelled"):
        found(config_of())


def test_a_student_sees_other_colours_and_the_same_targets(
    config_of: Callable[..., Config],
) -> None:
    pipeline = data_set(config_of(), "Train").pipeline
    student = student_pipeline(pipeline)
    image = cv2.imencode(".png", noise(3))[1].tobytes()
    texts = data_set(config_of(), "Train").entries[0].texts

    def sample(through: Callable[..., dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        return through(
            {"image": image, "label": texts, "rng": rng, "img_path": "3.png", TRUE_EPOCH: 1}
        )

    plain, strong = sample(pipeline), sample(student)
    assert np.abs(plain["image"] - strong["image"]).max() > 0.1
    for name in ("shrink_map", "shrink_mask", "threshold_map", "threshold_mask"):
        np.testing.assert_array_equal(plain[name], strong[name])
