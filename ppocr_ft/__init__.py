"""Fine-tune the PP-OCRv4 text detector with right targets.

The names are imported when they are first used, so that ``import ppocr_ft`` takes no time and needs
no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ppocr_ft.version import __version__

if TYPE_CHECKING:
    from ppocr_ft.api import check, evaluate, export_model, predict, train
    from ppocr_ft.detector import Detector
    from ppocr_ft.errors import PpocrFtError, RunFailed, UserInputError
    from ppocr_ft.results import Evaluation, Prediction, Predictions, TrainResult
    from ppocr_ft.shrinking import iou_ceiling, unclip_ratio_for
    from ppocr_ft.transforms import (
        EPOCH_CLOCK,
        EpochClock,
        MakeBorderMap,
        MakeShrinkMap,
        ShrinkSchedule,
        set_epoch,
    )

__all__ = [
    "EPOCH_CLOCK",
    "Detector",
    "EpochClock",
    "Evaluation",
    "MakeBorderMap",
    "MakeShrinkMap",
    "PpocrFtError",
    "Prediction",
    "Predictions",
    "RunFailed",
    "ShrinkSchedule",
    "TrainResult",
    "UserInputError",
    "__version__",
    "check",
    "evaluate",
    "export_model",
    "iou_ceiling",
    "predict",
    "set_epoch",
    "train",
    "unclip_ratio_for",
]
_MODULES = {
    "ppocr_ft.api": ("check", "evaluate", "export_model", "predict", "train"),
    "ppocr_ft.detector": ("Detector",),
    "ppocr_ft.errors": ("PpocrFtError", "RunFailed", "UserInputError"),
    "ppocr_ft.results": ("Evaluation", "Prediction", "Predictions", "TrainResult"),
    "ppocr_ft.shrinking": ("iou_ceiling", "unclip_ratio_for"),
    "ppocr_ft.transforms": (
        "EPOCH_CLOCK",
        "EpochClock",
        "MakeBorderMap",
        "MakeShrinkMap",
        "ShrinkSchedule",
        "set_epoch",
    ),
}
"""Where the names come from."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module 'ppocr_ft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
