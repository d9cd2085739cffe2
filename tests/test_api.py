"""The functions of the package: results, the one error, and no library before it is needed."""

from __future__ import annotations

import ast
import inspect
import json
import re
import signal
import warnings
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import ppocr_ft
from ppocr_ft import PpocrFtError, RunFailed, UserInputError
from tests.conftest import HAS_PADDLE
from tests.support import ROOT
from tests.support.processes import python
from tests.support.small_run import STEPS, small_config

needs_paddle = pytest.mark.skipif(not HAS_PADDLE, reason="paddle is not installed")
LOADED = """
import json, sys
import ppocr_ft
before = sorted({"numpy", "cv2", "paddle", "pydantic", "shapely"} & sys.modules.keys())
for name in ppocr_ft.__all__:
    getattr(ppocr_ft, name)
same = sorted(dir(ppocr_ft)) == sorted(ppocr_ft.__all__)
print(json.dumps([before, "paddle" in sys.modules, same]))
"""


def test_import_loads_nothing_and_every_name_is_there() -> None:
    done = python("-c", LOADED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], False, True]


@needs_paddle
@pytest.mark.slow
def test_a_detector_is_made_without_a_word_of_paddle(tmp_path: Path) -> None:
    (tmp_path / "inference.json").touch()
    done = python("-c", f"import ppocr_ft; ppocr_ft.Detector({str(tmp_path)!r})")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        ppocr_ft.trian  # noqa: B018
    with pytest.raises(ImportError):
        from ppocr_ft import no_such_name  # type: ignore[attr-defined]  # noqa: F401


