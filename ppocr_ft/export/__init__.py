"""Inference models: written, proved equal to the trained network, opened again."""

from ppocr_ft.export.parity import Parity, Trial, compare
from ppocr_ft.export.place import earlier_export, staged
from ppocr_ft.export.runtime import RuntimeModel, open_model
from ppocr_ft.export.settings import InferenceSettings, ResizeRule, resize_rule
from ppocr_ft.export.write import Formats, write_model

__all__ = [
    "Formats",
    "InferenceSettings",
    "Parity",
    "ResizeRule",
    "RuntimeModel",
    "Trial",
    "compare",
    "earlier_export",
    "open_model",
    "resize_rule",
    "staged",
    "write_model",
]
