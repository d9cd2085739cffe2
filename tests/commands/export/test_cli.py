"""`export`: what lies there afterwards does what the network does, or nothing lies there."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ppocr_ft.commands.export.cli import main
from ppocr_ft.commands.predict.cli import main as predict
from ppocr_ft.data.sample_set import copy_sample
from ppocr_ft.export.runtime import open_model
from tests.models.test_released import picture
from tests.support import ROOT

pytestmark = pytest.mark.slow

CONFIG = str(Path(__file__).parents[3] / "configs" / "det_v4_ft.yml")
OPENVINO = ["--openvino"] if importlib.util.find_spec("openvino") else []
OWN_FILES = {"inference.json", "inference.pdiparams", "inference.yml", "parity.json"}
OPENVINO_FILES = {"inference.xml", "inference.bin"} if OPENVINO else set()
PROGRAMS = (ROOT / "docs" / "use_in_programs.md").read_text(encoding="utf-8")
NEEDS_OPENVINO = pytest.mark.skipif(not OPENVINO, reason="openvino is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = copy_sample(tmp_path_factory.mktemp("set") / "s", train=1, val=2)
    return made.data_dir


@pytest.fixture(scope="module")
def arguments(data: Path) -> list[str]:
    return [
        "-c", CONFIG, "--parity-images", "2", "-o",
        f"Eval.dataset.data_dir={data}",
        f"Eval.dataset.label_file_list=[{data / 'val.txt'}]",
        "Eval.dataset.transforms.DetResizeForTest.limit_side_len=320",
        "PostProcess.unclip_ratio=1.3",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def exported(arguments: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("paddle2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    folder = tmp_path_factory.mktemp("made") / "deep" / "model"
    assert main([*arguments, f"Global.save_inference_dir={folder}", "--onnx", *OPENVINO]) == 0
    return folder


def boxes(capsys: pytest.CaptureFixture[str], *argv: str) -> list[Any]:
    capsys.readouterr()
    assert predict(list(argv)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def assert_same(found: list[Any], wanted: list[Any]) -> None:
    assert [line["image"] for line in found] == [line["image"] for line in wanted]
    for one, other in zip(found, wanted, strict=True):
        points = [[box["points"] for box in line["boxes"]] for line in (one, other)]
        np.testing.assert_allclose(*points, atol=1)  # a pixel at the threshold falls either way
        scores = [[box["score"] for box in line["boxes"]] for line in (one, other)]
        np.testing.assert_allclose(*scores, atol=2e-4)  # printed with 4 digits


def test_the_files_of_a_model_and_nothing_else(exported: Path) -> None:
    names = {path.name for path in exported.iterdir()}
    assert names == OWN_FILES | {"inference.onnx", "model_card.md"} | OPENVINO_FILES
    assert [path.name for path in exported.parents[1].iterdir()] == ["deep"]


@pytest.fixture(scope="module")
def pixels(exported: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a crop as the model takes it, and the map of the exported Paddle program."""
    folder = tmp_path_factory.mktemp("pixels")
    page = cv2.imread(str(next((data / "images").glob("val*"))))
    crop = cv2.resize(page, (320, 224))
    cv2.imwrite(str(folder / "photo.png"), crop)
    crop[:, :, ::-1].tofile(folder / "photo.rgb")
    model = open_model(exported)
    np.save(folder / "map.npy", model.run(model.read(folder / "photo.png").image[None])[0])
    return folder


def node() -> tuple[list[str], dict[str, str]]:
    """How JavaScript is run with onnxruntime-node, and what the environment must have."""
    packages = ROOT / ".cache" / "node" / "node_modules"
    program = shutil.which("node")
    if program is None or not (packages / "onnxruntime-node").is_dir():
        pytest.skip("needs Node.js, and onnxruntime-node of npm: make node")
    return [program], {"NODE_PATH": str(packages)}


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_programs_of_the_page_give_the_networks_map(
    language: str, exported: Path, pixels: Path
) -> None:
    found = re.search(rf"^```{language}\n(.*?)^```", PROGRAMS, re.DOTALL | re.MULTILINE)
    assert found is not None
    words, environment = node() if language == "js" else ([sys.executable], {})
    (pixels / f"text_map.{language}").write_text(found[1], encoding="utf-8")
    written = pixels / f"{language}.f32"
    done = subprocess.run(
        [*words, f"text_map.{language}", exported / "inference.onnx", "photo.rgb", "320", "224",
         written],
        cwd=pixels, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), "nor does ONNX Runtime warn of the file"
    text_map = np.fromfile(written, np.float32).reshape(224, 320)
    np.testing.assert_allclose(text_map, np.load(pixels / "map.npy").squeeze(), atol=1e-4)
    assert text_map.max() > 0.9, "there are texts"
    *shape, mean = re.findall(r"[\d.e-]+", done.stdout)
    assert shape == ["1", "1", "224", "320"]
    assert float(mean) == pytest.approx(text_map.mean(), abs=1e-6)


