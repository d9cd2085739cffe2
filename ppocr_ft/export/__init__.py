"""Inference models: written, compared with the trained network, and opened again."""

from ppocr_ft.export.parity import Parity, ParityResult, compare
from ppocr_ft.export.place import atomic_dir, earlier_export
from ppocr_ft.export.runtime import RuntimeModel, open_model
from ppocr_ft.export.settings import InferenceSettings, ResizeRule, resize_rule
from ppocr_ft.export.write import Formats, write_model

__all__ = [
    "Formats",
    "InferenceSettings",
    "Parity",
    "ParityResult",
    "ResizeRule",
    "RuntimeModel",
    "atomic_dir",
    "compare",
    "earlier_export",
    "open_model",
    "resize_rule",
    "write_model",
]
