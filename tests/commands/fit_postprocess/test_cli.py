"""`fit-postprocess`: what it writes evaluates as was said, what it refuses, a training's end."""

from __future__ import annotations

import errno
import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.commands import eval as eval_command
from ppocr_ft.commands.fit_postprocess.cli import fit_at_end, main
from ppocr_ft.commands.fit_postprocess.run import PostProcessFit
from ppocr_ft.commands.train import cli as train_command
from ppocr_ft.config import Config, load_config
from ppocr_ft.errors import ConfigError
from ppocr_ft.fitting.grid import (
    LimitedResize,
    nearby_resizes,
    resize_name,
    with_resize,
)
from ppocr_ft.runs.folder import FIT_FILES
from tests.support.config_files import SHIPPED
from tests.support.small_run import assert_refused, small_config

pytestmark = pytest.mark.slow

WORDS = ("alpha 12", "Bread 4.50", "TOTAL", "invoice", "number 7", "thank you")


def write_pages(folder: Path, images: int = 8) -> Path:
    """Pages of printed words, 256 x 128 px, with a tight label round each; returns the labels."""
    rows = []
    for index in range(images):
        page = np.full((128, 256, 3), 245, np.uint8)
        texts = []
        for line in range(3):
            word, x, y = WORDS[(index + 2 * line) % 6], 12 + 9 * index, 32 + 38 * line
            (w, h), below = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, 0.7, 2)
            cv2.putText(page, word, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (20, 20, 20), 2)
            points = [[x, y - h], [x + w, y - h], [x + w, y + below], [x, y + below]]
            texts.append({"transcription": word, "points": points})
        cv2.imwrite(str(folder / f"{index}.png"), page)
        rows.append(f"{index}.png\t{json.dumps(texts)}\n")
    labels = folder / "labels.txt"
    labels.write_text("".join(rows), encoding="utf-8")
    return labels


def arguments(folder: Path, *overrides: str) -> list[str]:
    labels = folder / "labels.txt"
    values = [
        "Global.use_gpu=false",
        f"Global.save_model_dir={folder / 'out'}",
        f"Eval.dataset.data_dir={folder}",
        f"Eval.dataset.label_file_list=[{labels}]",
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=256",
        "PostProcess.unclip_ratio=3.0",
        *overrides,
    ]
    return ["-c", str(SHIPPED / "det_v4_ft.yml"), "-o", *values]


