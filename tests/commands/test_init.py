"""`init`: the configs of the package in a folder, never over a file that is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ppocr_ft.commands.init import main
from ppocr_ft.commands.train.cli import main as train
from ppocr_ft.config import load_config
from ppocr_ft.config.load import find_config
from ppocr_ft.data.sample_set import SAMPLE
from tests.support import ROOT

SHIPPED = sorted(path.name for path in (ROOT / "configs").glob("*.yml"))


def test_the_configs_are_copied_and_the_next_commands_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([]) == 0
    assert sorted(path.name for path in (tmp_path / "configs").iterdir()) == SHIPPED
    for name in SHIPPED:
        load_config(tmp_path / "configs" / name)
    said = capsys.readouterr().out
    assert "ppocr-ft check -c configs/det_v4_ft.yml" in said
    assert "ppocr-ft train -c configs/det_v4_ft.yml" in said


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "det_v4_ft.yml"
    mine.write_text("mine: 1\n", encoding="utf-8")
    assert main(["--configs", str(tmp_path)]) == 0
    assert mine.read_text(encoding="utf-8") == "mine: 1\n"
    assert f"{mine} (there already, with changes; left as it is)" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == SHIPPED


def test_the_name_of_a_config_makes_no_folder_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--configs", str(tmp_path / "det_v4_ft.yml")])
    assert ended.value.code == 2
    assert "name a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes"
    file.write_text("a file", encoding="utf-8")
    assert main(["--configs", str(file)]) == 2
    err = capsys.readouterr().err
    assert f"{file}" in err
    assert "can't be written" in err
    assert len(err.splitlines()) == 1


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as PPOCRLabel leaves it, below the one that the command runs in."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    lines = (SAMPLE.data_dir / "train.txt").read_text(encoding="utf-8").splitlines()[:10]
    for line in lines:
        shutil.copy(SAMPLE.data_dir / line.partition("\t")[0], folder)
    text = "".join(f"{line.replace('images/', 'my photos/', 1)}\n" for line in lines)
    (folder / "Label.txt").write_text(text, encoding="utf-8")
    (folder / "fileState.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return folder


def test_labelled_images_become_a_config_that_is_checked(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["my photos", "--config", "det_v4_ft_small", "--minutes", "7"]) == 0
    said = capsys.readouterr().out
    assert "written: 10 images" in said
    assert "0 errors" in said
    assert said.rstrip().endswith("next:\n  ppocr-ft train")
    config = load_config("ppocr_ft.yml")
    base = load_config(find_config("det_v4_ft_small"))
    assert config.Train.dataset.data_dir == "my photos"
    assert config.Train.dataset.label_file_list == ("labels/Label.txt",)
    assert (config.Global.time_budget, config.Global.val_ratio) == ("7m", 0.2)
    assert config.Train.dataset.transforms == base.Train.dataset.transforms
    text = Path("ppocr_ft.yml").read_text(encoding="utf-8")
    assert "PP-OCRv4_mobile_det" in text
    assert len(text.splitlines()) <= 20


@pytest.mark.slow
def test_train_takes_the_config_of_this_folder(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        train(["--dry-run"])
    assert ended.value.code == 2
    assert main(["my photos"]) == 0
    shorter = ["-o", "Global.time_budget=null", "Global.fit_scale=false", "Global.epoch_num=2"]
    assert train(["--dry-run", *shorter]) == 0
    assert "2 epochs x 4 steps = 8 steps" in capsys.readouterr().out
    assert {path.name for path in Path("output").iterdir()} == {"run_check", "run1"}


def test_a_config_that_is_there_stays(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ppocr_ft.yml").write_text("mine: 1\n", encoding="utf-8")
    assert main(["my photos"]) == 2
    assert "ppocr_ft.yml: is there already" in capsys.readouterr().err
    assert Path("ppocr_ft.yml").read_text(encoding="utf-8") == "mine: 1\n"
    assert not Path("labels").exists()
    Path("ppocr_ft.yml").unlink()
    Path("labels").mkdir()
    Path("labels", "Label.txt").write_text("mine\n", encoding="utf-8")
    assert main(["my photos"]) == 2
    assert "Label.txt: is there already" in capsys.readouterr().err


def test_a_label_file_will_do_but_a_name_that_is_nothing_is_said(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["my photoss"]) == 2
    assert "my photoss: there is no such file or folder" in capsys.readouterr().err
    assert main(["my photos/Label.txt"]) == 0
    assert load_config("ppocr_ft.yml").Train.dataset.data_dir == "my photos"


def test_faulty_labels_are_listed_and_may_be_left_out(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = photos / "Label.txt"
    labels.write_text(labels.read_text(encoding="utf-8").replace("[{", "[{{", 1), encoding="utf-8")
    assert main(["my photos"]) == 2
    assert "Label.txt:1: broken JSON" in capsys.readouterr().err
    assert not Path("ppocr_ft.yml").exists()
    assert main(["my photos", "--skip-bad"]) == 0
    assert "written: 9 images" in capsys.readouterr().out


def test_images_without_labels_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(SAMPLE.data_dir / "images" / "val_0000.jpg", tmp_path)
    assert main([str(tmp_path)]) == 2
    assert "holds no label file" in capsys.readouterr().err


def test_wrong_options_write_nothing(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["my photos", "--config", "det_v4_tf"]) == 2
    assert "det_v4_ft" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["my photos", "--minutes", "0"])
    assert ended.value.code == 2
    assert sorted(path.name for path in photos.parent.iterdir()) == ["my photos"]
