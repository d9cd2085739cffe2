"""A detector's evaluation pass by ONNX Runtime, on a CPU faster than Paddle's (docs/speed.md).

``python -m ppocr_ft.engine.onnx_forward FOLDER`` converts a network without its weights, in a
process of its own: paddle2onnx is compiled code that may end the process, and both it and Paddle
print to the console.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft import models
from ppocr_ft.models.architecture import DetectionNetwork
from ppocr_ft.models.configs import ArchitectureConfig
from ppocr_ft.models.program import (
    ONNX_FILE,
    WorkerFailed,
    convert,
    deployed,
    deployed_network,
    run_worker,
    save_program,
)
from ppocr_ft.utils.console import say_once
from ppocr_ft.utils.files import write_whole
from ppocr_ft.weights.download import cache_folder
from ppocr_ft.weights.matching import state_of

Floats = NDArray[np.float32]
Forward = Callable[[Floats], Floats]
"""From images (n, 3, h, w) to shrink maps (n, 1, h, w)."""

ARCHITECTURE, KEYS = "architecture.json", "keys.json"
CONVERTERS = ("paddle2onnx", "onnx")
ONNX_PACKAGES = (*CONVERTERS, "onnxruntime")
CACHE, NETWORKS = "onnx", Path(models.__file__).parent
PROOF_SIDE, PROOF_LIMIT = 320, 1e-4
"""A corner of the first image, so many pixels high and wide, must have maps as near as this."""


def onnx_forward(network: paddle.nn.Layer, image: Floats) -> Forward | None:
    """Return the pass of the network's present weights on one thread, any number at once.

    It is compared with Paddle's own on a corner of ``image`` (3, h, w).

    Returns:
        None if there is none: on a card, for other networks than `DetectionNetwork`, without the
        extra ``onnx``. Also if the maps differ, which is said.
    """
    graph = prepare_onnx(network)
    if graph is None:
        return None
    forward = graph.forward(state_of(network))
    corner = np.ascontiguousarray(image[np.newaxis, :, :PROOF_SIDE, :PROOF_SIDE])
    with paddle.no_grad():
        expected = network(paddle.to_tensor(corner))["maps"].numpy()
    difference = float(np.abs(forward(corner) - expected).max())
    if difference < PROOF_LIMIT:
        return forward
    _leave_out(f"its maps differ by {difference:.1g}")
    return None


def prepare_onnx(network: paddle.nn.Layer) -> _Graph | None:
    """Return the network's graph, converted once in a process; None as of `onnx_forward`."""
    if isinstance(network, DetectionNetwork) and paddle.get_device() == "cpu" and _installed():
        return _graph(network.architecture)
    return None


def onnx_session(model: str | bytes, threads: int) -> Any:
    """Open a model's file or content in ONNX Runtime on the CPU; its errors have no one class."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of every constant that it folds
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@cache
def _installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ONNX_PACKAGES)


@dataclass(frozen=True)
class _Graph:
    """An architecture's ONNX model, and where its weights are: constants by their key."""

    model: Any
    constants: Mapping[str, Any]

    def forward(self, state: Mapping[str, NDArray[Any]]) -> Forward:
        """Return the pass of the graph with a network's weights."""
        for key, array in deployed(state).items():
            self.constants[key].ClearField("float_data")
            self.constants[key].raw_data = np.asarray(array, dtype="<f4").tobytes()
        session = onnx_session(self.model.SerializeToString(), threads=1)
        (name,) = (given.name for given in session.get_inputs())

        def run(images: Floats) -> Floats:
            maps: Floats = session.run(None, {name: images})[0]
            return maps

        return run


_GRAPHS: dict[str, _Graph | None] = {}


def _graph(architecture: ArchitectureConfig) -> _Graph | None:
    """Return the architecture's graph, converted once in a process; None if that failed."""
    key = repr(architecture)
    if key not in _GRAPHS:
        try:
            _GRAPHS[key] = _converted(architecture)
        except WorkerFailed as error:
            _leave_out(f"the network can't be converted: {error}")
            _GRAPHS[key] = None
    return _GRAPHS[key]


def _converted(architecture: ArchitectureConfig) -> _Graph:
    """Return the architecture's graph, from the cache if it was ever converted on this machine."""
    file_name = f"{_digest(architecture)}.zip"
    # not there, or damaged: made anew; RuntimeError: the user has no home
    with suppress(OSError, KeyError, BadZipFile, RuntimeError):
        return _opened((cache_folder(CACHE) / file_name).read_bytes())
    with TemporaryDirectory(prefix="ppocr_ft_onnx_") as place:
        folder = Path(place)
        (folder / ARCHITECTURE).write_text(json.dumps(architecture.arguments()), encoding="utf-8")
        run_worker("onnx", __name__, place)
        packed = BytesIO()
        with ZipFile(packed, "w") as archive:
            for name in (ONNX_FILE, KEYS):
                archive.write(folder / name, name)
    with suppress(OSError, RuntimeError):  # no place for a cache: the next process converts again
        kept = cache_folder(CACHE) / file_name
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, packed.getvalue())
    return _opened(packed.getvalue())


def _digest(architecture: ArchitectureConfig) -> str:
    """Return a name for what a conversion gives: by the network, its code, and the converters."""
    facts = [repr(architecture), paddle.__version__, *map(version, CONVERTERS)]
    code = [path.read_text(encoding="utf-8") for path in sorted(NETWORKS.glob("*.py"))]
    return hashlib.sha256("\n".join([*facts, *code]).encode()).hexdigest()[:16]


def _opened(packed: bytes) -> _Graph:
    """Open what `_converted` packs. Raises BadZipFile or KeyError if it is damaged."""
    import onnx

    with ZipFile(BytesIO(packed)) as archive:  # which has checksums
        keys = json.loads(archive.read(KEYS))
        model = onnx.load_from_string(archive.read(ONNX_FILE))
    constants = {
        keys[node.output[0]]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.output[0] in keys
    }
    return _Graph(model, constants)


def _leave_out(why: str) -> None:
    say_once("ONNX Runtime", f"note: evaluation runs in Paddle, not in ONNX Runtime: {why}")


def _work(folder: Path) -> None:
    """Write the ONNX model of the architecture in the folder, and the key of each constant."""
    network = deployed_network(json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8")))
    save_program(network, folder)
    convert(folder)
    keys = {tensor.name: key for key, tensor in network.state_dict().items()}
    (folder / KEYS).write_text(json.dumps(keys), encoding="utf-8")


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
