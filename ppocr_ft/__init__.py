"""Fine-tune the PP-OCRv4 text detector with right targets.

The names are imported when they are first used, so that ``import ppocr_ft`` takes no time and needs
no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ppocr_ft.version import __version__

if TYPE_CHECKING:
    from ppocr_ft.geometry import iou_ceiling, unclip_ratio_for
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
    "EpochClock",
    "MakeBorderMap",
    "MakeShrinkMap",
    "ShrinkSchedule",
    "__version__",
    "iou_ceiling",
    "set_epoch",
    "unclip_ratio_for",
]
_MODULES = {
    "ppocr_ft.geometry": ("iou_ceiling", "unclip_ratio_for"),
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