def test_parity_is_told(exported: Path) -> None:
    parity = json.loads((exported / "parity.json").read_text(encoding="utf-8"))
    assert parity["equal"] is True
    assert parity["images"] == 2
    assert parity["boxes"] > 10
    assert set(parity["trials"]) == {"Paddle", "ONNX Runtime", *["OpenVINO"] * len(OPENVINO)}
    for trial in parity["trials"].values():
        assert trial["map_difference"] <= 1e-3
        assert trial["beyond_limit"] <= 1e-4
        assert trial["rates"] == pytest.approx(parity["rates"], abs=0.002)
    card = (exported / "model_card.md").read_text(encoding="utf-8")
    for part in (
        f"{parity['rates']['hmean']:.4f}",
        "PP-OCRv4_mobile_det",
        "paddlepaddle",
        "320 px",
        "# PP-OCRv4_mobile_det, starting weights with the post-processing below",
        "These are the starting weights (step 0), not fine-tuned.",
    ):
        assert part in card
    assert "optimizer" not in card
    assert "epochs" not in card


def test_the_threshold_head_is_dropped_and_branches_are_folded(exported: Path) -> None:
    from ppocr_ft.weights.inference import find_inference_model, read_inference_model

    model = find_inference_model(exported)
    assert model is not None
    assert len(read_inference_model(model).tensors) == 234  # as in the released model


