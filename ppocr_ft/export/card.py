"""``model_card.md``: what an exported model is, how good, and how to run it."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from ppocr_ft.export.parity import Parity
from ppocr_ft.export.settings import SEAL_NAMES, InferenceSettings
from ppocr_ft.export.write import Formats
from ppocr_ft.messages import counted
from ppocr_ft.version import __version__

PACKAGES = ("paddlepaddle", "paddlepaddle-gpu", "numpy", "opencv-python", "shapely", "pyclipper")
ONNX_PACKAGES, OPENVINO_PACKAGES = ("paddle2onnx", "onnxruntime"), ("paddle2onnx", "openvino")


@dataclass(frozen=True)
class Origin:
    """The data a model was evaluated on, and how it was trained; texts by name.

    ``kind`` follows the model's name: "fine-tuned" where that is known. ``sentence`` says which
    step of a run the weights are.
    """

    data: Mapping[str, str]
    recipe: Mapping[str, str]
    kind: str = ""
    sentence: str = ""


def model_card(
    settings: InferenceSettings, origin: Origin, parity: Parity, formats: Formats
) -> str:
    """Return the card as Markdown."""
    title = ", ".join(part for part in (settings.model_name, origin.kind) if part)
    parts = [
        f"# {title}\n\nA text detector of the DB family, exported by ppocr_ft {__version__}. "
        f"{origin.sentence}".rstrip(),
        f"## Data\n\n{_table(origin.data)}",
        f"## Recipe\n\nAs in the config that was exported with.\n\n{_table(origin.recipe)}",
        _figures(parity),
        "## Pre- and post-processing\n\nAs `inference.yml` has it.\n\n"
        + _table(_settings(settings)),
        f"## How to run it\n\n{_running(settings, formats)}",
        f"## Versions\n\n{_table(_versions(formats))}",
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Mapping[str, str]) -> str:
    lines = (f"| {name} | {value} |" for name, value in rows.items())
    return "\n".join(["| | |", "|---|---|", *lines])


def _versions(formats: Formats) -> dict[str, str]:
    """Return the versions of this project, Python and the packages that the figures depend on."""
    by_name = {"ppocr_ft": __version__, "Python": platform.python_version()}
    for name in PACKAGES + ONNX_PACKAGES * formats.onnx + OPENVINO_PACKAGES * formats.openvino:
        with suppress(importlib.metadata.PackageNotFoundError):
            by_name[name] = importlib.metadata.version(name)
    return by_name


def _figures(parity: Parity) -> str:
    rows = [("trained network", parity.rates, parity.boxes, "")]
    for name, result in parity.trials.items():
        rows.append((name, result.rates, result.boxes, f"{result.map_difference:.1e}"))
    lines = (
        f"| {name} | {rates['hmean']:.4f} | {rates['hmean_70']:.4f} | {boxes} | {difference} |"
        for name, rates, boxes, difference in rows
    )
    head = [
        f"## Figures\n\nOn {counted(parity.images, 'validation image')}, each model through its "
        "own pre- and post-processing; `parity.json` has more.\n",
        "| | hmean at IoU 0.5 | at IoU 0.7 | boxes | maps differ by at most |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *lines])


def _settings(settings: InferenceSettings) -> dict[str, str]:
    post, resize = settings.post_process, settings.resize
    side = f"longest side at most {resize.longest_px} px"
    if resize.shortest_px is not None:
        side = f"shortest side at least {resize.shortest_px} px"
    size = f"{side}, sides rounded to multiples of 32"
    if resize.image_shape is not None:
        size = f"{resize.image_shape[0]} x {resize.image_shape[1]} px (height x width)"
        size += ", the width follows the height" if resize.keep_ratio else ""
    return {
        "channels": settings.img_mode,
        "size": size,
        "scale, mean, std": f"{settings.scale:.9g}, {[*settings.mean]}, {[*settings.std]}",
        "thresh, box_thresh": f"{post.thresh}, {post.box_thresh}",
        "unclip_ratio": f"{post.unclip_ratio}",
        "score_mode, box_type": f"{post.score_mode}, {post.box_type}",
        "use_dilation, max_candidates": f"{post.use_dilation}, {post.max_candidates}",
    }


def _running(settings: InferenceSettings, formats: Formats) -> str:
    parts = [_older_paddleocr(settings)] if formats.legacy else [_paddleocr(settings)]
    parts += [_rapidocr(settings)] if formats.onnx else []
    parts += [OPENVINO] if formats.openvino else []
    onnx_note = "`inference.onnx` likewise: it has `inference.yml` inside. " if formats.onnx else ""
    parts.append(
        f"Boxes as JSON lines, without PaddleOCR:\n\n    ppocr-ft predict --model THIS_FOLDER "
        f"--images photo.jpg\n\n{onnx_note}A model that somebody else gave you is a program: "
        "`predict` runs none with operators that no detector needs, other runtimes may."
    )
    return "\n\n".join(parts)


def _code(*lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines)


OPENVINO = "OpenVINO, in float32 as it was compared here:\n\n" + _code(
    "import openvino",
    'precision = {"INFERENCE_PRECISION_HINT": "f32"}  # else bfloat16 where the CPU has it',
    'model = openvino.Core().compile_model("THIS_FOLDER/inference.xml", "CPU", precision)',
    "maps = model(images)[0]  # images and maps as for Paddle: (n, 3, h, w) -> (n, 1, h, w)",
)


def _paddleocr(settings: InferenceSettings) -> str:
    post, name = settings.post_process, settings.model_name
    is_seal = name in SEAL_NAMES
    model, key = ("seal_text", "seal_det") if is_seal else ("text", "text_det")
    detector_class = "SealTextDetection" if is_seal else "TextDetection"
    pipeline_class = "SealRecognition" if is_seal else "PaddleOCR"
    needed = "".join(f", {k}={v!r}" for k, v in settings.resize.arguments(name).items())
    detector = _code(
        f"from paddleocr import {detector_class}",
        f'detector = {detector_class}(model_name="{name}", model_dir="THIS_FOLDER"{needed})',
        'for page in detector.predict("photo.jpg"):',
        '    print(page["dt_polys"], page["dt_scores"])',
    )
    pipeline = _code(
        f"from paddleocr import {pipeline_class}",
        f"ocr = {pipeline_class}(",
        f'    {model}_detection_model_name="{name}", {model}_detection_model_dir="THIS_FOLDER",',
        *_limits(settings, key),
        f"    {key}_thresh={post.thresh}, {key}_box_thresh={post.box_thresh},",
        f"    {key}_unclip_ratio={post.unclip_ratio})",
    )
    why = (
        ", told how to enlarge images, which it does not read from `inference.yml`"
        if needed
        else ""
    )
    return (
        f"PaddleOCR 3, the detector alone{why}:\n\n{detector}\n\nIn its OCR pipeline, which has "
        f"values of its own and lets them go before `inference.yml`; so give them:\n\n{pipeline}"
    )


def _limits(settings: InferenceSettings, key: str) -> list[str]:
    if settings.resize.limit is None:
        return []
    side_px, kind = settings.resize.limit
    return [f'    {key}_limit_side_len={side_px}, {key}_limit_type="{kind}",']


def _older_paddleocr(settings: InferenceSettings) -> str:
    post = settings.post_process
    code = _code(
        "from paddleocr import PaddleOCR",
        "ocr = PaddleOCR(",
        '    det_model_dir="THIS_FOLDER",',
        *_limits(settings, "det"),
        f"    det_db_thresh={post.thresh}, det_db_box_thresh={post.box_thresh},",
        f"    det_db_unclip_ratio={post.unclip_ratio}, use_dilation={post.use_dilation},",
        f'    det_db_score_mode="{post.score_mode}", det_box_type="{post.box_type}")',
        'boxes = ocr.ocr("photo.jpg", rec=False)',
    )
    return f"PaddleOCR 2, which doesn't read `inference.yml`; so give its values:\n\n{code}"


def _rapidocr(settings: InferenceSettings) -> str:
    post, limit = settings.post_process, settings.resize.limit
    if limit is None or post.box_type == "poly":
        lacks = "fixed size" if limit is None else "polygons"
        return f"RapidOCR has no {lacks}, so it can't run this model as it was evaluated."
    side_px, kind = limit
    sides = ["Det.limit_side_len"]
    if kind == "max":
        sides.insert(0, "Global.max_side_len")  # it alone counts before RapidOCR 3.10
    code = _code(
        "from rapidocr import RapidOCR",
        "ocr = RapidOCR(params={",
        '    "Det.model_path": "THIS_FOLDER/inference.onnx",',
        *(f'    "{side}": {side_px},' for side in sides),
        f'    "Det.limit_type": "{kind}",',
        f'    "Det.mean": {[*settings.mean]}, "Det.std": {[*settings.std]},',
        f'    "Det.thresh": {post.thresh}, "Det.box_thresh": {post.box_thresh},',
        f'    "Det.unclip_ratio": {post.unclip_ratio}, "Det.use_dilation": {post.use_dilation},',
        f'    "Det.score_mode": "{post.score_mode}", "Det.max_candidates": {post.max_candidates}',
        "})",
    )
    return (
        "RapidOCR 3, which doesn't read `inference.yml` either and whose own `mean`, `std` and "
        f"sizes are others:\n\n{code}"
    )
