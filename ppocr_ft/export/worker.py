"""Parts of an export that need a process of their own: ``python -m ppocr_ft.export.worker``.

``legacy``: Paddle 3 writes the older program only under a flag that it reads when it is imported.
``onnx``: paddle2onnx is compiled code that may end the process, and prints to the console.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppocr_ft.export.runtime import ONNX_FILE, SETTINGS_FILE, SETTINGS_IN_ONNX
from ppocr_ft.weights.arrays import State

ONNX_OPSET = 11
TENSORS, ARCHITECTURE = ".tensors.npz", ".architecture.json"


class WorkerFailed(Exception):  # noqa: N818  an outcome
    """The process ended without a result; the message has its last lines."""


def save_legacy_program(state: State, architecture: Mapping[str, object], folder: Path) -> None:
    """Write ``inference.pdmodel`` and ``inference.pdiparams``, traced in a process of its own.

    Raises:
        WorkerFailed: the process failed.
    """
    np.savez(folder / TENSORS, **dict(state))  # type: ignore[arg-type]
    (folder / ARCHITECTURE).write_text(json.dumps(architecture), encoding="utf-8")
    _run("legacy", folder, FLAGS_enable_pir_api="0")
    for name in (TENSORS, ARCHITECTURE):
        (folder / name).unlink()


def save_onnx(folder: Path) -> None:
    """Write ``inference.onnx`` from the folder's Paddle program, with ``inference.yml`` inside.

    Raises:
        WorkerFailed: the process failed.
    """
    _run("onnx", folder)


def _run(task: str, folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", __name__, task, str(folder)],
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


def _legacy(folder: Path) -> None:
    import paddle.nn.functional

    from ppocr_ft.export.network import inference_network, save_program

    # Paddle 3.2's own sigmoid knows the new programs only.
    paddle.nn.functional.sigmoid = _sigmoid_of_old_programs
    architecture = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
    with np.load(folder / TENSORS, allow_pickle=False) as arrays:
        state = {key: arrays[key] for key in arrays.files}
    save_program(inference_network(state, architecture), folder / "inference")


def _sigmoid_of_old_programs(x: Any) -> Any:
    from paddle.base.layer_helper import LayerHelper

    helper = LayerHelper("sigmoid")
    result = helper.create_variable_for_type_inference(x.dtype)
    helper.append_op(type="sigmoid", inputs={"X": x}, outputs={"Out": result})
    return result


def _onnx(folder: Path) -> None:
    import onnx
    import paddle2onnx  # type: ignore[import-untyped]

    programs = [folder / "inference.json", folder / "inference.pdmodel"]
    target = folder / ONNX_FILE
    paddle2onnx.export(
        model_filename=next(str(path) for path in programs if path.exists()),
        params_filename=str(folder / "inference.pdiparams"),
        save_file=str(target),
        opset_version=ONNX_OPSET,
        optimize_tool="None",
    )
    model = onnx.load(str(target))
    entry = model.metadata_props.add()
    entry.key = SETTINGS_IN_ONNX
    entry.value = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
    onnx.save(model, str(target))


if __name__ == "__main__":
    {"legacy": _legacy, "onnx": _onnx}[sys.argv[1]](Path(sys.argv[2]))