@pytest.mark.parametrize("level", ["as written", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED"])
def test_the_onnx_file_is_read_as_weights(exported: Path, tmp_path: Path, level: str) -> None:
    """As paddle2onnx writes it, and as ONNX Runtime rewrites it: fused, and in another order."""
    import onnxruntime
    import paddle

    from ppocr_ft.export.runtime import open_model
    from ppocr_ft.models.architecture import build_detector
    from ppocr_ft.weights import load_into

    path = exported / "inference.onnx"
    if level != "as written":
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        path = tmp_path / "optimized.onnx"
    for form in ("folded", "branches"):
        network = build_detector("PP-OCRv4_mobile_det", form)
        report = load_into(network, path)
        assert report.coverage == 1
        assert all(key.startswith("head.thresh.") for key in report.keys("not in this source"))
        network.eval()
        image = picture(96, 160)
        with paddle.no_grad():
            maps = network(paddle.to_tensor(image))["maps"].numpy()
        expected = open_model(exported / "inference.onnx").run(image)
        assert expected.max() > 0.5, "no text found: the comparison would say little"
        np.testing.assert_allclose(maps, expected, atol=1e-4)


@pytest.mark.parametrize(
    "name", [".", "inference.onnx", pytest.param("inference.xml", marks=NEEDS_OPENVINO)]
)
def test_batch_and_size_are_free(exported: Path, name: str) -> None:
    from ppocr_ft.export.runtime import open_model

    model = open_model(exported / name)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(3, 3, 64, 96)).astype(np.float32)
    together = model.run(images)
    assert together.shape == (3, 1, 64, 96)
    for image, prob_map in zip(images, together, strict=True):
        np.testing.assert_allclose(model.run(image[np.newaxis])[0], prob_map, atol=1e-5)
    assert model.run(images[:1, :, :32]).shape == (1, 1, 32, 96)


def test_predict_finds_the_same_by_config_folder_and_onnx_file_alone(
    arguments: list[str],
    exported: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = tmp_path / "alone.onnx"
    moved.write_bytes((exported / "inference.onnx").read_bytes())
    overrides = arguments[arguments.index("-o") :]
    images = ["--images", str(data / "images")]
    wanted = boxes(capsys, "-c", CONFIG, *overrides, *images)
    assert sum(len(line["boxes"]) for line in wanted) > 10
    names = ["inference.json", *["inference.xml"] * len(OPENVINO)]
    for model in (exported, *(exported / name for name in names), moved):
        assert_same(boxes(capsys, "--model", str(model), *images, "--batch", "2"), wanted)


def test_an_exported_model_knows_the_scale_of_its_training(
    arguments: list[str],
    exported: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A page of eight pictures, one below the other: by the config and by the model."""
    picture = cv2.imread(str(sorted((data / "images").iterdir())[0]))
    page = tmp_path / "page.png"
    cv2.imwrite(str(page), np.vstack([picture] * 8))
    tiles = ["--images", str(page), "--tiles", "auto"]
    wanted = boxes(capsys, "-c", CONFIG, *arguments[arguments.index("-o") :], *tiles)
    assert len(wanted[0]["boxes"]) > 20
    assert_same(boxes(capsys, "--model", str(exported), *tiles), wanted)
    one = boxes(capsys, "--model", str(exported), "--images", str(page))
    assert len(one[0]["boxes"]) < len(wanted[0]["boxes"])

    bare = tmp_path / "bare"
    shutil.copytree(exported, bare)
    in_yml("Tiles", "Other")(bare)
    assert predict(["--model", str(bare), *tiles]) == 2
    assert "tiles auto asks for; give a factor" in capsys.readouterr().err
    assert boxes(capsys, "--model", str(bare), *tiles[:-1], "0.5")


def in_yml(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "inference.yml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def one_weight(folder: Path) -> None:
    path = folder / "inference.pdiparams"
    content = path.read_bytes()
    last = np.frombuffer(content[-4:], np.float32) + np.float32(0.5)
    path.write_bytes(content[:-4] + last.tobytes())


def cut_off(folder: Path) -> None:
    path = folder / "inference.pdiparams"
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("broken", "parts"),
    [
        pytest.param(one_weight, ["not equal", "Paddle: maps differ by"], id="a weight"),
        pytest.param(cut_off, ["can't be opened"], id="cut off"),
        pytest.param(
            in_yml("unclip_ratio: 1.3", "unclip_ratio: 2.2"),
            ["not equal", "another post-processing", "boxes not the same"],
            id="unclip ratio",
        ),
        pytest.param(in_yml("0.406", "0.410"), ["not equal", "prepared pixels differ"], id="mean"),
        pytest.param(in_yml("BGR", "RGB"), ["not equal", "prepared pixels differ"], id="channels"),
        pytest.param(
            in_yml("resize_long: 320", "resize_long: 256"),
            ["not equal", "another size"],
            id="resize rule",
        ),
    ],
)
def test_a_model_that_differs_is_refused_and_an_earlier_one_stays(
    broken: Callable[[Path], None],
    parts: list[str],
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ppocr_ft.commands.export import run as export

    write = export.write_model

    def write_and_break(*given: Any) -> dict[str, Path]:
        written = write(*given)
        broken(given[3])
        return written

    monkeypatch.setattr(export, "write_model", write_and_break)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "inference.yml").write_text("earlier", encoding="utf-8")
    place = f"Global.save_inference_dir={folder}"
    assert main([*arguments, place, "--parity-images", "1"]) == 1
    err = capsys.readouterr().err
    assert "not exported" in err
    for part in parts:
        assert part in err
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [path.read_text(encoding="utf-8") for path in folder.iterdir()] == ["earlier"]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["Global.save_inference_dir=null"], "Global.save_inference_dir"),
        (["Global.model_name=mine"], "PP-OCRv4_mobile_det"),
        (["Global.pretrained_model=null"], "Global.checkpoints"),
        (["Eval.dataset.transforms.DetResizeForTest.limit_type=resize_long"], "limit_type: max"),
        (["Eval.dataset.transforms.DecodeImage.ignore_orientation=true"], "EXIF"),
        (["Eval.dataset.label_file_list=[nowhere.txt]"], "nowhere.txt"),
    ],
)
def test_wrong_input_is_one_message_and_leaves_nothing(
    more: list[str],
    part: str,
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = f"Global.save_inference_dir={tmp_path / 'model'}"
    assert main([*arguments, place, *more]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_enlarged_images_are_a_note_since_inference_yml_cannot_tell(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    resize = "Eval.dataset.transforms.DetResizeForTest.limit_type=min"
    assert main([*arguments, f"Global.save_inference_dir={model}", resize]) == 0
    out, err = capsys.readouterr()
    assert "equal;" in out
    assert re.search(r"note: images are enlarged.* limit_side_len=\d+, limit_type='min' alone", err)
    assert "limit_type='min'" in (model / "model_card.md").read_text(encoding="utf-8")


def test_a_converter_that_fails_is_told_of(
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ppocr_ft.export import write

    monkeypatch.setattr(write.sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho unknown operator; exit 9\n")
    (tmp_path / "python").chmod(0o755)
    folder = tmp_path / "out"
    assert main([*arguments, f"Global.save_inference_dir={folder}", "--legacy"]) == 1
    assert "legacy: exit code 9\nunknown operator" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["python"]


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_a_format_without_its_packages_is_refused_at_once(
    name: str,
    arguments: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from ppocr_ft.export import write

    monkeypatch.setattr(write.importlib.util, "find_spec", lambda name: None)
    assert main([*arguments, f"Global.save_inference_dir={tmp_path / 'm'}", f"--{name}"]) == 2
    assert f"pip install '.[{name}]' in the clone" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_images_that_cant_be_read_are_not_compared_on(
    arguments: list[str], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "good.png"), np.full((96, 96, 3), 90, np.uint8))
    labels = tmp_path / "val.txt"
    labels.write_text("bad.png\t[]\ngood.png\t[]\n", encoding="utf-8")
    folder = tmp_path / "out" / "model"
    more = [f"Eval.dataset.data_dir={tmp_path}", f"Eval.dataset.label_file_list=[{labels}]"]
    assert main([*arguments, *more, f"Global.save_inference_dir={folder}"]) == 0
    assert "val.txt:1: " in capsys.readouterr().err
    assert json.loads((folder / "parity.json").read_text(encoding="utf-8"))["images"] == 1
