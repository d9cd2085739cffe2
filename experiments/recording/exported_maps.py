"""Print the hash of the map that an exported model gives, by Paddle and by ONNX Runtime.

usage: python -m experiments.recording.exported_maps FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from paddle import inference

from experiments.recording.facts import array_digest

INPUT_SHAPE = (1, 3, 192, 320)


def paddle_map(folder: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run ``inference.json`` on one thread; the map is (1, 1, H, W)."""
    config = inference.Config(str(folder / "inference.json"), str(folder / "inference.pdiparams"))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    predictor = inference.create_predictor(config)
    predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(image)
    predictor.run()
    return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()


def onnx_map(folder: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run ``inference.onnx`` on one thread; the map is (1, 1, H, W)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings bear the time
    session = onnxruntime.InferenceSession(
        folder / "inference.onnx", options, providers=["CPUExecutionProvider"]
    )
    (probability,) = session.run(None, {session.get_inputs()[0].name: image})
    return probability


def main(folder: Path) -> None:
    """Print one JSON object."""
    image = np.random.default_rng(3).normal(size=INPUT_SHAPE).astype(np.float32)
    maps = {"Paddle": paddle_map(folder, image), "ONNX Runtime": onnx_map(folder, image)}
    print(json.dumps({runtime: array_digest(found) for runtime, found in maps.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
