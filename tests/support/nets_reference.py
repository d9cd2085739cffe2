"""PaddleOCR's numbers for its detectors, and the weights that they were computed with.

``tests/support/reference/ppocr*``: state dict keys and forward passes of PaddleOCR (main, December
2025) under PaddlePaddle 3.3.1 on a CPU; of PP-OCRv5 and v6, main of mid-2026 under 3.2.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from ppocr_ft.export.parity import MAP_LIMIT, ROUNDED_LIMIT, ROUNDED_SHARE
from tests.support.hashed_tensors import hashed_tensor

FOLDER = Path(__file__).parent / "reference"
FILES = {
    "PP-OCRv4_mobile_det": "ppocrv4_mobile_det",
    "PP-OCRv4_server_det": "ppocrv4_server_det",
    "PP-OCRv3_mobile_det": "ppocrv3_student_det",
    "PP-OCRv5_server_det": "ppocrv5_server_det",
    "PP-OCRv6_tiny_det": "ppocrv6_tiny_det",
    "PP-OCRv6_small_det": "ppocrv6_small_det",
    "PP-OCRv6_medium_det": "ppocrv6_medium_det",
}

Shapes = Mapping[str, tuple[int, ...]]


@cache
def entries(detector: str) -> dict[str, dict[str, Any]]:
    """Per state dict key: shape, trainable, lr_mult, own_l2."""
    path = FOLDER / f"{FILES[detector]}.state_dict.json"
    return json.loads(path.read_text(encoding="utf-8"))


def shapes(detector: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(entry["shape"]) for key, entry in entries(detector).items()}


@cache
def forward(detector: str) -> dict[str, np.ndarray]:
    """The input ``x`` and the outputs ``eval_maps``, ``train_maps``, ..."""
    with np.load(FOLDER / f"{FILES[detector]}.forward.npz") as arrays:
        return dict(arrays)


def hashed_state(key_shapes: Shapes) -> dict[str, np.ndarray]:
    """Weights that depend on nothing but each tensor's key and shape."""
    return {
        key: hashed_tensor(key, shape, _bounds(key, shape)) for key, shape in key_shapes.items()
    }


def _bounds(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if key.endswith("_variance"):
        return 0.5, 1.5
    if key.endswith("_mean"):
        return -0.1, 0.1
    if len(shape) == 4:
        return -1, 1
    if key.endswith("scale"):
        return 0.8, 1.2
    return (0.5, 1.5) if key.endswith("weight") else (-0.1, 0.1)


def load(network: paddle.nn.Layer, state: Mapping[str, np.ndarray]) -> None:
    """Put arrays on the tensors of their keys; the keys must be the network's."""
    own = network.state_dict()
    assert own.keys() == state.keys()
    for key, tensor in own.items():
        tensor.set_value(state[key].astype(str(tensor.dtype).removeprefix("paddle.")))


def run(network: paddle.nn.Layer, x: np.ndarray, *, training: bool) -> dict[str, np.ndarray]:
    """The network's outputs in one mode; training mode also updates the running statistics."""
    network.train() if training else network.eval()
    with paddle.no_grad():
        return {key: value.numpy() for key, value in network(paddle.to_tensor(x)).items()}


def logits_of(network: paddle.nn.Layer, x: np.ndarray) -> np.ndarray:
    """The shrink map before its sigmoid, in eval mode; of a DBHead."""
    seen: list[np.ndarray] = []
    layer = network.head.binarize.conv3
    handle = layer.register_forward_post_hook(lambda _, __, output: seen.append(output.numpy()))
    run(network, x, training=False)
    handle.remove()
    return seen[0]


def assert_same_logits(found: paddle.nn.Layer, expected: paddle.nn.Layer, x: np.ndarray) -> None:
    """Relative to the largest: hashed weights make logits of 1e8, whose maps are all 0 and 1."""
    wanted = logits_of(expected, x)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(logits_of(found, x) / scale, wanted / scale, rtol=0, atol=2e-5)


def assert_same_maps(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for float32's rounding, which depends on the CPU and its number of threads.

    Where the network's sigmoid is steep it reaches 8e-5; hence the limits of an exported model.
    """
    assert found.shape == expected.shape
    differences = np.abs(found - expected)
    assert differences.max() <= ROUNDED_LIMIT
    assert (differences > MAP_LIMIT).mean() <= ROUNDED_SHARE
