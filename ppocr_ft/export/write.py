"""The files of an exported model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.errors import ConfigError
from ppocr_ft.export.network import inference_network, inference_state, save_program
from ppocr_ft.export.runtime import ONNX_FILE, SETTINGS_FILE
from ppocr_ft.export.settings import InferenceSettings
from ppocr_ft.export.worker import save_legacy_program, save_onnx
from ppocr_ft.utils.program import how_to_install
from ppocr_ft.weights.arrays import State

ONNX_PACKAGES = ("paddle2onnx", "onnx", "onnxruntime")


class Formats(NamedTuple):
    """``legacy``: inference.pdmodel instead of inference.json; ``onnx``: inference.onnx too."""

    legacy: bool = False
    onnx: bool = False

    def check(self) -> None:
        """Check that the packages of the formats are installed.

        Raises:
            ConfigError: one is missing.
        """
        missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
        if self.onnx and missing:
            raise ConfigError(f"--onnx needs {', '.join(missing)}: {how_to_install(missing[0])}")


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
    state = inference_state(trained)
    if formats.legacy:
        save_legacy_program(state, architecture, folder)
    else:
        save_program(inference_network(state, architecture), folder / "inference")
    if not formats.onnx:
        return {"Paddle": folder}
    save_onnx(folder)
    return {"Paddle": folder, "ONNX Runtime": folder / ONNX_FILE}
