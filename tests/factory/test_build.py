"""Every shipped config, and every look-alike of PaddleOCR's own, becomes objects."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.config import load_config
from ppocr_ft.errors import WeightsError
from ppocr_ft.factory import objects
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture
from ppocr_ft.models.reparameterize import detect_form
from ppocr_ft.weights import CoverageReport, save_trained
from ppocr_ft.weights.load import FOLDED_NORMS_WARNING
from ppocr_ft.weights.released import released_model
from tests.support.config_files import CONFIGS

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs").glob("*.yml"))
LIKE_PADDLEOCR = sorted(CONFIGS.glob("like_*.yml"))


@pytest.mark.parametrize("path", [*SHIPPED, *LIKE_PADDLEOCR], ids=lambda path: path.stem)
def test_builds(path: Path) -> None:
    config = load_config(path)
    network = build_architecture(config.Architecture.arguments())
    network.eval()
    with paddle.no_grad():
        maps = network(paddle.zeros([1, 3, 64, 64]))["maps"]
    assert list(maps.shape) == [1, 1, 64, 64]
    assert objects.operators(config.Train.dataset)
    assert objects.operators(config.Eval.dataset)
    assert objects.post_process(config).thresh == config.PostProcess.thresh


def released() -> tuple[object, np.ndarray]:
    config = load_config(SHIPPED[0].with_name("det_v4_ft.yml"))
    network, _ = objects.network(config)
    return network, maps_of(network)


def maps_of(network: object) -> np.ndarray:
    pixels = np.random.default_rng(0).normal(0, 1, (1, 3, 64, 96)).astype(np.float32)
    network.eval()
    with paddle.no_grad():
        return network(paddle.to_tensor(pixels))["maps"].numpy()


@pytest.mark.parametrize("form", ["auto", "folded", "branches"])
def test_a_checkpoint_in_paddleocrs_train_form_runs_in_either_form(
    form: str, tmp_path: Path
) -> None:
    network, wanted = released()
    path = ROOT / "configs" / "det_v4_ft.yml"
    save_trained(network, tmp_path / "best.pdparams", load_config(path).Architecture.arguments())
    config = load_config(path, [f"Global.checkpoints={tmp_path / 'best'}", f"Global.form={form}"])
    again, coverage = objects.network(config)
    assert coverage.share(["backbone", "neck", "head"]) == 1.0
    np.testing.assert_allclose(maps_of(again), wanted, atol=1e-5)


def test_training_starts_in_the_form_that_the_weights_come_in(tmp_path: Path) -> None:
    path = ROOT / "configs" / "det_v4_ft.yml"
    network, _ = objects.starting_network(load_config(path))
    assert detect_form(network.state_dict()) == "folded"
    save_trained(network, tmp_path / "best.pdparams", load_config(path).Architecture.arguments())
    config = load_config(path, [f"Global.pretrained_model={tmp_path / 'best.pdparams'}"])
    network, _ = objects.starting_network(config)
    assert detect_form(network.state_dict()) == "branches"


def test_weights_of_another_network_name_the_one_that_fits() -> None:
    weights = released_model("PP-OCRv4_mobile_det")
    config = load_config(ROOT / "configs" / "det_v3_ft.yml", [f"Global.pretrained_model={weights}"])
    with pytest.raises(WeightsError, match="It is a PP-OCRv4_mobile_det"):
        objects.network(config)


@pytest.mark.parametrize(
    ("config", "overrides", "name"),
    [
        ("det_v4_ft.yml", [], "PP-OCRv4_mobile_det"),
        ("det_v4_ft.yml", ["Global.model_name=PP-OCRv5_mobile_det"], "PP-OCRv5_mobile_det"),
        ("det_v3_ft.yml", [], "PP-OCRv3_mobile_det"),
        ("det_v4_server_ft.yml", [], "PP-OCRv4_server_det"),
    ],
)
def test_released_weights_are_those_of_the_configs_detector(
    config: str, overrides: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no package is installed, so that each message names the model."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    loaded = load_config(
        ROOT / "configs" / config, ["Global.pretrained_model=released", *overrides]
    )
    with pytest.raises(WeightsError, match=rf"the released weights of {name}[, ]") as caught:
        objects.network(loaded)
    assert caught.value.key == "Global.pretrained_model"


def test_folded_batch_norms_are_told_of_where_statistics_are_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(network: DetectionNetwork, source: object, *, min_coverage: float) -> CoverageReport:
        return CoverageReport("weights", (), ("backbone",), warnings=(FOLDED_NORMS_WARNING,))

    monkeypatch.setattr(objects, "load_into", load)
    for frozen, warnings in ((True, ()), (False, (FOLDED_NORMS_WARNING,))):
        override = f"Global.freeze_bn_stats={str(frozen).lower()}"
        config = load_config(ROOT / "configs" / "det_v4_ft.yml", [override])
        assert objects.network(config)[1].warnings == warnings
