"""A trained network as a program that other engines run: Paddle's own format, and ONNX.

``python -m ppocr_ft.models.program FOLDER`` converts in a process of its own: paddle2onnx is
compiled code that may end the process, and prints to the console.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paddle

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.architecture import DetectionNetwork, build_architecture
from ppocr_ft.models.configs import TRAINING_BRANCHES, ArchitectureConfig
from ppocr_ft.models.layers import Layer
from ppocr_ft.models.reparameterize import State, reparameterize

PROGRAM = "inference"
"""The files' name without its ending, as in the released models."""
ONNX_FILE = f"{PROGRAM}.onnx"
INPUT_NAME = "x"
"""As in the released models."""
ONNX_OPSET = 11


class WorkerFailed(Exception):  # noqa: N818  an outcome
    """The process ended without a result; the message has its last lines."""


def deployed(trained: State) -> dict[str, Any]:
    """Return a network's tensors folded, without what only training runs."""
    folded = reparameterize(trained)
    return {k: value for k, value in folded.items() if not k.startswith(TRAINING_BRANCHES)}


def deployed_network(
    architecture: ArchitectureConfig | Mapping[str, object], state: State | None = None
) -> DetectionNetwork:
    """Build the network that has the tensors of ``deployed``; give it these, or new weights.

    Raises:
        WeightsError: the tensors are not the architecture's.
    """
    network = build_architecture(architecture, form="folded")
    network.head.drop_training_branches()
    tensors = network.state_dict()
    if state is not None:
        if other := sorted(tensors.keys() ^ state.keys()):
            raise WeightsError("is not in the network and the weights alike", key=other[0])
        for key, tensor in tensors.items():
            tensor.set_value(state[key])
    return network


class ShrinkMaps(Layer):
    """The shrink map alone: (n, 3, h, w) -> (n, 1, h, w), for tracing with any n, h and w."""

    def __init__(self, network: DetectionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.maps(images)

    @paddle.jit.not_to_static  # type: ignore[untyped-decorator]  # no branch depends on a tensor
    def maps(self, images: paddle.Tensor) -> paddle.Tensor:
        return self.network(images)["maps"]


def save_program(network: DetectionNetwork, folder: Path) -> None:
    """Write ``inference.json`` (``.pdmodel`` under Paddle's old programs) and ``.pdiparams``.

    ``network`` is one that ``deployed_network`` returns.
    """
    layer = ShrinkMaps(network)
    layer.eval()
    spec = paddle.static.InputSpec([None, 3, None, None], "float32", name=INPUT_NAME)
    traced = paddle.jit.to_static(layer, input_spec=[spec], full_graph=True)
    paddle.jit.save(traced, str(folder / PROGRAM))
    (folder / f"{PROGRAM}.pdiparams.info").unlink(missing_ok=True)


def convert(folder: Path) -> None:
    """Convert the Paddle program in the folder to ONNX, in this process."""
    import paddle2onnx  # type: ignore[import-untyped]

    programs = [folder / f"{PROGRAM}.json", folder / f"{PROGRAM}.pdmodel"]
    paddle2onnx.export(
        model_filename=next(str(path) for path in programs if path.exists()),
        params_filename=str(folder / f"{PROGRAM}.pdiparams"),
        save_file=str(folder / ONNX_FILE),
        opset_version=ONNX_OPSET,
        optimize_tool="None",
    )


def write_onnx(folder: Path) -> None:
    """Convert the Paddle program in the folder, in a process of its own.

    Raises:
        WorkerFailed: the process that does it failed.
    """
    run_worker("onnx", __name__, str(folder))


def run_worker(task: str, module: str, *arguments: str, **environment: str) -> None:
    """Run a module of this package in a process of its own; ``task`` names it if it fails.

    Raises:
        WorkerFailed: it ended with another exit code than 0.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        last_lines = "\n".join(done.stdout.strip().splitlines()[-5:])
        raise WorkerFailed(f"{task}: exit code {done.returncode}\n{last_lines}")


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
