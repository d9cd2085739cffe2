"""The evaluation pass by ONNX Runtime gives Paddle's maps, and gives way where it doesn't."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import paddle
import pytest

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine import onnx_forward
from ppocr_ft.engine.evaluation import MANY_IMAGES, probability_maps
from ppocr_ft.models.architecture import DetectionNetwork, build_detector
from ppocr_ft.models.configs import Form
from ppocr_ft.models.program import WorkerFailed, run_worker
from ppocr_ft.utils.console import forget_said
from ppocr_ft.weights.download import HOME_VARIABLE

installed = all(importlib.util.find_spec(name) for name in onnx_forward.ONNX_PACKAGES)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not installed, reason="needs the extra onnx"),
]
NAME = "PP-OCRv4_mobile_det"
SIZES = ((96, 160), (64, 96), (352, 64))


def network(form: Form = "folded", seed: int = 0) -> DetectionNetwork:
    paddle.seed(seed)
    detector = build_detector(NAME, form)
    detector.eval()
    return detector


def images(count: int) -> list[EvalSample]:
    rng = np.random.default_rng(0)
    pictures = (rng.normal(size=(3, *SIZES[i % len(SIZES)])) for i in range(count))
    return [
        EvalSample(picture.astype(np.float32), np.array([*picture.shape[1:], 1.0, 1.0]), "")
        for picture in pictures
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[onnx_forward.Forward | None]:
    """What every evaluation got from `onnx_forward`."""
    results: list[onnx_forward.Forward | None] = []

    def spy(*arguments: object) -> onnx_forward.Forward | None:
        results.append(onnx_forward.onnx_forward(*arguments))  # type: ignore[arg-type]
        return results[-1]

    monkeypatch.setattr("ppocr_ft.engine.evaluation.onnx_forward", spy)
    return results


def largest_difference(
    detector: DetectionNetwork, count: int, threads: int = 1, batch_size: int = 1
) -> float:
    given = images(count)
    maps = probability_maps(detector, given, threads=threads, batch_size=batch_size)
    plain = probability_maps(detector, given, in_paddle=True)
    pairs = zip(maps, plain, strict=True)
    differences = []
    for (image, prob_map), (same, expected) in pairs:
        assert image is same
        assert prob_map.shape == expected.shape == image.image.shape[1:]
        differences.append(float(np.abs(prob_map - expected).max()))
    return max(differences)


@pytest.mark.parametrize("how", [{}, {"threads": 2}, {"batch_size": 2}])
@pytest.mark.parametrize("form", ["folded", "branches"])
def test_the_maps_are_paddles(
    opened: list[onnx_forward.Forward | None], form: Form, how: dict[str, int]
) -> None:
    assert largest_difference(network(form), MANY_IMAGES + 1, **how) < onnx_forward.PROOF_LIMIT
    assert len(opened) == 1
    assert opened[0] is not None


def test_later_weights_go_through_the_same_graph(
    opened: list[onnx_forward.Forward | None],
) -> None:
    first, second = network(seed=0), network(seed=1)
    corner = images(1)
    (_, one), (_, other) = (next(iter(probability_maps(each, corner))) for each in (first, second))
    assert np.abs(one - other).max() > onnx_forward.PROOF_LIMIT
    for detector in (first, second, first):
        assert largest_difference(detector, MANY_IMAGES) < onnx_forward.PROOF_LIMIT
    assert None not in opened


def test_few_images_stay_in_paddle(opened: list[onnx_forward.Forward | None]) -> None:
    assert largest_difference(network(), MANY_IMAGES - 1) == 0
    assert opened == []


def test_other_maps_are_refused_and_it_is_said(
    opened: list[onnx_forward.Forward | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget_said()
    monkeypatch.setattr(onnx_forward, "PROOF_LIMIT", 0.0)
    assert largest_difference(network(), MANY_IMAGES) == 0
    assert opened == [None]
    assert "in Paddle, not in ONNX Runtime: its maps differ by" in capsys.readouterr().err


@pytest.fixture
def new_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing is converted yet, neither in this process nor on this machine."""
    monkeypatch.setattr(onnx_forward, "_GRAPHS", {})
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path / onnx_forward.CACHE


def test_a_failed_conversion_is_said(
    opened: list[onnx_forward.Forward | None],
    new_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget_said()

    def fail(*_: object) -> None:
        raise WorkerFailed("paddle2onnx: exit code 134")

    monkeypatch.setattr(onnx_forward, "run_worker", fail)
    assert largest_difference(network(), MANY_IMAGES) == 0
    assert opened == [None]
    assert "can't be converted: paddle2onnx: exit code 134" in capsys.readouterr().err


def test_conversion_leaves_this_process_as_it_was(new_home: Path) -> None:
    """Training draws from Paddle's generator; a resumed run converts at another moment."""
    detector = network()
    paddle.seed(5)
    expected = paddle.rand([4]).numpy()
    paddle.seed(5)
    onnx_forward.prepare_onnx(detector)
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), expected)


@pytest.mark.parametrize("damaged", [None, b"", b"no archive", "one byte"])
def test_a_network_is_converted_once_on_a_machine(
    new_home: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes | str | None
) -> None:
    conversions: list[tuple[str, ...]] = []

    def counted(*arguments: str) -> None:
        conversions.append(arguments)
        run_worker(*arguments)

    monkeypatch.setattr(onnx_forward, "run_worker", counted)
    assert largest_difference(network(), MANY_IMAGES) < onnx_forward.PROOF_LIMIT
    (kept,) = new_home.iterdir()
    whole = kept.read_bytes()
    if damaged == "one byte":
        kept.write_bytes(whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:])
    elif damaged is not None:
        kept.write_bytes(bytes(damaged))
    onnx_forward._GRAPHS.clear()  # as in another process
    assert largest_difference(network(seed=1), MANY_IMAGES) < onnx_forward.PROOF_LIMIT
    assert len(conversions) == (1 if damaged is None else 2)
    assert kept.read_bytes()[:4] == whole[:4]
    assert onnx_forward._GRAPHS.popitem()[1] is not None


def test_without_a_place_for_a_cache(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_home.write_text("a file where the folder would be")
    assert onnx_forward.prepare_onnx(network()) is not None
    assert new_home.is_file()


def test_without_a_home(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, "~nobody_of_that_name")
    assert onnx_forward.prepare_onnx(network()) is not None
