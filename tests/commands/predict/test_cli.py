"""`predict`: boxes as JSON lines, pictures, and unreadable images listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.main import main as ppocr_ft
from ppocr_ft.commands.predict.cli import main
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.data.sample_set import copy_sample

pytestmark = pytest.mark.slow

CONFIG = str(Path(__file__).parents[3] / "configs" / "det_v4_ft.yml")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = copy_sample(tmp_path_factory.mktemp("set") / "s", train=1, val=2)
    return made.data_dir / "images"


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_boxes_and_pictures(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    given = ["-c", CONFIG, "--images", str(pictures), "--out", str(out)]
    assert main(given) == 0
    said = capsys.readouterr()
    assert said.out == ""
    lines = [json.loads(line) for line in (out / "boxes.jsonl").read_text("utf-8").splitlines()]
    boxes = sum(len(line["boxes"]) for line in lines)
    closing = f"3 images, {boxes} boxes; boxes.jsonl and pictures: {out}"
    assert said.err.splitlines()[-1] == closing
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
    assert main([*given, "--json"]) == 0
    assert printed(capsys) == lines
    drawn = cv2.imread(str(out / f"{Path(lines[0]['image']).stem}.jpg"))
    assert drawn.shape == cv2.imread(lines[0]["image"]).shape
    assert not list(out.glob(".*"))


def test_a_file_in_the_place_of_the_folder_is_one_message(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    out.write_text("mine", encoding="utf-8")
    assert main(["-c", CONFIG, "--images", str(pictures), "--out", str(out)]) == 2
    assert f"{out}: can't be written: " in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "mine"


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


def test_what_a_folder_holds_beside_images_is_named(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = sorted(pictures.iterdir())[0]
    (tmp_path / "good.JFIF").write_bytes(good.read_bytes())
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "phone.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(40))
    assert main(["-c", CONFIG, "--images", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert [Path(json.loads(line)["image"]).name for line in said.out.splitlines()] == ["good.JFIF"]
    assert "note: left out, no images by their names: 1 .pdf (scan.pdf)\n" in said.err
    assert f"{tmp_path / 'phone.heic'}: can't be decoded; it is a HEIC photo, which" in said.err
    assert "convert it to JPEG" in said.err
    assert said.err.splitlines()[-1].endswith("; 1 that can't be used, see above")


def test_labels_are_read_back_and_can_be_trained_on(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for path in sorted(pictures.iterdir())[:1]:
        (folder / "één blad.jpg").write_bytes(path.read_bytes())
    cv2.imwrite(str(folder / "empty.png"), np.full((64, 64, 3), 120, np.uint8))
    label_file = folder / "Label.txt"
    given = ["-c", CONFIG, "--images", str(folder), "--save-label", str(label_file)]
    assert main([*given, "--batch", "2"]) == 0
    found = {line["image"]: line["boxes"] for line in printed(capsys)}
    assert len(found) == 2

    lines = label_file.read_text(encoding="utf-8").splitlines()
    names = [line.partition("\t")[0] for line in lines]
    assert names == ["scans/empty.png", "scans/één blad.jpg"]  # as PPOCRLabel names them
    texts = json.loads(lines[1].partition("\t")[2])
    assert set(texts[0]) == {"transcription", "points", "difficult"}

    labels = read_label_file(label_file, tmp_path)
    assert not labels.faults
    assert [entry.images[0] for entry in labels.entries] == sorted(found)
    for entry in labels.entries:
        boxes = found[entry.images[0]]
        assert len(entry.texts) == len(boxes)
        assert not entry.texts.ignored.any()
        for i, box in enumerate(boxes):
            np.testing.assert_array_equal(entry.texts.polygons[i], box["points"])


def test_images_that_lie_elsewhere_are_named_in_full(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, label_file = sorted(pictures.iterdir())[0], tmp_path / "Label.txt"
    given = ["-c", CONFIG, "--images", str(image), "--save-label", str(label_file)]
    assert main(given) == 0
    assert read_label_file(label_file, "/nowhere").entries[0].images == (str(image),)
    assert main(given) == 2  # it may hold corrections by now
    assert f"{label_file}: is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["Label.txt"]


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        ([], "either -c FILE or --model PATH"),
        (["-c", CONFIG, "--model", "m"], "either -c FILE or --model PATH"),
        (["--model", "m", "-o", "Global.seed=1"], "inference.yml"),
        (["-c", CONFIG, "--batch", "0"], "must be 1 or more"),
    ],
)
def test_options_that_dont_go_together(
    argv: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*argv, "--images", "a.png"])
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nowhere", "empty", "damaged.onnx"])
def test_what_is_no_model_is_one_message(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    assert main(["--model", str(tmp_path / name), "--images", "a.png"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{tmp_path / name}: ")
    assert "Traceback" not in err
