"""The files of an exported model, and their folder, which is complete or not there.

``python -m ppocr_ft.export.write`` does the parts that need a process of their own. ``legacy``:
Paddle 3 writes the older program only under a flag that it reads when it is imported. ``openvino``:
OpenVINO is compiled code that may end the process, and prints to the console.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle

from ppocr_ft.engine.onnx_forward import ONNX_PACKAGES
from ppocr_ft.errors import ConfigError
from ppocr_ft.export.runtime import OPENVINO_FILE, SETTINGS_FILE, SETTINGS_IN_ONNX
from ppocr_ft.export.settings import InferenceSettings
from ppocr_ft.models.program import (
    ONNX_FILE,
    deployed,
    deployed_network,
    run_worker,
    save_program,
    write_onnx,
)
from ppocr_ft.utils.files import exchange, flush_folder, is_abandoned
from ppocr_ft.utils.program import how_to_install
from ppocr_ft.weights.arrays import State

FILES = frozenset(
    {
        *(f"inference.{kind}" for kind in ("json", "pdmodel", "pdiparams", "yml")),
        *(f"inference.{kind}" for kind in ("onnx", "xml", "bin")),
        "parity.json",
        "model_card.md",
    }
)
CACHE = ".cache"
"""PaddleX makes it in the folder of the model that it runs."""
KEY = "Global.save_inference_dir"
OPENVINO_PACKAGES = ("paddle2onnx", "onnx", "openvino")
TENSORS, ARCHITECTURE = ".tensors.npz", ".architecture.json"


class Formats(NamedTuple):
    """The program's format, and those that are written too.

    ``legacy``: inference.pdmodel instead of inference.json; ``onnx``: inference.onnx;
    ``openvino``: inference.xml and inference.bin.
    """

    legacy: bool = False
    onnx: bool = False
    openvino: bool = False

    def check(self) -> None:
        """Check that the packages of the formats are installed.

        Raises:
            ConfigError: one is missing.
        """
        asked = (("onnx", self.onnx, ONNX_PACKAGES), ("openvino", self.openvino, OPENVINO_PACKAGES))
        for name, is_asked, packages in asked:
            missing = [one for one in packages if importlib.util.find_spec(one) is None]
            if is_asked and missing:
                needs = f"--{name} needs {', '.join(missing)}"
                raise ConfigError(f"{needs}: {how_to_install(packages[-1])}")


def check_replaceable(folder: Path, files: Collection[str] = FILES, key: str = KEY) -> None:
    """Check that a folder has no other things than ``files``, which must not be lost.

    Raises:
        ConfigError: it has; ``key`` names the folder.
    """
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else [folder.name]
    others = [name for name in names if not folder.is_dir() or name not in {*files, CACHE}]
    if others:
        raise ConfigError(
            f"{folder} has other things than an export ({', '.join(others[:3])}"
            f"{', ...' if len(others) > 3 else ''}); name a folder of its own",
            key=key,
        )


@contextmanager
def atomic_dir(folder: Path, files: Collection[str] = FILES, key: str = KEY) -> Iterator[Path]:
    """Yield an empty folder that becomes ``folder`` at the end; an error removes it.

    An earlier export in ``folder``, of no other files than ``files``, stays until then.

    Raises:
        ConfigError: ``folder`` has other things, or can't be made or written to.
    """
    folder = folder.expanduser().resolve()
    check_replaceable(folder, files, key)
    ground = next(parent for parent in folder.parents if parent.exists())
    aside = ground / f".{folder.name}.{os.getpid()}.part"
    try:
        for part in ground.glob(f".{escape(folder.name)}.*.part"):
            if part == aside or is_abandoned(part):  # of a killed export
                shutil.rmtree(part, ignore_errors=True)
        aside.mkdir()
    except OSError as error:
        raise ConfigError(f"{ground} can't be written to: {error.strerror}", key=key) from None
    try:
        yield aside
        _move(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move(aside: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not folder.exists():
        aside.rename(folder)
    elif not exchange(aside, folder):
        old = aside.with_suffix(".old")
        folder.rename(old)
        try:
            aside.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    flush_folder(folder.parent)


def write_model(
    trained: State,
    architecture: Mapping[str, object],
    settings: InferenceSettings,
    folder: Path,
    formats: Formats,
) -> dict[str, Path]:
    """Write a trained network's tensors as an inference model into an empty folder.

    Returns:
        The file to open, by the name of the runtime.

    Raises:
        WorkerFailed: the process that does part of it failed.
    """
    (folder / SETTINGS_FILE).write_text(settings.to_yaml(), encoding="utf-8")
    state = deployed(trained)
    if formats.legacy:
        np.savez(folder / TENSORS, **state)
        (folder / ARCHITECTURE).write_text(json.dumps(architecture), encoding="utf-8")
        run_worker("legacy", __name__, "legacy", str(folder), FLAGS_enable_pir_api="0")
        for name in (TENSORS, ARCHITECTURE):
            (folder / name).unlink()
    else:
        save_program(deployed_network(architecture, state), folder)
    written = {"Paddle": folder}
    if formats.onnx or formats.openvino:
        write_onnx(folder)
        _finish_onnx(folder)
    if formats.openvino:
        run_worker("openvino", __name__, "openvino", str(folder))
        written["OpenVINO"] = folder / OPENVINO_FILE
    if formats.onnx:
        written["ONNX Runtime"] = folder / ONNX_FILE
    elif formats.openvino:
        (folder / ONNX_FILE).unlink()
    return written


def _legacy(folder: Path) -> None:
    """Write the older program of the tensors and the architecture in the folder."""
    # Paddle 3.2's own sigmoid knows the new programs only.
    paddle.nn.functional.sigmoid = _sigmoid_of_old_programs
    architecture = json.loads((folder / ARCHITECTURE).read_text(encoding="utf-8"))
    with np.load(folder / TENSORS, allow_pickle=False) as arrays:
        state = {key: arrays[key] for key in arrays.files}
    save_program(deployed_network(architecture, state), folder)


def _sigmoid_of_old_programs(x: Any) -> Any:
    from paddle.base.layer_helper import LayerHelper

    helper = LayerHelper("sigmoid")
    result = helper.create_variable_for_type_inference(x.dtype)
    helper.append_op(type="sigmoid", inputs={"X": x}, outputs={"Out": result})
    return result


def _finish_onnx(folder: Path) -> None:
    """Put ``inference.yml`` into the ONNX file of the folder, and take out unused constants.

    paddle2onnx leaves those behind; ONNX Runtime warns of each wherever the file is opened.
    """
    import onnx

    target = folder / ONNX_FILE
    model = onnx.load(str(target))
    nodes = model.graph.node
    used = {name for node in nodes for name in node.input}
    for node in [node for node in nodes if node.op_type == "Constant"]:
        if used.isdisjoint(node.output):
            nodes.remove(node)
    entry = model.metadata_props.add()
    entry.key = SETTINGS_IN_ONNX
    entry.value = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
    onnx.save(model, str(target))


def _openvino(folder: Path) -> None:
    """Write ``inference.xml`` and ``inference.bin`` of the folder's ONNX file, in float32."""
    import openvino

    model = openvino.Core().read_model(str(folder / ONNX_FILE))
    openvino.save_model(model, str(folder / OPENVINO_FILE), compress_to_fp16=False)


if __name__ == "__main__":
    {"legacy": _legacy, "openvino": _openvino}[sys.argv[1]](Path(sys.argv[2]))
