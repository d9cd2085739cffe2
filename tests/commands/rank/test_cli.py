"""`rank`: its list, sheet and labels, with a small network on small pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.main import main as ppocr_ft
from ppocr_ft.commands.rank.cli import main
from ppocr_ft.config import load_config
from ppocr_ft.data.labels import read_label_file
from ppocr_ft.factory.objects import starting_network
from ppocr_ft.weights.pdparams import encode_pdparams
from tests.support.small_run import small_config

NEW = ("a.png", "b.png", "c.png", "twin.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled data set with its config, two weights, and ``more/`` without labels."""
    folder = tmp_path_factory.mktemp("rank")
    config = small_config(folder)
    for name in ("start", "tuned"):
        network, _ = starting_network(load_config(config, [f"Global.seed={len(name)}"]))
        state = {key: tensor.numpy() for key, tensor in network.state_dict().items()}
        (folder / f"{name}.pdparams").write_bytes(b"".join(encode_pdparams(state)))
    rng = np.random.default_rng(0)
    (folder / "more").mkdir()
    for name in NEW[:3]:
        picture = rng.integers(0, 255, (70, 90, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / "more" / name), picture)
    (folder / "more" / "twin.png").write_bytes((folder / "more" / "b.png").read_bytes())
    return folder


def words(folder: Path, *more: str, images: str = "more") -> list[str]:
    start = f"Global.pretrained_model={folder / 'start.pdparams'}"
    given = ["-c", str(folder / "c.yml"), "--images", str(folder / images), *more]
    return [*given, "-o", start]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "ranked.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_list_sheet_and_labels(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = folder / "more" / "Label.txt"
    given = words(folder, "--out", str(tmp_path), "--first", "3", "--save-label", str(labels))
    assert main([*given, f"Global.checkpoints={folder / 'tuned.pdparams'}"]) == 0
    said = capsys.readouterr()
    listed = rows(tmp_path)
    assert [row["place"] for row in listed] == ["1", "2", "3", "4"]
    assert sorted(Path(row["image"]).name for row in listed) == sorted(NEW)
    for row in listed:
        score, doubt, unlike = (float(row[key]) for key in ("score", "doubt", "unlike"))
        assert score == pytest.approx(doubt * unlike, abs=2e-4)
        assert all(0 <= float(row[key]) <= 1 for key in ("uncertain", "mirrored", "start"))
    assert Path(listed[-1]["image"]).name in ("b.png", "twin.png")
    assert float(listed[-1]["unlike"]) == 0  # its twin has been chosen
    twins = [row for row in listed if Path(row["image"]).name in ("b.png", "twin.png")]
    assert twins[0]["uncertain"] == twins[1]["uncertain"]
    assert [line.split()[-1] for line in said.out.splitlines()] == [
        row["image"] for row in listed[:3]
    ]
    entries = read_label_file(labels, folder).entries
    assert [Path(entry.images[0]).name for entry in entries] == [
        Path(row["image"]).name for row in listed[:3]
    ]
    assert [len(entry.texts) for entry in entries] == [int(row["boxes"]) for row in listed[:3]]
    assert cv2.imread(str(tmp_path / "ranked.png")) is not None


def test_without_a_training_there_is_no_start_to_differ_from(folder: Path, tmp_path: Path) -> None:
    assert main(words(folder, "--out", str(tmp_path))) == 0
    assert {row["start"] for row in rows(tmp_path)} == {""}


def test_labelled_images_are_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(folder, "--out", str(tmp_path), images=".")) == 0
    assert sorted(Path(row["image"]).name for row in rows(tmp_path)) == sorted(NEW)
    assert "note: labelled already, and left out: 7 of 11 images\n" in capsys.readouterr().err
    assert main(words(folder, "--out", str(tmp_path), images="0.png")) == 2
    assert "all 1 images are labelled already" in capsys.readouterr().err


def test_what_cannot_be_used(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "x.png").write_bytes(b"none")
    given = words(folder, "--out", str(tmp_path / "out"))
    given[given.index("--images") + 1] = str(bad)
    assert main(given) == 2
    assert "no image can be used:\n" in capsys.readouterr().err
    (bad / "y.png").write_bytes((folder / "more" / "a.png").read_bytes())
    assert main(given) == 2
    assert "x.png" in capsys.readouterr().err
    assert [Path(row["image"]).name for row in rows(tmp_path / "out")] == ["y.png"]
    there = tmp_path / "Label.txt"
    there.write_text(json.dumps([]), encoding="utf-8")
    assert main([*words(folder, "--out", str(tmp_path), "--save-label", str(there))]) == 2
    assert "may hold corrections" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert main(words(folder, "--out", str(file))) == 2
    assert f"{file}: can't be written" in capsys.readouterr().err


def test_a_mistyped_name_means_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert ppocr_ft(["rnak"]) == 2
    assert capsys.readouterr().err.endswith("; did you mean 'rank'?\n")