def last_json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a fit with two resizes, and what it printed."""
    folder = tmp_path_factory.mktemp("pages")
    write_pages(folder)
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        grid = ["--threshs", "0.3", "--box-threshs", "0.4", "0.6", "0.8"]
        code = main([*arguments(folder), "--resizes", "320:max", *grid, "--json"])
    assert code == 0, printed.getvalue()
    return folder, printed.getvalue()


def test_leaves_its_files(fit: tuple[Path, str]) -> None:
    folder, _ = fit
    assert {path.name for path in (folder / "out").iterdir()} == set(FIT_FILES)
    assert cv2.imread(str(folder / "out" / "heatmap.png")) is not None
    head = (folder / "out" / "fitted.yml").read_text(encoding="utf-8").splitlines()[0]
    assert head == "# Written by ppocr-ft fit-postprocess."


def test_takes_a_better_ratio_than_the_config_had(fit: tuple[Path, str]) -> None:
    _, printed = fit
    found = last_json(printed)
    assert "the fitted values are taken, though " in printed
    assert "images are few to judge by" in printed
    assert found["chosen"]["unclip_ratio"] < 3.0
    assert found["chosen"]["hmean_70"] > found["config"]["hmean_70"] + 0.1
    assert found["held_out"]["gain"] > 0
    for name in ("256:max", "320:max"):
        assert re.search(rf"^best with +{name} ", printed, re.MULTILINE)


def test_says_what_its_maps_cost(fit: tuple[Path, str]) -> None:
    _, printed = fit
    (line,) = [line for line in printed.splitlines() if line.startswith("maps kept in 65536")]
    (line_of_check,) = [line for line in printed.splitlines() if "as ppocr-ft eval does" in line]
    assert "on maps as they were" in line
    assert "warning" not in line_of_check


def test_the_written_config_evaluates_as_was_said(
    fit: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, printed = fit
    capsys.readouterr()
    assert eval_command.main(["-c", str(folder / "out" / "fitted.yml"), "--json"]) == 0
    evaluated, chosen = last_json(capsys.readouterr().out), last_json(printed)["chosen"]
    rates = ("precision", "recall", "hmean", "precision_70", "recall_70", "hmean_70")
    assert {rate: evaluated[rate] for rate in rates} == {rate: chosen[rate] for rate in rates}


def test_the_config_differs_in_what_was_fitted_alone(fit: tuple[Path, str]) -> None:
    folder, printed = fit
    chosen = last_json(printed)["chosen"]
    given = arguments(folder)
    before, after = load_config(given[1], given[3:]), load_config(folder / "out" / "fitted.yml")
    side, kind = chosen["resize"].split(":")
    expected = with_resize(before, LimitedResize(int(side), kind))
    keys = ("thresh", "box_thresh", "unclip_ratio", "score_mode")
    section = before.PostProcess.model_copy(update={key: chosen[key] for key in keys})
    assert after == expected.model_copy(update={"PostProcess": section})


# The resizes.


@pytest.mark.parametrize(
    ("resize", "name", "nearby"),
    [
        ({"limit_side_len": 960, "limit_type": "max"}, "960:max", ["768:max", "1216:max"]),
        ({"limit_side_len": 736}, "736:min", ["576:min", "928:min"]),
        ({}, "736:min", ["576:min", "928:min"]),
        ({"resize_long": 640}, "640:long", ["512:resize_long", "800:resize_long"]),
        ({"image_shape": [640, 960]}, "640x960", []),
        ({"image_shape": [640, 960], "keep_ratio": True}, "640x960 keep_ratio", []),
    ],
    ids=["max", "min by default", "nothing given", "resize_long", "shape", "height"],
)
def test_a_resize_is_named_and_has_neighbours(
    resize: dict[str, Any], name: str, nearby: list[str]
) -> None:
    config = with_operator(resize)
    assert resize_name(config) == name
    assert [str(each) for each in nearby_resizes(config)] == nearby
    changed = with_resize(config, LimitedResize(512, "max"))
    assert resize_name(changed) == "512:max"


def with_operator(resize: dict[str, Any]) -> Config:
    """The shipped config with other arguments of DetResizeForTest."""
    config = load_config(SHIPPED / "det_v4_ft.yml")
    operators = config.Eval.dataset.transforms
    at = [op.name for op in operators].index("DetResizeForTest")
    changed = (*operators[:at], type(operators[at])(**resize), *operators[at + 1 :])
    dataset = config.Eval.dataset.model_copy(update={"transforms": changed})
    return config.model_copy(update={"Eval": config.Eval.model_copy(update={"dataset": dataset})})


def test_no_resize_where_there_is_no_operator() -> None:
    config = with_operator({})
    left = [op for op in config.Eval.dataset.transforms if op.name != "DetResizeForTest"]
    dataset = config.Eval.dataset.model_copy(update={"transforms": tuple(left)})
    bare = config.model_copy(update={"Eval": config.Eval.model_copy(update={"dataset": dataset})})
    assert nearby_resizes(bare) == []
    with pytest.raises(ConfigError, match=r"Eval\.dataset\.transforms.*no DetResizeForTest"):
        with_resize(bare, LimitedResize(512, "max"))


# What is refused.


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--resizes", "960"], "expected limit_side_len:limit_type"),
        (["--resizes", "0:max"], "expected limit_side_len:limit_type"),
        (["--resizes", "960:middle"], "expected limit_side_len:limit_type"),
        (["--objective", "recall"], "invalid choice: 'recall'"),
        (["--folds", "1"], "must be 2 or more"),
        (["--score-modes", "slower"], "invalid choice: 'slower'"),
    ],
    ids=["no type", "no size", "unknown type", "objective", "folds", "mode"],
)
def test_options_that_make_no_sense(
    more: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["-c", "c.yml", *more])
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["-o", "Global.pretrained_model=gone.pdparams"], "gone.pdparams"),
        (["--threshs", "1.5", "-o", "Global.pretrained_model=null"], "Global.pretrained_model"),
        (["--out", "."], "--out: . is a folder"),
        (["--out", "c.yml/fitted.yml"], "--out: c.yml can't be written to"),
    ],
    ids=["weights", "no weights", "out is a folder", "out is in a file"],
)
def test_refuses(
    more: list[str],
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(main, more, part, tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small training that ended with a fit."""
    folder = tmp_path_factory.mktemp("trained")
    config = str(small_config(folder, fit=True))
    assert train_command.main(["-c", config, "-o", "Global.epoch_num=1"]) == 0
    return folder


