"""An exported model, opened and run as a runtime would do it: with its own files alone.

A program can make Paddle do more than arithmetic: some operators write files. A detector needs
none of those, so a program with an operator outside ``COMPUTING`` is refused and never run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from numpy.typing import NDArray

from ppocr_ft.data.images import EvalSample
from ppocr_ft.engine.evaluation import batches
from ppocr_ft.engine.onnx_forward import onnx_session
from ppocr_ft.engine.page_tiles import Part, in_tiles, joined
from ppocr_ft.errors import ConfigError, DataError, WeightsError
from ppocr_ft.export.settings import InferenceSettings, Operator, read_settings
from ppocr_ft.models.program import ONNX_FILE
from ppocr_ft.postprocess.db import ImageBoxes
from ppocr_ft.utils.program import how_to_install
from ppocr_ft.weights.inference import InferenceModel, find_inference_model, operator_types

Floats = NDArray[np.float32]
Run = Callable[[Floats], Floats]
"""Images (n, 3, h, w), normalised, to probability maps (n, 1, h, w)."""

SETTINGS_FILE = "inference.yml"
OPENVINO_FILE = "inference.xml"
"""Its weights are in the ``.bin`` of the same name."""
SETTINGS_IN_ONNX = "inference.yml"
"""Key of the ONNX file's own metadata that holds the text of its ``inference.yml``."""
NO_ONNXRUNTIME = f"needs ONNX Runtime: {how_to_install('onnxruntime')}"
NO_OPENVINO = f"needs OpenVINO: {how_to_install('openvino')}"
COMPUTING = {
    "add": "elementwise_add",
    "batch_norm": "batch_norm",
    "bilinear_interp": "bilinear_interp_v2",
    "clip": "clip",
    "concat": "concat",
    "conv2d": "conv2d",
    "conv2d_transpose": "conv2d_transpose",
    "data": "feed",
    "depthwise_conv2d": "depthwise_conv2d",
    "divide": "elementwise_div",
    "fetch": "fetch",
    "flatten": "flatten_contiguous_range",
    "full": "fill_constant",
    "gelu": "gelu",
    "hardsigmoid": "hard_sigmoid",
    "hardswish": "hard_swish",
    "layer_norm": "layer_norm",
    "leaky_relu": "leaky_relu",
    "matmul": "matmul_v2",
    "maximum": "elementwise_max",
    "mean": "reduce_mean",
    "multiply": "elementwise_mul",
    "nearest_interp": "nearest_interp_v2",
    "pool2d": "pool2d",
    "relu": "relu",
    "relu6": "relu6",
    "reshape": "reshape2",
    "scale": "scale",
    "sigmoid": "sigmoid",
    "silu": "silu",
    "softmax": "softmax",
    "split": "split",
    "subtract": "elementwise_sub",
    "swish": "swish",
    "tanh": "tanh",
    "transpose": "transpose2",
}
"""The operators of networks, by their names in ``inference.json`` and in ``inference.pdmodel``.

All of them only do arithmetic; a backbone that needs another one of this kind adds a line here."""
PIR_OPERATORS = {"p", "0.combine", "1.full_int_array", *(f"1.{name}" for name in COMPUTING)}
"""Of an ``inference.json``; the number is the dialect's. One that works in place ends in ``_``."""
PROTOBUF_OPERATORS = {"assign", *COMPUTING.values()}
"""Of an ``inference.pdmodel``."""


