"""The folded detector against the released inference program, run by Paddle itself.

The program's format needs a Paddle flag set before the import, so it runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import paddle
import pytest

from ppocr_ft.models.architecture import build_detector
from ppocr_ft.models.reparameterize import reparameterize, to_branches
from ppocr_ft.weights.trace import tensor_order
from tests.support import RELEASED_MODELS
from tests.support.nets_reference import assert_same_maps

SIZES_PX = {"small": (96, 160), "real": (736, 512)}

RUN_PROGRAM = """
import sys
import numpy as np
import paddle

model, images, out = sys.argv[1:]
paddle.enable_static()
executor = paddle.static.Executor(paddle.CPUPlace())
program, feeds, fetches = paddle.static.load_inference_model(model, executor)
block = program.global_block()
names = []
for op in block.ops:
    for name in op.input_arg_names:
        is_tensor = op.type != "feed" and block.has_var(name) and block.var(name).persistable
        if is_tensor and name not in names:
            names.append(name)
scope = paddle.static.global_scope()
found = {f"tensor{i:03d}": np.array(scope.find_var(n).get_tensor()) for i, n in enumerate(names)}
for key, image in np.load(images).items():
    found[f"maps_{key}"] = executor.run(program, feed={feeds[0]: image}, fetch_list=fetches)[0]
np.savez(out, **found)
"""


def picture(height_px: int, width_px: int) -> np.ndarray:
    """A seeded page: lines of dark strokes on a shaded ground, normalised as PaddleOCR does."""
    rng = np.random.default_rng(height_px)
    page = np.tile(np.linspace(150, 230, width_px), (height_px, 1))
    for top in range(8, height_px - 24, 32):
        for left in range(8, width_px - 16, 6):
            if rng.random() < 0.7:
                tall, wide = rng.integers(4, 14), rng.integers(1, 4)
                page[top + 14 - tall : top + 14, left : left + wide] = 30
    page = np.clip(page + rng.normal(0, 4, page.shape), 0, 255) / 255
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalised = (page[None] - mean[:, None, None]) / std[:, None, None]
    return normalised[None].astype(np.float32)  # (1, 3, h, w)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The program's tensors in its order, the pictures and its maps of them."""
    model = RELEASED_MODELS / "ch_PP-OCRv4_det_infer" / "inference"
    folder = tmp_path_factory.mktemp("released")
    images = {key: picture(*size_px) for key, size_px in SIZES_PX.items()}
    np.savez(folder / "images.npz", **images)
    paths = [model, folder / "images.npz", folder / "found.npz"]
    subprocess.run(
        [sys.executable, "-c", RUN_PROGRAM, *map(str, paths)],
        env={**os.environ, "FLAGS_enable_pir_api": "0", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    with np.load(folder / "found.npz") as found:
        return {**found, **images}


@pytest.fixture(scope="module")
def network(released: dict[str, np.ndarray]) -> paddle.nn.Layer:
    """The folded network with the program's tensors on its parameters; fresh threshold head."""
    network = build_detector("PP-OCRv4_mobile_det", form="folded")
    load(network, dict(zip(tensor_order(network), tensors(released), strict=True)))
    network.eval()
    return network


def tensors(released: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [released[key] for key in sorted(released) if key.startswith("tensor")]


def load(network: paddle.nn.Layer, state: dict[str, np.ndarray]) -> None:
    """Put arrays on parameters, shape by shape equal."""
    own = network.state_dict()
    for key, value in state.items():
        assert tuple(own[key].shape) == value.shape, key
        own[key].set_value(value)


def maps_of(network: paddle.nn.Layer, image: np.ndarray) -> np.ndarray:
    with paddle.no_grad():
        return network(paddle.to_tensor(image))["maps"].numpy()


def test_the_program_holds_the_tensors_of_the_key_order(
    released: dict[str, np.ndarray], network: paddle.nn.Layer
) -> None:
    order = tensor_order(network)
    own = network.state_dict()
    assert [tuple(own[key].shape) for key in order] == [t.shape for t in tensors(released)]
    assert len(order) == len(set(order)) == 234
    assert sum(tensor.size for tensor in tensors(released)) == 1_171_721
    assert {key for key in own if key not in order} == {k for k in own if "thresh" in k}


@pytest.mark.parametrize("size", SIZES_PX)
def test_folded_network_gives_the_programs_maps(
    released: dict[str, np.ndarray], network: paddle.nn.Layer, size: str
) -> None:
    expected = released[f"maps_{size}"]
    assert expected.max() > 0.5, "no text found: the comparison would say little"
    assert expected.shape == (1, 1, *SIZES_PX[size])
    assert_same_maps(maps_of(network, released[size]), expected)


def test_released_weights_in_the_branches_form_give_the_same_maps(
    released: dict[str, np.ndarray], network: paddle.nn.Layer
) -> None:
    folded = {key: value.numpy() for key, value in network.state_dict().items()}
    branches = build_detector("PP-OCRv4_mobile_det", form="branches")
    shapes = {key: tuple(value.shape) for key, value in branches.state_dict().items()}
    unfolded = to_branches(folded, shapes)
    load(branches, unfolded)
    branches.eval()
    assert_same_maps(maps_of(branches, released["real"]), released["maps_real"])
    for key, value in reparameterize(unfolded).items():
        np.testing.assert_allclose(value, folded[key], rtol=1e-6, atol=0, err_msg=key)
