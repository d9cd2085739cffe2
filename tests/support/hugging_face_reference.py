"""Numbers that the models of Hugging Face's transformers gave, and the weights they were given.

``tests/support/reference/hugging_face/NAME.npz``: ``keys`` and ``shapes`` of the state dict of
the published detector NAME, and ``maps``, what its model makes of ``image()`` with the weights of
``state``. Written by transformers 5.24.0 and torch 2.13.0 on a CPU, by

    python -m tests.support.hugging_face_reference

in an environment that has these two and numpy; this project doesn't need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.support.hashed_tensors import hashed_tensor

FOLDER = Path(__file__).parent / "reference" / "hugging_face"
COUNTERS = ".num_batches_tracked"
LARGE_KERNEL = 9
_PARALLEL = (".conv_symmetric.", ".conv_small_symmetric.", ".identity.")
_DENSE = ("input_feature_projection_convolution", "path_aggregation_lateral_convolution")


class Size(NamedTuple):
    """What differs between the detectors of PP-OCRv6."""

    stem: int
    channels: tuple[int, int, int, int]
    neck: int
    kernel: int


SIZES = {
    "tiny": Size(16, (32, 48, 64, 160), 64, 5),
    "small": Size(24, (48, 96, 192, 384), 96, 7),
    "medium": Size(64, (128, 256, 512, 896), 256, LARGE_KERNEL),
}
BLOCKS_PER_STAGE = (2, 3, 5, 3)
DETECTORS = (
    "PP-OCRv5_mobile_det",
    "PP-OCRv5_server_det",
    *(f"PP-OCRv6_{size}_det" for size in SIZES),
)


def image() -> np.ndarray:
    return np.random.RandomState(0).uniform(-2, 2, (1, 3, 64, 96)).astype(np.float32)


@cache
def shapes(detector: str) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a published file, but for the counters of batch norms."""
    with np.load(FOLDER / f"{detector}.npz") as arrays:
        pairs = zip(arrays["keys"], arrays["shapes"], strict=True)
        return {str(key): tuple(int(n) for n in shape if n) for key, shape in pairs}


@cache
def maps(detector: str) -> np.ndarray:
    with np.load(FOLDER / f"{detector}.npz") as arrays:
        return np.asarray(arrays["maps"])


def state(key_shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Weights that depend on nothing but each tensor's key and shape.

    The large kernels of PP-OCRv6 medium, which have biases, are products of a depthwise and a
    pointwise one, as in the published file.
    """
    made = {key: _tensor(key, shape) for key, shape in key_shapes.items()}
    for key in [key for key in made if key.endswith(".bias") and any(d in key for d in _DENSE)]:
        name = key.removesuffix(".bias")
        outer, inner, *size = key_shapes[f"{name}.weight"]
        pointwise = _tensor(f"{name}.pointwise", (outer, inner, 1, 1))
        depthwise = _tensor(f"{name}.depthwise", (inner, 1, *size)).swapaxes(0, 1)
        made[f"{name}.weight"] = pointwise * depthwise
    return made


def _tensor(key: str, shape: tuple[int, ...]) -> np.ndarray:
    return hashed_tensor(key, shape, _bounds(key, shape))


def _bounds(key: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) == 4:
        return -1, 1
    if any(branch in key for branch in _PARALLEL) and key.endswith(".weight"):
        return 0.1, 0.7
    if key.endswith((".running_var", ".scale", ".weight")):
        return 0.6, 1.4
    return -0.4, 0.4


# From here on what the tests don't use: with transformers and torch


def model(detector: str) -> Any:
    """The model of transformers, its published settings given by hand."""
    import transformers

    family, size, _ = detector.replace("-", "").split("_")
    name = f"{family.upper()}{'Small' if size == 'tiny' else size.title()}Det"
    config = getattr(transformers, f"{name}Config")(**_settings(family, size))
    return getattr(transformers, f"{name}ForObjectDetection")(config)


def _settings(family: str, size: str) -> dict[str, Any]:
    if (family, size) == ("PPOCRv5", "mobile"):
        return {}  # its defaults are those of the published model
    if (family, size) == ("PPOCRv5", "server"):
        return _intraclass()
    channels, spec = SIZES[size].channels, SIZES[size]
    stages: list[list[list[Any]]] = []
    for index, (out, count) in enumerate(zip(channels, BLOCKS_PER_STAGE, strict=True)):
        stage: list[list[Any]] = [] if index == 0 else [[3, channels[index - 1], out, 2, False]]
        stage += [[3, out, out, 1, i % 2 == 0] for i in range(count - len(stage))]
        stages.append(stage)
    backbone = {
        "model_type": "pp_lcnet_v4",
        "block_configs": stages,
        "stem_channels": [3, spec.stem, channels[0]],
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    common = {"backbone_config": backbone, "neck_out_channels": spec.neck}
    if size == "medium":
        return {**common, **_intraclass()}
    return {
        **common,
        "layer_list_out_channels": list(channels),
        "dilated_kernel_size": spec.kernel,
    }


def _intraclass() -> dict[str, Any]:
    """The settings of PP-OCRv5 server's and PP-OCRv6 medium's neck."""
    kernels: dict[str, Any] = {"reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0]}
    for ratio, n in {"long": 7, "mid": 5, "short": 3}.items():
        for name, kernel in {
            "vertical_long_to_small_conv": [n, 1],
            "horizontal_small_to_long_conv": [1, n],
            "symmetric_conv_long": [n, n],
        }.items():
            kernels[f"{name}_{ratio}ratio"] = [kernel, [1, 1], [k // 2 for k in kernel]]
    return {
        "intraclass_block_config": kernels,
        "scale_factor_list": [1, 2, 4, 8],
        "kernel_list": [3, 2, 2],
    }


def write(detector: str) -> None:
    """Run a model with the weights of ``state`` and write its file."""
    import torch

    network = model(detector).eval()
    own = network.state_dict()
    key_shapes = {k: tuple(v.shape) for k, v in own.items() if not k.endswith(COUNTERS)}
    weights = {key: torch.from_numpy(value) for key, value in state(key_shapes).items()}
    network.load_state_dict(weights, strict=False)
    with torch.no_grad():
        found = network(torch.from_numpy(image())).last_hidden_state.numpy()
    sizes = np.zeros((len(key_shapes), 4), np.int32)
    for row, shape in zip(sizes, key_shapes.values(), strict=True):
        row[: len(shape)] = shape
    path = FOLDER / f"{detector}.npz"
    np.savez_compressed(path, keys=np.array(list(key_shapes)), shapes=sizes, maps=found)
    print(detector, len(key_shapes), found.min(), found.mean(), found.max(), path.stat().st_size)


if __name__ == "__main__":
    for detector in DETECTORS:
        write(detector)