def test_the_document_imports_what_there_is() -> None:
    text = (ROOT / "docs" / "python_api.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    imported = [
        alias.name
        for block in blocks
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    functions = ["check", "evaluate", "export_model", "predict", "train"]
    assert sorted(imported) == ["Detector", *functions]
    methods = [f"Detector.{name}" for name in ("finetune", "evaluate", "predict", "export")]
    for name in ["Detector", *methods, *functions]:
        parameters = inspect.signature(attrgetter(name)(ppocr_ft)).parameters
        (documented,) = re.findall(rf"^\| `{re.escape(name)}\((.*?)\)`", text, re.MULTILINE)
        named = [word.partition("=")[0] for word in documented.split(", ")]
        assert named == [each for each in parameters if each != "self"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("api")
    config = small_config(folder)
    overrides = {"Global.epoch_num": 1, "Global.save_epoch_step": 5, "Eval.loader.num_workers": 0}
    return config, ppocr_ft.train(config, overrides)


@needs_paddle
@pytest.mark.slow
def test_train_returns_the_run(run: tuple[Path, Any]) -> None:
    config, result = run
    assert result.folder == config.parent / "run"
    assert result.weights == result.folder / "best_accuracy.pdparams"
    assert result.weights.is_file()
    assert (result.folder / "report.html").is_file()
    assert result.best_step in (0, STEPS // 3)
    for rates in (result.start, result.best, result.last):
        assert 0 <= rates.hmean_70 <= rates.hmean <= 1
    assert result.best == (result.last if result.best_step else result.start)


@needs_paddle
@pytest.mark.slow
def test_what_was_trained_is_evaluated_used_and_exported(
    run: tuple[Path, Any], tmp_path: Path
) -> None:
    config, result = run
    overrides = [f"Global.checkpoints={result.weights}", "PostProcess.box_thresh=0.01"]
    assert ppocr_ft.evaluate(config, overrides[:1]).hmean == pytest.approx(result.best.hmean)

    found = ppocr_ft.predict(config.parent / "0.png", config, overrides)
    assert [Path(image.path).name for image in found.images] == ["0.png"]
    assert found.faults == []
    assert all(box.shape == (4, 2) for box in found.images[0].boxes)
    assert len(found.images[0].scores) == len(found.images[0].boxes)

    pixels = cv2.imread(str(config.parent / "0.png"))
    mixed = ppocr_ft.predict([pixels, config.parent / "0.png", pixels[::-1]], config, overrides)
    assert [Path(image.path).name for image in mixed.images] == ["images[0]", "0.png", "images[2]"]
    assert mixed.images[0].image is pixels
    for image in mixed.images[:2]:
        np.testing.assert_array_equal(image.boxes, found.images[0].boxes)

    folder = tmp_path / "model"
    exported = ppocr_ft.export_model(
        config, [*overrides, f"Global.save_inference_dir={folder}"], parity_images=1
    )
    assert exported.folder == folder
    again = ppocr_ft.predict([config.parent / "0.png"], model=folder)
    assert len(again.images[0].boxes) == len(found.images[0].boxes)
    for one, other in zip(again.images[0].boxes, found.images[0].boxes, strict=True):
        np.testing.assert_allclose(one, other, atol=1)


@needs_paddle
@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda config: ppocr_ft.train(config, {"Global.epoch_nun": 3}), "Global.epoch_nun"),
        (lambda config: ppocr_ft.train("no_such.yml"), "no_such.yml: no such file"),
        (lambda config: ppocr_ft.train(config, resume="nowhere"), "nowhere"),
        (lambda config: ppocr_ft.evaluate(config), "Global.pretrained_model"),
        (lambda config: ppocr_ft.predict("nowhere.jpg"), "nowhere.jpg"),
        (lambda config: ppocr_ft.predict(np.zeros((9, 9, 3))), "an array (9, 9, 3) of float64"),
        (lambda config: ppocr_ft.predict("a.jpg", model="nowhere"), "nowhere"),
        (lambda config: ppocr_ft.predict("a.jpg", tiles=9), "tiles: found 9, expected auto"),
        (lambda config: ppocr_ft.predict("a.jpg", config, ["a=1"], model="m"), "overrides"),
        (
            lambda config: ppocr_ft.export_model(
                config, {"Global.save_inference_dir": config.parent / "model"}
            ),
            "Global.checkpoints",
        ),
    ],
)
def test_wrong_input_is_one_error(call: Any, part: str, tmp_path: Path) -> None:
    config = small_config(tmp_path)
    with pytest.raises(UserInputError) as caught:
        call(config)
    assert part in str(caught.value)
    assert isinstance(caught.value, PpocrFtError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: ppocr_ft.evaluate(None), "config is None"),
        (lambda: ppocr_ft.check(None), "config is None"),
        (lambda: ppocr_ft.predict(None), "found NoneType"),
        (lambda: ppocr_ft.evaluate("det_v4_ft.yml", "Global.epoch_nun=3"), "-o Global.epoch_nun"),
    ],
)
def test_none_and_a_single_override_are_told(call: Any, part: str) -> None:
    with pytest.raises(UserInputError) as caught:
        call()
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_paddle
@pytest.mark.slow
def test_losses_that_turn_nan_are_a_run_that_failed(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    with pytest.raises(RunFailed, match=r"train\.log says why"):
        ppocr_ft.train(config, {"Optimizer.lr.learning_rate": 1e30, "Optimizer.lr.warmup_steps": 0})


def test_check_returns_findings_and_raises_nothing(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    assert [f for f in ppocr_ft.check(config, weights=False) if f.severity == "error"] == []
    gone = {"Train.dataset.label_file_list": [str(tmp_path / "gone.txt")], "Gobal.seed": 1}
    found = ppocr_ft.check(config, gone, images=False, weights=False)
    assert any(str(finding.file).endswith("gone.txt") for finding in found)
    assert any("Gobal" in finding.message for finding in found)


def steps_of(run: Path) -> list[int]:
    rows = (run / "metrics.csv").read_text("utf-8").splitlines()
    return [int(row.split(",")[1]) for row in rows[1:]]


@needs_paddle
@pytest.mark.slow
def test_a_run_is_gone_on_with_by_its_own_config(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    ppocr_ft.train(config, {"Global.epoch_num": 1})
    with pytest.raises(UserInputError, match="bend its schedule"):
        ppocr_ft.train(config, {"Global.epoch_num": 2}, resume="latest")
    done = ppocr_ft.train(config, {"Global.epoch_num": 2}, resume="latest", force=True)
    assert max(steps_of(tmp_path / "run")) == 2 * STEPS // 3
    assert ppocr_ft.train(resume=tmp_path / "run") == done  # it is finished


@needs_paddle
@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_ends_the_program_and_saves_the_run(
    number: signal.Signals, error: type[BaseException], tmp_path: Path
) -> None:
    def ask(row: Any) -> None:
        if row["kind"] == "train":
            signal.raise_signal(number)

    with pytest.raises(error):
        ppocr_ft.train(small_config(tmp_path), progress=ask)
    assert (tmp_path / "run" / "latest.pdstate").is_file()
    ppocr_ft.train(resume=tmp_path / "run")
    assert steps_of(tmp_path / "run")[-1] == STEPS


@needs_paddle
@pytest.mark.slow
def test_train_works_in_a_thread_where_no_signal_can_be_heeded(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(ppocr_ft.train, config, {"Global.epoch_num": 1}).result()
    assert done.weights.is_file()


@needs_paddle
@pytest.mark.slow
def test_overrides_of_any_type_and_warnings(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    values = {"Optimizer.lr.learning_rate": 1e-05, "Global.eval_batch_step": (0, 5)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = ppocr_ft.train(
            config, {**values, "Global.epoch_num": 1, "Global.save_model_dir": tmp_path / "a b ä"}
        )
    assert result.folder == tmp_path / "a b ä"
