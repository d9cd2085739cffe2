"""Print the hashes of the maps that exported programs give, by Paddle and by ONNX Runtime.

usage: python -m experiments.recording.exported_maps PROGRAM ...

PROGRAM is an inference.json or inference.pdmodel, with its inference.pdiparams beside it, or a
.onnx file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from paddle import inference

from experiments.recording.facts import array_digest

INPUT_SHAPE = (1, 3, 192, 320)


def paddle_map(program: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run one of Paddle's programs on one thread; the map is (1, 1, H, W)."""
    config = inference.Config(str(program), str(program.with_suffix(".pdiparams")))
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(1)
    predictor = inference.create_predictor(config)
    predictor.get_input_handle(predictor.get_input_names()[0]).copy_from_cpu(image)
    predictor.run()
    return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()


def onnx_map(program: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a ``.onnx`` file on one thread; the map is (1, 1, H, W)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only; warnings bear the time
    session = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])
    (probability,) = session.run(None, {session.get_inputs()[0].name: image})
    return probability


def main(programs: Sequence[str]) -> None:
    """Print one JSON object."""
    image = np.random.default_rng(3).normal(size=INPUT_SHAPE).astype(np.float32)
    hashes = {}
    for program in programs:
        run = onnx_map if program.endswith(".onnx") else paddle_map
        hashes[program] = array_digest(run(Path(program), image))
    print(json.dumps(hashes))


if __name__ == "__main__":
    main(sys.argv[1:])