@dataclass(frozen=True)
class RuntimeModel:
    """A model that finds text; ``where`` is its program, ``operators`` make its input."""

    where: Path
    settings: InferenceSettings
    operators: list[Operator]
    run: Run

    def read(self, path: str | Path) -> EvalSample:
        """Read an image file and prepare it as ``inference.yml`` says.

        Raises:
            DataError: it can't be read or decoded.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise DataError(f"can't be read: {error.strerror}", path=path) from None
        data: dict[str, Any] = {"image": content, "img_path": str(path)}
        for operator in self.operators:
            data = operator(data)
        return EvalSample(data["image"], data["shape"], str(path))

    def detect(
        self, images: Iterable[EvalSample], batch_size: int = 1
    ) -> Iterator[tuple[EvalSample, ImageBoxes]]:
        """Yield each image with its polygons (k, 2), in source pixels, and their scores."""
        for image, prob_map in joined(self._maps(in_tiles(images), batch_size)):
            height, width = image.shape[:2].tolist()
            points, scores = self.settings.post_process.boxes_from_map(prob_map, (height, width))
            yield image, {"points": points, "scores": scores}

    def _maps(self, parts: Iterable[Part], batch_size: int) -> Iterator[tuple[Part, Floats]]:
        for batch in batches(parts, batch_size):
            maps = self.run(np.stack([part.image for part in batch]))
            yield from zip(batch, maps[:, 0], strict=True)


def open_model(where: str | Path, threads: int = 1) -> RuntimeModel:
    """Open an exported folder, one of its two Paddle files, an ONNX file or OpenVINO's ``.xml``.

    In a folder the Paddle program is preferred to the others. An ONNX file contains its
    ``inference.yml``; a file of that name beside it is preferred. The model runs on ``threads``
    CPU threads.

    Raises:
        WeightsError: there is no model, or none that may be run (see ``check_operators``).
        ConfigError: ``inference.yml`` is missing or wrong; ONNX Runtime or OpenVINO is missing.
    """
    path = Path(where).expanduser()
    if not path.exists():
        raise WeightsError("does not exist", path=path)
    folder = path if path.is_dir() else path.parent
    if path.suffix == ".onnx":
        return _open_onnx(path, threads)
    if path.suffix == ".xml":
        return _open_openvino(path, threads)
    program = find_inference_model(folder, None if path.is_dir() else path.stem)
    if program is not None:
        settings = _beside(folder)
        return RuntimeModel(
            program.program, settings, settings.operators(), paddle_program(program, threads)
        )
    if path.is_dir() and (path / ONNX_FILE).is_file():
        return _open_onnx(path / ONNX_FILE, threads)
    raise WeightsError(
        "is no exported model: a folder with inference.json or inference.pdmodel, "
        f"inference.pdiparams and {SETTINGS_FILE}, a .onnx file or OpenVINO's .xml. For a "
        "checkpoint give its config with -c and -o Global.checkpoints=",
        path=path,
    )


def _beside(folder: Path) -> InferenceSettings:
    path = folder / SETTINGS_FILE
    try:
        return read_settings(path.read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise ConfigError("is missing: it says how images are prepared", path=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", path=path) from None


def paddle_program(model: InferenceModel, threads: int = 1) -> Run:
    """Open a program with Paddle's inference engine on the CPU, in float32, without oneDNN.

    Raises:
        WeightsError: the program must not be run, or the files are damaged.
    """
    check_operators(model.program)
    config = paddle.inference.Config(str(model.program), str(model.tensors))
    config.disable_gpu()
    config.disable_mkldnn()
    config.disable_glog_info()
    config.set_cpu_math_library_num_threads(threads)
    try:
        predictor = paddle.inference.create_predictor(config)
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise WeightsError(f"can't be opened by Paddle: {reason}", path=model.program) from None

    def run(images: Floats) -> Floats:
        tensor = paddle.to_tensor(images, place=paddle.CPUPlace())
        maps: Floats = predictor.run([tensor])[0].numpy()
        return maps

    return run


def check_operators(program: Path) -> None:
    """Check that a program consists of operators that only compute.

    Raises:
        WeightsError: the program can't be read, or has an operator that no detector needs.
    """
    try:
        content = program.read_bytes()
    except OSError as error:
        raise WeightsError(f"can't be read: {error.strerror}", path=program) from None
    is_pir = program.suffix == ".json"
    try:
        operators = (
            set(_operators_in(json.loads(content)["program"]["regions"]))
            if is_pir
            else operator_types(content)
        )
    except WeightsError as error:
        raise WeightsError(error.message, path=program) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise WeightsError("is no program of Paddle 3", path=program) from None
    foreign = sorted(operators - (PIR_OPERATORS if is_pir else PROTOBUF_OPERATORS))
    if foreign or not operators:
        what = f"has the operator {', '.join(foreign)}" if foreign else "has no operators"
        raise WeightsError(f"{what}; it isn't run, since no detector needs that", path=program)


def _operators_in(regions: list[Any]) -> Iterator[str]:
    for region in regions:
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield str(operator["#"]).removesuffix("_")
                yield from _operators_in(operator.get("regions", []))


def _open_onnx(path: Path, threads: int) -> RuntimeModel:
    try:
        session = onnx_session(str(path), threads)
    except ImportError:
        raise ConfigError(NO_ONNXRUNTIME, path=path) from None
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise WeightsError(f"can't be opened by ONNX Runtime: {error}", path=path) from None
    metadata = session.get_modelmeta().custom_metadata_map
    is_inside = SETTINGS_IN_ONNX in metadata and not (path.parent / SETTINGS_FILE).is_file()
    settings = (
        read_settings(metadata[SETTINGS_IN_ONNX], path) if is_inside else _beside(path.parent)
    )
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise WeightsError("is no detector: it must take one input (n, 3, h, w)", path=path)

    def run(images: Floats) -> Floats:
        maps: Floats = session.run(None, {inputs[0].name: images})[0]
        return maps

    return RuntimeModel(path, settings, settings.operators(), run)


def _open_openvino(path: Path, threads: int) -> RuntimeModel:
    try:
        import openvino
    except ImportError:
        raise ConfigError(NO_OPENVINO, path=path) from None
    settings = _beside(path.parent)
    # OpenVINO's own choice is bfloat16 where the processor has it
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    try:
        compiled = openvino.Core().compile_model(str(path), "CPU", how)
    except Exception as error:  # OpenVINO's errors have no common class
        reason = " ".join(str(error).split())
        raise WeightsError(f"can't be opened by OpenVINO: {reason}", path=path) from None

    def run(images: Floats) -> Floats:
        maps: Floats = compiled(images)[0]
        return maps

    return RuntimeModel(path, settings, settings.operators(), run)
