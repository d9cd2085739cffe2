"""`check --model`: a model's own boxes as labels, two of them spoilt, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.check.by_model import is_blank
from ppocr_ft.commands.check.cli import main
from ppocr_ft.commands.check.contradictions import (
    MISSING,
    MODEL_RULES,
    SHIFTED,
    UNFOUND,
    Contradiction,
    SeenImage,
)
from ppocr_ft.commands.predict.cli import main as predict
from ppocr_ft.config import load_config
from ppocr_ft.config.load import shipped_models
from ppocr_ft.data.sample_set import copy_sample
from ppocr_ft.engine.checkpoints import BEST, FINAL
from ppocr_ft.runs.folder import FITTED_CONFIG, RESOLVED_CONFIG
from ppocr_ft.runs.models import model_config
from tests.support import ROOT

CONFIG = "det_v4_ft.yml"
IMAGES = 4


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A label file of what the released weights find, with a text dropped and one shifted."""
    made = copy_sample(tmp_path_factory.mktemp("set") / "s", train=IMAGES, val=1)
    file = made.data_dir / "images" / "Label.txt"
    assert predict(["-c", CONFIG, "--images", str(file.parent), "--save-label", str(file)]) == 0
    lines = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
    by_count = sorted(lines, key=lambda line: -len(json.loads(line[1])))
    dropped, shifted = by_count[:2]
    texts = json.loads(dropped[1])
    dropped[1] = json.dumps(texts[1:])
    texts = json.loads(shifted[1])
    points = np.array(texts[0]["points"])
    height = min(np.ptp(points, axis=0))
    texts[0]["points"] = (points + np.array([0, round(0.6 * height)])).tolist()
    shifted[1] = json.dumps(texts)
    file.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
    return file


def words(labels: Path, out: Path, *more: str) -> list[str]:
    data = [
        f"{split}.dataset.{key}"
        for split in ("Train", "Eval")
        for key in (f"data_dir={labels.parent.parent}", f"label_file_list=[{labels}]")
    ]
    own = ["-o", *data, f"Global.save_model_dir={out}"]
    return ["-c", CONFIG, "--samples=0", "--no-weights", "--json", *more, *own]


def asked(capsys: pytest.CaptureFixture[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    result = json.loads(capsys.readouterr().out)
    return [each for each in result["issues"] if each["rule"] in MODEL_RULES], result


@pytest.mark.slow
def test_spoilt_labels_are_named_and_drawn(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(labels, tmp_path / "out", "--model", CONFIG)) == 0
    told, result = asked(capsys)
    assert [each["rule"] for each in told] == [MISSING, SHIFTED]  # the worst first
    missing, shifted = told
    lines = labels.read_text("utf-8").splitlines()
    assert {each["file"] for each in told} == {str(labels)}
    for each in told:
        name = Path(lines[each["line"] - 1].partition("\t")[0]).name
        assert each["message"].startswith(f"{name}: ")
        assert each["severity"] == "warning"
    assert ": a text at (" in missing["message"]
    assert "text 1 at (" in shifted["message"]
    assert "of the text's height below it" in shifted["message"]
    assert missing["remedy"] == MODEL_RULES[MISSING]
    assert any(note.startswith("the model finds ") for note in result["notes"])
    (picture,) = (Path(name) for name in result["files"] if name.endswith("label_faults.png"))
    assert cv2.imread(str(picture)).shape[0] > 50


@pytest.mark.slow
def test_a_model_that_is_not_there_is_an_error(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(labels, tmp_path / "out", "--model", str(tmp_path / "none"))) == 2
    _, result = asked(capsys)
    (error,) = (each for each in result["issues"] if each["severity"] == "error")
    assert error["rule"] == "model"
    assert str(tmp_path / "none") in error["message"] + str(error["file"])


def test_a_label_on_nothing_has_no_contrast(tmp_path: Path) -> None:
    picture = np.full((100, 200, 3), 200, np.uint8)
    picture[10:30:2, 10:100:3] = 0
    picture[60:80:2, 10:100:3] = 0
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    corners = np.array([[0, 0], [90, 0], [90, 20], [0, 20]], float)
    labels = [corners + np.array(at) for at in ((10, 10), (10, 60), (105, 40))]
    seen = SeenImage(labels, np.zeros(3, bool), [], np.empty(0))
    for label, blank in ((1, False), (2, True)):
        one = Contradiction(UNFOUND, 0, label, (), 1.0, "nothing is found there")
        assert is_blank(str(tmp_path / "a.png"), seen, one) == blank
    alone = SeenImage(labels[2:], np.zeros(1, bool), [], np.empty(0))
    one = Contradiction(UNFOUND, 0, 0, (), 1.0, "nothing is found there")
    assert not is_blank(str(tmp_path / "a.png"), alone, one)  # nothing to compare it with


def test_what_names_a_model(tmp_path: Path) -> None:
    config = load_config(CONFIG)
    small = load_config("det_v6_tiny_ft.yml")
    (tmp_path / RESOLVED_CONFIG).write_text(small.to_yaml(), encoding="utf-8")
    by_run = model_config(tmp_path, config)
    assert by_run.Architecture == small.Architecture
    assert by_run.Global.checkpoints == str(tmp_path / f"{BEST}.pdparams")
    fitted = load_config("det_v6_tiny_ft.yml", ["PostProcess.box_thresh=0.42"])
    (tmp_path / FITTED_CONFIG).write_text(fitted.to_yaml(), encoding="utf-8")
    (tmp_path / f"{FINAL}.pdparams").touch()
    by_run = model_config(str(tmp_path), config)
    assert by_run.PostProcess.box_thresh == 0.42
    assert by_run.Global.checkpoints == str(tmp_path / f"{FINAL}.pdparams")
    assert model_config(tmp_path / FITTED_CONFIG, config).Global.checkpoints is None
    assert model_config("det_v6_tiny_ft", config).Architecture == small.Architecture
    name = next(name for name in shipped_models() if "v6_tiny" in name)
    assert model_config(name, config).Architecture == small.Architecture
    weights = model_config(tmp_path / "best_accuracy", config)
    assert weights.Global.checkpoints == str(tmp_path / "best_accuracy")
    assert weights.Architecture == config.Architecture


def test_the_page_lists_the_rules_with_their_remedies() -> None:
    page = (ROOT / "docs" / "check.md").read_text("utf-8")
    part = page.partition("## Labels that a model contradicts")[2].partition("\n<!--")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| `")]
    assert [(row[0], row[-1]) for row in rows] == [
        (f"`{name}`", remedy) for name, remedy in MODEL_RULES.items()
    ]