def test_refuses_values_and_labels_that_cannot_be_used(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = trained / "run" / "best_accuracy"
    given = ["-c", str(trained / "c.yml"), "--out", str(tmp_path / "f.yml"), "--resizes", "none"]
    ignored = trained / "ignored.txt"
    lines = (trained / "label.txt").read_text(encoding="utf-8").splitlines()
    renamed = [line.replace('"a"', '"###"').replace('"b"', '"###"') for line in lines]
    ignored.write_text("\n".join(renamed) + "\n", encoding="utf-8")
    for more, part in (
        (["--threshs", "1.5"], "thresh: found 1.5, must be 1 or less"),
        (["--unclip-ratios", "0"], "unclip_ratio: found 0.0, must be above 0"),
        (["-o", f"Eval.dataset.label_file_list=[{ignored}]"], "10 of them ignored"),
    ):
        assert main([*given, *more, "-o", f"Global.checkpoints={best}"]) == 2
        err = capsys.readouterr().err
        assert part in err
        assert "Traceback" not in err
    assert not (tmp_path / "f.yml").exists()


def test_an_image_that_cannot_be_read_is_told_of(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = trained / "one_gone.txt"
    whole = (trained / "label.txt").read_text(encoding="utf-8")
    labels.write_text(whole + whole.splitlines()[0].replace("0.png", "gone.png") + "\n")
    out = tmp_path / "f.yml"
    given = ["-c", str(trained / "c.yml"), "--out", str(out), "--resizes", "none"]
    values = [f"Eval.dataset.label_file_list=[{labels}]", "Global.pretrained_model=null"]
    values.append(f"Global.checkpoints={trained / 'run' / 'best_accuracy'}")
    assert main([*given, "--unclip-ratios", "1", "--threshs", "0.3", "-o", *values]) == 2
    assert "gone.png" in capsys.readouterr().err
    assert out.exists()


# The end of a training.


def test_training_ends_with_a_config_to_go_on_with(trained: Path) -> None:
    run = trained / "run"
    assert set(FIT_FILES) <= {path.name for path in run.iterdir()}
    config = load_config(run / "fitted.yml")
    assert config.Global.checkpoints == str(run / "best_accuracy")
    log = (run / "train.log").read_text(encoding="utf-8")
    assert log.index("PostProcess fitted to the best weights") < log.index("best weights:")
    assert str(run / "fitted.yml") in log


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    more = ["Global.fit_postprocess=false", "Global.epoch_num=1"]
    assert train_command.main(["-c", str(small_config(tmp_path)), "-o", *more]) == 0
    assert not set(FIT_FILES) & {path.name for path in (tmp_path / "run").iterdir()}


def test_a_fit_that_fails_leaves_the_run_as_it_is(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stale either: what an earlier fit had left speaks of other weights."""

    def full(found: PostProcessFit, out: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PostProcessFit, "save", full)
    said: list[str] = []
    fit_at_end(load_config(trained / "c.yml"), trained / "run", said.append)
    assert "post-processing was not fitted: [Errno 28] No space left" in said[0]
    assert "ppocr-ft fit-postprocess" in said[1]
    assert not set(FIT_FILES) & {path.name for path in (trained / "run").iterdir()}
