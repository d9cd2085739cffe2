"""The network that is exported: reparameterized, without the threshold head, in eval mode."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import paddle

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import Detector, build_architecture
from ppocr_ft.models.layers import Layer
from ppocr_ft.models.reparameterize import reparameterize
from ppocr_ft.weights.arrays import State

INPUT_NAME = "x"
"""As in the released models."""
THRESHOLD_HEAD = "head.thresh."


class ShrinkMaps(Layer):
    """The shrink map alone: (n, 3, h, w) -> (n, 1, h, w), for tracing with any n, h and w."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.maps(images)

    @paddle.jit.not_to_static  # type: ignore[untyped-decorator]  # no branch depends on a tensor
    def maps(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.network(images)["maps"]


def inference_state(state: State) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    """Convert a trained network's tensors to those of the exported network."""
    folded = reparameterize(state)
    return {key: value for key, value in folded.items() if not key.startswith(THRESHOLD_HEAD)}


def inference_network(state: State, architecture: Mapping[str, object]) -> ShrinkMaps:
    """Build the network to trace, from ``inference_state`` and the ``Architecture`` section.

    Raises:
        WeightsError: the tensors are not the architecture's.
    """
    network = build_architecture(architecture, form="folded")
    del network.head.thresh
    tensors = network.state_dict()
    if tensors.keys() != state.keys():
        other = sorted(tensors.keys() ^ state.keys())
        raise WeightsError("is not in the network and the weights alike", key=other[0])
    for key, tensor in tensors.items():
        tensor.set_value(state[key])
    layer = ShrinkMaps(network)
    layer.eval()
    return layer


def save_program(layer: ShrinkMaps, stem: Path) -> None:
    """Write ``stem`` with .json (or .pdmodel under Paddle's old programs) and .pdiparams."""
    spec = paddle.static.InputSpec([None, 3, None, None], "float32", name=INPUT_NAME)
    traced = paddle.jit.to_static(layer, input_spec=[spec], full_graph=True)
    paddle.jit.save(traced, str(stem))
    stem.with_suffix(".pdiparams.info").unlink(missing_ok=True)
